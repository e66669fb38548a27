/**
 * What the overview is made from. The store reads it, `overview.ts` puts it into
 * buckets.
 */
import type { ResourceRef } from "../seams.ts";
import type { AuditEventId } from "./audit.ts";
import type { JobDiagnosis } from "./diagnosis.ts";
import { isAlive } from "./explain_places.ts";
import { explainQueue, limitedOf, unknownWorkers } from "./explain_queue.ts";
import type { BusyQueueFacts } from "./explain_queue_facts.ts";
import type { JobId } from "./job.ts";

/** A number that was counted up to a bound. */
export interface Counted {
  readonly count: number;
  /** There are more. */
  readonly capped: boolean;
}

/** A process that holds jobs and is overdue. */
export interface UnwellExecutor {
  readonly name: string;
  readonly health: "late" | "missing";
  readonly beatAt: Date;
  readonly jobs: number;
  /** One of the jobs that it holds. */
  readonly jobId: JobId;
}

/** Jobs that ended without success for the same reason. */
export interface FailureGroup {
  readonly fingerprint: string | null;
  readonly template: string | null;
  readonly worker: string;
  readonly jobs: number;
  readonly lastAt: Date;
  /** The newest of them. */
  readonly jobId: JobId;
}

/** A cron entry of which planned instants passed without a job. */
export interface MissedFires {
  readonly name: string;
  readonly fires: number;
  readonly lastAt: Date;
}

/** A cron entry that somebody paused. */
export interface PausedEntry {
  readonly name: string;
  readonly pausedAt: Date;
  readonly pausedBy: string;
}

/** A queue in which work is due. */
export interface BusyQueue {
  readonly name: string;
  readonly pausedAt: Date | null;
  readonly pausedBy: string | null;
  /** Due jobs that can be claimed, and those that wait for limiters. */
  readonly ready: Counted;
  readonly limited: Counted;
  readonly oldestAt: Date;
  /** Live executors that claim from it. */
  readonly servedBy: number;
  /** Workers of due jobs that no live executor of this queue has code for. */
  readonly unknownWorkers: readonly string[];
  /** Why its jobs are where they are. */
  readonly reasons: readonly JobDiagnosis[];
}

/** A queue as the overview shows it: what its explanation says. */
export function busyQueueOf(facts: BusyQueueFacts): BusyQueue {
  const { queue, ready, oldestReadyAt, oldestLimitedAt, at, serving } = facts;
  const oldest = [oldestReadyAt, oldestLimitedAt]
    .filter((each) => each !== null)
    .sort((one, other) => +one - +other);
  return {
    name: queue.name,
    pausedAt: queue.pausedAt,
    pausedBy: queue.pausedBy,
    ready: { count: ready.count, capped: ready.precision !== "exact" },
    limited: { count: limitedOf(facts), capped: facts.limitedCapped },
    oldestAt: oldest[0] ?? at,
    servedBy: serving.filter(isAlive).length,
    unknownWorkers: unknownWorkers(facts),
    reasons: explainQueue(facts).reasons.map(({ reason }) => reason.code),
  };
}

/** A limiter that holds jobs back. */
export interface HoldingLimiter {
  readonly name: string;
  /** Of all of it and not of a key; null: it does not cool down. */
  readonly cooldownUntil: Date | null;
  /** Lines of jobs that wait for it. */
  readonly lines: Counted;
}

/** A job that runs again by itself. */
export interface NextRetry {
  readonly jobId: JobId;
  readonly worker: string;
  readonly attempt: number;
  readonly runAt: Date;
}

/** A change that an operator made. */
export interface RecentChange {
  readonly id: AuditEventId;
  readonly eventType: string;
  readonly resource: ResourceRef;
  readonly principal: { readonly id: string; readonly label: string | null };
  readonly at: Date;
}

/** Everything the overview is made from, as the database has it now. */
export interface OverviewFacts {
  readonly healthyExecutors: number;
  readonly unwell: readonly UnwellExecutor[];
  readonly failures: readonly FailureGroup[];
  /** More jobs failed than were looked at. */
  readonly failuresCapped: boolean;
  readonly missed: readonly MissedFires[];
  readonly paused: readonly PausedEntry[];
  readonly queues: readonly BusyQueue[];
  /** Those with the most lines first. */
  readonly limiters: readonly HoldingLimiter[];
  readonly retries: readonly NextRetry[];
  readonly retryable: Counted;
  /** Due for a minute and still not staged. */
  readonly overdue: Counted & { readonly jobId: JobId | null };
  readonly executing: number;
  readonly changes: readonly RecentChange[];
  readonly changed: Counted;
}
