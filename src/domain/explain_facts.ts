/** What an explanation is told from: one set of facts, of one instant. */
import type { NewerArgs } from "./args_version.ts";
import type { JobId } from "./job.ts";
import type { LimiterBlocker } from "./limiter.ts";
import type { AttemptEventKind, JobState } from "./state.ts";

/** A job, and where it stands. */
export interface ExplainedJob {
  readonly id: JobId;
  readonly queue: string;
  readonly worker: string;
  readonly state: JobState;
  /** The attempt that runs, or as many as were made. */
  readonly attempt: number;
  readonly maxAttempts: number;
  readonly runAt: Date | null;
  readonly claimedAt: Date | null;
  readonly finishedAt: Date | null;
  readonly tookMs: number | null;
  readonly deadlineAt: Date | null;
  readonly cronEntry: string | null;
}

/** Its queue, as it decides what may be claimed. */
export interface ExplainedQueue {
  readonly name: string;
  /** False: no process has declared it; jobs may wait in it all the same. */
  readonly recorded: boolean;
  /** Jobs that one executor runs at a time; null: nobody declared one. */
  readonly limit: number | null;
  readonly pausedAt: Date | null;
  readonly pausedBy: string | null;
}

/** A process that has not stopped and serves the queue. */
export interface ServingExecutor {
  readonly id: number;
  readonly name: string;
  readonly health: "healthy" | "late" | "missing";
  readonly beatAt: Date;
  readonly workers: readonly string[];
  /** Jobs of the queue that it holds. */
  readonly held: number;
}

/** The process whose lease holds the job. */
export interface HoldingExecutor {
  readonly name: string;
  readonly health: "healthy" | "late" | "missing" | "stopped";
  readonly beatAt: Date;
}

/** How well a number is known. */
export type Precision =
  /** It was counted. */
  | "exact"
  /** It was reckoned from a sample. */
  | "about"
  /** Counting stopped there. */
  | "at_least";

/** A number, and how well it is known. */
export interface Known {
  /** The number. */
  readonly count: number;
  /** Whether it was counted, reckoned, or is only a lower bound. */
  readonly precision: Precision;
}

/** How fast a queue was worked off lately. */
export interface Pace {
  /** Jobs of the queue that ended in the span. */
  readonly ended: number;
  readonly spanMs: number;
}

/** Where a ready job stands among the others. */
export interface Turn {
  /**
   * Jobs that its queue gives out before it, ready or due, of workers that the
   * executors know which could take it.
   */
  readonly ahead: Known;
  /** Null: not measured. */
  readonly pace: Pace | null;
}

/** A limiter that holds a job back. */
export interface ExplainedBlocker {
  readonly blocker: LimiterBlocker;
  /** The path into the args where its key stands; null: it has no keys. */
  readonly partitionBy: readonly string[] | null;
  /** Of concurrency: jobs that run and hold what it waits for; a few of them. */
  readonly holders: readonly JobId[];
}

/** Where a job stands that waits for limiters. */
export interface LaneFacts {
  readonly limiters: readonly string[];
  readonly blockers: readonly ExplainedBlocker[];
  /** Jobs for the same limits that start before it. */
  readonly ahead: Known;
}

/** Everything that the explanation of a job is told from. */
export interface ExplainFacts {
  /** The instant of the facts. */
  readonly at: Date;
  readonly job: ExplainedJob;
  readonly queue: ExplainedQueue;
  /** Executors that serve its queue and have not stopped, the freshest first. */
  readonly serving: readonly ServingExecutor[];
  /** The one of its queue that stopped last. */
  readonly lastStopped: { readonly name: string; readonly at: Date } | null;
  /** Null: nobody holds it, or whoever does is not on record. */
  readonly holder: HoldingExecutor | null;
  /** Null: it is not ready, or nobody could take it. */
  readonly turn: Turn | null;
  /** Null: it waits for no limiter. */
  readonly lane: LaneFacts | null;
  /** The newest thing that happened to it, other than success. */
  readonly lastEvent: {
    readonly kind: AttemptEventKind;
    readonly principal: string | null;
    /** Why it was given back, when it met code that is older than it. */
    readonly newerArgs?: NewerArgs;
    /** The key of its args, when it met an executor that does not know it. */
    readonly unknownKey?: string;
    readonly at: Date;
  } | null;
  /** The fire of its cron entry for which it was cancelled. */
  readonly supersededBy: { readonly plannedAt: Date } | null;
}
