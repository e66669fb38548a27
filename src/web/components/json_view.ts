import { HIDDEN, html, type Markup, type Shown, tokensOf } from "../render.ts";

/**
 * A block of data as the display policy printed it.
 *
 * White space has a meaning in here: the element stays on one line of source.
 */
export function jsonView(value: Shown): Markup {
  if (value === HIDDEN) return html`<p class="muted">${HIDDEN}</p>`;
  const tokens = tokensOf(value).map(({ kind, text }) =>
    kind === "mark"
      ? html`${text}`
      : html`<span class="json-${kind}">${text}</span>`
  );
  return html`<pre class="json" tabindex="0"><code>${tokens}</code></pre>`;
}
