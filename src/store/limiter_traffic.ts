/** Jobs that came, as requests of a limiter. */
import type { Database } from "../db/database.ts";
import { sql } from "../db/sql.ts";
import type { ReplayedRequest } from "../domain/limiter_simulation.ts";

/** Jobs of all workers that are looked at. */
const JOBS_MAX = 100_000;

/**
 * The newest jobs of a worker, in the order in which they came, with the key and
 * the weight that a limiter would find.
 */
export async function listTraffic(
  db: Database,
  { limiter, worker, limit }: {
    readonly limiter: string;
    readonly worker: string;
    readonly limit: number;
  },
): Promise<ReplayedRequest[]> {
  const rows = await db.query<ReplayedRequest>(sql`
    select
      (extract(epoch from yardmaster.job_inserted_at(job.id)) * 1000)::float8
        as "atMs",
      yardmaster.limiter_key(job.args #>> known.partition_by) as "key",
      yardmaster.limiter_weight(job.args #> known.weight_by, known.weight)
        as "weight"
    from (
      -- By the primary key, which is time: nothing indexes the worker.
      select id, worker, args
      from yardmaster.jobs
      order by id desc
      limit ${JOBS_MAX}
    ) as job
    join yardmaster.limiters as known on known.name = ${limiter}
    where job.worker = ${worker}
    order by job.id desc
    limit ${limit}
  `);
  return rows.toReversed();
}
