import type { Database } from "../db/database.ts";
import { sql } from "../db/sql.ts";
import type { BusyQueue } from "../domain/overview_facts.ts";
import { DUE_JOBS, WITH_WAITING_QUEUES } from "./waiting_queues.ts";

/**
 * Queues in which work is due, with who serves them and which of their workers
 * nobody knows.
 *
 * A claim passes over jobs of unknown workers, so those gather at the head of a
 * queue: its first 200 jobs are looked at for them.
 */
export async function listBusyQueues(db: Database): Promise<BusyQueue[]> {
  return await db.query<BusyQueue>(sql`
    ${WITH_WAITING_QUEUES},
    busy as (
      select queue from waiting where queue is not null limit 100
    ),
    alive as materialized (
      select id, queues, workers
      from yardmaster.executors
      where stopped_at is null and beat_at + missing_after > ${db.now}
    )
    select
      busy.queue as "name",
      queues.paused_at as "pausedAt",
      queues.paused_by as "pausedBy",
      least(due.jobs, 10000) as "ready",
      due.jobs > 10000 as "readyCapped",
      yardmaster.job_inserted_at(oldest.job_id) as "oldestAt",
      (
        select count(*)::integer from alive where busy.queue = any(alive.queues)
      ) as "servedBy",
      array(
        select distinct head.worker
        from (
          select worker from ${DUE_JOBS} as due
          where due.queue = busy.queue
          order by priority, job_id
          limit 200
        ) as head
        where not exists (
          select from alive
          where busy.queue = any(alive.queues)
            and head.worker = any(alive.workers)
        )
        order by head.worker
        limit 10
      ) as "unknownWorkers"
    from busy
    left join yardmaster.queues on queues.name = busy.queue,
    lateral (
      select count(*)::integer as jobs from (
        select from ${DUE_JOBS} as due
        where due.queue = busy.queue limit 10001
      ) as counted
    ) as due,
    -- The index is by priority first: one step for each of them.
    lateral (
      select min(first.job_id) as job_id
      from generate_series(0, 9) as level (priority),
      lateral (
        select job_id from ${DUE_JOBS} as due
        where due.queue = busy.queue and due.priority = level.priority
        order by job_id limit 1
      ) as first
    ) as oldest
    order by busy.queue
  `);
}
