import type { Database } from "../db/database.ts";
import { sql } from "../db/sql.ts";

/**
 * Forgets claims that have expired. An insert would take them over; this only
 * makes room.
 *
 * @returns How many.
 */
export async function pruneUniqueKeys(
  db: Database,
  { limit }: { readonly limit: number },
): Promise<number> {
  const rows = await db.query(sql`
    with expired as materialized (
      select key
      from yardmaster.unique_keys
      where expires_at <= ${db.now}
      order by expires_at
      limit ${limit}
      for update skip locked
    )
    delete from yardmaster.unique_keys
    where key = any (array(select key from expired))
    returning key
  `);
  return rows.length;
}

/** What a look for claims of jobs that are gone found. */
export interface ForgottenClaims {
  readonly forgotten: number;
  /** Claims up to here were looked at; `null` at their end. */
  readonly throughKey: string | null;
}

/** Claims that one statement looks at. */
const LOOKED_AT_MAX = 10_000;

/**
 * Forgets claims without an end whose jobs are gone. An insert would take them
 * over; this only makes room.
 *
 * No index tells which these are, as every insert would pay for one. So it looks
 * at some of them, in the order of their keys, and the caller goes on behind the
 * last: to look at a million at once took seconds, once a minute.
 *
 * @param options.limit Claims that it forgets at most.
 * @param options.afterKey Looks after this one; from the first, by default.
 */
export async function forgetClaimsOfGoneJobs(
  db: Database,
  { goneBeforeMs, limit, afterKey = null }: {
    /** Jobs inserted so long ago may be gone. */
    readonly goneBeforeMs: number;
    readonly limit: number;
    readonly afterKey?: string | null;
  },
): Promise<ForgottenClaims> {
  const [row] = await db.query<ForgottenClaims>(sql`
    with looked_at as materialized (
      select key, job_id, expires_at
      from yardmaster.unique_keys
      where key > ${afterKey ?? ""}
      order by key
      limit ${LOOKED_AT_MAX}
    ),
    orphaned as materialized (
      select key, job_id
      from looked_at
      where expires_at is null
        -- Selected, or it would be calculated for each of them.
        and job_id < (
          select yardmaster.job_id_at(
            ${db.now} - ${goneBeforeMs}::float8 * interval '1 ms'
          )
        )
        -- Selected, too: a join might read all jobs.
        and (
          select true from yardmaster.jobs where jobs.id = looked_at.job_id
        ) is null
      order by key
      limit ${limit}
    ),
    held as materialized (
      select claim.key
      from orphaned
      cross join lateral (
        select key from yardmaster.unique_keys as claim
        where claim.key = orphaned.key
          -- Somebody may have taken it over meanwhile.
          and claim.job_id = orphaned.job_id
          and claim.expires_at is null
        for update skip locked
      ) as claim
    ),
    forgotten as (
      delete from yardmaster.unique_keys
      where key = any (array(select key from held))
      returning key
    )
    select (select count(*)::integer from forgotten) as "forgotten",
      case
        -- There may be more of those that were looked at.
        when (select count(*) from orphaned) = ${limit}
          then (select max(key) from orphaned)
        when (select count(*) from looked_at) = ${LOOKED_AT_MAX}
          then (select max(key) from looked_at)
      end as "throughKey"
  `);
  return row ?? { forgotten: 0, throughKey: null };
}
