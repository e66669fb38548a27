import type { Href, Markup, Plain, Shown } from "../render.ts";
import { html, text } from "../render.ts";
import type { Tone } from "./badge.ts";
import type { Content } from "./table.ts";

/** A titled part of a page. */
export function panel(
  { title, body, id, aside = null }: {
    readonly title: Plain;
    readonly body: Markup;
    /** Unique on the page; the heading takes it with `-title`. */
    readonly id: Plain;
    /** Beside the title: a link, a count, a button. */
    readonly aside?: Content;
  },
): Markup {
  return html`
    <section class="panel" id="${id}" aria-labelledby="${id}-title">
      <header class="panel-head">
        <h2 id="${id}-title">${title}</h2>
        ${aside}
      </header>
      <div class="panel-body">${body}</div>
    </section>
  `;
}

/** The one sentence that a tired person can act on; the first thing of a page. */
export function verdict(
  { tone, sentence, aside = null }: {
    readonly tone: Tone;
    readonly sentence: Plain | Shown | Markup;
    readonly aside?: Content;
  },
): Markup {
  return html`<div class="verdict" data-tone="${tone}"><p>${sentence}</p>${aside}</div>`;
}

/** A notice across a page or a panel. */
export function banner(
  { tone, body }: { readonly tone: Tone; readonly body: Markup | Plain },
): Markup {
  return html`<div class="banner" data-tone="${tone}">${body}</div>`;
}

/** Says that one may look and not act. The first two words never change. */
export function readOnlyBanner(sentence: Plain): Markup {
  return banner({
    tone: "retryable",
    body: html`<p><strong>Permission: read-only.</strong> ${sentence}</p>`,
  });
}

/** Why there is nothing here, and what to do about it. */
export function emptyState(
  { title, body, action = null }: {
    readonly title: Plain;
    readonly body: Plain | Markup;
    readonly action?: { readonly label: Plain; readonly href: Href } | null;
  },
): Markup {
  return html`
    <div class="empty">
      <p class="empty-title">${title}</p>
      <p>${body}</p>
      ${action &&
        html`<p><a class="button" href="${action.href}">${action.label}</a></p>`}
    </div>
  `;
}

/** Older and newer, by links. There are no page numbers: rows come and go. */
export function pager(
  {
    newer,
    older,
    note = null,
    labels = [text`Newer`, text`Older`],
    first = null,
  }: {
    readonly newer: Href | null;
    readonly older: Href | null;
    readonly note?: Plain | null;
    /** Where the order is not that of age. */
    readonly labels?: readonly [Plain, Plain];
    /** The first page, where this is not it. */
    readonly first?: Href | null;
  },
): Markup {
  const [up, down] = labels;
  return html`
    <nav class="pager" aria-label="Pages">
      ${first &&
        html`<a class="button" data-variant="quiet" href="${first}">First page</a>`}
      ${newer === null
        ? html`<span class="button" aria-disabled="true">${up}</span>`
        : html`<a class="button" rel="prev" href="${newer}">${up}</a>`}
      ${older === null
        ? html`<span class="button" aria-disabled="true">${down}</span>`
        : html`<a class="button" rel="next" href="${older}">${down}</a>`}
      ${note && html`<span class="muted">${note}</span>`}
    </nav>
  `;
}
