/** Where a job can stand. The same list as the enum `job_state` in the database. */
export const JOB_STATES = [
  "suspended",
  "scheduled",
  "available",
  "executing",
  "retryable",
  "completed",
  "cancelled",
  "discarded",
] as const;
/** One of {@linkcode JOB_STATES}. */
export type JobState = typeof JOB_STATES[number];

/** States that end a job. A job is in one exactly when `outcomes` holds it. */
export const TERMINAL_STATES = ["completed", "cancelled", "discarded"] as const;
/** One of {@linkcode TERMINAL_STATES}. */
export type TerminalState = typeof TERMINAL_STATES[number];
