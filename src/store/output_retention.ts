/** How recorded outputs go, each in its own time. */
import type { Database } from "../db/database.ts";
import { sql } from "../db/sql.ts";
import { EXPIRES_AT } from "./outputs.ts";
import { beAlone, listPartitionsOfDay, name, tryNow } from "./partition_ddl.ts";
import { lockAlone } from "./table_locks.ts";

/** A day goes with a whole table, and what is in it need not be emptied. */
const GRACE = sql`interval '24 hours'`;
/** So many outputs of a day may outlive their table, in the default partition. */
const OUTPUTS_MOVED_MAX = 1_000;

/**
 * Empties outputs that expired a day ago. Their rows stay, so that it can be
 * said that there was something. What the release before wrote is given its time
 * instead, if that is not over.
 *
 * @returns How many rows were looked at.
 */
export async function emptyOutputs(
  db: Database,
  { limit }: { readonly limit: number },
): Promise<number> {
  const rows = await db.query(sql`
    with expired as materialized (
      select job_id
      from yardmaster.outputs
      where output is not null and expires_at <= ${db.now} - ${GRACE}
      order by expires_at
      limit ${limit}
      for update skip locked
    ),
    timeless as materialized (
      select job_id
      from yardmaster.outputs
      where output is not null and expires_at is null
      limit ${limit}
      for update skip locked
    )
    update yardmaster.outputs
    set
      output = case when ${EXPIRES_AT} > ${db.now} then output end,
      expires_at = ${EXPIRES_AT}
    where job_id = any (array(
      select job_id from expired union all select job_id from timeless
    ))
    returning outputs.job_id
  `);
  return rows.length;
}

/**
 * Deletes what was emptied in the default partition, of jobs that are gone.
 *
 * @returns How many.
 */
export async function pruneEmptyOutputs(
  db: Database,
  { limit }: { readonly limit: number },
): Promise<number> {
  const rows = await db.query(sql`
    with old as materialized (
      select job_id
      from yardmaster.outputs_default as output
      where output is null
        and not exists (
          select from yardmaster.jobs where jobs.id = output.job_id
        )
      order by job_id
      limit ${limit}
      for update skip locked
    )
    delete from yardmaster.outputs_default
    where job_id = any (array(select job_id from old))
    returning job_id
  `);
  return rows.length;
}

/**
 * Drops the outputs of a day once its jobs are gone and nothing in it can be
 * read any more. A few that can, and those of jobs that are still kept, go to
 * the default partition; with more of them the day stays until they expire.
 *
 * @returns False if it stays, or if a lock was not free.
 */
export async function dropOutputs(db: Database, day: string): Promise<boolean> {
  return await tryNow(db, async (tx) => {
    await beAlone(tx, "outputs");
    const own = await listPartitionsOfDay(tx, day);
    if (!own.includes("outputs") || own.includes("jobs")) return false;
    const table = sql`yardmaster.${name(`outputs_${day}`)}`;
    const worthKeeping = sql`
      select job_id
      from ${table}
      where output is not null and expires_at > ${tx.now}
      union
      select job_id
      from ${table}
      where output is not null and expires_at is null
      union
      select job_id
      from ${table}
      where job_id in (select id from yardmaster.jobs_default)
    `;
    const kept = await tx.query(sql`
      ${worthKeeping} limit ${OUTPUTS_MOVED_MAX + 1}
    `);
    if (kept.length > OUTPUTS_MOVED_MAX) return false;
    await lockAlone(tx, [
      sql`yardmaster.outputs`,
      sql`yardmaster.outputs_default`,
      table,
    ]);
    await tx.query(sql`
      alter table yardmaster.outputs detach partition ${table}
    `);
    await tx.query(sql`
      insert into yardmaster.outputs
      select * from ${table} where job_id in (${worthKeeping})
    `);
    await tx.query(sql`drop table ${table}`);
    return true;
  });
}
