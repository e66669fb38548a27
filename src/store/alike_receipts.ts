import { assert } from "../assert.ts";
import type { Database } from "../db/database.ts";
import { sql } from "../db/sql.ts";
import type { JobId } from "../domain/job.ts";
import {
  alikeInserts,
  type AlikeJobs,
  firstId,
  ID_FROM_FIRST,
} from "./alike_jobs.ts";
import type { InsertRow } from "./job_insert.ts";
import { type JobReceipt, RECEIPT_ANSWER, receiptClaims } from "./receipts.ts";

/** Jobs that differ in their args only, and leave receipts for as long. */
export interface AlikeReceipts extends AlikeJobs {
  /** One for each job. */
  readonly receipts: readonly JobReceipt[];
}

/** By their first letters: a thousand of them are one short cell. */
const ANSWERS: Readonly<Record<string, InsertRow["answer"]>> = {
  i: "inserted",
  r: "receipt",
  g: "gone",
  o: "other_args",
};

/**
 * Inserts what most idempotent inserts are: jobs of one worker. It writes what the
 * statement for all kinds would write, for less.
 *
 * @returns One row for each job, in that order.
 */
export async function insertWithReceipts(
  db: Database,
  jobs: AlikeReceipts,
): Promise<InsertRow[]> {
  const { args, receipts } = jobs;
  const statement = sql`
    with ${firstId(db)}
    input as materialized (
      select
        ${ID_FROM_FIRST} as id,
        row.args, row.receipt, row.args_digest,
        ${receipts[0]?.keepMs ?? 0}::float8 as receipt_ms, row.place
      from rows from (
        jsonb_array_elements((select ${`[${args.join()}]`}::text)::jsonb),
        unnest(${receipts.map((each) => bytes(each.fingerprint))}::bytea[]),
        unnest(${receipts.map((each) => bytes(each.argsDigest))}::bytea[])
      ) with ordinality as row (args, receipt, args_digest, place)
    ),
    ${receiptClaims(db)}
    decided as materialized (
      select
        input.id, input.args, input.place, receipted.job_id,
        case
          when receipted.job_id = input.id then 'inserted'
          else ${RECEIPT_ANSWER}
        end as answer
      from input
      join receipted on receipted.fingerprint = input.receipt
    ),
    accepted as (
      select id, args from decided where answer = 'inserted'
    ),
    ${alikeInserts(jobs, sql`accepted`)}
    select
      string_agg(job_id::text, ',' order by place) as "jobIds",
      string_agg(left(answer, 1), '' order by place) as "answers"
    from decided
  `;
  const [row] = await db.query<{ jobIds: string; answers: string }>(
    statement,
    { hot: true },
  );
  // Whoever asked misses its answers then.
  if (row === undefined) return [];
  return row.jobIds.split(",").map((jobId, index) => {
    const answer = ANSWERS[row.answers[index] ?? ""];
    assert(answer !== undefined, "every job has an answer");
    return { jobId: jobId as JobId, answer, runAt: null };
  });
}

function bytes(digest: string | null): string | null {
  return digest === null ? null : `\\x${digest}`;
}
