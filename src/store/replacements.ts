/** What inserts overwrite in the jobs that hold their unique keys. */
import type { Database } from "../db/database.ts";
import { json, type Sql, sql } from "../db/sql.ts";
import { ARGS_VERSION_KEY } from "../domain/args_version.ts";
import { JOB_BOUNDS, type JobId } from "../domain/job.ts";
import { REDACTED_KEY } from "../domain/redaction.ts";
import { placed } from "./limited.ts";
import {
  ARGS_NOTES,
  type JobReplacement,
  toReplaceRows,
} from "./replacement_rows.ts";

export type { JobReplacement, Overwrites } from "./replacement_rows.ts";

/** A job that was overwritten. */
export interface Replaced {
  readonly replaced: true;
  /** Where it waits now. */
  readonly queue: string;
  /** `null`: it is due. */
  readonly runAt: Date | null;
}

/** What became of a replacement. */
export type ReplaceAnswer =
  | Replaced
  | {
    readonly replaced: false;
    /** It moved while we waited for it, and may still be waiting elsewhere. */
    readonly isMoving: boolean;
  };

/** Of a job that waited; of others there is none. */
interface ReplacedRow {
  readonly jobId: JobId;
  readonly runAt: Date | null;
  /** `null` if nothing was replaced. */
  readonly queue: string | null;
}

/**
 * Overwrites jobs that still wait and still hold their keys, in one statement. Of
 * several replacements of one job, each overwrites what those before it wrote, and
 * the event is told once.
 *
 * Keys are locked first, in order: they are what two such statements share, and
 * whoever inserts a job locks them in that order as well. Whoever takes the row of
 * a job out of its place decides: a claim that was faster leaves nothing to take.
 *
 * @param replacements At most as many as one statement inserts.
 * @returns One answer for each, in that order.
 */
export async function replaceJobs(
  db: Database,
  replacements: readonly JobReplacement[],
): Promise<ReplaceAnswer[]> {
  if (replacements.length === 0) return [];
  const statement = sql`
    -- One value, in which a job is looked up: a join of ten thousand rows that
    -- Postgres takes for ten would be made by comparing each with each.
    with given as materialized (
      select ${json(toReplaceRows(replacements))} as rows
    ),
    held as materialized (
      select key, job_id
      from yardmaster.unique_keys
      where key = any (
        array(
          select value ->> 'key' from jsonb_each((select rows from given))
        )
      )
      order by key
      for update
    ),
    holding as materialized (
      select job_id
      from held
      where (select rows from given) -> job_id::text ->> 'key' = key
    ),
    ${takenFromPlaces()}
    moved as materialized (
      select
        stood.job_id, stood.attempt,
        case when newest.whole or newest.worker <> stood.worker
          then newest.queue else stood.queue
        end as queue,
        coalesce(newest.worker, stood.worker) as worker,
        coalesce(newest.priority, stood.priority) as priority,
        case when newest.anew then 'scheduled' else stood.state end as state,
        ${runAt(db)} as run_at,
        newest.fields, newest.whole, newest.args,
        newest.args_meta, newest.meta, newest.tags, newest.max_attempts,
        newest.attempts_anew, newest.deadline_at, newest.deadline_ms,
        newest.trace
      from stood
      cross join lateral jsonb_to_record(
        (select rows from given) -> stood.job_id::text
      ) as newest (
        fields text[], whole boolean, anew boolean, queue text, worker text,
        args jsonb, args_meta jsonb, meta jsonb, tags text[], priority smallint,
        max_attempts smallint, attempts_anew boolean, wanted_at timestamptz,
        delay_ms float8, max_wait_ms float8, keeps_backoff boolean,
        deadline_at timestamptz, deadline_ms float8, trace text
      )
    ),
    due as materialized (
      select job_id, queue, worker, priority, attempt, args
      from moved
      where run_at is null or run_at <= ${db.now}
    ),
    ${placed(sql`due`, { args: NEWEST_ARGS })}
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
    ),
    defined as (${overwritten(db)}),
    moving as (
      select job_id from seen
      except
      select job_id from moved
    )
    select
      job_id::text as "jobId",
      case when run_at > ${db.now} then run_at end as "runAt", queue
    from moved
    union all
    select job_id::text, null, null from moving
  `;
  const rows = await db.query<ReplacedRow>(statement, { hot: true });
  const answers = new Map(rows.map((row) => [row.jobId, row]));
  return replacements.map(({ jobId }) => toAnswer(answers.get(jobId)));
}

