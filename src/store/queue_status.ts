/** The queues, with what stands in them and who serves them. */
import type { Database } from "../db/database.ts";
import { sql } from "../db/sql.ts";
import type { JobId } from "../domain/job.ts";
import { type ExecutorHealth, liveHealth } from "./executor_health.ts";
import { DUE_JOBS, oldestIn, WITH_WAITING_QUEUES } from "./waiting_queues.ts";

/** A queue. Counts end at {@linkcode QUEUE_COUNT_MAX}. */
export interface QueueStatus {
  readonly name: string;
  /** False: no process has declared it; jobs may wait in it all the same. */
  readonly recorded: boolean;
  /** Jobs that one executor runs at a time: by code, and by an operator. */
  readonly declaredLimit: number | null;
  readonly chosenLimit: number | null;
  readonly pausedAt: Date | null;
  readonly pausedBy: string | null;
  readonly ready: number;
  /** The ready job that was inserted first. */
  readonly oldestId: JobId | null;
  readonly oldestInsertedAt: Date | null;
  readonly executing: number;
  readonly scheduled: number;
  readonly retryable: number;
  readonly nextRunAt: Date | null;
  /** False: more run, or wait, than were looked at. */
  readonly executingIsExact: boolean;
  readonly scheduledIsExact: boolean;
}

/** Counts look at so many rows. */
export const QUEUE_COUNT_MAX = 10_000;
/** Queues on one page. */
export const QUEUES_MAX = 500;

/**
 * All queues that are recorded, hold ready jobs, or are served, by name.
 *
 * Neither `scheduled` nor `leases` is indexed by queue, because their claims
 * must not pay for a page: the part of them that is due first is looked at.
 */
export async function listQueueStatus(
  db: Database,
  { name = null }: { readonly name?: string | null } = {},
): Promise<QueueStatus[]> {
  return await db.query<QueueStatus>(sql`
    ${WITH_WAITING_QUEUES},
    named as (
      select name from (
        (select name from yardmaster.queues order by name limit 500)
        union
        (select queue from waiting where queue is not null limit 500)
        union
        (
          select unnest(queues) from yardmaster.executors
          where stopped_at is null limit 500
        )
      ) as known (name)
      where ${name}::text is null or name = ${name}::text
      order by name
      limit 500
    ),
    running as materialized (
      select job.queue
      from (
        select unnest(job_ids) as job_id from yardmaster.leases limit 10000
      ) as run,
      lateral (
        select queue from yardmaster.jobs where id = run.job_id offset 0
      ) as job
    ),
    planned as materialized (
      select queue, state, run_at
      from yardmaster.scheduled
      order by run_at, job_id
      limit 10000
    )
    select
      named.name,
      queues.name is not null as "recorded",
      queues.declared_limit as "declaredLimit",
      queues.chosen_limit as "chosenLimit",
      queues.paused_at as "pausedAt",
      queues.paused_by as "pausedBy",
      (
        select count(*)::integer from (
          select from ${DUE_JOBS} as due
          where due.queue = named.name limit 10000
        ) as counted
      ) as "ready",
      oldest.job_id as "oldestId",
      yardmaster.job_inserted_at(oldest.job_id) as "oldestInsertedAt",
      coalesce(run.jobs, 0) as "executing",
      coalesce(plan.scheduled, 0) as "scheduled",
      coalesce(plan.retryable, 0) as "retryable",
      plan.next_run_at as "nextRunAt",
      (select count(*) from running) < 10000 as "executingIsExact",
      (select count(*) from planned) < 10000 as "scheduledIsExact"
    from named
    left join yardmaster.queues on queues.name = named.name
    left join lateral (
      select least(
        ${oldestIn("ready", sql`named.name`)},
        ${oldestIn("limited", sql`named.name`)}
      ) as job_id
    ) as oldest on true
    left join (
      select queue, count(*)::integer as jobs from running group by queue
    ) as run on run.queue = named.name
    left join (
      select queue,
        (count(*) filter (where state = 'scheduled'))::integer as scheduled,
        (count(*) filter (where state = 'retryable'))::integer as retryable,
        min(run_at) as next_run_at
      from planned
      group by queue
    ) as plan on plan.queue = named.name
    order by named.name
  `);
}

/** A process that runs jobs, as its last heartbeat left it. */
export interface ExecutorStatus {
  readonly id: number;
  readonly name: string;
  readonly runtime: string;
  readonly health: Exclude<ExecutorHealth, "stopped">;
  readonly queues: readonly string[];
  readonly workers: readonly string[];
  readonly startedAt: Date;
  readonly beatAt: Date;
  readonly executing: number;
}

/** Executors on one page. */
export const EXECUTORS_MAX = 200;

/**
 * Executors that have not stopped, the freshest heartbeat first. Their table
 * holds a row for each process, so it may be read from end to end.
 */
export async function listExecutorStatus(
  db: Database,
): Promise<ExecutorStatus[]> {
  return await db.query<ExecutorStatus>(sql`
    select
      executors.id, executors.name, executors.runtime, executors.queues,
      executors.workers, executors.started_at as "startedAt",
      executors.beat_at as "beatAt",
      ${liveHealth(db)} as "health",
      (
        select coalesce(sum(cardinality(job_ids)), 0)::integer
        from yardmaster.leases
        where leases.executor_id = executors.id
      ) as "executing"
    from yardmaster.executors
    where stopped_at is null
    order by beat_at desc, id desc
    limit ${EXECUTORS_MAX}
  `);
}

/** Names that a filter can suggest. */
export interface KnownNames {
  readonly queues: readonly string[];
  readonly workers: readonly string[];
}

/** The names that processes and cron entries have declared, 200 of each. */
export async function listKnownNames(db: Database): Promise<KnownNames> {
  const [names] = await db.query<KnownNames>(sql`
    select
      array(
        select name from yardmaster.queues order by name limit 200
      ) as "queues",
      array(
        select worker from (
          (
            select unnest(workers) from yardmaster.executors
            where stopped_at is null
          )
          union
          select cron_entries.worker from yardmaster.cron_entries
        ) as known (worker)
        order by worker
        limit 200
      ) as "workers"
  `);
  return names ?? { queues: [], workers: [] };
}
