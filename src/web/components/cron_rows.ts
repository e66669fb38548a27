import { describeCron } from "../../domain/cron_expression.ts";
import { DIAGNOSES } from "../../domain/diagnosis.ts";
import { type CronReading, lastRun } from "../../forensics/cron_history.ts";
import type { ResourceRef } from "../../seams.ts";
import type { LinkTo } from "../links.ts";
import type { Paths } from "../paths.ts";
import { html, type Markup, type Plain, type Show, text } from "../render.ts";
import { badge, stateBadge, statusChip } from "./badge.ts";
import { cronActions, type CronMay } from "./cron_actions.ts";
import { cronStrip, stripLegend, stripRuns } from "./cron_strip.ts";
import {
  CATCH_UP_LABELS,
  OVERLAP_LABELS,
  SOURCE_LABELS,
} from "./cron_words.ts";
import { type Column, dataTable, tableRow } from "./table.ts";
import { timeAgo, timeBoth } from "./time.ts";

/** What the rows of the cron page depend on. */
export interface CronRowContext {
  readonly paths: Paths;
  readonly show: Show;
  readonly now: Date;
  readonly formToken: Plain;
  readonly linkTo: LinkTo;
  readonly mayOf: (name: string) => CronMay;
}

/** Instants in the strip of a row. */
export const STRIP_CELLS = 24;

const COLUMNS: readonly Column[] = [
  { label: text`Entry` },
  { label: text`Schedule` },
  { label: text`Next and last` },
  { label: text`History` },
  { label: text`Operator status` },
  { label: text`Actions` },
];

/** Cron entries as a table, by name. */
export function cronTable(
  readings: readonly CronReading[],
  context: CronRowContext,
): Markup {
  const table = dataTable({
    caption: text`Cron entries`,
    columns: COLUMNS,
    rows: readings.map((reading) => cronRow(reading, context)),
  });
  return html`<div class="cron-list">${table}${
    stripLegend(readings, STRIP_CELLS)
  }</div>`;
}

function cronRow(reading: CronReading, context: CronRowContext): Markup {
  const { paths, show } = context;
  const { entry } = reading;
  const resource: ResourceRef = { type: "cron_entry", id: entry.name };
  return tableRow({
    columns: COLUMNS,
    cells: [
      html`
        <div
          class="cron-cell"><a class="cron-name" href="${paths.cronEntry(
            entry.name,
          )}">${show("name", entry.name, resource)}</a>${policyChips(
            reading,
          )}</div>
      `,
      scheduleCell(reading, { show, resource }),
      timesCell(reading, context),
      html`<div class="strip-cell">${
        cronStrip(reading, { cells: STRIP_CELLS })
      }${runsDetails(reading)}</div>`,
      html`${operatorStatus(reading, paths)}<p class="muted cron-why">${
        DIAGNOSES[reading.diagnosis].title
      }</p>`,
      html`
        <div
          class="cron-actions"><a class="button" data-variant="link" href="${paths
            .cronEntry(entry.name)}">Review Entry</a>${cronActions(entry, {
              ...context,
              may: context.mayOf(entry.name),
            })}</div>
      `,
    ],
  });
}

/** Where it comes from, and what it does when fires meet or are missed. */
export function policyChips({ entry }: CronReading): Markup {
  const source = SOURCE_LABELS[entry.source];
  const overlap = OVERLAP_LABELS[entry.overlap];
  const catchUp = CATCH_UP_LABELS[entry.catchUp];
  return html`
    <span class="tags">
      <span class="tag"><span class="offscreen">Source </span>${source}</span>
      <span class="tag"><span class="offscreen">Overlap </span>${overlap}</span>
      <span class="tag"><span class="offscreen">Catch-up </span>${catchUp}</span>
    </span>
  `;
}

function scheduleCell(
  { entry, expression }: CronReading,
  { show, resource }: { readonly show: Show; readonly resource: ResourceRef },
): Markup {
  const raw = html`<code>${show("name", entry.expression, resource)}</code>`;
  const zone = show("name", entry.timezone, resource);
  if (expression === null) {
    return html`
      <span class="field-error">It can not be read</span><br>${raw} <span
        class="muted">${zone}</span>
    `;
  }
  const words = show("name", describeCron(expression.text), resource);
  return html`${words}<br>${raw} <span class="muted">${zone}</span>`;
}

function timesCell(reading: CronReading, context: CronRowContext): Markup {
  const { now } = context;
  const [next = null] = reading.next;
  const planned = next === null
    ? html`<span class="muted">${WHY_NOT[noNext(reading)]}</span>`
    : timeBoth(next, now);
  return html`
    <dl class="pairs">
      <div>
        <dt>Next</dt>
        <dd>${planned}</dd>
      </div>
      <div>
        <dt>Last</dt>
        <dd>${lastRunCell(reading, context)}</dd>
      </div>
    </dl>
  `;
}

const WHY_NOT = {
  retired: "none: retired",
  malformed: "none: not readable",
  paused: "none while paused",
  never: "none",
} as const;

function noNext({ entry, expression }: CronReading): keyof typeof WHY_NOT {
  if (entry.retiredAt !== null) return "retired";
  if (expression === null) return "malformed";
  return entry.pausedAt === null ? "never" : "paused";
}

/** The newest job of an entry, when it was planned and where it stands. */
export function lastRunCell(
  reading: CronReading,
  { paths, now, linkTo }: Pick<CronRowContext, "paths" | "now" | "linkTo">,
): Markup {
  const run = lastRun(reading.items, reading.jobs);
  const jobId = run?.item.slot?.jobId ?? null;
  if (run === null || jobId === null) {
    return reading.entry.lastRunAt === null
      ? html`<span class="muted">never</span>`
      : timeAgo(reading.entry.lastRunAt, now);
  }
  const state = run.job === null
    ? html`<span class="muted">no longer kept</span>`
    : stateBadge(run.job.state, paths);
  const href = linkTo({ type: "job", id: jobId });
  const when = timeAgo(run.item.slot?.claimedAt ?? run.item.plannedAt, now);
  return href === null || run.job === null ? html`${when} ${state}` : html`
    ${when} <a
      href="${href}">${state}<span class="offscreen"> Open its job</span></a>
  `;
}

function runsDetails(reading: CronReading): Markup | null {
  if (reading.items.length === 0) return null;
  return html`<details class="strip-twin"><summary>as words</summary>${
    stripRuns(reading, STRIP_CELLS)
  }</details>`;
}

/** Runnable, waiting, or what needs somebody. */
export function operatorStatus(reading: CronReading, paths: Paths): Markup {
  const { entry, expression, diagnosis } = reading;
  if (entry.retiredAt !== null) {
    return badge({ tone: "quiet", icon: "slash", label: text`Retired` }, paths);
  }
  const chips = [
    entry.pausedAt !== null
      ? statusChip("waiting", paths)
      : expression !== null
      ? statusChip("runnable", paths)
      : null,
    DIAGNOSES[diagnosis].status === "needs_review"
      ? statusChip("needs_review", paths)
      : null,
  ];
  return html`<span class="row">${chips}</span>`;
}
