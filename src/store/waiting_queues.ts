import { type Sql, sql } from "../db/sql.ts";

/**
 * The beginning of a statement over `waiting (queue)`: the queues that hold due
 * jobs, and one null. It takes a step of two indexes for each queue, however many
 * jobs it holds.
 */
export const WITH_WAITING_QUEUES: Sql = sql`
  with recursive waiting (queue) as (
    select least(
      (select queue from yardmaster.ready order by queue limit 1),
      (select queue from yardmaster.limited order by queue limit 1)
    )
    union all
    select least(
      (
        select ready.queue from yardmaster.ready
        where ready.queue > waiting.queue
        order by ready.queue limit 1
      ),
      (
        select limited.queue from yardmaster.limited
        where limited.queue > waiting.queue
        order by limited.queue limit 1
      )
    )
    from waiting
    where waiting.queue is not null
  )
`;

/**
 * The jobs that are due, wherever they stand, as a table to select from: one arm
 * for each place, so that a condition and an order reach the index of each.
 */
export const DUE_JOBS: Sql = sql`(
  select job_id, queue, worker, priority, attempt from yardmaster.ready
  union all
  select job_id, queue, worker, priority, attempt from yardmaster.limited
)`;

/**
 * The due job of a queue that was inserted first, as a scalar, whatever its
 * priority. One step of an index for each: by a comparison of whole rows, since
 * for an equality and an order by id alone a plan may go along the primary key,
 * through all the jobs of other queues.
 */
export function oldestIn(table: "ready" | "limited", queue: Sql): Sql {
  return sql`(
    select min(first.job_id)
    from generate_series(0, 9) as level (priority),
    lateral (
      select queue, priority, job_id from ${TABLES[table]}
      where (queue, priority, job_id)
        >= (${queue}, level.priority::smallint, 0::bigint)
      order by queue, priority, job_id
      limit 1
    ) as first
    where first.queue = ${queue} and first.priority = level.priority
  )`;
}

const TABLES = {
  ready: sql`yardmaster.ready`,
  limited: sql`yardmaster.limited`,
} as const;
