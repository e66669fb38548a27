import type { Database } from "../db/database.ts";
import { sql } from "../db/sql.ts";
import type { JobId } from "../domain/job.ts";
import type { LeaseId } from "./leases.ts";

const TOOK_MS_MAX = 2_147_483_647;

/** What completed of a lease. */
export interface LeaseEnd {
  readonly leaseId: LeaseId;
  /**
   * The first and the last job that it holds, as far as we know. An id of a lease
   * never repeats, but after a failover that lost the newest commits it may.
   */
  readonly outermost: readonly [JobId, JobId];
  /**
   * Of each job that the lease holds, in the order of their ids: how long its
   * run took in milliseconds, or null where it still runs.
   */
  readonly tookMs: readonly (number | null)[];
}

/**
 * Completes jobs by their place in their leases, at half of what it costs to name
 * each of them. It applies to a lease that holds as many jobs as we know of:
 * jobs leave a lease and never enter it, so these are the same ones.
 *
 * @returns The leases to which it applied. To all others nothing was done.
 */
export async function completeInLeases(
  db: Database,
  ends: readonly LeaseEnd[],
): Promise<LeaseId[]> {
  const rows = await db.query<{ leaseId: LeaseId }>(
    sql`
    -- Lock first, unnest after: see acknowledge().
    with held as materialized (
      select id, executor_id, job_ids, attempts
      from yardmaster.leases
      where id = any (
        (select ${ends.map((end) => end.leaseId)}::bigint[])::bigint[]
      )
      order by id
      for update
    ),
    lease as materialized (
      select held.*, told.took_ms
      from held
      join (
        select lease_id, first_id, last_id, took_ms::integer[] as took_ms
        from unnest(
          (select ${ends.map((end) => end.leaseId)}::bigint[]),
          (select ${ends.map((end) => end.outermost[0])}::bigint[]),
          (select ${ends.map((end) => end.outermost[1])}::bigint[]),
          (select ${ends.map(({ tookMs }) => integers(tookMs))}::text[])
        ) as told (lease_id, first_id, last_id, took_ms)
      ) as told on told.lease_id = held.id
      where cardinality(held.job_ids) = cardinality(told.took_ms)
        and held.job_ids[1] = told.first_id
        and held.job_ids[cardinality(held.job_ids)] = told.last_id
    ),
    emptied as (
      delete from yardmaster.leases
      where id = any (array(
        select id from lease where array_position(took_ms, null) is null
      ))
    ),
    trimmed as (
      update yardmaster.leases
      set job_ids = kept.job_ids, attempts = kept.attempts
      from (
        select
          id,
          array_agg(job_id order by job_id) as job_ids,
          array_agg(attempt order by job_id) as attempts
        from lease
        cross join unnest(lease.job_ids, lease.attempts, lease.took_ms)
          as run (job_id, attempt, took_ms)
        where run.took_ms is null
        group by id
      ) as kept
      where leases.id = kept.id
    ),
    ended as (
      insert into yardmaster.outcomes (
        job_id, state, attempt, executor_id, took_ms, finished_at
      )
      select run.job_id, 'completed', run.attempt, executor_id, run.took_ms,
        ${db.now}
      from lease
      cross join unnest(lease.job_ids, lease.attempts, lease.took_ms)
        as run (job_id, attempt, took_ms)
      where run.took_ms is not null
    )
    select id::text as "leaseId" from lease
  `,
    { hot: true },
  );
  return rows.map((row) => row.leaseId);
}

/** An array of arrays would have to be of one length. */
function integers(tookMs: LeaseEnd["tookMs"]): string {
  return `{${
    tookMs.map((ms) => ms === null ? "null" : wholeMs(ms)).join(",")
  }}`;
}

/** Whatever a clock does, the column of durations takes it. */
export function wholeMs(ms: number): number {
  if (!(ms > 0)) return 0;
  return Math.min(Math.round(ms), TOOK_MS_MAX);
}