/** Takes the jobs of `holding` out of their places; `seen` are all that waited. */
function takenFromPlaces(): Sql {
  const wanted = sql`job_id = any (array(select job_id from holding))`;
  const columns = sql`job_id, queue, worker, priority, attempt`;
  const due = sql`
    'scheduled'::yardmaster.waiting_state as state,
    null::timestamptz as run_at
  `;
  return sql`
    seen as materialized (
      select job_id from yardmaster.ready where ${wanted}
      union all
      select job_id from yardmaster.limited where ${wanted}
      union all
      select job_id from yardmaster.scheduled where ${wanted}
    ),
    waited as (
      delete from yardmaster.ready where ${wanted} returning ${columns}, ${due}
    ),
    in_line as (
      delete from yardmaster.limited where ${wanted}
      returning ${columns}, ${due}
    ),
    planned as (
      delete from yardmaster.scheduled where ${wanted}
      returning ${columns}, state, run_at
    ),
    stood as (
      select * from waited
      union all
      select * from in_line
      union all
      select * from planned
    ),
  `;
}

/** From now, as for any insert; a debounce is bounded from the first call on. */
function runAt(db: Database): Sql {
  return sql`
    case
      when not 'runAt' = any (newest.fields)
        or (
          newest.keeps_backoff and stood.state = 'retryable'
          and not newest.anew
        )
      then stood.run_at
      else least(
        coalesce(
          newest.wanted_at,
          ${db.now} + newest.delay_ms * interval '1 ms',
          ${db.now}
        ),
        yardmaster.job_inserted_at(stood.job_id)
          + newest.max_wait_ms * interval '1 ms'
      )
    end
  `;
}

/** The partition of a limiter is that of the new args. */
const NEWEST_ARGS = sql`coalesce(
  due.args, (select args from yardmaster.jobs where jobs.id = due.job_id)
)`;

function overwritten(db: Database): Sql {
  const notes = sql`${[...ARGS_NOTES]}::text[]`;
  return sql`
    update yardmaster.jobs
    set
      queue = moved.queue,
      worker = moved.worker,
      priority = moved.priority,
      args = coalesce(moved.args, jobs.args),
      meta = (coalesce(moved.meta, jobs.meta) - ${notes})
        || coalesce(
          moved.args_meta,
          jsonb_strip_nulls(jsonb_build_object(
            ${ARGS_VERSION_KEY}::text, jobs.meta -> ${ARGS_VERSION_KEY}::text,
            ${REDACTED_KEY}::text, jobs.meta -> ${REDACTED_KEY}::text
          ))
        ),
      tags = coalesce(moved.tags, jobs.tags),
      max_attempts = case when moved.attempts_anew
        then least(
          moved.attempt + moved.max_attempts,
          ${JOB_BOUNDS.maxAttemptsMax}::integer
        )
        else coalesce(moved.max_attempts, jobs.max_attempts)
      end,
      deadline_at = case when 'deadline' = any (moved.fields)
        then coalesce(
          moved.deadline_at,
          ${db.now} + moved.deadline_ms * interval '1 ms'
        )
        else jobs.deadline_at
      end,
      trace = case when moved.whole
        then moved.trace else jobs.trace
      end
    from moved
    where jobs.id = moved.job_id
  `;
}

function toAnswer(row: ReplacedRow | undefined): ReplaceAnswer {
  if (row === undefined) return { replaced: false, isMoving: false };
  const { queue, runAt } = row;
  return queue === null
    ? { replaced: false, isMoving: true }
    : { replaced: true, queue, runAt };
}
