import type { Database } from "../db/database.ts";
import { sql } from "../db/sql.ts";
import type { JobId } from "../domain/job.ts";
import {
  type ClaimedJob,
  type ClaimedRow,
  claimedRows,
  type LeaseId,
  leaseOfTaken,
  toClaimedJob,
} from "./claimed_jobs.ts";

export type { ClaimedJob, LeaseId } from "./claimed_jobs.ts";
import { placed } from "./limited.ts";

/** What a runner asks for, one of each queue. */
export interface QueueDemand {
  readonly queue: string;
  /** The limit that the runner's own code declares. */
  readonly declaredLimit: number;
  /** Jobs of the queue that the runner holds already. */
  readonly held: number;
  /** Jobs it may hold beyond the limit, so that it need not wait for the next. */
  readonly prefetch: number;
  /** At most so many now. */
  readonly most: number;
  /**
   * Looks only at what comes after this job in the order of claims; left out, it looks
   * at everything. What was claimed lately leaves dead rows at the front, and
   * each claim would step over all of them.
   */
  readonly after?: ClaimMark | null;
}

/** A place in the order of claims. */
export interface ClaimMark {
  readonly priority: number;
  readonly jobId: JobId;
}

/** Who claims what. */
export interface ClaimDemand {
  readonly executorId: number;
  /** Jobs of other workers are left where they are. */
  readonly workers: readonly string[];
  readonly queues: readonly QueueDemand[];
}

/** A lease holds no more; the table checks it. */
export const LEASE_JOBS_MAX = 1_000;

/**
 * Claims due jobs for an executor, of all its queues at once, in the order of
 * priority and then of age. They become one lease.
 *
 * Pauses and limits are decided here, so they hold from the moment they are
 * written. An executor that was found missing claims nothing.
 *
 * The sum of `most` is at most {@linkcode LEASE_JOBS_MAX}.
 */
export async function claimJobs(
  db: Database,
  { executorId, workers, queues }: ClaimDemand,
): Promise<ClaimedJob[]> {
  const rows = await db.query<ClaimedRow>(
    sql`
    with wanted as (
      select
        demand.queue,
        demand.after_priority,
        demand.after_job_id,
        least(
          coalesce(queues.chosen_limit, demand.declared_limit)
            + demand.prefetch - demand.held,
          demand.most
        ) as jobs
      from unnest(
        (select ${queues.map((demand) => demand.queue)}::text[]),
        (select ${queues.map((demand) => demand.declaredLimit)}::integer[]),
        (select ${queues.map((demand) => demand.held)}::integer[]),
        (select ${queues.map((demand) => demand.prefetch)}::integer[]),
        (select ${queues.map((demand) => demand.most)}::integer[]),
        (select ${
      queues.map(({ after }) => after?.priority ?? -1)
    }::smallint[]),
        (select ${queues.map(({ after }) => after?.jobId ?? "-1")}::bigint[])
      ) as demand (
        queue, declared_limit, held, prefetch, most, after_priority,
        after_job_id
      )
      left join yardmaster.queues on queues.name = demand.queue
      where queues.paused_at is null
        and exists (
          select
          from yardmaster.executors
          where id = ${executorId}::integer and stopped_at is null
        )
    ),
    -- Materialized, or the rows would be locked more than once and in another
    -- order; skip locked, so that claims do not wait for each other.
    picked as materialized (
      select due.place
      from wanted
      cross join lateral (
        select ready.ctid as place
        from yardmaster.ready
        where ready.queue = wanted.queue
          and ready.worker = any ((select ${[...workers]}::text[])::text[])
          and (ready.priority, ready.job_id)
            > (wanted.after_priority, wanted.after_job_id)
        order by ready.priority, ready.job_id
        limit greatest(wanted.jobs, 0)
        for update skip locked
      ) as due
    ),
    -- By place and not by id: whatever the plan is made for, it is a scan of
    -- these places and not of the table.
    taken as (
      delete from yardmaster.ready
      where ctid = any (array(select place from picked))
      returning job_id, queue, worker, priority, (attempt + 1)::smallint as attempt
    ),
    lease as (${leaseOfTaken(db, executorId)})
    ${claimedRows(db, { queues, workers })}
  `,
    { hot: true },
  );
  return rows.map((row) => toClaimedJob(row, { queues, workers }));
}

/** The jobs that an executor holds now. */
export async function listHeldJobs(
  db: Database,
  executorId: number,
): Promise<{ readonly leaseId: LeaseId; readonly jobIds: readonly JobId[] }[]> {
  return await db.query(sql`
    select id::text as "leaseId", job_ids as "jobIds"
    from yardmaster.leases
    where executor_id = ${executorId}::integer
  `);
}

/** What a pass of the rescue did. */
export interface Rescue {
  /** Jobs that are ready for another attempt. */
  readonly rescued: number;
  /** Jobs whose last attempt this was. */
  readonly discarded: number;
  /** Where the rescued ones wait. */
  readonly queues: readonly string[];
  /** Those that were discarded. */
  readonly discardedIds: readonly JobId[];
}

/**
 * Takes the jobs of executors that are gone out of their leases. The attempt
 * counts as made: it may have done its work, all but telling. Any process may do
 * it, also one that does not know the workers.
 *
 * @param limit Leases at a time.
 */
export async function rescueLeases(
  db: Database,
  { limit }: { readonly limit: number },
): Promise<Rescue> {
  const rows = await db.query<Rescue>(sql`
    with lease as materialized (
      select leases.id, leases.executor_id, leases.claimed_at, leases.job_ids,
        leases.attempts
      from yardmaster.leases
      left join yardmaster.executors on executors.id = leases.executor_id
      where executors.id is null or executors.stopped_at is not null
      order by leases.id
      limit ${limit}
      for update of leases skip locked
    ),
    ended as (
      delete from yardmaster.leases
      where id = any (array(select id from lease))
    ),
    run as materialized (
      select
        lease.executor_id, lease.claimed_at, held.job_id, held.attempt,
        job.queue, job.worker, job.priority,
        held.attempt >= job.max_attempts as exhausted
      from lease
      cross join unnest(lease.job_ids, lease.attempts)
        as held (job_id, attempt)
      cross join lateral (
        select queue, worker, priority, max_attempts
        from yardmaster.jobs
        where jobs.id = held.job_id
        offset 0
      ) as job
    ),
    back as materialized (
      select job_id, queue, worker, priority, attempt
      from run
      where not exhausted
    ),
    ${placed(sql`back`)}
    outcome as (
      insert into yardmaster.outcomes (
        job_id, state, attempt, executor_id, took_ms, finished_at
      )
      select
        job_id, 'discarded', attempt, executor_id,
        least(
          greatest(extract(epoch from ${db.now} - claimed_at) * 1000, 0),
          2147483647
        )::integer,
        ${db.now}
      from run
      where exhausted
    ),
    told as (
      insert into yardmaster.attempt_events (
        job_id, attempt, kind, executor_id, at
      )
      select job_id, attempt, 'rescued', executor_id, ${db.now}
      from run
    )
    select
      count(*) filter (where not exhausted)::integer as "rescued",
      count(*) filter (where exhausted)::integer as "discarded",
      coalesce(
        array_agg(distinct queue) filter (where not exhausted),
        '{}'
      ) as "queues",
      coalesce(
        array_agg(job_id::text order by job_id) filter (where exhausted),
        '{}'
      ) as "discardedIds"
    from run
  `);
  return rows[0] ??
    { rescued: 0, discarded: 0, queues: [], discardedIds: [] };
}
