/** Limiters as operators see and change them. */
import type { Database } from "../db/database.ts";
import { type Sql, sql } from "../db/sql.ts";
import type { LimiterKind, LimiterPoint } from "../domain/limiter.ts";
import { wakeLanes } from "./limiter_cooldowns.ts";

/** A limiter, as declared and as chosen. */
export interface LimiterRow {
  readonly name: string;
  readonly kind: LimiterKind;
  readonly at: LimiterPoint;
  readonly declaredCapacity: number;
  readonly chosenCapacity: number | null;
  readonly chosenBy: string | null;
  readonly chosenAt: Date | null;
  readonly perMs: number | null;
  readonly partitionBy: readonly string[] | null;
  readonly cooldownUntil: Date | null;
  readonly cooldownReason: string | null;
  readonly cooldownBy: string | null;
  readonly declaredAt: Date;
}

function columns(db: Database): Sql {
  const isOn = sql`cooldown_until > ${db.now}`;
  return sql`
  name, kind::text as "kind", point::text as "at",
  declared_capacity as "declaredCapacity",
  chosen_capacity as "chosenCapacity", chosen_by as "chosenBy",
  chosen_at as "chosenAt", per_ms as "perMs", partition_by as "partitionBy",
  case when ${isOn} then cooldown_until end as "cooldownUntil",
  case when ${isOn} then cooldown_reason end as "cooldownReason",
  case when ${isOn} then cooldown_by end as "cooldownBy",
  declared_at as "declaredAt"
`;
}

/** Pages read so many; a host has tens. */
const LIMITERS_MAX = 1_000;

/** All limiters that code ever declared, by name. */
export async function listLimiters(db: Database): Promise<LimiterRow[]> {
  return await db.query<LimiterRow>(sql`
    select ${columns(db)}
    from yardmaster.limiters
    order by name
    limit ${LIMITERS_MAX}
  `);
}

/** Finds one; `null` if nobody declared it. */
export async function findLimiter(
  db: Database,
  name: string,
): Promise<LimiterRow | null> {
  const [row] = await db.query<LimiterRow>(sql`
    select ${columns(db)} from yardmaster.limiters where name = ${name}
  `);
  return row ?? null;
}

/** Locks a limiter until the transaction ends. */
export async function lockLimiter(
  tx: Database,
  name: string,
): Promise<LimiterRow | null> {
  const [row] = await tx.query<LimiterRow>(sql`
    select ${
    columns(tx)
  } from yardmaster.limiters where name = ${name} for update
  `);
  return row ?? null;
}

/** The cooldown of one partition. */
export interface PartitionCooldown {
  readonly until: Date;
  readonly reason: string;
  readonly by: string;
}

/** Finds the cooldown of a partition that is on now. */
export async function findPartitionCooldown(
  db: Database,
  { limiter, key }: { readonly limiter: string; readonly key: string },
): Promise<PartitionCooldown | null> {
  const [row] = await db.query<PartitionCooldown>(sql`
    select cooldown_until as "until", cooldown_reason as "reason",
      cooldown_by as "by"
    from yardmaster.limiter_partitions
    where limiter = ${limiter} and key = yardmaster.limiter_key(${key})
      and cooldown_until > ${db.now}
  `);
  return row ?? null;
}

/**
 * Chooses a capacity, which wins over the one that code declares; `null` goes
 * back to that. Lanes that wait look again: it may give more.
 *
 * @returns `null` if it was so already.
 */
export async function scaleLimiter(
  tx: Database,
  { name, capacity, principal }: {
    readonly name: string;
    readonly capacity: number | null;
    readonly principal: string;
  },
): Promise<LimiterRow | null> {
  const rows = await tx.query<LimiterRow>(sql`
    with before as materialized (
      select coalesce(chosen_capacity, declared_capacity) as capacity
      from yardmaster.limiters
      where name = ${name}
    ),
    chosen as (
      update yardmaster.limiters
      set
        chosen_capacity = ${capacity}::integer,
        chosen_by = case when ${capacity}::integer is not null
          then ${principal}::text end,
        chosen_at = case when ${capacity}::integer is not null
          then ${tx.now} end
      where name = ${name}
        and chosen_capacity is distinct from ${capacity}::integer
      returning *
    ),
    told as (
      insert into yardmaster.limiter_facts (
        limiter, key, kind, at, principal, details
      )
      select name, '', 'capacity_chosen', ${tx.now}, ${principal},
        jsonb_build_object(
          'before', (select capacity from before),
          'after', coalesce(chosen_capacity, declared_capacity),
          'declared', declared_capacity
        )
      from chosen
    )
    select ${columns(tx)} from chosen
  `);
  const [row] = rows;
  if (row === undefined) return null;
  await wakeLanes(tx, { limiter: name, key: null });
  return row;
}
