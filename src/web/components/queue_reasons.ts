/** Why the jobs of a queue are where they are, grouped and counted. */
import { DIAGNOSES } from "../../domain/diagnosis.ts";
import type { Known } from "../../domain/explain_facts.ts";
import type { QueueReason } from "../../domain/explain_groups.ts";
import type { QueueExplanation } from "../../domain/explain_queue.ts";
import { groupSentence } from "../../domain/explain_queue_words.ts";
import { CLEARS, type Reason } from "../../domain/explain_reason.ts";
import { rounded } from "../../domain/explain_numbers.ts";
import type { ResourceRef } from "../../seams.ts";
import type { JobState } from "../../domain/state.ts";
import { type Href, html, type Markup, type Plain, text } from "../render.ts";
import { statusChip } from "./badge.ts";
import { numberText } from "./count.ts";
import { panel } from "./panel.ts";
import type { QueueContext } from "./queue_rows.ts";
import { sentenceMarkup } from "./sentence.ts";
import { type Column, dataTable, tableRow } from "./table.ts";

const COLUMNS: readonly Column[] = [
  { label: text`Reason` },
  { label: text`Jobs`, align: "end" },
  { label: text`What it rests on` },
  { label: text`How it clears` },
];

const CLEAR_WORDS = {
  by_itself: text`By itself`,
  by_somebody: text`Somebody has to act`,
  nothing_to_clear: text`Nothing to clear`,
  ended: text`It has ended`,
} as const satisfies Record<typeof CLEARS[keyof typeof CLEARS], Plain>;

type Context = QueueContext & { readonly name: string };

/** One row for each reason; a job may have more than one. */
export function queueReasons(
  { reasons }: QueueExplanation,
  context: Context,
): Markup {
  const caption = text`Why its jobs are where they are`;
  return panel({
    id: text`reasons`,
    title: caption,
    aside:
      html`<span class="muted">A job may be held up by more than one</span>`,
    body: reasons.length === 0
      ? html`<p class="muted">No job waits in it, and none runs.</p>`
      : dataTable({
        caption,
        columns: COLUMNS,
        rows: reasons.map((each) => reasonRow(each, context)),
      }),
  });
}

function reasonRow(each: QueueReason, context: Context): Markup {
  const { show, now, paths, name, linkTo } = context;
  const { code } = each.reason;
  const { title, status } = DIAGNOSES[code];
  const resource: ResourceRef = { type: "queue", id: name };
  const href = jobsHref(each.reason, context);
  const jobs = html`<span class="one-line">${countOf(each.jobs)}</span>`;
  return tableRow({
    columns: COLUMNS,
    cells: [
      html`${title} <span class="second">${statusChip(status, paths)}</span>`,
      href === null ? jobs : html`<a href="${href}">${jobs}</a>`,
      // One element: on a narrow screen a cell lays out its children.
      html`<span>${
        sentenceMarkup(groupSentence(each), {
          show,
          now,
          resource,
          ...linkTo && { linkTo },
        })
      }</span>`,
      CLEAR_WORDS[CLEARS[code]],
    ],
  });
}

const HOW = {
  exact: null,
  about: text`about `,
  at_least: text`at least `,
} as const satisfies Record<Known["precision"], Plain | null>;

/** `12`, `about 510 000`, `at least 10 000`. */
function countOf(jobs: Known): Markup {
  return html`${HOW[jobs.precision]}${numberText(rounded(jobs))}`;
}

/** Where such jobs stand. */
const STATES = {
  job_scheduled: "scheduled",
  job_retryable: "retryable",
  job_running: "executing",
  job_executor_late: "executing",
  job_executor_missing: "executing",
  job_queue_full: "available",
  job_served_late: "available",
  job_rate_limited: "available",
  job_cooling_down: "available",
  job_key_busy: "available",
  job_lane_behind: "available",
  job_lane_turn: "available",
  job_behind: "available",
  job_ready: "available",
  job_worker_unknown: "available",
} as const satisfies Partial<Record<Reason["code"], JobState>>;

/** The list of these jobs, where one list has them. */
function jobsHref(
  reason: Reason,
  { paths, mayOpenJobs, name }: Context,
): Href | null {
  const states: Partial<Record<Reason["code"], JobState>> = STATES;
  const state = states[reason.code];
  if (!mayOpenJobs || state === undefined) return null;
  return reason.code === "job_worker_unknown"
    ? paths.jobs({ state, queue: name, worker: reason.evidence.worker })
    : paths.jobs({ state, queue: name });
}
