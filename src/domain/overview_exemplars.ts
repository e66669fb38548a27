/** One line of the overview for each kind of thing that can stand there. */
import type { ResourceRef } from "../seams.ts";
import type { AuditEventId } from "./audit.ts";
import type { DiagnosisCode } from "./diagnosis.ts";
import type {
  BusyQueue,
  Counted,
  FailureGroup,
  HoldingLimiter,
  MissedFires,
  NextRetry,
  OverviewFacts,
  PausedEntry,
  RecentChange,
  UnwellExecutor,
} from "./overview_facts.ts";
import { type Sentence, sentence } from "./sentence.ts";

/** One thing that stands for others like it. */
export interface Exemplar {
  readonly resource: ResourceRef;
  readonly diagnosis: DiagnosisCode | null;
  readonly title: Sentence;
  readonly detail: Sentence;
  /** The audit event that tells the rest, if it is told there. */
  readonly auditId?: AuditEventId;
}

/** Says when counting stopped: a bound is not the number. */
export function counted({ count, capped }: Counted): Sentence {
  return capped ? sentence`more than ${count}` : sentence`${count}`;
}

function dueIn({ ready, limited }: BusyQueue): Sentence {
  return counted({
    count: ready.count + limited.count,
    capped: ready.capped || limited.capped,
  });
}

/** A process that holds work and gave no sign of life. */
export function executorExemplar(executor: UnwellExecutor): Exemplar {
  const { name, health, beatAt, jobs, jobId } = executor;
  const shown = { kind: "name", value: name } as const;
  return {
    resource: { type: "job", id: jobId },
    diagnosis: health === "late" ? "job_executor_late" : "job_executor_missing",
    title: sentence`Executor ${shown}`,
    detail: health === "late"
      ? sentence`Its heartbeat is late: the last one was ${beatAt}. Jobs that it holds: ${jobs}.`
      : sentence`It is missing: its last heartbeat was ${beatAt}. Jobs that it holds: ${jobs}.`,
  };
}

/** Jobs that failed alike. */
export function failureExemplar(group: FailureGroup): Exemplar {
  const { worker, template, jobs, lastAt, jobId } = group;
  const shown = { kind: "name", value: worker } as const;
  return {
    resource: { type: "job", id: jobId },
    diagnosis: "job_discarded",
    title: sentence`${shown}`,
    detail: template === null
      ? sentence`Jobs discarded: ${jobs}, the last ${lastAt}. No error is on record.`
      : sentence`Jobs discarded: ${jobs}, the last ${lastAt}. Error: ${{
        kind: "error",
        // A plain error has a message and no name worth telling.
        value: {
          message: template.replace(/^Error: /, ""),
          topFrame: null,
          stack: null,
        },
      }}`,
  };
}

/** A cron entry that did not fire. */
export function missedExemplar({ name, fires, lastAt }: MissedFires): Exemplar {
  return {
    resource: { type: "cron_entry", id: name },
    diagnosis: "cron_missed",
    title: sentence`${{ kind: "name", value: name }}`,
    detail:
      sentence`Planned fires without a job: ${fires}, the last one planned for ${lastAt}.`,
  };
}

/** A queue with work and nobody for it. */
export function unservedExemplar(queue: BusyQueue): Exemplar {
  const { name, oldestAt } = queue;
  return {
    resource: { type: "queue", id: name },
    diagnosis: "queue_unserved",
    title: sentence`Queue ${{ kind: "name", value: name }}`,
    detail: sentence`No live executor serves it. Jobs due: ${
      dueIn(queue)
    }, the oldest from ${oldestAt}.`,
  };
}

/** A queue with workers that nobody has code for. */
export function unknownExemplar({ name, unknownWorkers }: BusyQueue): Exemplar {
  const [worker = null] = unknownWorkers;
  return {
    resource: { type: "queue", id: name },
    diagnosis: "job_worker_unknown",
    title: sentence`Queue ${{ kind: "name", value: name }}`,
    detail:
      sentence`Workers that no live executor has code for: ${unknownWorkers.length}, such as ${{
        kind: "name",
        value: worker,
      }}.`,
  };
}

