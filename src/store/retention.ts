import type { Database } from "../db/database.ts";
import { sql } from "../db/sql.ts";

/** How long evidence stays, and how much of it goes at a time. */
export interface Pruning {
  readonly keepMs: number;
  readonly limit: number;
}

/**
 * Deletes jobs that ended before the window from the default partitions, with
 * everything that is told of them but their outputs, which have a time of their
 * own. Other partitions are dropped whole.
 *
 * @returns How many jobs.
 */
export async function pruneDefaultPartitions(
  db: Database,
  { keepMs, limit }: Pruning,
): Promise<number> {
  const rows = await db.query(sql`
    with old as materialized (
      -- In order of the ids, which are time: the index finds the oldest first,
      -- and few of those ended lately.
      select job_id
      from yardmaster.outcomes_default
      where job_id < yardmaster.job_id_at(
          ${db.now} - ${keepMs}::float8 * interval '1 ms'
        )
        and finished_at <= ${db.now} - ${keepMs}::float8 * interval '1 ms'
      order by job_id
      limit ${limit}
      for update skip locked
    ),
    event as (
      delete from yardmaster.attempt_events_default
      where job_id = any (array(select job_id from old))
    ),
    job as (
      delete from yardmaster.jobs_default
      where id = any (array(select job_id from old))
    )
    delete from yardmaster.outcomes_default
    where job_id = any (array(select job_id from old))
    returning job_id
  `);
  return rows.length;
}

/**
 * Deletes what was told before the window of jobs that have not ended, so that
 * one which snoozes for ever does not write for ever; and of jobs that are gone.
 * What is told of a job that has ended goes with it.
 *
 * @returns How many events.
 */
export async function pruneOldEvents(
  db: Database,
  { keepMs, limit }: Pruning,
): Promise<number> {
  const rows = await db.query(sql`
    with old as materialized (
      -- In order of the ids: those of the default partition are few, and its
      -- oldest jobs have the oldest events.
      select job_id, id
      from yardmaster.attempt_events_default as event
      where job_id < yardmaster.job_id_at(
          ${db.now} - ${keepMs}::float8 * interval '1 ms'
        )
        and at <= ${db.now} - ${keepMs}::float8 * interval '1 ms'
        and (
          not exists (
            select from yardmaster.outcomes
            where outcomes.job_id = event.job_id
          )
          or not exists (
            select from yardmaster.jobs where jobs.id = event.job_id
          )
        )
      order by job_id, id
      limit ${limit}
    )
    delete from yardmaster.attempt_events_default as event
    using old
    where event.job_id = old.job_id and event.id = old.id
    returning event.id
  `);
  return rows.length;
}

/**
 * Forgets executors that stopped before the window and hold nothing.
 *
 * @returns How many.
 */
export async function pruneExecutors(
  db: Database,
  { keepMs, limit }: Pruning,
): Promise<number> {
  const rows = await db.query(sql`
    with old as materialized (
      select id
      from yardmaster.executors
      where stopped_at <= ${db.now} - ${keepMs}::float8 * interval '1 ms'
        and not exists (
          select from yardmaster.leases
          where leases.executor_id = executors.id
        )
      order by id
      limit ${limit}
      for update skip locked
    )
    delete from yardmaster.executors
    where id in (select id from old)
    returning id
  `);
  return rows.length;
}
