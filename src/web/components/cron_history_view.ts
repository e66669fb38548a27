import {
  CRON_HISTORY_LABELS,
  CRON_HISTORY_SENTENCES,
} from "../../domain/cron_slot.ts";
import { COMPLETENESS_SENTENCES } from "../../domain/evidence.ts";
import type { CronReading } from "../../forensics/cron_history.ts";
import type { ResourceRef } from "../../seams.ts";
import { type Href, html, type Markup, text } from "../render.ts";
import { stateBadge } from "./badge.ts";
import type { CronRowContext } from "./cron_rows.ts";
import { cronStrip, markOf, stripLegend } from "./cron_strip.ts";
import { completenessChip } from "./evidence.ts";
import { pager, panel } from "./panel.ts";
import { type Column, dataTable, tableRow } from "./table.ts";
import { durationText, timeAgo, timeExact } from "./time.ts";

type Context = CronRowContext & { readonly resource: ResourceRef };

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
  const { paths } = context;
  const { items, completeness } = history;
  return panel({
    id: text`history`,
    title: text`History Summary`,
    aside: completenessChip(completeness, paths),
    body: items.length === 0
      ? html`<p class="muted">No planned instant is on record. ${
        COMPLETENESS_SENTENCES[completeness]
      }</p>`
      : html`
        <div class="strip-frame">${cronStrip(history, HISTORY_ITEMS)}</div>
        ${stripLegend(history)}
        <p class="muted">${COMPLETENESS_SENTENCES[completeness]}</p>
        ${dataTable({
          caption: text`Planned instants, newest first`,
          columns: COLUMNS,
          rows: items.toReversed().map((item) =>
            historyRow(item, { ...context, history })
          ),
        })}
        ${newest === null && older === null
          ? null
          : pager({ newer: null, older, first: newest })}
      `,
  });
}

function historyRow(
  item: CronReading["items"][number],
  context: Context & { readonly history: CronReading },
): Markup {
  const { now, history } = context;
  const failed = markOf(item, history) === "failed"
    ? html`
      Its job ended without success.
    `
    : null;
  return tableRow({
    columns: COLUMNS,
    cells: [
      html`${timeExact(item.plannedAt)} <span class="muted">${
        timeAgo(item.plannedAt, now)
      }</span>`,
      html`<strong>${
        CRON_HISTORY_LABELS[item.class]
      }</strong> <span class="muted">${
        CRON_HISTORY_SENTENCES[item.class]
      }${failed}</span>`,
      dealtWith(item),
      jobCell(item, context),
    ],
  });
}

function dealtWith({ slot, latenessMs }: CronReading["items"][number]): Markup {
  if (slot === null) return html`<span class="muted">no record</span>`;
  if (slot.kind === "manual" || latenessMs === null || latenessMs < 1_000) {
    return html`${timeExact(slot.claimedAt)}`;
  }
  return html`${timeExact(slot.claimedAt)} <span class="muted">${
    durationText(latenessMs)
  } later</span>`;
}

function jobCell(
  { slot }: CronReading["items"][number],
  { history, linkTo, paths, show }: Context & {
    readonly history: CronReading;
  },
): Markup {
  const jobId = slot?.jobId ?? null;
  const blockedBy = slot?.blockedById ?? null;
  const id = jobId ?? blockedBy;
  if (id === null) return html`<span class="muted">none</span>`;
  const resource = { type: "job", id } as const;
  const href = linkTo(resource);
  const name = show("name", id, resource);
  const link = href === null ? name : html`<a href="${href}">${name}</a>`;
  if (jobId === null) {
    return html`<span class="muted">held by</span> ${link}`;
  }
  const job = history.jobs.get(jobId);
  return job === undefined
    ? html`${name} <span class="muted">no longer kept</span>`
    : html`${link} ${stateBadge(job.state, paths)}`;
}
