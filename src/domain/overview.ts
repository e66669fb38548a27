/**
 * The first page in one thought: what needs attention, why, and where to go.
 * Six buckets in a fixed order, each with at most three exemplars.
 */
import type { ControlStatus, JobDiagnosis } from "./diagnosis.ts";
import {
  changeExemplar,
  counted,
  executorExemplar,
  type Exemplar,
  failureExemplar,
  heldExemplar,
  holdingExemplar,
  limitedExemplar,
  missedExemplar,
  openExemplar,
  overdueExemplar,
  pausedExemplar,
  retryExemplar,
  unknownExemplar,
  unservedExemplar,
} from "./overview_exemplars.ts";
import type { BusyQueue, Counted, OverviewFacts } from "./overview_facts.ts";
import { type Sentence, sentence } from "./sentence.ts";

/** How far back the overview looks for what failed and what was done. */
export const OVERVIEW_WINDOW_HOURS = 24;
/** The most exemplars of a bucket: it is a way in and not a list. */
export const EXEMPLARS_MAX = 3;

/** What one status holds. */
export interface Bucket {
  readonly status: ControlStatus;
  /** Null: nobody counts this here. */
  readonly total: Counted | null;
  readonly why: Sentence;
  readonly exemplars: readonly Exemplar[];
}

/** The buckets, in their order. */
export function bucketsOf(facts: OverviewFacts): readonly Bucket[] {
  return [
    needsReview(facts),
    blocked(facts),
    waiting(facts),
    runnable(facts),
    bridgeOnly(),
    resolved(facts),
  ];
}

function bucket(
  status: ControlStatus,
  { total, why, exemplars }: Omit<Bucket, "status">,
): Bucket {
  return { status, total, why, exemplars: exemplars.slice(0, EXEMPLARS_MAX) };
}

function exactly(count: number): Counted {
  return { count, capped: false };
}

interface Words {
  readonly one: Sentence;
  readonly many: Sentence;
}

/** A sentence of what there is; what there is none of goes without saying. */
function listed(
  parts: readonly (readonly [Counted | number, Words])[],
): Sentence {
  const said = parts
    .map(([number, words]) =>
      [typeof number === "number" ? exactly(number) : number, words] as const
    )
    .filter(([{ count }]) => count > 0 || parts.length === 1)
    .map(([number, { one, many }]) =>
      sentence`${counted(number)} ${number.count === 1 ? one : many}`
    );
  const [first = sentence`Nothing`, ...rest] = said;
  return sentence`${
    rest.reduce((all, next) => sentence`${all}, ${next}`, first)
  }.`;
}

function needsReview(facts: OverviewFacts): Bucket {
  const { unwell, failures, missed, failuresCapped } = facts;
  const count = unwell.length + failures.length + missed.length;
  return bucket("needs_review", {
    total: { count, capped: failuresCapped },
    why: count === 0
      ? sentence`No executor is overdue with work, no job ended without success and no fire was missed in the last ${OVERVIEW_WINDOW_HOURS} hours.`
      : listed([
        [unwell.length, {
          one: sentence`executor is overdue and holds work`,
          many: sentence`executors are overdue and hold work`,
        }],
        [failures.length, {
          one: sentence`kind of job was discarded`,
          many: sentence`kinds of job were discarded`,
        }],
        [missed.length, {
          one: sentence`cron entry missed a fire`,
          many: sentence`cron entries missed fires`,
        }],
      ]),
    exemplars: [
      ...unwell.map(executorExemplar),
      ...failures.map(failureExemplar),
      ...missed.map(missedExemplar),
    ],
  });
}

/** Whether some job of the queue is where it is for this reason. */
function has({ reasons }: BusyQueue, code: JobDiagnosis): boolean {
  return reasons.includes(code);
}

/** Whether what is due in it is given out. */
function isOpen(queue: BusyQueue): boolean {
  return !has(queue, "job_queue_paused") && !has(queue, "job_unserved");
}

function sumOf(counts: readonly Counted[]): Counted {
  return {
    count: counts.reduce((sum, { count }) => sum + count, 0),
    capped: counts.some(({ capped }) => capped),
  };
}

