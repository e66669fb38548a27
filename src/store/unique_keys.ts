import type { Database } from "../db/database.ts";
import { sql } from "../db/sql.ts";

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
      -- Not covered by an index, as every insert would pay for it: a million
      -- claims without an end take a fraction of a second, once a minute. The
      -- bound is selected, or it would be calculated for each of them.
      select key
      from yardmaster.unique_keys
      where expires_at is null
        and job_id < (
          select yardmaster.job_id_at(
            ${db.now} - ${goneBeforeMs}::float8 * interval '1 ms'
          )
        )
        and not exists (
          select from yardmaster.jobs where jobs.id = unique_keys.job_id
        )
      limit ${limit}
      for update skip locked
    )
    delete from yardmaster.unique_keys
    where key = any (
      array(select key from expired union all select key from orphaned)
    )
    returning key
  `);
  return rows.length;
}
