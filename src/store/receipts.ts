/** Receipts: for what was asked once, and the job that was the answer. */
import type { Database } from "../db/database.ts";
import { type Sql, sql } from "../db/sql.ts";

/** The receipt that a job leaves. Digests are 64 hex digits. */
export interface JobReceipt {
  /** Of what was asked. */
  readonly fingerprint: string;
  /** Of the args, where something else stands for what was asked. */
  readonly argsDigest: string | null;
  /** How long it holds. */
  readonly keepMs: number;
}

/**
 * The part of an insert that decides over its receipts, as CTEs that end with a
 * comma: `receipted` has one row for each receipt that `input` asks for.
 *
 * What holds already is only read, so that asking again writes nothing. All others
 * are written, also those that turn out to be held: only so does the statement
 * learn the id of a job that somebody else inserted a moment ago, which its
 * snapshot does not show.
 */
export function receiptClaims(db: Database): Sql {
  return sql`
    known as materialized (
      select held.fingerprint, held.job_id, held.args_digest,
        -- One snapshot shows both, as they were written together.
        (
          select true from yardmaster.jobs where jobs.id = held.job_id
        ) is null as is_gone
      from (
        select distinct receipt from input where receipt is not null
      ) as wanted
      -- One by one: a plan that was made while the table was small would read all
      -- of it for ever after.
      cross join lateral (
        select *
        from yardmaster.receipts
        where receipts.fingerprint = wanted.receipt
          and receipts.expires_at > ${db.now}
        offset 0
      ) as held
    ),
    written as (
      insert into yardmaster.receipts as held (
        fingerprint, job_id, args_digest, expires_at
      )
      select distinct on (receipt)
        receipt, id, args_digest, ${db.now} + receipt_ms * interval '1 ms'
      from input
      where receipt is not null
        and not exists (
          select from known where known.fingerprint = input.receipt
        )
      -- In order, so that two batches can not lock each other out.
      order by receipt, place
      on conflict (fingerprint) do update
      set (job_id, args_digest, expires_at) = (
        select
          case when over then excluded.job_id else held.job_id end,
          case when over then excluded.args_digest else held.args_digest end,
          case when over then excluded.expires_at else held.expires_at end
        from (select held.expires_at <= ${db.now} as over) as claim
      )
      returning fingerprint, job_id, args_digest
    ),
    receipted as materialized (
      select fingerprint, job_id, args_digest, is_gone from known
      union all
      select fingerprint, job_id, args_digest, false from written
    ),
  `;
}

/**
 * What a receipt that another job left says to an input: `InsertRow["answer"]`.
 */
export const RECEIPT_ANSWER = sql`
  case
    when receipted.args_digest <> input.args_digest then 'other_args'
    when receipted.is_gone then 'gone'
    else 'receipt'
  end
`;

/** As {@linkcode receiptClaims}; and `asking` are the inputs that none answers. */
export function receiptsAndAsking(db: Database): Sql {
  return sql`
    ${receiptClaims(db)}
    asking as materialized (
      select input.*
      from input
      left join receipted on receipted.fingerprint = input.receipt
      -- A case is taken for half of the rows. A comparison is taken for one row,
      -- and then uniqueness would compare ten thousand of them with each other.
      where case
        when input.receipt is null then true else receipted.job_id = input.id
      end
    ),
  `;
}

/** In place of {@linkcode receiptsAndAsking}, where no job leaves a receipt. */
export function noReceipts(): Sql {
  return sql`
    receipted as (
      select null::bytea as fingerprint, null::bigint as job_id,
        null::bytea as args_digest, null::boolean as is_gone
      where false
    ),
    asking as not materialized (select * from input),
  `;
}

/**
 * Takes receipts back whose jobs are not there after all, in the transaction that
 * wrote them.
 */
export async function takeBackReceipts(
  tx: Database,
  fingerprints: readonly string[],
): Promise<void> {
  await tx.query(sql`
    delete from yardmaster.receipts
    where fingerprint = any (
      select decode(digest, 'hex') from unnest(${[...fingerprints]}::text[])
        as asked (digest)
    )
  `);
}

/**
 * Forgets one receipt, so that the same can be asked for again.
 *
 * @returns Whether there was one that still held.
 */
export async function forgetReceipt(
  db: Database,
  fingerprint: string,
): Promise<boolean> {
  const [row] = await db.query<{ held: boolean }>(sql`
    delete from yardmaster.receipts
    where fingerprint = decode(${fingerprint}, 'hex')
    returning expires_at > ${db.now} as "held"
  `);
  return row?.held ?? false;
}

/**
 * Deletes receipts that hold no longer, the oldest first. An insert would take
 * them over; this only makes room.
 *
 * @returns How many.
 */
export async function pruneReceipts(
  db: Database,
  { limit }: { readonly limit: number },
): Promise<number> {
  const rows = await db.query(sql`
    with expired as materialized (
      select fingerprint
      from yardmaster.receipts
      where expires_at <= ${db.now}
      order by expires_at
      limit ${limit}
      for update skip locked
    )
    delete from yardmaster.receipts
    where fingerprint in (select fingerprint from expired)
    returning job_id
  `);
  return rows.length;
}
