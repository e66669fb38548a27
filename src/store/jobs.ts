import { assert } from "../assert.ts";
import type { Database } from "../db/database.ts";
import { json, sql } from "../db/sql.ts";
import type { JobId, JobState } from "../domain/job.ts";
import { insertAlikeJobs } from "./alike_jobs.ts";
import { inReady, placed } from "./limited.ts";
import { noClaims, uniqueClaims } from "./unique_claims.ts";

/** A job to insert. Waits are added to the database's clock. */
export interface JobInsert {
  readonly queue: string;
  readonly worker: string;
  readonly args: Readonly<Record<string, unknown>>;
  /** The args as JSON, where they were written already. */
  readonly argsText?: string;
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
  /** Its worker may have limiters where it waits: look for them. */
  readonly limited?: boolean;
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
 * Inserts jobs: definitions into `jobs`, and where they stand into `ready`,
 * `limited` or `scheduled`.
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
    const { queue, worker, tags = [], priority, maxAttempts } = first;
    const jobIds = await insertAlikeJobs(db, {
      queue,
      worker,
      tags,
      priority,
      maxAttempts,
      args: inserts.map((insert) =>
        insert.argsText ?? JSON.stringify(insert.args)
      ),
    });
    return jobIds.map((jobId) => {
      return { status: "inserted", jobId, state: "available", runAt: null };
    });
  }
  const unique = inserts.some((insert) => insert.unique != null);
  const limited = inserts.some((insert) => insert.limited === true);
  const statement = sql`
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
    due as materialized (
      select id as job_id, queue, worker, priority, 0 as attempt, args
      from accepted
      where run_at is null or run_at <= ${db.now}
    ),
    ${limited ? placed(sql`due`, { args: sql`due.args` }) : inReady()}
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
  `;
  const rows = await db.query<InsertRow>(statement, { hot: true });
  return rows.map(toAnswer);
}

/** What every insert says; whatever else it says is rare. */
const COMMON: ReadonlySet<string> = new Set(
  "queue worker args argsText meta tags priority maxAttempts".split(" "),
);

/** Due at once, and with nothing that few ask for. */
function isPlain(insert: JobInsert): boolean {
  for (const key in insert) {
    if (!COMMON.has(key) && insert[key as keyof JobInsert] != null) {
      return false;
    }
  }
  for (const _ in insert.meta) return false;
  return true;
}

const NO_TAGS: readonly string[] = [];

/** But for its args. */
function isLike(insert: JobInsert, first: JobInsert): boolean {
  const { tags = NO_TAGS } = insert;
  const { tags: others = NO_TAGS } = first;
  return insert.queue === first.queue && insert.worker === first.worker &&
    insert.priority === first.priority &&
    insert.maxAttempts === first.maxAttempts &&
    (tags === others || (
      tags.length === others.length &&
      tags.every((tag, index) => tag === others[index])
    ));
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
