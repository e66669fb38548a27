/** What the explanation of a whole queue is told from. */
import type {
  ExplainedQueue,
  ExplainFacts,
  Known,
  LaneFacts,
  Pace,
  ServingExecutor,
} from "./explain_facts.ts";

/** Jobs that wait for their time, counted by what can tell them apart. */
export interface PlannedJobs {
  readonly state: "scheduled" | "retryable";
  readonly worker: string;
  readonly jobs: number;
  /** Of the one that is due first. */
  readonly runAt: Date;
  /** Whether `runAt` is later, lately past, or long past: all are alike. */
  readonly when: "later" | "due" | "overdue";
}

/** A job at the head of a queue. */
export interface HeadJob {
  readonly worker: string;
  /** Not ready: it is due, and is staged before the next claim. */
  readonly isDue: boolean;
}

/** Jobs that wait for the same limiter, as it was when they were looked at. */
export interface LimitedJobs {
  readonly worker: string;
  readonly jobs: number;
  /** In each lane one job is the first, and the others wait behind it. */
  readonly lanes: number;
  /** Of the first job of one of the lanes. */
  readonly lane: LaneFacts;
}

/** Everything that the explanation of a queue is told from. */
export interface QueueFacts {
  readonly at: Date;
  readonly queue: ExplainedQueue;
  readonly serving: readonly ServingExecutor[];
  readonly lastStopped: ExplainFacts["lastStopped"];
  /** How many jobs are ready. */
  readonly ready: Known;
  /** When the one was inserted that has been there longest. */
  readonly oldestReadyAt: Date | null;
  /** Jobs in the order of claims, from the first on. */
  readonly head: readonly HeadJob[];
  /** How many ready jobs there are beyond the head, by worker. */
  readonly beyond: readonly {
    readonly worker: string;
    readonly jobs: number;
  }[];
  /** Due jobs that wait for limiters. */
  readonly limited: readonly LimitedJobs[];
  /** More wait for limiters than were looked at. */
  readonly limitedCapped: boolean;
  readonly planned: readonly PlannedJobs[];
  /** Planned jobs of all queues were more than were looked at. */
  readonly plannedCapped: boolean;
  /** Jobs in leases of executors that have stopped or are gone. */
  readonly orphaned: number;
  /** Null: not measured. */
  readonly pace: Pace | null;
}

/** What one of many queues in which work is due is told from. */
export interface BusyQueueFacts extends QueueFacts {
  /** As {@linkcode QueueFacts.oldestReadyAt}, of jobs that wait for limiters. */
  readonly oldestLimitedAt: Date | null;
}
