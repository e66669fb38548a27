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
