import { type JobId, parseJobId } from "./job.ts";
import { JOB_STATES } from "./state.ts";

/** The lists of jobs: all of them, and those of each state. */
export const JOB_LISTS = ["all", ...JOB_STATES] as const;
/** One of {@linkcode JOB_LISTS}. */
export type JobList = typeof JOB_LISTS[number];

/** How the jobs of a list are ordered. */
export const JOB_ORDERS = {
  /** The newest first. */
  all: "inserted",
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
} as const satisfies Record<JobList, string>;
/** One of the values of {@linkcode JOB_ORDERS}. */
export type JobOrder = typeof JOB_ORDERS[JobList];

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
