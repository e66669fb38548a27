import type { Database } from "../db/database.ts";
import { type Sql, sql } from "../db/sql.ts";
import type { JobId, JobState, TerminalState } from "../domain/job.ts";
import { LOOKS_MAX } from "./job_locks.ts";
import { placed } from "./limited.ts";
import { retakenKeys } from "./unique_holders.ts";
import { endSuspended, holdSuspended } from "./suspended.ts";

export { type LockedJob, lockJob } from "./job_locks.ts";

/** A job and the person or program that moves it. */
export interface Transition {
  readonly jobId: JobId;
  /** Recorded with the event; `null` for the host's own code. */
  readonly principal: string | null;
  /**
   * False where the caller holds other leases: rather than wait for the one that
   * holds this job, it fails with `55P03`. True by default.
   */
  readonly waits?: boolean;
}

/** Where a job stood, and where it stands now. */
export interface Moved {
  readonly before: JobState;
  readonly after: JobState;
  readonly queue: string;
}

/**
 * Sends a job that waits for its time, or that ended, back to `ready`, or to the
 * limiters of its worker. Its attempts stay counted, and one more is allowed.
 *
 * @returns `null` if it is in none of `RETRY_FROM` any more.
 */
export async function retryJob(
  tx: Database,
  { jobId, principal }: Transition,
): Promise<Moved | null> {
  const rows = await tx.query<Moved>(sql`
    with planned as (
      delete from yardmaster.scheduled
      where job_id = ${jobId}::bigint
      returning job_id, state::text as state, attempt
    ),
    ended as (
      delete from yardmaster.outcomes
      where job_id = ${jobId}::bigint
      returning job_id, state::text as state, attempt
    ),
    -- Its cron entry looks for active jobs from here on. Written in any case:
    -- whoever fires the entry now must wait until this job is seen.
    reopened as (
      update yardmaster.cron_entries
      set active_from_id = least(active_from_id, ended.job_id)
      from ended join yardmaster.jobs on jobs.id = ended.job_id
      where jobs.id = ${jobId}::bigint and name = jobs.cron_entry
    ),
    ${retakenKeys(tx, jobId)}
    stood as (
      select * from planned
      union all
      select * from ended
    ),
    back as materialized (
      select jobs.id as job_id, jobs.queue, jobs.worker, jobs.priority,
        stood.attempt
      from stood
      join yardmaster.jobs on jobs.id = stood.job_id
      where jobs.id = ${jobId}::bigint
    ),
    ${placed(sql`back`)}
    told as (
      insert into yardmaster.attempt_events (
        job_id, attempt, kind, principal, at
      )
      select job_id, attempt, 'retried', ${principal}, ${tx.now}
      from stood
    )
    select stood.state as "before", 'available' as "after", back.queue
    from stood
    join back using (job_id)
  `);
  return rows[0] ?? null;
}

/**
 * Ends a job as cancelled, wherever it waits or runs. A run learns of it by its
 * signal, and what it writes afterwards is refused.
 *
 * @returns `null` if it is in none of `CANCEL_FROM` any more.
 */
export async function cancelJob(
  tx: Database,
  transition: Transition,
): Promise<Moved | null> {
  return await endJob(tx, { ...transition, state: "cancelled" });
}

/**
 * Ends a job as discarded: no attempt will be made any more. See
 * {@linkcode cancelJob}.
 */
export async function discardJob(
  tx: Database,
  transition: Transition,
): Promise<Moved | null> {
  return await endJob(tx, { ...transition, state: "discarded" });
}

type Ending = Transition & {
  readonly state: Exclude<TerminalState, "completed">;
};

async function endJob(tx: Database, ending: Ending): Promise<Moved | null> {
  let moved: Moved | null = null;
  // As in lockJob(): a job that moved while we waited is found by looking again.
  for (let look = 0; look < LOOKS_MAX && moved === null; look++) {
    moved = (await tx.query<Moved>(ended(tx, ending)))[0] ?? null;
  }
  return moved ?? await endNowhere(tx, ending);
}

/** Ends a job that stands in no table from which it could be taken. */
async function endNowhere(tx: Database, ending: Ending): Promise<Moved | null> {
  const { jobId, state } = ending;
  return await tx.transaction(async (own) => {
    if (!await holdSuspended(own, jobId)) return null;
    const queue = await endSuspended(own, ending);
    if (queue !== null) return { before: "suspended", after: state, queue };
    // Somebody let it go on before we held it.
    return (await own.query<Moved>(ended(own, ending)))[0] ?? null;
  });
}

function ended(tx: Database, ending: Ending): Sql {
  const { jobId, principal, state, waits = true } = ending;
  return sql`
    with planned as (
      delete from yardmaster.scheduled
      where job_id = ${jobId}::bigint
      returning job_id, queue, state::text as state, attempt
    ),
    due as (
      delete from yardmaster.ready
      where job_id = ${jobId}::bigint
      returning job_id, queue, attempt
    ),
    in_line as (
      delete from yardmaster.limited
      where job_id = ${jobId}::bigint
      returning job_id, queue, attempt
    ),
    waiting as (
      select * from due
      union all
      select * from in_line
    ),
    -- Lock first, unnest after: see acknowledge().
    lease as materialized (
      select id, executor_id, job_ids, attempts, claimed_at
      from yardmaster.leases
      where job_ids @> array[${jobId}::bigint]
      for update ${waits ? sql`` : sql`nowait`}
    ),
    held as (
      select lease.id, lease.executor_id, lease.claimed_at, run.*
      from lease,
        unnest(lease.job_ids, lease.attempts) as run (job_id, attempt)
    ),
    kept as (
      select
        id,
        array_agg(job_id order by job_id) as job_ids,
        array_agg(attempt order by job_id) as attempts
      from held
      where job_id <> ${jobId}::bigint
      group by id
    ),
    trimmed as (
      update yardmaster.leases
      set job_ids = kept.job_ids, attempts = kept.attempts
      from kept
      where leases.id = kept.id
    ),
    emptied as (
      delete from yardmaster.leases
      using lease
      where leases.id = lease.id and cardinality(lease.job_ids) = 1
    ),
    stood as (
      select job_id, queue, state, attempt, null::integer as executor_id,
        null::timestamptz as claimed_at
      from planned
      union all
      select job_id, queue, 'available', attempt, null, null
      from waiting
      union all
      select held.job_id, jobs.queue, 'executing', held.attempt,
        held.executor_id, held.claimed_at
      from held
      join yardmaster.jobs on jobs.id = ${jobId}::bigint
      where held.job_id = ${jobId}::bigint
    ),
    outcome as (
      insert into yardmaster.outcomes (
        job_id, state, attempt, executor_id, took_ms, finished_at
      )
      select
        job_id, ${state}::yardmaster.outcome_state, attempt, executor_id,
        coalesce(${tookMs(tx)}, 0), ${tx.now}
      from stood
    ),
    told as (
      insert into yardmaster.attempt_events (
        job_id, attempt, kind, executor_id, principal, at
      )
      select
        job_id, attempt, ${state}::yardmaster.attempt_event_kind, executor_id,
        ${principal}, ${tx.now}
      from stood
    )
    select state as "before", ${state}::text as "after", queue from stood
  `;
}

/** From the claim, in whole milliseconds that fit the column. */
function tookMs(tx: Database): Sql {
  return sql`least(
    greatest(extract(epoch from ${tx.now} - claimed_at) * 1000, 0),
    2147483647
  )::integer`;
}
