/** Of many queues at once: the due jobs that wait for limiters. */
import type { Database } from "../db/database.ts";
import { sql } from "../db/sql.ts";
import type { BusyQueueFacts } from "../domain/explain_queue_facts.ts";
import { AHEAD_MAX } from "./explain_turn.ts";
import { oldestIn } from "./waiting_queues.ts";

/** What is known of the jobs of a queue that wait for limiters. */
export type LimitedHead = Pick<
  BusyQueueFacts,
  "limited" | "limitedCapped" | "oldestLimitedAt"
>;

/**
 * Counts the jobs of each queue that wait for limiters, and tells the workers of
 * the first of them. What their limiters say is left out: to ask all of them
 * would take some statements for each lane.
 *
 * @returns The queues that hold such jobs.
 */
export async function listHeadsOfLimited(
  db: Database,
  { queues, headMax }: {
    readonly queues: readonly string[];
    readonly headMax: number;
  },
): Promise<ReadonlyMap<string, LimitedHead>> {
  const rows = await db.query<{
    readonly queue: string;
    readonly jobs: number;
    readonly workers: readonly string[];
    readonly oldestLimitedAt: Date;
  }>(sql`
    select
      asked.name as "queue", counted.jobs, head.workers,
      yardmaster.job_inserted_at(oldest.job_id) as "oldestLimitedAt"
    from unnest(${[...queues]}::text[]) as asked (name),
    lateral (
      select count(*)::integer as jobs from (
        -- In order, or a plan for all values may read the table.
        select from yardmaster.limited
        where limited.queue = asked.name
        order by priority, job_id limit ${AHEAD_MAX + 1}
      ) as first
    ) as counted,
    lateral (
      select array_agg(worker) as workers from (
        select worker from yardmaster.limited
        where limited.queue = asked.name
        order by priority, job_id limit ${headMax}
      ) as first
    ) as head,
    lateral (
      select ${oldestIn("limited", sql`asked.name`)} as job_id
    ) as oldest
    where counted.jobs > 0
  `);
  return new Map(rows.map(({ queue, jobs, workers, oldestLimitedAt }) => [
    queue,
    {
      limited: groupsOf(workers, Math.min(jobs, AHEAD_MAX)),
      limitedCapped: jobs > AHEAD_MAX,
      oldestLimitedAt,
    },
  ]));
}

const ANY_LANE = {
  limiters: [],
  blockers: [],
  ahead: { count: 0, precision: "exact" },
} as const;

/** What is beyond the first jobs is counted with the worker of the first. */
function groupsOf(
  workers: readonly string[],
  jobs: number,
): LimitedHead["limited"] {
  const [first = ""] = workers;
  const counts = new Map([[first, jobs - workers.length]]);
  for (const worker of workers) {
    counts.set(worker, (counts.get(worker) ?? 0) + 1);
  }
  return [...counts].map(([worker, count]) => {
    return { worker, jobs: count, lanes: count, lane: ANY_LANE };
  });
}
