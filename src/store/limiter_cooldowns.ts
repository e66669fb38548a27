/** Cooldowns: nothing of a limiter, or of one of its partitions, starts. */
import type { Database } from "../db/database.ts";
import { type Sql, sql } from "../db/sql.ts";

/** Which limiter, or which of its partitions. */
export interface LimiterPlace {
  readonly limiter: string;
  /** `null` for all of them. */
  readonly key: string | null;
}

/** A cooldown to begin. */
export interface NewCooldown extends LimiterPlace {
  readonly forMs: number;
  readonly reason: string;
  /** Who did it: an operator's principal, or the host's own code. */
  readonly by: string;
  /** One that lasts longer stays: a worker knows only of its own answer. */
  readonly extendsOnly: boolean;
}

/**
 * Begins a cooldown, also of a partition that nobody ever used. What runs goes
 * on; jobs that wait find it at their next turn.
 *
 * @returns When it ends; `null` if nobody declared the limiter.
 */
export async function coolDownLimiter(
  db: Database,
  cooldown: NewCooldown,
): Promise<Date | null> {
  const { limiter, key, forMs, reason, by, extendsOnly } = cooldown;
  const until = sql`(
    select ${db.now} + ${forMs}::float8 * interval '1 ms'
  )`;
  const longer = (column: Sql) =>
    sql`not ${extendsOnly}::boolean or coalesce(${column} < ${until}, true)`;
  const rows = await db.query<{ until: Date }>(sql`
    with ${key === null ? coolAll() : coolOne(key)}
    told as (
      insert into yardmaster.limiter_facts (
        limiter, key, kind, at, eligible_at, principal, details
      )
      select ${limiter}, yardmaster.limiter_key(${key}), 'cooled_down', ${db.now},
        cooldown_until, ${by},
        jsonb_build_object(
          'reason', ${reason}::text, 'all', ${key === null}::boolean
        )
      from cooled
    )
    select cooldown_until as "until" from cooled
    union all
    -- A longer one stays as it is.
    select coalesce(part.cooldown_until, known.cooldown_until)
    from yardmaster.limiters as known
    left join yardmaster.limiter_partitions as part
      on part.limiter = known.name and part.key = yardmaster.limiter_key(${key})
    where known.name = ${limiter} and not exists (select from cooled)
  `);
  return rows[0]?.until ?? null;

  function coolAll(): Sql {
    return sql`
      cooled as (
        update yardmaster.limiters
        set cooldown_until = ${until}, cooldown_reason = ${reason},
          cooldown_by = ${by}
        where name = ${limiter} and (${longer(sql`cooldown_until`)})
        returning cooldown_until
      ),
    `;
  }

  function coolOne(key: string): Sql {
    return sql`
      cooled as (
        insert into yardmaster.limiter_partitions as part (
          limiter, key, used, counted_at, cooldown_until, cooldown_reason,
          cooldown_by
        )
        select name, yardmaster.limiter_key(${key}), 0, ${db.now}, ${until},
          ${reason}, ${by}
        from yardmaster.limiters
        where name = ${limiter}
        on conflict (limiter, key) do update
        set cooldown_until = excluded.cooldown_until,
          cooldown_reason = excluded.cooldown_reason,
          cooldown_by = excluded.cooldown_by
        where ${longer(sql`part.cooldown_until`)}
        returning cooldown_until
      ),
    `;
  }
}

/**
 * Ends a cooldown before its time, and lets the lanes look again that waited for
 * it. That of a limiter and those of its partitions are ended each by itself.
 *
 * @returns False if there was none.
 */
export async function clearLimiterCooldown(
  tx: Database,
  { limiter, key, by }: LimiterPlace & { readonly by: string },
): Promise<boolean> {
  const table = key === null
    ? sql`yardmaster.limiters`
    : sql`yardmaster.limiter_partitions`;
  const isThis = key === null
    ? sql`name = ${limiter}`
    : sql`limiter = ${limiter} and key = yardmaster.limiter_key(${key})`;
  const rows = await tx.query(sql`
    with cleared as (
      update ${table}
      set cooldown_until = null, cooldown_reason = null, cooldown_by = null
      where ${isThis} and cooldown_until > ${tx.now}
      returning true
    ),
    told as (
      insert into yardmaster.limiter_facts (
        limiter, key, kind, at, principal, details
      )
      select ${limiter}, yardmaster.limiter_key(${key}), 'cooldown_cleared',
        ${tx.now}, ${by}, jsonb_build_object('all', ${key === null}::boolean)
      from cleared
    )
    select from cleared
  `);
  if (rows.length > 0) await wakeLanes(tx, { limiter, key });
  return rows.length > 0;
}

/** Lets lanes look again that wait for a limiter: it gives more than it did. */
export async function wakeLanes(
  tx: Database,
  { limiter, key }: LimiterPlace,
): Promise<void> {
  await tx.query(sql`
    update yardmaster.lanes
    set look_at = ${tx.now}
    where blocked_limiter = ${limiter}
      and (
        ${key}::text is null or blocked_key = yardmaster.limiter_key(${key})
      )
      and look_at > ${tx.now}
  `);
}
