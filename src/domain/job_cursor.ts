import { type JobId, parseJobId } from "./job.ts";
import type { JobState } from "./state.ts";

/** How the jobs of a state are ordered in a list. */
export const JOB_ORDERS = {
  /** The newest first. */
  suspended: "inserted",
  available: "inserted",
  completed: "inserted",
  cancelled: "inserted",
  discarded: "inserted",
  /** The next to run first. */
  scheduled: "due",
  retryable: "due",
  /** The last to start first. */
  executing: "claimed",
} as const satisfies Record<JobState, string>;
/** One of the values of {@linkcode JOB_ORDERS}. */
export type JobOrder = typeof JOB_ORDERS[JobState];

/** A place between two jobs of a list. */
export interface JobCursor {
  /**
   * What the order begins with: microseconds since 1970 of the instant that a
   * job is due, or the id of its lease. Null where jobs are ordered by id.
   */
  readonly key: `${bigint}` | null;
  readonly jobId: JobId;
}

/**
 * Reads the cursor of a list, such as `1893_71234` or `71234`.
 *
 * @returns `null` if no list of this order ever gave it out.
 */
export function parseJobCursor(
  text: string,
  order: JobOrder,
): JobCursor | null {
  const parts = text.split("_");
  if (parts.length !== (order === "inserted" ? 1 : 2)) return null;
  const [jobId, key] = parts.toReversed().map(parseJobId);
  if (!jobId || key === null) return null;
  return { key: key ?? null, jobId };
}

/** The text of a cursor, as {@linkcode parseJobCursor} reads it. */
export function jobCursorText({ key, jobId }: JobCursor): string {
  return key === null ? jobId : `${key}_${jobId}`;
}
