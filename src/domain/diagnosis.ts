/**
 * What can be said about a thing in one line: a closed list, so that each of
 * them has a status, words of its own, and steps in the runbook.
 */

import { LIMITER_DIAGNOSES } from "./limiter_diagnoses.ts";

/** What a control plane says about anything, the worst first. */
export type ControlStatus =
  /** Somebody should look: something went wrong. */
  | "needs_review"
  /** It can not go on until somebody acts. */
  | "blocked"
  /** It goes on by itself. */
  | "waiting"
  /** Nothing holds it up. */
  | "runnable"
  /** It is over. */
  | "resolved"
  /** Another engine owns it; it can only be looked at. */
  | "bridge_only";

/** What pages call each status. */
export const CONTROL_STATUS_LABELS = {
  needs_review: "Needs Review",
  blocked: "Blocked",
  waiting: "Waiting",
  runnable: "Runnable",
  resolved: "Resolved",
  bridge_only: "Bridge-only Follow-up",
} as const satisfies Record<ControlStatus, string>;

interface DiagnosisWords {
  /** Null: there is no thing to speak of. */
  readonly status: ControlStatus | null;
  readonly title: string;
  /** Why it matters now, or why it does not. */
  readonly why: string;
}

/** Every diagnosis of a job, a cron entry, a queue, a limiter, or of none of them. */
export const DIAGNOSES = {
  job_suspended: {
    status: "waiting",
    title: "Suspended",
    why: "Nothing in the queue moves it: something else has to release it.",
  },
  job_scheduled: {
    status: "waiting",
    title: "Waits for its time",
    why: "It is not due yet, so nothing is wrong.",
  },
  job_retryable: {
    status: "waiting",
    title: "Waits for its next attempt",
    why: "An attempt failed and more are left. It runs again by itself.",
  },
  job_due: {
    status: "runnable",
    title: "Due, and staged next",
    why: "Its time has come. It is moved into its queue within a second.",
  },
  job_overdue: {
    status: "blocked",
    title: "Due, and not staged",
    why: "Its time has come, but no executor has moved it into its queue.",
  },
  job_deadline_passed: {
    status: "needs_review",
    title: "Its deadline has passed",
    why: "The next claim ends it without a run.",
  },
  job_deadline_first: {
    status: "needs_review",
    title: "Its deadline comes before its time",
    why: "When it is due its deadline has passed, and it ends without a run.",
  },
  job_queue_paused: {
    status: "waiting",
    title: "Its queue is paused",
    why: "It is due and starts only after somebody resumes the queue.",
  },
  job_unserved: {
    status: "blocked",
    title: "No live executor serves its queue",
    why: "It is due, and nobody is there to claim it.",
  },
  job_worker_unknown: {
    status: "blocked",
    title: "No live executor knows its worker",
    why:
      "Executors serve the queue, but none of them has code for this worker.",
  },
  job_queue_full: {
    status: "waiting",
    title: "Waits for a free place",
    why: "Every place of its queue is taken. It starts when one is free.",
  },
  job_served_late: {
    status: "needs_review",
    title: "Only a late executor has a place for it",
    why: "Those that could claim it have not sent a heartbeat in time.",
  },
  job_rate_limited: {
    status: "waiting",
    title: "A rate limit is used up",
    why: "It starts when enough of the allowance has come back.",
  },
  job_cooling_down: {
    status: "waiting",
    title: "A limiter cools down",
    why: "Nothing of that limiter starts until the cooldown is over.",
  },
  job_key_busy: {
    status: "waiting",
    title: "As many run as its limiter allows",
    why: "It starts when one of those that run has ended.",
  },
  job_lane_behind: {
    status: "waiting",
    title: "Waits behind others of its limiters",
    why: "Jobs for the same limits start one after the other.",
  },
  job_lane_turn: {
    status: "runnable",
    title: "Its limiters let it pass",
    why: "It is the next of its limits, and starts when their turn comes.",
  },
  job_behind: {
    status: "waiting",
    title: "Waits for its turn",
    why: "More jobs come before it than there are free places.",
  },
  job_ready: {
    status: "runnable",
    title: "Ready to be claimed",
    why: "Nothing is wrong: a live executor claims it within a second.",
  },
  job_running: {
    status: "runnable",
    title: "Runs now",
    why: "A live executor holds it in a lease.",
  },
  job_executor_late: {
    status: "needs_review",
    title: "Its executor is late",
    why: "It runs in a process whose heartbeat is overdue.",
  },
  job_executor_missing: {
    status: "needs_review",
    title: "Its executor is missing",
    why: "The process that holds it gave no sign of life for too long.",
  },
  job_completed: {
    status: "resolved",
    title: "Completed",
    why: "It ended as its worker wanted. Nothing is left to do.",
  },
  job_cancelled: {
    status: "resolved",
    title: "Cancelled",
    why: "Somebody, or its own worker, said stop. It does not run again.",
  },
  job_superseded: {
    status: "resolved",
    title: "Cancelled for the next fire",
    why:
      "Its cron entry fired again, and its overlap policy cancels what runs.",
  },
  job_exhausted: {
    status: "needs_review",
    title: "No attempt is left",
    why: "Its last attempt did not succeed. Only an operator sends it back.",
  },
  job_expired: {
    status: "needs_review",
    title: "Ended at its deadline",
    why: "It was not over when its deadline passed.",
  },
  job_discarded: {
    status: "needs_review",
    title: "Ended without success",
    why: "It does not run again unless an operator retries it.",
  },
  cron_malformed: {
    status: "needs_review",
    title: "Its expression can not be read",
    why: "It fires no more until the expression is corrected.",
  },
  cron_retired: {
    status: "resolved",
    title: "No longer declared",
    why: "Code stopped declaring it. It fires no more, and its history stays.",
  },
  cron_paused: {
    status: "waiting",
    title: "Paused",
    why: "Its planned instants pass without a job until somebody resumes it.",
  },
  cron_missed: {
    status: "needs_review",
    title: "A planned fire was missed",
    why: "A scheduler looked at its plan, and still there is no job for it.",
  },
  cron_unseen: {
    status: "needs_review",
    title: "Nobody looked at part of its plan",
    why: "No scheduler was running then, so a fire may be missing.",
  },
  cron_failed: {
    status: "needs_review",
    title: "Its last job ended without success",
    why: "It fires as planned, but what it fires did not do its work.",
  },
  cron_held: {
    status: "waiting",
    title: "Its last fire met unfinished work",
    why: "The job before was still there, and its overlap policy decided.",
  },
  cron_key_held: {
    status: "waiting",
    title: "Another job held the key of its last fire",
    why: "Its worker declares its jobs unique, so that fire became no job.",
  },
  cron_limited: {
    status: "waiting",
    title: "A limiter refused its last fire",
    why: "It holds at enqueue and was full, so that fire became no job.",
  },
  cron_ready: {
    status: "runnable",
    title: "Fires as planned",
    why: "Its latest planned instants were all dealt with.",
  },
  cron_new: {
    status: "runnable",
    title: "No fire is on record",
    why: "It can fire. No planned instant of it is on record so far.",
  },
  queue_paused: {
    status: "waiting",
    title: "Paused",
    why: "Running jobs finish; nothing new starts until somebody resumes it.",
  },
  queue_unserved: {
    status: "blocked",
    title: "No live executor serves it",
    why: "Jobs are due, and nobody is there to claim them.",
  },
  queue_worker_unknown: {
    status: "blocked",
    title: "No executor knows the workers of its jobs",
    why: "Executors serve it, but none of them has code for these workers.",
  },
  queue_at_risk: {
    status: "needs_review",
    title: "An executor that serves it is not well",
    why: "Its heartbeat is overdue, so its jobs may have stopped.",
  },
  queue_full: {
    status: "waiting",
    title: "Every place is taken",
    why: "Jobs are due and start when a place is free.",
  },
  queue_working: {
    status: "runnable",
    title: "Works",
    why: "Live executors serve it.",
  },
  queue_idle: {
    status: "runnable",
    title: "Idle",
    why: "Nothing in it is due.",
  },
  ...LIMITER_DIAGNOSES,
  subject_unknown: {
    status: null,
    title: "Unknown",
    why: "There is no record of what was asked for.",
  },
} as const satisfies Record<string, DiagnosisWords>;

/** One of the keys of {@linkcode DIAGNOSES}. */
export type DiagnosisCode = keyof typeof DIAGNOSES;
/**
 * What can be said about a job.
 *
 * @internal
 */
export type JobDiagnosis = Extract<DiagnosisCode, `job_${string}`>;
