import type { Database } from "../db/database.ts";
import { json, sql } from "../db/sql.ts";
import { ARGS_VERSION_KEY } from "../domain/args_version.ts";
import type { JobId } from "../domain/job.ts";
import type { Replaceable } from "../domain/unique_key.ts";
import type { JobInsert } from "./jobs.ts";
import { placed } from "./limited.ts";

/** What a conflicting insert overwrites in the job that holds its key. */
export interface JobReplacement {
  readonly jobId: JobId;
  readonly fields: readonly Replaceable[];
  readonly insert: JobInsert;
}

/**
 * Overwrites fields of a job that still waits and still holds its key.
 *
 * @returns Whether it did: a job that has started, or ended, stays as it is.
 */
export async function replaceJob(
  db: Database,
  { jobId, fields, insert }: JobReplacement,
): Promise<boolean> {
  const has = (field: Replaceable) => fields.includes(field);
  const moves = has("runAt");
  // The partition is that of the new args.
  const args = has("args")
    ? json(insert.args)
    : sql`(select args from yardmaster.jobs where jobs.id = due.job_id)`;
  const rows = await db.query(sql`
    with given as (
      select
        coalesce(
          ${insert.runAt ?? null}::timestamptz,
          ${db.now} + ${insert.delayMs ?? null}::float8 * interval '1 ms',
          ${db.now}
        ) as run_at
    ),
    -- Whoever takes the row out of its place decides: a claim that was faster
    -- leaves nothing to take.
    waited as (
      delete from yardmaster.ready where job_id = ${jobId}::bigint
      returning job_id, queue, worker, priority, attempt,
        'scheduled'::yardmaster.waiting_state as state,
        null::timestamptz as run_at
    ),
    in_line as (
      delete from yardmaster.limited where job_id = ${jobId}::bigint
      returning job_id, queue, worker, priority, attempt,
        'scheduled'::yardmaster.waiting_state as state,
        null::timestamptz as run_at
    ),
    planned as (
      delete from yardmaster.scheduled where job_id = ${jobId}::bigint
      returning job_id, queue, worker, priority, attempt, state, run_at
    ),
    moved as (
      select
        stood.job_id, stood.queue, stood.worker, stood.attempt, stood.state,
        case when ${has("priority")}::boolean
          then ${insert.priority}::smallint else stood.priority
        end as priority,
        case when ${moves}::boolean then given.run_at else stood.run_at
        end as run_at
      from (
        select * from waited
        union all
        select * from in_line
        union all
        select * from planned
      ) as stood
      cross join given
    ),
    due as materialized (
      select job_id, queue, worker, priority, attempt
      from moved
      where run_at is null or run_at <= ${db.now}
    ),
    ${placed(sql`due`, { args })}
    later as (
      insert into yardmaster.scheduled (
        job_id, queue, worker, priority, state, run_at, attempt
      )
      select job_id, queue, worker, priority, state, run_at, attempt
      from moved
      where run_at > ${db.now}
    ),
    told as (
      insert into yardmaster.attempt_events (job_id, attempt, kind, run_at, at)
      select job_id, attempt, 'replaced', run_at, ${db.now}
      from moved
    )
    update yardmaster.jobs
    set
      args = case when ${has("args")}::boolean
        then ${json(insert.args)} else args end,
      -- Which version the args have goes with the args, not with the notes.
      meta = jsonb_strip_nulls(jsonb_build_object(
        ${ARGS_VERSION_KEY}::text,
        case when ${has("args")}::boolean
          then ${json(insert.meta ?? {})} else meta
        end -> ${ARGS_VERSION_KEY}::text
      )) || (
        case when ${has("meta")}::boolean
          then ${json(insert.meta ?? {})} else meta
        end - ${ARGS_VERSION_KEY}::text
      ),
      tags = case when ${has("tags")}::boolean
        then ${[...insert.tags ?? []]}::text[] else tags end,
      max_attempts = case when ${has("maxAttempts")}::boolean
        then ${insert.maxAttempts}::smallint else max_attempts end,
      priority = moved.priority
    from moved
    where jobs.id = moved.job_id
    returning jobs.id
  `);
  return rows.length === 1;
}

/**
 * Forgets claims that hold nothing any more: expired ones, and those of jobs
 * that are gone. An insert would take them over; this only makes room.
 *
 * @returns How many; at most `limit` of each kind.
 */
export async function pruneUniqueKeys(
  db: Database,
  { goneBeforeMs, limit }: {
    /** Jobs inserted so long ago may be gone. */
    readonly goneBeforeMs: number;
    readonly limit: number;
  },
): Promise<number> {
  const rows = await db.query(sql`
    with expired as materialized (
      select key
      from yardmaster.unique_keys
      where expires_at <= ${db.now}
      order by expires_at
      limit ${limit}
      for update skip locked
    ),
    orphaned as materialized (
      -- Not covered by an index: a claim without an end is rare, and what holds
      -- for ever is looked at once in a while.
      select key
      from yardmaster.unique_keys
      where expires_at is null
        and job_id < yardmaster.job_id_at(
          ${db.now} - ${goneBeforeMs}::float8 * interval '1 ms'
        )
        and not exists (
          select from yardmaster.jobs where jobs.id = unique_keys.job_id
        )
      limit ${limit}
      for update skip locked
    )
    delete from yardmaster.unique_keys
    where key in (select key from expired union all select key from orphaned)
    returning key
  `);
  return rows.length;
}
