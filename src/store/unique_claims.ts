/** The part of an insert that decides over its unique keys. */
import type { Database } from "../db/database.ts";
import { type Sql, sql } from "../db/sql.ts";
import { JOB_STATES } from "../domain/job.ts";

/** In place of {@linkcode uniqueClaims}, where no job is unique. */
export function noClaims(): Sql {
  return sql`
    claimed as (
      select null::text as key, null::bigint as job_id where false
    ),
  `;
}

/**
 * Claims of uniqueness, one for each key. Every key that is asked for is
 * written, also when it is held and stays as it is: only so does the statement
 * learn the holder's id when somebody else inserted it a moment ago, which its
 * snapshot does not show.
 */
export function uniqueClaims(db: Database): Sql {
  return sql`
    claimed as (
      insert into yardmaster.unique_keys as held (
        key, job_id, states, expires_at
      )
      select distinct on (unique_key)
        unique_key, id, unique_states,
        ${db.now} + unique_ms * interval '1 ms'
      from asking
      where unique_key is not null
      -- In order of the key, so that two batches can not lock each other out.
      order by unique_key, place
      on conflict (key) do update
      set (job_id, states, expires_at) = (
        select
          case when over then excluded.job_id else held.job_id end,
          case when over then excluded.states else held.states end,
          case when over then excluded.expires_at else held.expires_at end
        from (
          select case
            when held.expires_at <= ${db.now} then true
            -- A holder that our snapshot does not show was inserted by
            -- somebody else while we waited: it is alive.
            when not exists (
              select
              from yardmaster.unique_keys as seen
              where seen.key = held.key and seen.job_id = held.job_id
            ) then false
            when ${isHolding()} then false
            else ${staysEnded()}
          end as over
          -- Decided once, for all three.
          offset 0
        ) as claim
      )
      returning key, job_id
    ),
  `;
}

/**
 * Whether the job of a claim holds it, by where the job stands: of the row
 * `held`, whatever its time.
 */
export function isHolding(): Sql {
  return sql`coalesce(
    ${holderState()} = any (held.states),
    -- The job is gone. What holds in all states for a time holds for all of that
    -- time.
    held.expires_at is not null
      and cardinality(held.states) >= ${JOB_STATES.length}::integer
  )`;
}

/**
 * False when the holder had ended, and was taken back while we waited for its
 * claim: who retries a job has locked its claim before. Held until we commit, so
 * that a retry which comes later finds the claim taken over.
 */
function staysEnded(): Sql {
  return sql`coalesce(
    (
      select true from yardmaster.outcomes
      where outcomes.job_id = held.job_id
      for key share
    ),
    not exists (
      select from yardmaster.outcomes where outcomes.job_id = held.job_id
    )
  )`;
}

/**
 * Null when the holder is gone: then it holds nothing.
 *
 * Not by `job_states`, which takes all leases apart to find one job: with 20,000
 * jobs running that is 8 ms for each key. Here they are looked at last.
 */
function holderState(): Sql {
  return sql`(
    select coalesce(
      (
        select state::text::yardmaster.job_state
        from yardmaster.outcomes
        where outcomes.job_id = held.job_id
      ),
      (
        select state::text::yardmaster.job_state
        from yardmaster.scheduled
        where scheduled.job_id = held.job_id
      ),
      (
        select 'available'::yardmaster.job_state
        from yardmaster.ready
        where ready.job_id = held.job_id
      ),
      (
        select 'available'::yardmaster.job_state
        from yardmaster.limited
        where limited.job_id = held.job_id
      ),
      case
        when exists (
          select from yardmaster.leases
          where job_ids @> array[held.job_id]
        ) then 'executing'::yardmaster.job_state
        else 'suspended'
      end
    )
    from yardmaster.jobs
    where jobs.id = held.job_id
  )`;
}
