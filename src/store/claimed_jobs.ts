import type { Database } from "../db/database.ts";
import { type Sql, sql } from "../db/sql.ts";
import type { JobId } from "../domain/job.ts";

/** A lease's id. It never repeats: it is the fence of what its runs write. */
export type LeaseId = `${bigint}`;

/** A job that was claimed, with what a run needs of its definition. */
export interface ClaimedJob {
  readonly leaseId: LeaseId;
  readonly jobId: JobId;
  /** The attempt that begins, counted from 1. */
  readonly attempt: number;
  readonly queue: string;
  readonly worker: string;
  readonly args: { readonly [key: string]: unknown };
  readonly meta: { readonly [key: string]: unknown };
  readonly tags: readonly string[];
  readonly priority: number;
  readonly maxAttempts: number;
  /** Until its deadline, at the claim; `null` without one. */
  readonly deadlineInMs: number | null;
}

/**
 * A claimed job as it travels. Each cell of each row costs the process that
 * reads it, so what is a number comes in one, and names come as their places in
 * what was asked for.
 */
export interface ClaimedRow {
  readonly leaseId: LeaseId;
  readonly head: string;
  readonly args: ClaimedJob["args"];
  /** What most jobs do not have. */
  readonly rest: Pick<ClaimedJob, "meta" | "tags" | "deadlineInMs"> | null;
}

/** Puts it together again. */
export function toClaimedJob(
  { leaseId, head, args, rest }: ClaimedRow,
  { queues, workers }: {
    readonly queues: readonly { readonly queue: string }[];
    readonly workers: readonly string[];
  },
): ClaimedJob {
  const [jobId, attempt, priority, maxAttempts, queue, worker] = head.split(
    ",",
  );
  const { meta, tags, deadlineInMs } = rest ??
    { meta: {}, tags: [], deadlineInMs: null };
  return {
    leaseId,
    jobId: jobId as JobId,
    attempt: Number(attempt),
    queue: queues[Number(queue) - 1]?.queue ?? "",
    worker: workers[Number(worker) - 1] ?? "",
    args,
    meta,
    tags,
    priority: Number(priority),
    maxAttempts: Number(maxAttempts),
    deadlineInMs,
  };
}

/**
 * Puts what the part `taken` of a statement brought into one lease, in the order
 * of ids, which those who end it by places rely on; none for nothing.
 */
export function leaseOfTaken(db: Database, executorId: number): Sql {
  return sql`
    insert into yardmaster.leases (
      executor_id, job_ids, attempts, claimed_at
    )
    select
      ${executorId}::integer,
      array_agg(job_id order by job_id),
      array_agg(attempt order by job_id),
      ${db.now}
    from taken
    having count(*) > 0
    returning id
  `;
}
