import type { Context } from "hono";
import type { ContentfulStatusCode } from "hono/utils/http-status";
import { dialogBody } from "./components/dialog.ts";
import { banner } from "./components/panel.ts";
import { bareShell } from "./components/bare_shell.ts";
import type { Env } from "./env.ts";
import { wantsFragment } from "./env.ts";
import { page } from "./page.ts";
import { type Href, html, type Markup, type Plain } from "./render.ts";

/** A page that is one message. */
export interface Message {
  readonly status: ContentfulStatusCode;
  readonly title: Plain;
  readonly body: Markup;
  /** Ways on; `null` where there are none that would work. */
  readonly links: Markup | null;
  /** By which the host's log knows the fault. */
  readonly reference?: Plain | null;
}

/**
 * Answers with one message: inside of the shell if we know who asks, plain if
 * not, and as a part of a page when htmx asks for one.
 */
export async function messagePage(
  c: Context<Env>,
  message: Message,
): Promise<Response> {
  const { status, title, links, reference = null } = message;
  const body = html`
    <div class="message">
      <h1 tabindex="-1" autofocus>${title}</h1>
      <div class="prose">${message.body}</div>
      ${links}
      ${reference &&
        html`<p class="muted">Reference <code>${reference}</code></p>`}
    </div>
  `;
  if (wantsFragment(c)) {
    return c.html(String(dialogBody(banner({ tone: "bad", body }))), status);
  }
  // After a fault the shell must ask nobody anything: it might break again.
  if (c.var.actor === undefined || reference !== null) {
    return c.html(String(bareShell(c, { title, body })), status);
  }
  return await page(c, { title, active: null, body, status });
}

/** The ways on from a message: back to the overview. */
export function emptyLinks(c: Context<Env>): Markup {
  const href: Href = c.var.paths.overview();
  return html`
    <p
      class="actions"><a class="button" href="${href}">Go to the overview</a></p>
  `;
}
