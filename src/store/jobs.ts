import { assert } from "../assert.ts";
import type { Database } from "../db/database.ts";
import { json, type Sql, sql } from "../db/sql.ts";
import type { JobId, JobState } from "../domain/job.ts";
import { insertAlikeJobs } from "./alike_jobs.ts";

/** A job to insert. Waits are added to the database's clock. */
export interface JobInsert {
  readonly queue: string;
  readonly worker: string;
  readonly args: Readonly<Record<string, unknown>>;
  readonly meta?: Readonly<Record<string, unknown>>;
  readonly tags?: readonly string[];
  readonly priority: number;
  readonly maxAttempts: number;
  /** Not before this instant; what is past is ready at once. */
  readonly runAt?: Date | null;
  /** Not before so many milliseconds from now. */
  readonly delayMs?: number | null;
  readonly deadlineAt?: Date | null;
  readonly deadlineMs?: number | null;
  readonly unique?: JobUnique | null;
  readonly cronEntry?: string | null;
  readonly parentId?: JobId | null;
  readonly trace?: string | null;
}

/** The claim of uniqueness that a job makes. */
export interface JobUnique {
  readonly key: string;
  readonly states: readonly JobState[];
  /** `null`: for ever. */
  readonly periodMs: number | null;
}

/** What became of one insert. */
export type InsertAnswer =
  | {
    readonly status: "inserted";
    readonly jobId: JobId;
    readonly state: "available" | "scheduled";
    readonly runAt: Date | null;
  }
  /** The job that holds the key. */
  | { readonly status: "conflict"; readonly jobId: JobId };

/** So many inserts at a time; a statement must end. */
export const INSERTS_MAX = 10_000;

interface InsertRow {
  readonly jobId: JobId;
  readonly inserted: boolean;
  readonly runAt: Date | null;
}

/**
 * Inserts jobs: definitions into `jobs`, and where they stand into `ready` or
 * `scheduled`.
 *
 * @param inserts At most {@linkcode INSERTS_MAX}.
 * @returns One answer for each insert, in that order. Of several with one key
 * the first is inserted and the others conflict with it.
 */
export async function insertJobs(
  db: Database,
  inserts: readonly JobInsert[],
): Promise<InsertAnswer[]> {
  assert(inserts.length <= INSERTS_MAX, "one statement inserts 10,000 at most");
  const [first] = inserts;
  if (first === undefined) return [];
  if (inserts.every((insert) => isPlain(insert) && isLike(insert, first))) {
    const { tags = [], ...rest } = first;
    const args = inserts.map((insert) => insert.args);
    const jobIds = await insertAlikeJobs(db, { ...rest, tags, args });
    return jobIds.map((jobId) => {
      return { status: "inserted", jobId, state: "available", runAt: null };
    });
  }
  const unique = inserts.some((insert) => insert.unique != null);
  const rows = await db.query<InsertRow>(sql`
    with input as materialized (
      select
        yardmaster.next_job_id(${db.now}) as id,
        row.*,
        coalesce(
          row.wanted_at,
          ${db.now} + row.delay_ms * interval '1 ms'
        ) as run_at
      from rows from (
        jsonb_to_recordset(${json(inserts.map(toRow))}) as (
          queue text, worker text, args jsonb, meta jsonb, tags text[],
          priority smallint, max_attempts smallint, wanted_at timestamptz,
          delay_ms float8, deadline_at timestamptz, deadline_ms float8,
          unique_key text, unique_states yardmaster.job_state[],
          unique_ms float8, cron_entry text, parent_id bigint, trace text
        )
      ) with ordinality as row (
        queue, worker, args, meta, tags, priority, max_attempts, wanted_at,
        delay_ms, deadline_at, deadline_ms, unique_key, unique_states,
        unique_ms, cron_entry, parent_id, trace, place
      )
    ),
    ${unique ? uniqueClaims(db) : noClaims()}
    accepted as (
      select input.*
      from input
      left join claimed on claimed.key = input.unique_key
      where input.unique_key is null or claimed.job_id = input.id
    ),
    defined as (
      insert into yardmaster.jobs (
        id, queue, worker, args, meta, tags, priority, max_attempts,
        deadline_at, unique_key, cron_entry, parent_id, trace
      )
      select
        id, queue, worker, args, meta, tags, priority, max_attempts,
        coalesce(
          deadline_at,
          ${db.now} + deadline_ms * interval '1 ms'
        ),
        unique_key, cron_entry, parent_id, trace
      from accepted
    ),
    due as (
      insert into yardmaster.ready (job_id, queue, worker, priority, attempt)
      select id, queue, worker, priority, 0
      from accepted
      where run_at is null or run_at <= ${db.now}
    ),
    later as (
      insert into yardmaster.scheduled (
        job_id, queue, worker, priority, state, run_at, attempt
      )
      select id, queue, worker, priority, 'scheduled', run_at, 0
      from accepted
      where run_at > ${db.now}
    )
    select
      coalesce(claimed.job_id, input.id)::text as "jobId",
      claimed.job_id is null or claimed.job_id = input.id as "inserted",
      case when input.run_at > ${db.now} then input.run_at end as "runAt"
    from input
    left join claimed on claimed.key = input.unique_key
    order by input.place
  `);
  return rows.map(toAnswer);
}

