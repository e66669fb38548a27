import type { AuditEvent } from "../../domain/audit.ts";
import type { CronReading } from "../../forensics/cron_history.ts";
import { type CronRowContext, cronTable } from "../components/cron_rows.ts";
import { emptyState, pager, readOnlyBanner } from "../components/panel.ts";
import { recentAudit } from "../components/recent_audit.ts";
import { type Href, html, type Markup, text } from "../render.ts";

/** What the list of cron entries shows. */
export interface CronPage {
  readonly readings: readonly CronReading[];
  /** Null: this actor may not see the audit. */
  readonly events: readonly AuditEvent[] | null;
  readonly readOnly: boolean;
  readonly retired: boolean;
  /** A name from which the list goes on. */
  readonly first: Href | null;
  readonly older: Href | null;
  readonly here: Href;
}

/** Every cron entry: its plan, its past, and what can be done. */
export function cronPage(page: CronPage, context: CronRowContext): Markup {
  const { paths } = context;
  return html`
    <header class="page-head">
      <div>
        <h1>Cron</h1>
        <p>
          An action is a preview first, then a reason, then one audited change.
        </p>
      </div>
      <p>${page.retired
        ? html`<a href="${paths.cron()}">Hide retired entries</a>`
        : html`<a href="${
          paths.cron({ retired: "yes" })
        }">Show retired entries</a>`}</p>
    </header>
    ${page.readOnly
      ? readOnlyBanner(
        text`You may look at cron entries, and not pause, resume or run them.`,
      )
      : null}
    ${cronLive(page, context)}
  `;
}

/** The part of the page that refreshes itself. */
export function cronLive(page: CronPage, context: CronRowContext): Markup {
  const { readings, events, first, older, here } = page;
  return html`
    <div class="stack" id="cron-live" hx-get="${here}" hx-trigger="every 15s"
      hx-swap="outerMorph">
      ${readings.length === 0
        ? nothing(page, context)
        : cronTable(readings, context)}
      ${first === null && older === null ? null : pager({
        newer: null,
        older,
        first,
        labels: [text`Before`, text`After`],
      })}
      ${events === null
        ? null
        : recentAudit(events, { ...context, ofOne: false })}
    </div>
  `;
}

function nothing({ first }: CronPage, { paths }: CronRowContext): Markup {
  if (first !== null) {
    return emptyState({
      title: text`No entry has a later name`,
      body: text`The list ends before this page.`,
      action: { label: text`Go to the first page`, href: paths.cron() },
    });
  }
  return emptyState({
    title: text`No cron entry is on record`,
    body:
      html`A host declares one in <code>createYardmaster({ cron: [ … ] })</code>. It appears here when an executor has started.`,
  });
}
