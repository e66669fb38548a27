import { assert } from "../assert.ts";
import type { Database } from "../db/database.ts";
import { json, sql } from "../db/sql.ts";
import { insertAlikeJobs } from "./alike_jobs.ts";
import { insertWithReceipts } from "./alike_receipts.ts";
import {
  type InsertAnswer,
  type InsertRow,
  type JobInsert,
  toAnswer,
  toRow,
} from "./job_insert.ts";
import { inReady, placed } from "./limited.ts";
import {
  noReceipts,
  RECEIPT_ANSWER,
  receiptsAndAsking,
  takeBackReceipts,
} from "./receipts.ts";
import { noClaims, uniqueClaims } from "./unique_claims.ts";

export type { InsertAnswer, JobInsert, JobUnique } from "./job_insert.ts";

/** So many inserts at a time; a statement must end. */
export const INSERTS_MAX = 10_000;

/**
 * Inserts jobs: definitions into `jobs`, and where they stand into `ready`,
 * `limited` or `scheduled`.
 *
 * @param inserts At most {@linkcode INSERTS_MAX}.
 * @returns One answer for each insert, in that order. Of several with one key, or
 * one receipt, the first is inserted and the others conflict with it.
 */
export async function insertJobs(
  db: Database,
  inserts: readonly JobInsert[],
): Promise<InsertAnswer[]> {
  assert(inserts.length <= INSERTS_MAX, "one statement inserts 10,000 at most");
  const [first] = inserts;
  if (first === undefined) return [];
  if (inserts.every((insert) => isPlain(insert) && isLike(insert, first))) {
    return await insertAlike(db, { first, inserts });
  }
  if (
    inserts.some(({ receipt, unique }) => receipt != null && unique != null)
  ) {
    return await db.transaction((tx) => insertWithBoth(tx, inserts));
  }
  return await insertAny(db, inserts);
}

/** Jobs that differ in their args only, and in what their receipts are of. */
async function insertAlike(
  db: Database,
  { first, inserts }: {
    readonly first: JobInsert;
    readonly inserts: readonly JobInsert[];
  },
): Promise<InsertAnswer[]> {
  const { queue, worker, meta, tags = [], priority, maxAttempts } = first;
  const alike = {
    queue,
    worker,
    meta: meta === undefined ? "{}" : JSON.stringify(meta),
    tags,
    priority,
    maxAttempts,
    args: inserts.map((insert) =>
      insert.argsText ?? JSON.stringify(insert.args)
    ),
  };
  if (first.receipt != null) {
    const receipts = inserts.flatMap(({ receipt }) => receipt ?? []);
    const rows = await insertWithReceipts(db, { ...alike, receipts });
    return rows.map(toAnswer);
  }
  const jobIds = await insertAlikeJobs(db, alike);
  return jobIds.map((jobId) => {
    return { status: "inserted", jobId, state: "available", runAt: null };
  });
}

/**
 * What the uniqueness of a job refuses leaves no receipt. One statement writes a
 * row only once, so this takes another.
 */
async function insertWithBoth(
  tx: Database,
  inserts: readonly JobInsert[],
): Promise<InsertAnswer[]> {
  const answers = await insertAny(tx, inserts);
  const refused = new Map<string, InsertAnswer>();
  for (const [index, answer] of answers.entries()) {
    const receipt = inserts[index]?.receipt;
    if (receipt == null || answer.status !== "conflict") continue;
    if (answer.by === "unique") refused.set(receipt.fingerprint, answer);
  }
  if (refused.size === 0) return answers;
  await takeBackReceipts(tx, [...refused.keys()]);
  // Others of this call that met its receipt are answered as it was.
  return answers.map((answer, index) =>
    refused.get(inserts[index]?.receipt?.fingerprint ?? "") ?? answer
  );
}

/** With whatever a job may have, in one statement. */
async function insertAny(
  db: Database,
  inserts: readonly JobInsert[],
): Promise<InsertAnswer[]> {
  const unique = inserts.some((insert) => insert.unique != null);
  const receipts = inserts.some((insert) => insert.receipt != null);
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
          unique_ms float8, receipt bytea, args_digest bytea,
          receipt_ms float8, cron_entry text, parent_id bigint, trace text
        )
      ) with ordinality as row (
        queue, worker, args, meta, tags, priority, max_attempts, wanted_at,
        delay_ms, deadline_at, deadline_ms, unique_key, unique_states,
        unique_ms, receipt, args_digest, receipt_ms, cron_entry, parent_id,
        trace, place
      )
    ),
    ${receipts ? receiptsAndAsking(db) : noReceipts()}
    ${unique ? uniqueClaims(db) : noClaims()}
    accepted as (
      select asking.*
      from asking
      left join claimed on claimed.key = asking.unique_key
      where asking.unique_key is null or claimed.job_id = asking.id
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
      coalesce(
        nullif(receipted.job_id, input.id), claimed.job_id, input.id
      )::text as "jobId",
      case
        when receipted.job_id <> input.id then ${RECEIPT_ANSWER}
        when claimed.job_id <> input.id then 'unique'
        else 'inserted'
      end as "answer",
      case when input.run_at > ${db.now} then input.run_at end as "runAt"
    from input
    left join receipted on receipted.fingerprint = input.receipt
    left join claimed on claimed.key = input.unique_key
    order by input.place
  `;
  const rows = await db.query<InsertRow>(statement, { hot: true });
  return rows.map(toAnswer);
}

/** What every insert says; whatever else it says is rare. */
const COMMON: ReadonlySet<string> = new Set(
  "queue worker args argsText meta tags priority maxAttempts receipt".split(
    " ",
  ),
);

/** Due at once, and with nothing that few ask for. */
function isPlain(insert: JobInsert): boolean {
  for (const key in insert) {
    if (!COMMON.has(key) && insert[key as keyof JobInsert] != null) {
      return false;
    }
  }
  return true;
}

const NO_TAGS: readonly string[] = [];
const NO_META: Readonly<Record<string, unknown>> = {};

/** But for its args, and what its receipt is of. */
function isLike(insert: JobInsert, first: JobInsert): boolean {
  const { tags = NO_TAGS } = insert;
  const { tags: others = NO_TAGS } = first;
  return insert.queue === first.queue && insert.worker === first.worker &&
    insert.priority === first.priority &&
    insert.maxAttempts === first.maxAttempts &&
    insert.receipt?.keepMs === first.receipt?.keepMs &&
    (tags === others || (
      tags.length === others.length &&
      tags.every((tag, index) => tag === others[index])
    )) &&
    isSame(insert.meta ?? NO_META, first.meta ?? NO_META);
}

/** What the jobs of a worker have in common is one object, most of the time. */
function isSame(
  meta: Readonly<Record<string, unknown>>,
  other: Readonly<Record<string, unknown>>,
): boolean {
  return meta === other || JSON.stringify(meta) === JSON.stringify(other);
}
