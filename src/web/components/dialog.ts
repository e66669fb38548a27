import { html, type Markup } from "../render.ts";

/**
 * What htmx puts into the dialog. Where a refresh gets it instead, the button is
 * hidden by the style: there is nothing to close.
 */
export function dialogBody(content: Markup): Markup {
  return html`
    <div class="dialog-body">
      ${content}
      <form class="dialog-close" method="dialog">
        <button class="button">Close</button>
      </form>
    </div>
  `;
}
