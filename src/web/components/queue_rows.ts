import type { JobState } from "../../domain/state.ts";
import type { ResourceRef } from "../../seams.ts";
import {
  type ExecutorStatus,
  QUEUE_COUNT_MAX,
  type QueueStatus,
} from "../../store/queue_status.ts";
import type { LinkTo } from "../links.ts";
import type { Paths } from "../paths.ts";
import { html, type Markup, type Plain, type Show, text } from "../render.ts";
import { badge } from "./badge.ts";
import { countText } from "./count.ts";
import { healthSummary } from "./executor_rows.ts";
import { previewButton } from "./form.ts";
import { type Column, dataTable, tableRow } from "./table.ts";
import { timeAgo } from "./time.ts";

/** What a queue is printed with. */
export interface QueueContext {
  readonly show: Show;
  readonly paths: Paths;
  readonly now: Date;
  readonly formToken: Plain;
  /** Whether the list of jobs may be opened. */
  readonly mayOpenJobs: boolean;
  /** Where given, what a sentence names leads to its page. */
  readonly linkTo?: LinkTo;
}

/** A queue with who serves it, and what the actor may do with it. */
export interface ServedQueue {
  readonly queue: QueueStatus;
  readonly executors: readonly ExecutorStatus[];
  readonly may: Readonly<
    Record<"pause_queue" | "resume_queue" | "scale_queue", boolean>
  >;
}

const COLUMNS: readonly Column[] = [
  { label: text`Queue` },
  { label: text`Status` },
  { label: text`Available`, align: "end" },
  { label: text`Executing`, align: "end" },
  { label: text`Scheduled`, align: "end" },
  { label: text`Limit` },
  { label: text`Executors` },
  { label: text`Action` },
];

/** All queues, in a table. */
export function queueTable(
  queues: readonly ServedQueue[],
  context: QueueContext,
): Markup {
  return dataTable({
    caption: text`Queues`,
    columns: COLUMNS,
    rows: queues.map((queue) => queueRow(queue, context)),
  });
}

function queueRow(served: ServedQueue, context: QueueContext): Markup {
  const { queue, executors } = served;
  const { show, paths } = context;
  const name = show("name", queue.name, resourceOf(queue));
  return tableRow({
    columns: COLUMNS,
    cells: [
      html`<a href="${paths.queue(queue.name)}">${name}</a>`,
      queueStatus(queue, context),
      ready(queue, context),
      jobCount(queue, { state: "executing", context }),
      waiting(queue, context),
      queueLimit(queue),
      healthSummary(executors, paths),
      pauseOrResume(served, context),
    ],
  });
}

function resourceOf({ name }: QueueStatus): ResourceRef {
  return { type: "queue", id: name };
}

/** Running, or who paused it and when. */
export function queueStatus(
  queue: QueueStatus,
  { show, paths, now }: QueueContext,
): Markup {
  if (queue.pausedAt === null) {
    return badge({ tone: "ready", icon: "play", label: text`running` }, paths);
  }
  const by = show("actor", { id: queue.pausedBy }, resourceOf(queue));
  return html`${
    badge({ tone: "waiting", icon: "pause", label: text`paused` }, paths)
  } <span class="second">by ${by}, ${timeAgo(queue.pausedAt, now)}</span>`;
}

/** Each executor runs so many at a time; an operator's choice wins over code. */
export function queueLimit(
  { declaredLimit, chosenLimit }: QueueStatus,
): Markup {
  const declared = declaredLimit === null
    ? html`code has none`
    : html`code has ${declaredLimit}`;
  if (chosenLimit !== null) {
    return html`${chosenLimit} chosen <span class="second">${declared}</span>`;
  }
  return declaredLimit === null
    ? html`<span class="muted">Not declared</span>`
    : html`${declaredLimit}`;
}

const COUNTS = {
  available: ["ready", null],
  executing: ["executing", "executingIsExact"],
  scheduled: ["scheduled", "scheduledIsExact"],
  retryable: ["retryable", "scheduledIsExact"],
} as const satisfies Partial<
  Record<
    JobState,
    readonly [keyof QueueStatus, keyof QueueStatus | null]
  >
>;

/** A number of jobs, which leads to them. */
export function jobCount(
  queue: QueueStatus,
  { state, context }: {
    readonly state: keyof typeof COUNTS;
    readonly context: QueueContext;
  },
): Markup {
  const [count, isExact] = COUNTS[state];
  const capped = isExact === null
    ? queue[count] >= QUEUE_COUNT_MAX
    : !queue[isExact];
  const shown = countText({ count: queue[count], capped });
  if (!context.mayOpenJobs) return html`${shown}`;
  const href = context.paths.jobs({ state, queue: queue.name });
  return html`
    <a
      href="${href}">${shown}<span class="offscreen"> ${state} jobs</span></a>
  `;
}

/** Due jobs, wherever they stand, and when the oldest of them was inserted. */
function ready(queue: QueueStatus, context: QueueContext): Markup {
  const count = jobCount(queue, { state: "available", context });
  const oldest = queue.oldestInsertedAt;
  if (oldest === null) return count;
  return html`${count} <span class="second">oldest ${
    timeAgo(oldest, context.now)
  }</span>`;
}

function waiting(queue: QueueStatus, context: QueueContext): Markup {
  const scheduled = jobCount(queue, { state: "scheduled", context });
  if (queue.retryable === 0) return scheduled;
  const retryable = jobCount(queue, { state: "retryable", context });
  return html`${scheduled} <span class="second">${retryable} to retry</span>`;
}

/** The one of the two that the queue is ready for. */
export function pauseOrResume(
  { queue, may }: ServedQueue,
  context: QueueContext,
): Markup {
  const action = queue.pausedAt === null ? "pause_queue" : "resume_queue";
  return previewButton({
    action,
    targetId: queue.name,
    label: queue.pausedAt === null ? text`Pause…` : text`Resume…`,
    disabled: !queue.recorded
      ? text`no process has declared it`
      : may[action]
      ? null
      : text`needs ${action}`,
  }, context);
}
