/** A job, held where it stands. */
import type { Database } from "../db/database.ts";
import { sql } from "../db/sql.ts";
import type { JobId, JobState } from "../domain/job.ts";

/** A job and where it stands, locked there until the transaction ends. */
export interface LockedJob {
  readonly jobId: JobId;
  readonly queue: string;
  readonly worker: string;
  readonly args: unknown;
  readonly state: JobState;
  /** Attempts made, with the one that runs. */
  readonly attempt: number;
  readonly maxAttempts: number;
  readonly runAt: Date | null;
  readonly leaseId: `${bigint}` | null;
  readonly executorId: number | null;
  readonly finishedAt: Date | null;
}

/** A job may move while we wait for its row: look again so many times. */
export const LOOKS_MAX = 4;

/**
 * Locks a job where it stands, so that nothing moves it before the transaction
 * ends.
 *
 * @returns `null` if there is no such job.
 */
export async function lockJob(
  tx: Database,
  jobId: JobId,
): Promise<LockedJob | null> {
  let found: LockedJob | null = null;
  for (let look = 0; look < LOOKS_MAX; look++) {
    found = await lockOnce(tx, jobId);
    // Not there, or in its place. A job that was moved while we waited for its
    // old place is in none that our snapshot shows: a new statement sees it.
    if (found === null || found.state !== "suspended") return found;
  }
  return found;
}

async function lockOnce(
  tx: Database,
  jobId: JobId,
): Promise<LockedJob | null> {
  const rows = await tx.query<LockedJob>(sql`
    with planned as materialized (
      select state::text as state, attempt, run_at
      from yardmaster.scheduled
      where job_id = ${jobId}::bigint
      for update
    ),
    due as materialized (
      select attempt
      from yardmaster.ready
      where job_id = ${jobId}::bigint
      for update
    ),
    in_line as materialized (
      select attempt
      from yardmaster.limited
      where job_id = ${jobId}::bigint
      for update
    ),
    waiting as (
      select attempt from due
      union all
      select attempt from in_line
    ),
    lease as materialized (
      select id, executor_id, job_ids, attempts
      from yardmaster.leases
      -- Leases are few, so nothing indexes what they hold.
      where job_ids @> array[${jobId}::bigint]
      for update
    ),
    run as (
      select lease.id, lease.executor_id, held.attempt
      from lease,
        unnest(lease.job_ids, lease.attempts) as held (job_id, attempt)
      where held.job_id = ${jobId}::bigint
    ),
    ended as materialized (
      select state::text as state, attempt, finished_at
      from yardmaster.outcomes
      where job_id = ${jobId}::bigint
      for update
    )
    select
      jobs.id::text as "jobId",
      jobs.queue, jobs.worker, jobs.args,
      case
        when run.id is not null then 'executing'
        when waiting.attempt is not null then 'available'
        else coalesce(ended.state, planned.state, 'suspended')
      end as "state",
      coalesce(run.attempt, waiting.attempt, ended.attempt, planned.attempt, 0)
        as "attempt",
      jobs.max_attempts as "maxAttempts",
      planned.run_at as "runAt",
      run.id::text as "leaseId",
      run.executor_id as "executorId",
      ended.finished_at as "finishedAt"
    from yardmaster.jobs
    left join planned on true
    left join waiting on true
    left join run on true
    left join ended on true
    where jobs.id = ${jobId}::bigint
  `);
  return rows[0] ?? null;
}
