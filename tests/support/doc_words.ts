/** What the tables of `docs/` say beside what the code says of itself. */
import type { Clears } from "../../src/domain/explain_reason.ts";
import {
  CRON_BOUNDS,
  type CronCatchUp,
  type CronOverlap,
} from "../../src/domain/cron_entry.ts";
import type { JobState } from "../../src/domain/job.ts";
import type { RunEnd } from "../../src/events.ts";

/** What a person who may look is shown; those who act, see `ACTION_POLICIES`. */
export const VIEWS: Readonly<Record<string, string>> = {
  view_overview: "The overview, `/`",
  view_jobs: "The list of jobs, `/jobs`",
  view_job_detail: "One job with its story, `/jobs/:id`",
  view_queues: "Queues and executors, `/queues` and `/executors`",
  view_limiters: "Limiters and what they hold back, `/limiters`",
  view_cron: "Cron entries and their slots, `/cron`",
  view_forensics: "What is known about one thing, `/forensics`, and its export",
  view_audit: "Who did what and why, `/audit`, and its exports",
};

export const WAITS: Readonly<Record<JobState, string>> = {
  suspended: "something outside of it",
  scheduled: "its time",
  available: "a free executor",
  executing: "its run",
  retryable: "its time, after an attempt that failed",
  completed: "nothing: it ended",
  cancelled: "nothing: it ended",
  discarded: "nothing: it ended",
};

export const RUN_ENDS: Readonly<Record<RunEnd, string>> = {
  completed: "a value",
  failed: "an error",
  timed_out: "nothing in time",
  snoozed: "it asked to run later",
  cancelled: "it said that the job is not wanted",
  discarded: "it said that no attempt can help",
  expired: "the deadline of its job passed",
  given_back:
    "it was interrupted, or this process can not read its args yet, and its job went back",
};

export const OVERLAPS: Readonly<Record<CronOverlap, string>> = {
  allow: "another job",
  skip: "no job",
  queue_one: "one job more when those before have ended; beyond one, no job",
  cancel_previous:
    "those before are cancelled, also while they run; then another job",
};

export const CATCH_UPS: Readonly<Record<CronCatchUp, string>> = {
  none: "what was missed is recorded as missed",
  latest: "the newest becomes a job, the others are recorded as missed",
  all:
    `the newest \`catchUpMax\` become jobs: ${CRON_BOUNDS.catchUpMaxDefault}` +
    ` when left out, ${CRON_BOUNDS.catchUpMax.toLocaleString("en")} at most`,
};

export const CLEAR_WORDS: Readonly<Record<Clears, string>> = {
  by_itself: "by itself",
  by_somebody: "when somebody acts",
  nothing_to_clear: "nothing holds it up",
  ended: "it has ended",
};
