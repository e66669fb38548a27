/** Where the jobs of a page stand, for a list that does not say it. */
import { type Sql, sql } from "../db/sql.ts";

/**
 * The rows of a query `found`, with where their jobs stand: state, attempt,
 * executor and instants.
 *
 * Each row is looked up by its id in every table where a job can stand, and the
 * leases are read once for all of them: they hold ids in lists, and are as many
 * as there is capacity. So `found` must be short.
 */
export const STANDINGS: Sql = sql`
  with held as materialized (
    select run.job_id, run.attempt, lease.executor_id, lease.claimed_at
    from yardmaster.leases as lease,
      unnest(lease.job_ids, lease.attempts) as run (job_id, attempt)
    where run.job_id in (select job_id from found)
  )
  select
    found.job_id, found.key, found.job_queue, found.job_worker, found.tags,
    found.max_attempts, found.cron_entry,
    coalesce(stands.state, 'suspended') as state,
    coalesce(stands.attempt, 0) as attempt, stands.run_at,
    stands.executor_id, stands.claimed_at, stands.finished_at, stands.took_ms
  from found
  left join lateral (
    select state::text, attempt, run_at, null::integer as executor_id,
      null::timestamptz as claimed_at, null::timestamptz as finished_at,
      null::integer as took_ms
    from yardmaster.scheduled
    where job_id = found.job_id
    union all
    select 'available', attempt, null, null, null, null, null
    from yardmaster.ready
    where job_id = found.job_id
    union all
    select 'available', attempt, null, null, null, null, null
    from yardmaster.limited
    where job_id = found.job_id
    union all
    select 'executing', attempt, null, executor_id, claimed_at, null, null
    from held
    where job_id = found.job_id
    union all
    select state::text, attempt, null, executor_id, null, finished_at, took_ms
    from yardmaster.outcomes
    where job_id = found.job_id
    -- Never more than one: it keeps this a look-up by id for each row.
    limit 1
  ) as stands on true
`;
