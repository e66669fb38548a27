/** Limiters with what waits for them, for the pages. */
import type { Database } from "../db/database.ts";
import { sql } from "../db/sql.ts";
import { usage } from "../domain/limiter_admission.ts";
import { ruleOf, stateOf } from "./limited_locks.ts";
import { readWholeStandings } from "./limiter_blockers.ts";
import { findLimiter, type LimiterRow, listLimiters } from "./limiters.ts";

/** A limiter and how it stands. Counts end at {@linkcode LANES_COUNT_MAX}. */
export interface LimiterStatus {
  readonly limiter: LimiterRow;
  readonly capacity: number;
  /** Of a limiter without keys; `null` where each key has its own. */
  readonly used: number | null;
  readonly workers: readonly string[];
  /** Lines of jobs that it holds back at this moment. */
  readonly lanes: number;
  /** Keys that cool down. */
  readonly coolingKeys: number;
}

/** Counts look at so many rows. */
export const LANES_COUNT_MAX = 1_000;
/** All limiters, the most pressed first, and how they stand. */
export async function listLimiterStatus(
  db: Database,
): Promise<LimiterStatus[]> {
  const all = await statusOf(db, await listLimiters(db));
  return all.map((status) => ({ status, pressure: pressureOfAll(status) }))
    .toSorted((one, other) => other.pressure - one.pressure)
    .map(({ status }) => status);
}

/** One limiter, and how it stands; `null` if nobody declared it. */
export async function findLimiterStatus(
  db: Database,
  name: string,
): Promise<LimiterStatus | null> {
  const limiter = await findLimiter(db, name);
  if (limiter === null) return null;
  const [status = null] = await statusOf(db, [limiter]);
  return status;
}

/**
 * How pressed a limiter is as a whole: what holds jobs back by its lines, then
 * what cools down, then what is used of one without keys. Those alike keep the
 * order of their names.
 */
function pressureOfAll(
  { limiter, used, capacity, lanes, coolingKeys }: LimiterStatus,
): number {
  const share = used === null ? 0 : Math.min(used / capacity, 1);
  const isCooling = limiter.cooldownUntil !== null || coolingKeys > 0;
  return lanes * 4 + (isCooling ? 2 : 0) + share;
}

type Counts = Pick<LimiterStatus, "workers" | "lanes" | "coolingKeys"> & {
  readonly name: string;
};

/** One statement for all of them, and one for what is used of those without keys. */
async function statusOf(
  db: Database,
  limiters: readonly LimiterRow[],
): Promise<LimiterStatus[]> {
  if (limiters.length === 0) return [];
  const counts = await db.query<Counts>(sql`
    select
      known.name,
      array(
        select worker from yardmaster.worker_limits
        where limiter = known.name order by worker limit 50
      ) as "workers",
      (
        select count(*)::integer from (
          select from yardmaster.lanes
          where blocked_limiter = known.name
          -- Ordered, so that the planner does not read all lanes to find a few.
          order by blocked_key
          limit ${LANES_COUNT_MAX}
        ) as held
      ) as "lanes",
      (
        select count(*)::integer from (
          select from yardmaster.limiter_partitions
          where limiter = known.name and cooldown_until > ${db.now}
          order by cooldown_until
          limit ${LANES_COUNT_MAX}
        ) as cooling
      ) as "coolingKeys"
    from unnest(${limiters.map(({ name }) => name)}::text[]) as known (name)
  `);
  const byName = new Map(counts.map(({ name, ...rest }) => [name, rest]));
  const standings = await readWholeStandings(
    db,
    limiters.filter(({ partitionBy }) => partitionBy === null)
      .map(({ name }) => name),
  );
  const usedOf = new Map(standings.map((each) => {
    const state = stateOf(each, each.used);
    const { used } = usage(ruleOf(each), { state, nowMs: each.nowMs });
    return [each.limiter, used];
  }));
  return limiters.map((limiter): LimiterStatus => ({
    limiter,
    capacity: limiter.chosenCapacity ?? limiter.declaredCapacity,
    used: usedOf.get(limiter.name) ?? null,
    ...byName.get(limiter.name) ?? { workers: [], lanes: 0, coolingKeys: 0 },
  }));
}
