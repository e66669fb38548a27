import type { ContentfulStatusCode } from "hono/utils/http-status";
import { dialogBody } from "./components/dialog.ts";
import { banner } from "./components/panel.ts";
import { bareShell } from "./components/bare_shell.ts";
import { type PageContext, wantsFragment } from "./env.ts";
import { navFor, page } from "./page.ts";
import { html, type Markup, type Plain } from "./render.ts";

/** A page that is one message. */
export interface Message {
  readonly status: ContentfulStatusCode;
  readonly title: Plain;
  readonly body: Markup;
  /** Whether to show a way on: to the first page that this actor may open. */
  readonly wayOn: boolean;
  /** By which the host's log knows the fault. */
  readonly reference?: Plain | null;
}

/**
 * Answers with one message: inside of the shell if we know who asks, plain if
 * not, and as a part of a page when htmx asks for one.
 */
export async function messagePage(
  c: PageContext,
  message: Message,
): Promise<Response> {
  const { status, title, wayOn, reference = null } = message;
  const body = html`
    <div class="message">
      <h1 tabindex="-1" autofocus>${title}</h1>
      <div class="prose">${message.body}</div>
      ${wayOn ? await wayOnLink(c) : null}
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

/** To the first page that this actor may open; nothing before we know them. */
export async function wayOnLink(c: PageContext): Promise<Markup | null> {
  if (c.var.may === undefined) return null;
  const [first] = await navFor(c);
  if (first === undefined) return null;
  return html`
    <p
      class="actions"><a class="button" href="${first.href}">Go to ${first
        .label}</a></p>
  `;
}
