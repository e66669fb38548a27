/**
 * The reasons why a job is where it is: a closed union, and for each of them
 * what it rests on. A diagnosis of a job without a line here does not compile.
 */
import type { JobDiagnosis } from "./diagnosis.ts";
import type { Estimate } from "./explain_estimate.ts";
import type { Known } from "./explain_facts.ts";
import type { JobId } from "./job.ts";

/** Which attempt a reason tells of. */
export interface AttemptEvidence {
  /** Counted from 1. */
  readonly attempt: number;
  /** How many the job has in all. */
  readonly maxAttempts: number;
}

/** How much of one limiter, or of one key of it, is used. */
export interface LimiterEvidence {
  /** The name of the limiter. */
  readonly limiter: string;
  /** Null: it has no keys. */
  readonly key: string | null;
  /** Where in the args the key stands. */
  readonly partitionBy: readonly string[] | null;
  /** How much of it is taken, at the instant of the facts. */
  readonly used: number;
  /** How much there is. */
  readonly capacity: number;
  /** What the job takes. */
  readonly weight: number;
}

/** How full one executor is. */
export interface FullExecutor {
  /** As it is shown. */
  readonly executor: string;
  /** Jobs that its leases hold, of this queue. */
  readonly held: number;
  /** How many it runs of this queue at a time. */
  readonly limit: number;
}

/** One reason, with what it rests on. */
export type Reason =
  | Because<"job_suspended", Readonly<Record<never, never>>>
  | Because<"job_scheduled", { readonly runAt: Date }>
  | Because<"job_retryable", AttemptEvidence & { readonly runAt: Date }>
  | Because<"job_due", { readonly runAt: Date }>
  | Because<"job_overdue", { readonly runAt: Date }>
  | Because<"job_deadline_passed", { readonly deadlineAt: Date }>
  | Because<"job_deadline_first", {
    readonly deadlineAt: Date;
    readonly runAt: Date;
  }>
  | Because<"job_queue_paused", {
    readonly queue: string;
    readonly pausedAt: Date;
    readonly pausedBy: string | null;
  }>
  | Because<"job_unserved", {
    readonly queue: string;
    /** The executor of the queue that gave the last sign of life. */
    readonly lastSeen: {
      readonly executor: string;
      readonly at: Date;
      readonly health: "missing" | "stopped";
    } | null;
  }>
  | Because<"job_worker_unknown", {
    readonly queue: string;
    readonly worker: string;
    /** Live executors of the queue, none of which knows the worker. */
    readonly executors: number;
  }>
  | Because<"job_queue_full", {
    readonly queue: string;
    readonly places: number;
    readonly taken: number;
    readonly holders: readonly FullExecutor[];
  }>
  | Because<"job_served_late", {
    readonly queue: string;
    readonly executor: string;
    readonly beatAt: Date;
  }>
  | Because<
    "job_rate_limited",
    LimiterEvidence & { readonly eligibleAt: Date | null }
  >
  | Because<
    "job_cooling_down",
    LimiterEvidence & {
      readonly eligibleAt: Date | null;
      readonly why: string | null;
    }
  >
  | Because<
    "job_key_busy",
    LimiterEvidence & { readonly holders: readonly JobId[] }
  >
  | Because<"job_lane_behind", {
    readonly limiters: readonly string[];
    readonly ahead: Known;
  }>
  | Because<"job_lane_turn", { readonly limiters: readonly string[] }>
  | Because<"job_behind", {
    readonly queue: string;
    readonly ahead: Known;
    readonly freePlaces: number;
    /** Null: too little ended lately to tell. */
    readonly estimate: Estimate | null;
  }>
  | Because<"job_ready", { readonly queue: string; readonly ahead: number }>
  | Because<
    "job_running",
    AttemptEvidence & {
      readonly executor: string;
      readonly claimedAt: Date;
    }
  >
  | Because<
    "job_executor_late",
    AttemptEvidence & {
      readonly executor: string;
      readonly claimedAt: Date;
      readonly beatAt: Date;
    }
  >
  | Because<
    "job_executor_missing",
    AttemptEvidence & {
      /** Null: it is not on record any more. */
      readonly executor: string | null;
      readonly claimedAt: Date;
      readonly beatAt: Date | null;
    }
  >
  | Because<
    "job_completed",
    AttemptEvidence & {
      readonly at: Date;
      readonly tookMs: number | null;
    }
  >
  | Because<"job_cancelled", {
    readonly at: Date;
    readonly by: string | null;
  }>
  | Because<"job_superseded", {
    readonly at: Date;
    readonly cronEntry: string;
    readonly plannedAt: Date;
  }>
  | Because<
    "job_exhausted",
    AttemptEvidence & {
      readonly at: Date;
      readonly how: "failed" | "timed_out" | "rescued";
    }
  >
  | Because<
    "job_expired",
    { readonly at: Date; readonly deadlineAt: Date | null }
  >
  | Because<
    "job_discarded",
    AttemptEvidence & {
      readonly at: Date;
      readonly by: string | null;
    }
  >;

/** A reason and its evidence. */
export interface Because<Code extends JobDiagnosis, Rest> {
  /** Which reason it is; it decides what `evidence` holds. */
  readonly code: Code;
  /** What it rests on, as of the instant of the explanation. */
  readonly evidence: Rest;
}

/** What each reason rests on. */
export type Evidence = {
  readonly [
    // A diagnosis of a job that is no reason does not compile where it is worded.
    Code in JobDiagnosis
  ]: Extract<
    Reason,
    { readonly code: Code }
  >["evidence"];
};

/** What must happen before a reason no longer holds. */
export type Clears =
  /** It passes; nobody has to do anything. */
  | "by_itself"
  /** Somebody has to act. */
  | "by_somebody"
  /** It holds nothing up: the job runs, or is about to. */
  | "nothing_to_clear"
  /** The job has ended. */
  | "ended";

/** How each reason passes. */
export const CLEARS = {
  job_suspended: "by_somebody",
  job_scheduled: "by_itself",
  job_retryable: "by_itself",
  job_due: "by_itself",
  job_overdue: "by_somebody",
  job_deadline_passed: "by_somebody",
  job_deadline_first: "by_somebody",
  job_queue_paused: "by_somebody",
  job_unserved: "by_somebody",
  job_worker_unknown: "by_somebody",
  job_queue_full: "by_itself",
  job_served_late: "by_somebody",
  job_rate_limited: "by_itself",
  job_cooling_down: "by_itself",
  job_key_busy: "by_itself",
  job_lane_behind: "by_itself",
  job_lane_turn: "by_itself",
  job_behind: "by_itself",
  job_ready: "nothing_to_clear",
  job_running: "nothing_to_clear",
  job_executor_late: "by_somebody",
  // Whoever is alive takes the job back.
  job_executor_missing: "by_itself",
  job_completed: "ended",
  job_cancelled: "ended",
  job_superseded: "ended",
  job_exhausted: "ended",
  job_expired: "ended",
  job_discarded: "ended",
} as const satisfies Record<JobDiagnosis, Clears>;
