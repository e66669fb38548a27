/** Where a job stands that is due and waits for limiters. */
import type { Database } from "../db/database.ts";
import { sql } from "../db/sql.ts";
import type { LaneFacts } from "../domain/explain_facts.ts";
import type { JobId } from "../domain/job.ts";
import type { LimiterBlocker } from "../domain/limiter.ts";
import { blockersOf, readJobStandings } from "./limiter_blockers.ts";

/** Jobs before it in its lane are counted so far. */
const AHEAD_MAX = 10_000;
/** Jobs that hold a key that are named. */
const HOLDERS_MAX = 5;

/** Finds what a job waits for that stands in a lane; null if it stands in none. */
export async function findLane(
  db: Database,
  jobId: JobId,
): Promise<LaneFacts | null> {
  const [lane] = await db.query<{ ahead: number }>(sql`
    select (
      select count(*)::integer from (
        select from yardmaster.limited as other
        where other.lane_id = own.lane_id
          and (other.priority, other.job_id) < (own.priority, own.job_id)
        order by other.priority, other.job_id
        limit ${AHEAD_MAX}
      ) as before
    ) as "ahead"
    from yardmaster.limited as own
    where own.job_id = ${jobId}::bigint
  `);
  if (lane === undefined) return null;
  const standings = await readJobStandings(db, jobId);
  const blockers = [];
  for (const blocker of blockersOf(standings)) {
    const { partitionBy = null } = standings.find(({ limiter }) =>
      limiter === blocker.limiter
    ) ?? {};
    const holders = await listHolders(db, blocker);
    blockers.push({ blocker, holders, partitionBy });
  }
  return {
    limiters: standings.map(({ limiter }) => limiter),
    blockers,
    ahead: {
      count: lane.ahead,
      precision: lane.ahead < AHEAD_MAX ? "exact" : "at_least",
    },
  };
}

/** Jobs that run and hold what a job waits for, the oldest first. */
async function listHolders(
  db: Database,
  { kind, code, limiter, key }: LimiterBlocker,
): Promise<readonly JobId[]> {
  if (kind !== "concurrency" || code !== "limit_reached") return [];
  const held = await db.query<{ id: JobId }>(sql`
    select given.job_id as "id"
    from yardmaster.limiter_grants as given
    where given.limiter = ${limiter} and given.key = ${key}
      and exists (
        select from yardmaster.leases
        where leases.id = given.lease_id
          and leases.job_ids @> array[given.job_id]
      )
    order by given.job_id
    limit ${HOLDERS_MAX}
  `);
  return held.map(({ id }) => id);
}
