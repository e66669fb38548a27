/** What forensics reads of a queue and of the executors that serve it. */
import type { Database } from "../db/database.ts";
import { sql } from "../db/sql.ts";
import { COUNT_MAX } from "./evidence.ts";
import { type ExecutorHealth, liveHealth } from "./executor_health.ts";
import { DUE_JOBS, oldestIn } from "./waiting_queues.ts";

/** An executor, as its last heartbeat left it. */
export interface ExecutorEvidence {
  readonly id: number;
  readonly name: string;
  readonly health: ExecutorHealth;
  readonly queues: readonly string[];
  readonly workers: readonly string[];
  readonly startedAt: Date;
  readonly beatAt: Date;
  readonly stoppedAt: Date | null;
}

const EXECUTORS_MAX = 50;

/**
 * Executors that have not stopped and serve a queue, the freshest first. Their
 * table holds one row for each process, so it is read from end to end.
 */
export async function listExecutorEvidence(
  db: Database,
  queue: string,
): Promise<ExecutorEvidence[]> {
  return await db.query<ExecutorEvidence>(sql`
    select
      id, name, queues, workers, started_at as "startedAt",
      beat_at as "beatAt", stopped_at as "stoppedAt",
      ${liveHealth(db)} as health
    from yardmaster.executors
    where stopped_at is null and ${queue} = any(queues)
    order by beat_at desc, id desc
    limit ${EXECUTORS_MAX}
  `);
}

/** Finds one executor, also one that has stopped. */
export async function findExecutorEvidence(
  db: Database,
  executorId: number,
): Promise<ExecutorEvidence | null> {
  const [executor] = await db.query<ExecutorEvidence>(sql`
    select
      id, name, queues, workers, started_at as "startedAt",
      beat_at as "beatAt", stopped_at as "stoppedAt",
      case
        when stopped_at is null then ${liveHealth(db)}
        -- Who stops by itself beats as it does; others stop who had not for long.
        when stopped_at < beat_at + missing_after then 'stopped'
        else 'missing'
      end as health
    from yardmaster.executors
    where id = ${executorId}
  `);
  return executor ?? null;
}

/** A queue with what stands in it. Counts end at {@linkcode COUNT_MAX}. */
export interface QueueEvidence {
  readonly name: string;
  /** False: no process has declared it; jobs may wait in it all the same. */
  readonly recorded: boolean;
  readonly limit: number | null;
  readonly chosenLimit: number | null;
  readonly pausedAt: Date | null;
  readonly pausedBy: string | null;
  readonly insertedAt: Date | null;
  readonly ready: number;
  readonly oldestReadyAt: Date | null;
  readonly running: number;
  readonly scheduled: number;
  readonly nextRunAt: Date | null;
  readonly now: Date;
}

/**
 * Reads a queue and what stands in it.
 *
 * Nothing indexes `scheduled` or `leases` by queue, and their claims must not
 * pay for a page: the first {@linkcode COUNT_MAX} scheduled jobs in order are
 * looked at, and the leases, which are few, are joined to their jobs by id.
 */
export async function readQueueEvidence(
  db: Database,
  name: string,
): Promise<QueueEvidence> {
  const [queue] = await db.query<QueueEvidence>(sql`
    select
      ${name}::text as name,
      queues.name is not null as recorded,
      coalesce(queues.chosen_limit, queues.declared_limit) as limit,
      queues.chosen_limit as "chosenLimit",
      queues.paused_at as "pausedAt", queues.paused_by as "pausedBy",
      queues.inserted_at as "insertedAt",
      (
        select count(*)::int from (
          select from ${DUE_JOBS} as due
          where due.queue = ${name} limit ${COUNT_MAX}
        ) as waiting
      ) as ready,
      yardmaster.job_inserted_at(least(
        ${oldestIn("ready", sql`${name}::text`)},
        ${oldestIn("limited", sql`${name}::text`)}
      )) as "oldestReadyAt",
      (
        select count(*)::int from (
          select from yardmaster.leases,
            unnest(leases.job_ids) as run (job_id)
          join yardmaster.jobs on jobs.id = run.job_id
          where jobs.queue = ${name} limit ${COUNT_MAX}
        ) as running
      ) as running,
      planned.scheduled, planned.next_run_at as "nextRunAt",
      ${db.now}::timestamptz as now
    from (select) as one
    left join yardmaster.queues on queues.name = ${name}
    cross join (
      select count(*)::int as scheduled, min(run_at) as next_run_at
      from (
        select queue, run_at from yardmaster.scheduled
        order by run_at, job_id limit ${COUNT_MAX}
      ) as soon
      where soon.queue = ${name}
    ) as planned
  `);
  if (queue === undefined) throw new Error("Cannot read a queue: no row came");
  return queue;
}
