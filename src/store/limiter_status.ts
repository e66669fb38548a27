/** Limiters with what waits for them, for the pages. */
import type { Database } from "../db/database.ts";
import { sql } from "../db/sql.ts";
import { usage } from "../domain/limiter_admission.ts";
import { ruleOf, stateOf } from "./limited_locks.ts";
import { readStanding } from "./limiter_blockers.ts";
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
/** Limiters on one page. */
const LIMITERS_MAX = 100;

/** All limiters, by name, and how they stand. */
export async function listLimiterStatus(
  db: Database,
): Promise<LimiterStatus[]> {
  const limiters = (await listLimiters(db)).slice(0, LIMITERS_MAX);
  return await Promise.all(limiters.map((each) => statusOf(db, each)));
}

/** One limiter, and how it stands; `null` if nobody declared it. */
export async function findLimiterStatus(
  db: Database,
  name: string,
): Promise<LimiterStatus | null> {
  const limiter = await findLimiter(db, name);
  return limiter === null ? null : await statusOf(db, limiter);
}

async function statusOf(
  db: Database,
  limiter: LimiterRow,
): Promise<LimiterStatus> {
  const { name, partitionBy } = limiter;
  const [counts] = await db.query<
    Pick<LimiterStatus, "workers" | "lanes" | "coolingKeys">
  >(sql`
    select
      array(
        select worker from yardmaster.worker_limits
        where limiter = ${name} order by worker limit 50
      ) as "workers",
      (
        select count(*)::integer from (
          select from yardmaster.lanes
          where blocked_limiter = ${name}
          -- Ordered, so that the planner does not read all lanes to find a few.
          order by blocked_key
          limit ${LANES_COUNT_MAX}
        ) as held
      ) as "lanes",
      (
        select count(*)::integer from (
          select from yardmaster.limiter_partitions
          where limiter = ${name} and cooldown_until > ${db.now}
          order by cooldown_until
          limit ${LANES_COUNT_MAX}
        ) as cooling
      ) as "coolingKeys"
  `);
  const standing = partitionBy === null
    ? await readStanding(db, { limiter: name, key: "" })
    : null;
  const used = standing && usage(ruleOf(standing), {
    state: stateOf(standing, standing.used),
    nowMs: standing.nowMs,
  }).used;
  return {
    limiter,
    capacity: limiter.chosenCapacity ?? limiter.declaredCapacity,
    used,
    ...counts ?? { workers: [], lanes: 0, coolingKeys: 0 },
  };
}
