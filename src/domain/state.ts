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

/**
 * What happens to an attempt, other than success. The same list as the enum
 * `attempt_event_kind` in the database.
 */
export const ATTEMPT_EVENT_KINDS = [
  "failed",
  "timed_out",
  "snoozed",
  "given_back",
  "rescued",
  "lost",
  "cancelled",
  "discarded",
  "expired",
  "retried",
  "replaced",
] as const;
/**
 * Of a job of which much is told, its first event and the newest so many stay.
 * Those between are deleted a little later, so there may be more.
 */
export const EVENTS_KEPT = 100;

/** One of {@linkcode ATTEMPT_EVENT_KINDS}. */
export type AttemptEventKind = typeof ATTEMPT_EVENT_KINDS[number];
