import type { JobList } from "../../domain/job_cursor.ts";
import type { JobState } from "../../domain/state.ts";
import type { ResourceRef } from "../../seams.ts";
import type { ListedJob } from "../../store/search.ts";
import type { LinkTo } from "../links.ts";
import type { Paths } from "../paths.ts";
import {
  html,
  lineOf,
  type Markup,
  type Plain,
  type Show,
  text,
} from "../render.ts";
import { stateBadge } from "./badge.ts";
import { type Column, dataTable, tableRow } from "./table.ts";
import { durationText, timeAgo, timeBoth, timeExact } from "./time.ts";

/** What a row depends on beside its job. */
export interface JobRowContext {
  readonly show: Show;
  readonly paths: Paths;
  readonly now: Date;
  readonly linkTo: LinkTo;
  /** By which the page of a job finds back to this list. */
  readonly mark: string | null;
}

/** The jobs of one list, in a table. */
export function jobTable(
  { state, jobs, caption }: {
    readonly state: JobList;
    readonly jobs: readonly ListedJob[];
    readonly caption: Plain;
  },
  context: JobRowContext,
): Markup {
  const columns = columnsOf(state);
  return dataTable({
    caption,
    columns,
    rows: jobs.map((job) => jobRow(job, { ...context, columns, state })),
  });
}

/** The instant that matters of a job in a state. */
const TIMES = {
  suspended: [text`Inserted`, "insertedAt"],
  scheduled: [text`Due`, "runAt"],
  available: [text`Inserted`, "insertedAt"],
  executing: [text`Claimed`, "claimedAt"],
  retryable: [text`Next attempt`, "runAt"],
  completed: [text`Ended`, "finishedAt"],
  cancelled: [text`Ended`, "finishedAt"],
  discarded: [text`Ended`, "finishedAt"],
} as const satisfies Record<JobState, readonly [Plain, keyof ListedJob]>;

function columnsOf(state: JobList): readonly Column[] {
  const time = state === "all" ? text`When` : TIMES[state][0];
  return [
    { label: text`Job` },
    { label: text`State` },
    { label: text`Queue` },
    { label: time },
    { label: text`Attempts`, align: "end" },
  ];
}

function jobRow(
  job: ListedJob,
  context: JobRowContext & {
    readonly columns: readonly Column[];
    readonly state: JobList;
  },
): Markup {
  const { columns, state, paths, now } = context;
  return tableRow({
    columns,
    id: text`job-${job.jobId}`,
    cells: [
      jobCell(job, context),
      stateBadge(job.state, paths),
      queueCell(job, context),
      timeCell(job, { now, isNamed: state === "all" }),
      html`${job.attempt} of ${job.maxAttempts}${took(job)}`,
    ],
  });
}

/** The instant that matters, named where the column does not. */
function timeCell(
  job: ListedJob,
  { now, isNamed }: { readonly now: Date; readonly isNamed: boolean },
): Markup {
  const [name, key] = TIMES[job.state];
  const at = job[key];
  if (!isNamed) return timeBoth(at, now);
  return html`<span class="time-both"><span>${name} ${timeAgo(at, now)}</span>
    <span class="muted">${timeExact(at)}</span></span>`;
}

/** Who works on it, which one it is, and why its last attempt failed. */
function jobCell(
  job: ListedJob,
  { show, paths, linkTo, mark }: JobRowContext,
): Markup {
  const resource: ResourceRef = { type: "job", id: job.jobId };
  const worker = show("name", job.worker, resource);
  const name = linkTo(resource) === null
    ? html`${worker}`
    : html`<a href="${paths.job(job.jobId, { list: mark })}">${worker}</a>`;
  const error = job.lastError === null ? null : show.error(
    { message: job.lastError, topFrame: null, stack: null },
    resource,
  );
  return html`
    <div class="job-cell">
      <span class="job-name">${name} ${tagChips(job.tags, {
        show,
        resource,
      })}</span>
      <span class="muted mono">${job.jobId}</span>
      ${error &&
        html`<p class="job-error">Error: ${
          lineOf(error.message, ERROR_MAX)
        }</p>`}
    </div>
  `;
}

const ERROR_MAX = 200;
const TAGS_MAX = 4;

/** The tags of a job; of many, the first. */
export function tagChips(
  tags: readonly string[],
  { show, resource, max = TAGS_MAX }: {
    readonly show: Show;
    readonly resource: ResourceRef;
    readonly max?: number;
  },
): Markup | null {
  if (tags.length === 0) return null;
  const more = tags.length - max;
  return html`<span class="tags">${
    tags.slice(0, max).map((tag) =>
      html`<span class="tag">${show("name", tag, resource)}</span>`
    )
  }${more > 0 ? html`<span class="muted">+${more}</span>` : null}</span>`;
}

function queueCell(
  { queue }: ListedJob,
  { show, linkTo }: JobRowContext,
): Markup {
  const resource: ResourceRef = { type: "queue", id: queue };
  const name = show("name", queue, resource);
  const href = linkTo(resource);
  return href === null ? html`${name}` : html`<a href="${href}">${name}</a>`;
}

function took({ state, tookMs, executorId }: ListedJob): Markup | null {
  if (state !== "completed" || tookMs === null || executorId === null) {
    return null;
  }
  return html`<span class="second">took ${durationText(tookMs)}</span>`;
}
