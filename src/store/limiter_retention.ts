/** What limiters leave behind, a little at a time. */
import type { Database } from "../db/database.ts";
import { type Sql, sql } from "../db/sql.ts";
import type { Pruning } from "./retention.ts";

/** What a look for idle partitions found. */
export interface PrunedPartitions {
  readonly pruned: number;
  /**
   * Those counted up to here were looked at, in microseconds since 1970; `null`
   * at the end of those that may be idle.
   */
  readonly throughUs: `${bigint}` | null;
}

/** Partitions that one statement looks at. */
const LOOKED_AT_MAX = 20_000;

/**
 * Deletes partitions that say no more than a missing one would: everything has
 * come back, no cooldown is on, and no job waits for them. So a million keys that
 * were used once cost nothing for long.
 *
 * It looks at some of them, in the order in which they were counted, and the
 * caller goes on behind the last: the oldest may be a million that a limiter of a
 * day, or a cooldown of a week, still keeps.
 *
 * @param options.limit Partitions that it deletes at most.
 * @param options.afterUs Looks at those counted later; from the first, by default.
 */
export async function pruneLimiterPartitions(
  db: Database,
  { limit, afterUs = null }: {
    readonly limit: number;
    readonly afterUs?: `${bigint}` | null;
  },
): Promise<PrunedPartitions> {
  const [row] = await db.query<PrunedPartitions>(sql`
    with looked_at as materialized (
      select ctid as place, limiter, key, counted_at, cooldown_until
      from yardmaster.limiter_partitions
      where counted_at < ${db.now} - interval '1 hour'
        and counted_at > ${afterOf(afterUs)}
      order by counted_at
      limit ${LOOKED_AT_MAX}
    ),
    -- Before what must be looked up for each of them.
    come_back as materialized (
      select part.*
      from looked_at as part
      left join yardmaster.limiters as known on known.name = part.limiter
      where part.counted_at < ${db.now}
          - coalesce(known.per_ms, 0) * interval '1 ms'
        and coalesce(part.cooldown_until <= ${db.now}, true)
    ),
    unused as materialized (
      select part.place, part.counted_at
      from come_back as part
      -- Selected, as a join might read all of them.
      where (
          select true from yardmaster.lanes
          where blocked_limiter = part.limiter and blocked_key = part.key
          limit 1
        ) is null
        and (
          select true from yardmaster.limiter_grants as given
          where given.limiter = part.limiter and given.key = part.key
          limit 1
        ) is null
      order by part.counted_at
      limit ${limit}
    ),
    idle as materialized (
      select part.ctid as place
      from yardmaster.limiter_partitions as part
      where part.ctid = any (array(select place from unused))
        -- Again, of what it became if somebody used it meanwhile.
        and part.counted_at < ${db.now} - interval '1 hour'
        and coalesce(part.cooldown_until <= ${db.now}, true)
      -- Whoever holds one is about to use it.
      for update skip locked
    ),
    gone as (
      delete from yardmaster.limiter_partitions
      where ctid = any (array(select place from idle))
      returning key
    )
    select (select count(*)::integer from gone) as "pruned",
      (extract(epoch from case
        -- There may be more of those that were looked at.
        when (select count(*) from unused) = ${limit}
          then (select max(counted_at) from unused)
        when (select count(*) from looked_at) = ${LOOKED_AT_MAX}
          then (select max(counted_at) from looked_at)
      end) * 1000000)::bigint::text as "throughUs"
  `);
  return row ?? { pruned: 0, throughUs: null };
}

function afterOf(us: `${bigint}` | null): Sql {
  return us === null
    ? sql`timestamptz '-infinity'`
    : sql`timestamptz 'epoch' + ${us}::bigint * interval '1 microsecond'`;
}

/**
 * Deletes grants whose lease let go of their job, where no claim did.
 *
 * @returns How many.
 */
export async function pruneLimiterGrants(
  db: Database,
  { limit }: { readonly limit: number },
): Promise<number> {
  const rows = await db.query(sql`
    with dead as materialized (
      select given.ctid as place
      from yardmaster.limiter_grants as given
      where not exists (
        select from yardmaster.leases
        where leases.id = given.lease_id
          and leases.job_ids @> array[given.job_id]
      )
      limit ${limit}
      for update skip locked
    )
    delete from yardmaster.limiter_grants
    where ctid = any (array(select place from dead))
    returning job_id
  `);
  return rows.length;
}

/**
 * Deletes history from before the window.
 *
 * @returns How many facts.
 */
export async function pruneLimiterFacts(
  db: Database,
  { keepMs, limit }: Pruning,
): Promise<number> {
  const rows = await db.query(sql`
    delete from yardmaster.limiter_facts
    where id in (
      select id
      from yardmaster.limiter_facts
      where at <= ${db.now} - ${keepMs}::float8 * interval '1 ms'
      order by at
      limit ${limit}
    )
    returning id
  `);
  return rows.length;
}
