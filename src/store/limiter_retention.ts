/** What limiters leave behind, a little at a time. */
import type { Database } from "../db/database.ts";
import { sql } from "../db/sql.ts";
import type { Pruning } from "./retention.ts";

/**
 * Deletes partitions that say no more than a missing one would: everything has
 * come back, no cooldown is on, and no job waits for them. So a million keys that
 * were used once cost nothing for long.
 *
 * @returns How many.
 */
export async function pruneLimiterPartitions(
  db: Database,
  { limit }: { readonly limit: number },
): Promise<number> {
  const rows = await db.query(sql`
    with idle as materialized (
      select part.ctid as place
      from yardmaster.limiter_partitions as part
      left join yardmaster.limiters as known on known.name = part.limiter
      where part.counted_at < ${db.now} - interval '1 hour'
        and part.counted_at < ${db.now}
          - coalesce(known.per_ms, 0) * interval '1 ms'
        and coalesce(part.cooldown_until <= ${db.now}, true)
        and not exists (
          select from yardmaster.lanes
          where blocked_limiter = part.limiter and blocked_key = part.key
        )
        and not exists (
          select from yardmaster.limiter_grants as given
          where given.limiter = part.limiter and given.key = part.key
        )
      order by part.counted_at
      limit ${limit}
      -- Whoever holds one is about to use it.
      for update of part skip locked
    )
    delete from yardmaster.limiter_partitions
    where ctid = any (array(select place from idle))
    returning key
  `);
  return rows.length;
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
