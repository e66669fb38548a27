import { CRON_HISTORY_LABELS } from "../../domain/cron_slot.ts";
import type { CronSlotReason } from "../../domain/cron_slot_reason.ts";
import { COMPLETENESS_SENTENCES } from "../../domain/evidence.ts";
import type { CronReading } from "../../forensics/cron_history.ts";
import type { ResourceRef } from "../../seams.ts";
import { type Href, html, type Markup, text } from "../render.ts";
import { stateBadge } from "./badge.ts";
import type { CronRowContext } from "./cron_rows.ts";
import { cronStrip, markOf, stripLegend } from "./cron_strip.ts";
import { MARK_LABELS } from "./cron_words.ts";
import { completenessChip } from "./evidence.ts";
import { pager, panel } from "./panel.ts";
import { type Column, dataTable, tableRow } from "./table.ts";
import { durationText, timeAgo, timeExact } from "./time.ts";

type Context = CronRowContext & { readonly resource: ResourceRef };
type Item = CronReading["items"][number];

/** Instants of one page of history. */
export const HISTORY_ITEMS = 48;

const COLUMNS: readonly Column[] = [
  { label: text`Planned` },
  { label: text`What became of it` },
  { label: text`Dealt with` },
  { label: text`Job` },
];

/** What became of its instants: a picture, and the same as a table. */
export function cronHistory(
  { history, newest, older }: {
    readonly history: CronReading;
    readonly newest: Href | null;
    readonly older: Href | null;
  },
  context: Context,
): Markup {
  const { completeness, items } = history;
  const sentence = COMPLETENESS_SENTENCES[completeness];
  return panel({
    id: text`history`,
    title: text`History Summary`,
    aside: completenessChip(completeness, context.paths),
    body: html`
      ${items.length === 0
        ? html`<p class="muted">${
          newest === null
            ? empty(history)
            : text`No instant is on record from before this page.`
        }</p>`
        : html`
          <div class="strip-frame" role="region" aria-label="Planned instants"
            tabindex="0">${cronStrip(history, {
              cells: items.length,
              scale: 2,
            })}</div>
          ${stripLegend([history], HISTORY_ITEMS)}
          <p class="muted">${sentence}</p>
          ${historyTable(history, context)}
        `}
      ${newest === null && older === null
        ? null
        : pager({ newer: null, older, first: newest })}
    `,
  });
}

/** Why there is nothing to show: nothing has come, or what came is not kept. */
function empty(
  { completeness, entry, next: [first], now }: CronReading,
): Markup {
  if (completeness !== "complete") {
    return html`No planned instant is on record. ${
      COMPLETENESS_SENTENCES[completeness]
    }`;
  }
  return html`Declared ${
    timeAgo(entry.insertedAt, now)
  }. No planned instant has come since. ${
    first === undefined
      ? null
      : html`The first fire is planned for ${timeExact(first)}, ${
        timeAgo(first, now)
      }.`
  }`;
}

function historyTable(history: CronReading, context: Context): Markup {
  const rows = history.items.toReversed().map((item) =>
    historyRow(item, { ...context, history })
  );
  const table = dataTable({
    caption: text`Planned instants, newest first`,
    columns: COLUMNS,
    rows,
  });
  return html`<div class="history-list">${table}</div>`;
}

function historyRow(
  item: Item,
  context: Context & { readonly history: CronReading },
): Markup {
  const { now, history } = context;
  const mark = markOf(item, history);
  const failed = mark === "failed"
    ? html`<span class="muted">${MARK_LABELS.failed}</span>`
    : null;
  return tableRow({
    columns: COLUMNS,
    cells: [
      html`<span class="row">${timeExact(item.plannedAt)} <span class="muted">${
        timeAgo(item.plannedAt, now)
      }</span></span>`,
      html`<span class="row">${
        CRON_HISTORY_LABELS[item.class]
      } ${failed}</span>`,
      dealtWith(item),
      jobCell(item, context),
    ],
  });
}

function dealtWith({ slot, latenessMs }: Item): Markup {
  if (slot === null) return html`<span class="muted">no record</span>`;
  if (slot.kind === "manual" || latenessMs === null || latenessMs < 1_000) {
    return html`<span class="muted">at once</span>`;
  }
  return html`${durationText(latenessMs)} <span class="muted">later</span>`;
}

/** What the other job was to an instant that became none. */
const MET_WORDS = {
  overlap: "held up by",
  limited: "held up by",
  key_held: "held by",
  overwrote: "the holder",
} as const satisfies Record<CronSlotReason, string>;

/** The job that it became, or the one that held it up. */
function jobCell(
  { slot }: Item,
  { history, linkTo, paths, show }: Context & {
    readonly history: CronReading;
  },
): Markup {
  const jobId = slot?.jobId ?? null;
  const id = jobId ?? slot?.blockedById ?? null;
  if (id === null) return html`<span class="muted">none</span>`;
  const resource = { type: "job", id } as const;
  const name = show("name", id, resource);
  const job = jobId === null ? undefined : history.jobs.get(jobId);
  if (jobId !== null && job === undefined) {
    return html`<span class="mono">${name}</span> <span class="muted">no longer kept</span>`;
  }
  const href = linkTo(resource);
  const badge = job === undefined
    ? html`<span class="muted">${MET_WORDS[slot?.reason ?? "overlap"]}</span>`
    : stateBadge(job.state, paths);
  const shown = html`${badge} <span class="mono">${name}</span>`;
  return href === null
    ? html`<span class="row">${shown}</span>`
    : html`<a class="row" href="${href}">${shown}</a>`;
}
