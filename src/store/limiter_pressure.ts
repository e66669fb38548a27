/** The partitions of a limiter that are in use, however many are not. */
import type { Database } from "../db/database.ts";
import { type Sql, sql } from "../db/sql.ts";
import {
  byPressure,
  type Pressed,
  pressureOf,
} from "../domain/limiter_pressure.ts";
import type { LimiterRule } from "../domain/limiter.ts";
import { HELD_BY_LEASES, ruleOf } from "./limited_locks.ts";
import type { LimiterRow } from "./limiters.ts";

/** A partition that is used, cools down, or holds jobs back. */
export interface ActivePartition extends Pressed {
  /** At this moment. */
  readonly used: number;
  /** Lines of jobs that wait for it. */
  readonly lines: number;
  readonly cooldownUntil: Date | null;
}

/** The partitions in use, the most pressed first. */
export interface ActivePartitions {
  /** The instant of which the order is. */
  readonly atMs: number;
  readonly partitions: readonly ActivePartition[];
  /** There may be more than were looked at. */
  readonly capped: boolean;
}

// Written out: a limit that is bound is unknown to the planner, which then reads
// the whole table.
/** Rows that are read of each kind: that wait, that cool down, that are used. */
const LOOKED_AT = sql`2000`;
const LOOKED_AT_MAX = 2_000;
/** Grants, and partitions that were counted last, of whatever limiter. */
const WINDOW = sql`10000`;
const WINDOW_MAX = 10_000;

/** What was found of all of them: one row, and not one for each. */
interface Found {
  readonly nowMs: number;
  readonly seenLines: number;
  readonly seenCooling: number;
  readonly seenUsed: number;
  readonly partitions: readonly FoundPartition[];
}

/** Key, lines, used, counted, and the end of its cooldown: since 1970, in ms. */
type FoundPartition = readonly [string, number, number, number, number | null];

/**
 * Reads the partitions of a limiter that are in use, each found by an index: one
 * that was used up and has come back since is not among them.
 *
 * @param limiter.capacity As it counts now.
 * @param asked.atMs The instant of whose order a page is; now if null.
 */
export async function listActivePartitions(
  db: Database,
  limiter: LimiterRow,
  { atMs }: { readonly atMs: number | null },
): Promise<ActivePartitions> {
  const { name, kind, perMs } = limiter;
  const capacity = limiter.chosenCapacity ?? limiter.declaredCapacity;
  // Of concurrency, its row says only until when it cools down.
  const isUnread = perMs === null
    ? sql`(select count(*) from cooling) = ${LOOKED_AT}`
    : sql`wanted.counted_at is null`;
  const [row] = await db.query<Found>(sql`
    with waiting as materialized (
      select blocked_key from yardmaster.lanes
      where blocked_limiter = ${name}
      order by blocked_key
      limit ${LOOKED_AT}
    ),
    cooling as materialized (
      select key, used, counted_at, cooldown_until
      from yardmaster.limiter_partitions
      where limiter = ${name} and cooldown_until > ${db.now}
      order by cooldown_until desc
      limit ${LOOKED_AT}
    ),
    ${perMs === null ? running(name) : counted(db, { name, perMs })},
    -- Added up and not joined: nobody knows how many rows these are, and two of
    -- them that are joined row by row took a hundred milliseconds.
    wanted as materialized (
      select key, sum(lines)::integer as lines, sum(held)::float8 as held,
        max(used) as used, max(counted_at) as counted_at,
        max(cooldown_until) as cooldown_until
      from (
        select blocked_key as key, 1 as lines, 0::float8 as held,
          null::float8 as used, null::timestamptz as counted_at,
          null::timestamptz as cooldown_until
        from waiting
        union all
        select key, 0, 0, used, counted_at, cooldown_until from cooling
        union all
        select key, 0, held, used, counted_at, cooldown_until from taken
      ) as found
      group by key
    ),
    -- What was read above is not looked up again, a key at a time: that took most
    -- of the time of this statement.
    stood as (
      select wanted.key, wanted.lines, wanted.held,
        coalesce(wanted.used, part.used, 0) as used,
        coalesce(wanted.counted_at, part.counted_at) as counted_at,
        coalesce(wanted.cooldown_until, part.cooldown_until) as cooldown_until
      from wanted
      left join yardmaster.limiter_partitions as part
        on part.limiter = ${name}
        and part.key = case when ${isUnread} then wanted.key end
    )
    select (extract(epoch from ${db.now}) * 1000)::float8 as "nowMs",
      (select count(*) from waiting)::integer as "seenLines",
      (select count(*) from cooling)::integer as "seenCooling",
      (select count(*) from looked)::integer as "seenUsed",
      -- One value: as rows, they take longer on their way than to be found.
      coalesce(
        (
          select json_agg(json_build_array(
            stood.key, stood.lines,
            ${perMs === null ? sql`stood.held` : sql`stood.used`},
            coalesce(extract(epoch from stood.counted_at) * 1000, 0)::float8,
            (extract(epoch from stood.cooldown_until) * 1000)::float8
          ))
          from stood
        ),
        '[]'
      ) as "partitions"
  `);
  const nowMs = row?.nowMs ?? 0;
  const rule = ruleOf({ kind, capacity, perMs });
  const orderedAtMs = atMs ?? nowMs;
  const partitions = (row?.partitions ?? []).map((found) =>
    pressed(found, { rule, limiter, nowMs, orderedAtMs })
  );
  return {
    atMs: orderedAtMs,
    partitions: partitions.toSorted(byPressure),
    capped: row !== undefined &&
      (row.seenLines === LOOKED_AT_MAX ||
        row.seenCooling === LOOKED_AT_MAX || row.seenUsed === WINDOW_MAX),
  };
}

