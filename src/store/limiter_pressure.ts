/** The partitions of a limiter that are in use, however many are not. */
import type { Database } from "../db/database.ts";
import { type Sql, sql } from "../db/sql.ts";
import {
  byPressure,
  type Pressed,
  pressureOf,
} from "../domain/limiter_pressure.ts";
import { HELD_BY_LEASES, ruleOf, stateOf } from "./limited_locks.ts";
import type { LimiterRow } from "./limiters.ts";
import type { LimiterStanding } from "./limiter_blockers.ts";

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

type Row =
  & Pick<
    LimiterStanding,
    "key" | "used" | "countedMs" | "cooldownMs" | "nowMs"
  >
  & {
    readonly lines: number;
    readonly seenLines: number;
    readonly seenCooling: number;
    readonly seenUsed: number;
  };

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
  const rows = await db.query<Row>(sql`
    with waiting as materialized (
      select blocked_key from yardmaster.lanes
      where blocked_limiter = ${name}
      order by blocked_key
      limit ${LOOKED_AT}
    ),
    cooling as materialized (
      select key from yardmaster.limiter_partitions
      where limiter = ${name} and cooldown_until > ${db.now}
      order by cooldown_until desc
      limit ${LOOKED_AT}
    ),
    ${perMs === null ? running(name) : counted(db, { name, perMs })},
    -- Added up and not joined: nobody knows how many rows these are, and two of
    -- them that are joined row by row took a hundred milliseconds.
    wanted as materialized (
      select key, sum(lines)::integer as lines, sum(used) as used
      from (
        select blocked_key as key, 1 as lines, 0::float8 as used from waiting
        union all select key, 0, 0 from cooling
        union all select key, 0, used from taken
      ) as found
      group by key
    ),
    seen as materialized (
      select
        (select count(*) from waiting)::integer as lines,
        (select count(*) from cooling)::integer as cooling,
        (select count(*) from looked)::integer as used
    )
    select wanted.key as "key",
      wanted.lines as "lines",
      case when known.kind = 'concurrency' then wanted.used
        else coalesce(part.used, 0) end as "used",
      coalesce(extract(epoch from part.counted_at) * 1000, 0)::float8
        as "countedMs",
      (extract(epoch from greatest(part.cooldown_until, known.cooldown_until))
        * 1000)::float8 as "cooldownMs",
      (extract(epoch from ${db.now}) * 1000)::float8 as "nowMs",
      seen.lines as "seenLines", seen.cooling as "seenCooling",
      seen.used as "seenUsed"
    from wanted
    cross join seen
    join yardmaster.limiters as known on known.name = ${name}
    left join yardmaster.limiter_partitions as part
      on part.limiter = ${name} and part.key = wanted.key
  `);
  const nowMs = rows[0]?.nowMs ?? 0;
  const rule = ruleOf({ kind, capacity, perMs });
  const orderedAtMs = atMs ?? nowMs;
  const partitions = rows.map((row): ActivePartition => {
    const { key, lines, cooldownMs } = row;
    const state = stateOf(
      { ...row, ...NO_REASON, ...rule, limiter: name },
      row.used,
    );
    const holdsBack = lines > 0;
    const now = pressureOf(rule, { state, nowMs, holdsBack });
    const then = pressureOf(rule, { state, nowMs: orderedAtMs, holdsBack });
    return {
      key,
      lines,
      used: now.used,
      pressure: then.pressure,
      cooldownUntil: cooldownMs !== null && cooldownMs > nowMs
        ? new Date(cooldownMs)
        : null,
    };
  });
  const [first] = rows;
  return {
    atMs: orderedAtMs,
    partitions: partitions.toSorted(byPressure),
    capped: first !== undefined &&
      (first.seenLines === LOOKED_AT_MAX ||
        first.seenCooling === LOOKED_AT_MAX || first.seenUsed === WINDOW_MAX),
  };
}

const NO_REASON = { cooldownReason: null, isPartitioned: true } as const;

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
      select key, sum(weight)::float8 as used
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
      select limiter, key, used
      from yardmaster.limiter_partitions
      where counted_at > ${db.now} - ${perMs}::float8 * interval '1 ms'
      order by counted_at desc
      limit ${WINDOW}
    ),
    taken as materialized (
      select key, used from looked where limiter = ${name} and used > 0
    )
  `;
}