/** Jobs that nobody moves into their queue. */
export function overdueExemplar(
  overdue: OverviewFacts["overdue"],
): Exemplar {
  return {
    resource: { type: "job", id: overdue.jobId ?? "" },
    diagnosis: "job_overdue",
    title: sentence`Jobs that are due and not staged`,
    detail:
      sentence`Their time passed more than a minute ago and no executor moved them into their queue: ${
        counted(overdue)
      }.`,
  };
}

/** A paused queue with work in it. */
export function heldExemplar(queue: BusyQueue): Exemplar {
  const { name, pausedAt, pausedBy } = queue;
  const by = { kind: "actor", value: pausedBy } as const;
  return {
    resource: { type: "queue", id: name },
    diagnosis: "queue_paused",
    title: sentence`Queue ${{ kind: "name", value: name }}`,
    detail: pausedAt === null
      ? sentence`Paused. Jobs due: ${dueIn(queue)}.`
      : sentence`Paused ${pausedAt} by ${by}. Jobs due: ${dueIn(queue)}.`,
  };
}

/** A queue with jobs that wait for their turn. */
export function limitedExemplar({ name, limited }: BusyQueue): Exemplar {
  return {
    resource: { type: "queue", id: name },
    diagnosis: "queue_working",
    title: sentence`Queue ${{ kind: "name", value: name }}`,
    detail: sentence`Waiting for limiters: ${counted(limited)}.`,
  };
}

/** A limiter that is full, or that cools down, and jobs that wait for it. */
export function holdingExemplar(
  { name, cooldownUntil, lines }: HoldingLimiter,
): Exemplar {
  const waiting = sentence`Lines of jobs that wait for it: ${counted(lines)}.`;
  return {
    resource: { type: "limiter", id: name },
    diagnosis: cooldownUntil === null ? "limiter_holding" : "limiter_cooling",
    title: sentence`Limiter ${{ kind: "name", value: name }}`,
    detail: cooldownUntil === null
      ? sentence`It holds jobs back until enough of it is free. ${waiting}`
      : sentence`It cools down: over ${cooldownUntil}. ${waiting}`,
  };
}

/** A paused cron entry. */
export function pausedExemplar(
  { name, pausedAt, pausedBy }: PausedEntry,
): Exemplar {
  return {
    resource: { type: "cron_entry", id: name },
    diagnosis: "cron_paused",
    title: sentence`${{ kind: "name", value: name }}`,
    detail: sentence`Paused ${pausedAt} by ${{
      kind: "actor",
      value: pausedBy,
    }}.`,
  };
}

/** A job that runs again by itself. */
export function retryExemplar(
  { jobId, worker, attempt, runAt }: NextRetry,
): Exemplar {
  return {
    resource: { type: "job", id: jobId },
    diagnosis: "job_retryable",
    title: sentence`${{ kind: "name", value: worker }}`,
    detail: sentence`Attempt ${attempt} failed. The next one is due ${runAt}.`,
  };
}

/** A queue that is being worked. */
export function openExemplar(queue: BusyQueue): Exemplar {
  const { name, ready, limited, oldestAt, servedBy, reasons } = queue;
  const isFull = reasons.includes("job_queue_full");
  const full = isFull ? sentence` Every place is taken.` : sentence``;
  return {
    resource: { type: "queue", id: name },
    diagnosis: isFull ? "queue_full" : "queue_working",
    title: sentence`Queue ${{ kind: "name", value: name }}`,
    detail: limited.count === 0
      ? sentence`Jobs due: ${
        counted(ready)
      }, the oldest from ${oldestAt}. Live executors: ${servedBy}.${full}`
      : sentence`Jobs that can be claimed: ${
        counted(ready)
      }. Live executors: ${servedBy}.${full}`,
  };
}

/** What an operator did. */
export function changeExemplar(change: RecentChange): Exemplar {
  return {
    resource: change.resource,
    diagnosis: null,
    title: sentence`${{ kind: "name", value: change.eventType }} ${{
      kind: "name",
      value: change.resource.id,
    }}`,
    detail: sentence`By ${{
      kind: "actor",
      value: change.principal,
    }}, ${change.at}.`,
    auditId: change.id,
  };
}