/** What every insert says; whatever else it says is rare. */
const COMMON: ReadonlySet<string> = new Set(
  ["queue", "worker", "args", "meta", "tags", "priority", "maxAttempts"],
);

/** Due at once, and with nothing that few ask for. */
function isPlain(insert: JobInsert): boolean {
  for (const key in insert) {
    if (!COMMON.has(key) && insert[key as keyof JobInsert] != null) {
      return false;
    }
  }
  return Object.keys(insert.meta ?? {}).length === 0;
}

/** But for its args. */
function isLike(insert: JobInsert, first: JobInsert): boolean {
  const { tags = [] } = insert;
  const { tags: others = [] } = first;
  return insert.queue === first.queue && insert.worker === first.worker &&
    insert.priority === first.priority &&
    insert.maxAttempts === first.maxAttempts &&
    tags.length === others.length &&
    tags.every((tag, index) => tag === others[index]);
}

function noClaims(): Sql {
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
function uniqueClaims(db: Database): Sql {
  return sql`
    claimed as (
      insert into yardmaster.unique_keys as held (
        key, job_id, states, expires_at
      )
      select distinct on (unique_key)
        unique_key, id, unique_states,
        ${db.now} + unique_ms * interval '1 ms'
      from input
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
          select
            held.expires_at <= ${db.now}
            or (
              -- A holder that our snapshot does not show was inserted by
              -- somebody else while we waited: it is alive.
              exists (
                select
                from yardmaster.unique_keys as seen
                where seen.key = held.key and seen.job_id = held.job_id
              )
              and not coalesce(${holderState()} = any (held.states), false)
            ) as over
        ) as claim
      )
      returning key, job_id
    ),
  `;
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

function toRow(insert: JobInsert): Record<string, unknown> {
  return {
    queue: insert.queue,
    worker: insert.worker,
    args: insert.args,
    meta: insert.meta ?? {},
    tags: insert.tags ?? [],
    priority: insert.priority,
    max_attempts: insert.maxAttempts,
    wanted_at: insert.runAt,
    delay_ms: insert.delayMs,
    deadline_at: insert.deadlineAt,
    deadline_ms: insert.deadlineMs,
    unique_key: insert.unique?.key,
    unique_states: insert.unique?.states,
    unique_ms: insert.unique?.periodMs,
    cron_entry: insert.cronEntry,
    parent_id: insert.parentId,
    trace: insert.trace,
  };
}

function toAnswer(row: InsertRow): InsertAnswer {
  if (!row.inserted) return { status: "conflict", jobId: row.jobId };
  const state = row.runAt === null ? "available" : "scheduled";
  return { status: "inserted", jobId: row.jobId, state, runAt: row.runAt };
}
