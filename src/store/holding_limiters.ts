/** For the overview: the limiters that hold jobs back at this moment. */
import type { Database } from "../db/database.ts";
import { sql } from "../db/sql.ts";
import type { HoldingLimiter } from "../domain/overview_facts.ts";

/** Limiters that are looked at: as many as there are pages for. */
const LIMITERS_MAX = 1_000;
/** Lines of each that are counted. */
const LINES_MAX = 100;

/**
 * Finds the limiters for which lines of jobs wait, those with the most lines
 * first. It takes a step of an index for each, however many others there are.
 */
export async function listHoldingLimiters(
  db: Database,
): Promise<readonly HoldingLimiter[]> {
  const rows = await db.query<
    Pick<HoldingLimiter, "name" | "cooldownUntil"> & { readonly lines: number }
  >(sql`
    with recursive holding (name) as (
      (
        select blocked_limiter from yardmaster.lanes
        where blocked_limiter is not null
        order by blocked_limiter limit 1
      )
      union all
      select (
        select blocked_limiter from yardmaster.lanes
        where blocked_limiter > holding.name
        order by blocked_limiter limit 1
      )
      from holding
      where holding.name is not null
    )
    select
      known.name as "name",
      case when known.cooldown_until > ${db.now} then known.cooldown_until end
        as "cooldownUntil",
      (
        select count(*)::integer from (
          -- In order, or the planner may read all lanes.
          select from yardmaster.lanes
          where blocked_limiter = known.name
          order by blocked_key limit ${LINES_MAX + 1}
        ) as counted
      ) as "lines"
    from (select name from holding limit ${LIMITERS_MAX}) as holding
    join yardmaster.limiters as known on known.name = holding.name
    order by "lines" desc, known.name
  `);
  return rows.map(({ lines, ...limiter }) => ({
    ...limiter,
    lines: { count: Math.min(lines, LINES_MAX), capped: lines > LINES_MAX },
  }));
}
