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

/** What was asked for, which names are places in. */
interface Names {
  readonly queues: readonly { readonly queue: string }[];
  readonly workers: readonly string[];
}

/** What a statement with the parts `lease` and `taken` answers: its claimed jobs. */
export function claimedRows(db: Database, { queues, workers }: Names): Sql {
  return sql`
    select
      (select id::text from lease) as "leaseId",
      concat_ws(
        ',', taken.job_id, taken.attempt, taken.priority, job.max_attempts,
        array_position(${
    queues.map(({ queue }) => queue)
  }::text[], taken.queue),
        array_position(${[...workers]}::text[], taken.worker)
      ) as "head",
      job.args,
      case
        when job.meta <> '{}' or job.tags <> '{}' or job.deadline_at is not null
        then json_build_object(
          'meta', job.meta,
          'tags', job.tags,
          'deadlineInMs',
          (extract(epoch from job.deadline_at - ${db.now}) * 1000)::float8
        )
      end as "rest"
    from taken
    -- offset 0 keeps it a lookup for each job: a join might read the table.
    cross join lateral (
      select args, meta, tags, max_attempts, deadline_at
      from yardmaster.jobs
      where jobs.id = taken.job_id
      offset 0
    ) as job
    order by taken.priority, taken.job_id
  `;
}

/** Puts it together again. */
export function toClaimedJob(
  { leaseId, head, args, rest }: ClaimedRow,
  { queues, workers }: Names,
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