/** Reckons how pressed a partition is, now and as of the instant of its page. */
function pressed(
  [key, lines, used, countedMs, ownMs]: FoundPartition,
  { rule, limiter, nowMs, orderedAtMs }: {
    readonly rule: LimiterRule;
    readonly limiter: LimiterRow;
    readonly nowMs: number;
    readonly orderedAtMs: number;
  },
): ActivePartition {
  const untilMs = Math.max(ownMs ?? 0, limiter.cooldownUntil?.getTime() ?? 0);
  const cooldown = untilMs > 0 ? { untilMs, reason: "" } : null;
  const state = { used, countedMs, cooldown };
  const holdsBack = lines > 0;
  return {
    key,
    lines,
    used: pressureOf(rule, { state, nowMs, holdsBack }).used,
    pressure:
      pressureOf(rule, { state, nowMs: orderedAtMs, holdsBack }).pressure,
    cooldownUntil: untilMs > nowMs ? new Date(untilMs) : null,
  };
}

/** What live leases hold of each partition. */
function running(name: string): Sql {
  return sql`
    given as materialized (
      select key, lease_id, job_id, weight
      from yardmaster.limiter_grants
      where limiter = ${name}
      order by key, lease_id, job_id
      limit ${WINDOW}
    ),
    ${HELD_BY_LEASES},
    looked as materialized (select job_id from given),
    taken as materialized (
      select key, sum(weight)::float8 as held, null::float8 as used,
        null::timestamptz as counted_at, null::timestamptz as cooldown_until
      from given join held using (lease_id, job_id)
      group by key
    )
  `;
}

/** Partitions that were counted so lately that not all has come back. */
function counted(
  db: Database,
  { name, perMs }: { readonly name: string; readonly perMs: number },
): Sql {
  return sql`
    looked as materialized (
      select limiter, key, used, counted_at, cooldown_until
      from yardmaster.limiter_partitions
      where counted_at > ${db.now} - ${perMs}::float8 * interval '1 ms'
      order by counted_at desc
      limit ${WINDOW}
    ),
    taken as materialized (
      select key, 0 as held, used, counted_at, cooldown_until
      from looked
      where limiter = ${name} and used > 0
    )
  `;
}