function blocked({ queues, overdue, limiters }: OverviewFacts): Bucket {
  const unserved = queues.filter((queue) =>
    has(queue, "job_unserved") && !has(queue, "job_queue_paused")
  );
  const unknown = queues.filter((queue) => has(queue, "job_worker_unknown"));
  const late = overdue.jobId === null ? [] : [overdueExemplar(overdue)];
  const holding = limiters.filter(({ cooldownUntil }) =>
    cooldownUntil === null
  );
  const count = unserved.length + unknown.length + late.length +
    holding.length;
  return bucket("blocked", {
    total: exactly(count),
    why: count === 0
      ? sentence`Every queue with due work has a live executor that knows its workers, and no limiter holds jobs back.`
      : listed([
        [unserved.length, {
          one: sentence`queue has work and no executor`,
          many: sentence`queues have work and no executor`,
        }],
        [unknown.length, {
          one: sentence`queue holds jobs of workers that nobody knows`,
          many: sentence`queues hold jobs of workers that nobody knows`,
        }],
        [overdue, {
          one: sentence`job is due and was not staged`,
          many: sentence`jobs are due and were not staged`,
        }],
        [holding.length, {
          one: sentence`limiter holds jobs back`,
          many: sentence`limiters hold jobs back`,
        }],
      ]),
    exemplars: [
      ...unserved.map(unservedExemplar),
      ...unknown.map(unknownExemplar),
      ...late,
      // Last: it does what it was made for, and ends by itself.
      ...holding.map(holdingExemplar),
    ],
  });
}

function waiting(facts: OverviewFacts): Bucket {
  const held = facts.queues.filter((queue) => has(queue, "job_queue_paused"));
  const { paused, retries, retryable } = facts;
  const cooling = facts.limiters.filter(({ cooldownUntil }) =>
    cooldownUntil !== null
  );
  const limited = facts.queues.filter((queue) =>
    isOpen(queue) && queue.limited.count > 0
  );
  const inLine = sumOf(limited.map((queue) => queue.limited));
  const count = held.length + cooling.length + paused.length +
    retryable.count + inLine.count;
  return bucket("waiting", {
    total: { count, capped: retryable.capped || inLine.capped },
    why: count === 0
      ? sentence`No queue with work and no cron entry is paused, and no job waits for a limiter or for another attempt.`
      : listed([
        [held.length, {
          one: sentence`queue with work is paused`,
          many: sentence`queues with work are paused`,
        }],
        [cooling.length, {
          one: sentence`limiter with work cools down`,
          many: sentence`limiters with work cool down`,
        }],
        [paused.length, {
          one: sentence`cron entry is paused`,
          many: sentence`cron entries are paused`,
        }],
        [inLine, {
          one: sentence`job waits for its limiters`,
          many: sentence`jobs wait for their limiters`,
        }],
        [retryable, {
          one: sentence`job waits for its next attempt`,
          many: sentence`jobs wait for their next attempt`,
        }],
      ]),
    exemplars: [
      ...held.map(heldExemplar),
      ...cooling.map(holdingExemplar),
      ...paused.map(pausedExemplar),
      ...limited.map(limitedExemplar),
      ...retries.map(retryExemplar),
    ],
  });
}

function runnable(
  { queues, executing, healthyExecutors }: OverviewFacts,
): Bucket {
  // Where no job but those that wait for limiters is due, it is told there.
  const open = queues.filter((queue) =>
    isOpen(queue) && !(queue.ready.count === 0 && queue.limited.count > 0)
  );
  const ready = sumOf(open.map((queue) => queue.ready));
  const healthy = listed([[healthyExecutors, {
    one: sentence`executor is healthy`,
    many: sentence`executors are healthy`,
  }]]);
  return bucket("runnable", {
    total: { ...ready, count: ready.count + executing },
    why: ready.count + executing === 0
      ? sentence`Nothing is due and nothing runs. ${healthy}`
      : sentence`${
        listed([
          [executing, { one: sentence`job runs`, many: sentence`jobs run` }],
          [ready, {
            one: sentence`job can be claimed`,
            many: sentence`jobs can be claimed`,
          }],
        ])
      } ${healthy}`,
    exemplars: open.toSorted((a, b) => +a.oldestAt - +b.oldestAt)
      .map(openExemplar),
  });
}

/** No bridge exists yet, and a zero would claim that somebody had looked. */
function bridgeOnly(): Bucket {
  return bucket("bridge_only", {
    total: null,
    why:
      sentence`No bridge to another engine is configured, so nothing is followed up elsewhere.`,
    exemplars: [],
  });
}

function resolved({ changes, changed }: OverviewFacts): Bucket {
  return bucket("resolved", {
    total: changed,
    why: changed.count === 0
      ? sentence`No operator changed anything in the last ${OVERVIEW_WINDOW_HOURS} hours.`
      : listed([[changed, {
        one:
          sentence`audited change in the last ${OVERVIEW_WINDOW_HOURS} hours`,
        many:
          sentence`audited changes in the last ${OVERVIEW_WINDOW_HOURS} hours`,
      }]]),
    exemplars: changes.map(changeExemplar),
  });
}
