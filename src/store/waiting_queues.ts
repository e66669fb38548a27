import { type Sql, sql } from "../db/sql.ts";

/**
 * The beginning of a statement over `waiting (queue)`: the queues that hold ready
 * jobs, and one null. It takes one step of the index for each queue, however many
 * jobs it holds.
 */
export const WITH_WAITING_QUEUES: Sql = sql`
  with recursive waiting (queue) as (
    (select queue from yardmaster.ready order by queue limit 1)
    union all
    select (
      select ready.queue from yardmaster.ready
      where ready.queue > waiting.queue
      order by ready.queue limit 1
    )
    from waiting
    where waiting.queue is not null
  )
`;
