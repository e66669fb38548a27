/** Unique keys of jobs that come back after their end. */
import type { Database } from "../db/database.ts";
import { type Sql, sql } from "../db/sql.ts";
import type { JobId } from "../domain/job.ts";
import { isHolding } from "./unique_claims.ts";

/** Locks a key, if it is there: an insert that asks for it waits for us. */
export async function lockUniqueKey(tx: Database, key: string): Promise<void> {
  await tx.query(sql`
    select from yardmaster.unique_keys where key = ${key} for update
  `);
}

/**
 * Locks the unique key of a job, and says which other job holds it now. An insert
 * with that key waits until the transaction ends, and finds what it did.
 *
 * Of a job of a cron entry, the entry is locked before: who fires it holds the
 * entry, asks for the key, and must not wait for somebody who has the key and
 * wants the entry.
 *
 * @returns `null` if none does: nobody, the job itself, or one that left the
 * states in which it holds.
 */
export async function lockUniqueHolder(
  tx: Database,
  jobId: JobId,
): Promise<JobId | null> {
  await tx.query(sql`
    select from yardmaster.cron_entries
    where name = (
      select cron_entry from yardmaster.jobs where id = ${jobId}::bigint
    )
    for update
  `);
  const [locked] = await tx.query<{ readonly key: string }>(sql`
    select key
    from yardmaster.unique_keys
    where key = (
      select unique_key from yardmaster.jobs where id = ${jobId}::bigint
    )
    for update
  `);
  if (locked === undefined) return null;
  // Another statement: the first may have waited, and saw the time before.
  const [row] = await tx.query<{ readonly jobId: JobId }>(sql`
    select held.job_id::text as "jobId"
    from yardmaster.unique_keys as held
    where held.key = ${locked.key} and held.job_id <> ${jobId}::bigint
      and ${isHeld(tx)}
  `);
  return row?.jobId ?? null;
}

/**
 * The part of a retry that gives a job its unique key back, as a CTE that ends
 * with a comma: `ended` are the jobs that come back. One that another holds stays
 * with that one; one that expired is gone.
 */
export function retakenKeys(tx: Database, jobId: JobId): Sql {
  return sql`
    retaken as (
      update yardmaster.unique_keys as held
      set job_id = ended.job_id
      from ended
      join yardmaster.jobs on jobs.id = ended.job_id
      where jobs.id = ${jobId}::bigint and held.key = jobs.unique_key
        and held.job_id <> ended.job_id
        and coalesce(held.expires_at > ${tx.now}, true) and not ${isHolding()}
    ),
  `;
}

function isHeld(db: Database): Sql {
  return sql`(
    coalesce(held.expires_at > ${db.now}, true) and ${isHolding()}
  )`;
}
