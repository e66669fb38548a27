/**
 * What the overview reads: each statement goes along an index, or over a table
 * with one row for each process or queue, and stops at a bound.
 */
import type { Database } from "../db/database.ts";
import { sql } from "../db/sql.ts";
import {
  busyQueueOf,
  type FailureGroup,
  type MissedFires,
  type NextRetry,
  type OverviewFacts,
  type PausedEntry,
  type RecentChange,
  type UnwellExecutor,
} from "../domain/overview_facts.ts";
import { liveHealth } from "./executor_health.ts";
import { listBusyQueueFacts } from "./explain_queue.ts";
import { listHoldingLimiters } from "./holding_limiters.ts";

/** Reads everything that the overview says. */
export async function readOverview(db: Database): Promise<OverviewFacts> {
  const [
    work,
    unwell,
    failed,
    missed,
    paused,
    queues,
    limiters,
    retries,
    changes,
  ] = await Promise.all([
    countWork(db),
    listUnwellExecutors(db),
    listFailureGroups(db),
    listMissedFires(db),
    listPausedEntries(db),
    listBusyQueueFacts(db),
    listHoldingLimiters(db),
    listNextRetries(db),
    listRecentChanges(db),
  ]);
  return {
    healthyExecutors: work.healthyExecutors,
    executing: work.executing,
    retryable: capped(work.retryable),
    overdue: { ...capped(work.overdue), jobId: work.overdueId },
    unwell,
    failures: failed,
    failuresCapped: failed.some(({ capped }) => capped),
    missed,
    paused,
    queues: queues.map(busyQueueOf),
    limiters,
    retries,
    changes: changes.slice(0, 3),
    changed: {
      count: changes[0]?.total ?? 0,
      capped: changes[0]?.capped ?? false,
    },
  };
}

const COUNT_MAX = 10_000;

/** Statements count one row more than is shown, so that a bound is known. */
function capped(count: number) {
  return { count: Math.min(count, COUNT_MAX), capped: count > COUNT_MAX };
}

interface Work {
  readonly healthyExecutors: number;
  readonly executing: number;
  readonly retryable: number;
  readonly overdue: number;
  readonly overdueId: `${bigint}` | null;
}

const NOTHING: Work = {
  healthyExecutors: 0,
  executing: 0,
  retryable: 0,
  overdue: 0,
  overdueId: null,
};

async function countWork(db: Database): Promise<Work> {
  const [work] = await db.query<Work>(sql`
    select
      (
        select count(*)::integer from yardmaster.executors
        where stopped_at is null and beat_at + late_after > ${db.now}
      ) as "healthyExecutors",
      (
        select coalesce(sum(cardinality(job_ids)), 0)::integer
        from (select job_ids from yardmaster.leases limit 10000) as held
      ) as "executing",
      (
        select count(*)::integer from (
          select from yardmaster.scheduled
          where state = 'retryable' limit 10001
        ) as retryable
      ) as "retryable",
      (
        select count(*)::integer from (
          select from yardmaster.scheduled
          where run_at < ${db.now} - interval '1 minute' limit 10001
        ) as overdue
      ) as "overdue",
      (
        select job_id from yardmaster.scheduled
        where run_at < ${db.now} - interval '1 minute'
        order by run_at, job_id
        limit 1
      ) as "overdueId"
  `);
  return work ?? NOTHING;
}

async function listUnwellExecutors(db: Database): Promise<UnwellExecutor[]> {
  return await db.query<UnwellExecutor>(sql`
    select
      executors.name,
      ${liveHealth(db)} as "health",
      beat_at as "beatAt",
      held.jobs as "jobs",
      held.job_id as "jobId"
    from yardmaster.executors,
    lateral (
      select
        sum(cardinality(job_ids))::integer as jobs,
        min(job_ids[1]) as job_id
      from yardmaster.leases
      where executor_id = executors.id
    ) as held
    where stopped_at is null
      and beat_at + late_after <= ${db.now}
      and held.jobs > 0
    order by beat_at
    limit 50
  `);
}

/**
 * Jobs that were discarded in the last day, by their last error. What an operator
 * discarded is no failure: somebody has already decided.
 *
 * Ids are in order of insertion and not of the end, so the newest 2,000 of the
 * last 30 days are looked at.
 */
async function listFailureGroups(
  db: Database,
): Promise<(FailureGroup & { readonly capped: boolean })[]> {
  return await db.query<FailureGroup & { readonly capped: boolean }>(sql`
    with discarded as materialized (
      select job_id, finished_at
      from yardmaster.outcomes
      where state = 'discarded'
        and job_id >= yardmaster.job_id_at(${db.now} - interval '30 days')
      order by job_id desc
      limit 2000
    ),
    failed as materialized (
      select discarded.job_id, finished_at, jobs.worker, event.*
      from discarded
      join yardmaster.jobs on jobs.id = discarded.job_id
      left join lateral (
        select
          (array_agg(fingerprint order by id desc)
            filter (where fingerprint is not null))[1] as fingerprint,
          (array_agg(template order by id desc)
            filter (where fingerprint is not null))[1] as template,
          (array_agg(principal order by id desc))[1] is not null as decided
        from (
          select id, fingerprint, template, principal
          from yardmaster.attempt_events
          where attempt_events.job_id = discarded.job_id
          order by id desc
          limit 100
        ) as newest
      ) as event on true
      where finished_at >= ${db.now} - interval '24 hours'
    )
    select
      fingerprint,
      (array_agg(template order by job_id desc))[1] as "template",
      worker,
      count(*)::integer as "jobs",
      max(finished_at) as "lastAt",
      max(job_id) as "jobId",
      (select count(*) from discarded) >= 2000 as "capped"
    from failed
    where decided is not true
    group by fingerprint, worker
    order by count(*) desc, max(job_id) desc
    limit 50
  `);
}

async function listMissedFires(db: Database): Promise<MissedFires[]> {
  return await db.query<MissedFires>(sql`
    select
      entry_name as "name",
      count(*)::integer as "fires",
      max(planned_at) as "lastAt"
    from yardmaster.cron_slots
    join yardmaster.cron_entries on name = entry_name
    where state = 'missed'
      and planned_at >= ${db.now} - interval '24 hours'
      and retired_at is null
    group by entry_name
    order by max(planned_at) desc
    limit 50
  `);
}

/** Entries are as many as somebody wrote: their table is read from end to end. */
async function listPausedEntries(db: Database): Promise<PausedEntry[]> {
  return await db.query<PausedEntry>(sql`
    select name, paused_at as "pausedAt", paused_by as "pausedBy"
    from yardmaster.cron_entries
    where paused_at is not null and retired_at is null
    order by paused_at desc
    limit 200
  `);
}

async function listNextRetries(db: Database): Promise<NextRetry[]> {
  return await db.query<NextRetry>(sql`
    select job_id as "jobId", worker, attempt, run_at as "runAt"
    from yardmaster.scheduled
    where state = 'retryable'
    order by run_at, job_id
    limit 3
  `);
}

/** Ids of audit events are in order of time, so the newest 1,000 are enough. */
async function listRecentChanges(
  db: Database,
): Promise<
  (RecentChange & { readonly total: number; readonly capped: boolean })[]
> {
  const rows = await db.query<{
    readonly id: `${bigint}`;
    readonly eventType: string;
    readonly resourceType: RecentChange["resource"]["type"];
    readonly resourceId: string;
    readonly principalId: string;
    readonly principalLabel: string | null;
    readonly at: Date;
    readonly total: number;
    readonly capped: boolean;
  }>(sql`
    with newest as materialized (
      select * from yardmaster.audit_events order by id desc limit 1000
    ),
    recent as (
      select * from newest
      where result = 'applied' and at >= ${db.now} - interval '24 hours'
    )
    select
      id, event_type as "eventType", resource_type as "resourceType",
      resource_id as "resourceId", principal_id as "principalId",
      principal_label as "principalLabel", at,
      (select count(*)::integer from recent) as "total",
      (select count(*) from newest where at >= ${db.now} - interval '24 hours')
        >= 1000 as "capped"
    from recent
    order by id desc
    limit 3
  `);
  return rows.map((row) => ({
    ...row,
    resource: { type: row.resourceType, id: row.resourceId },
    principal: { id: row.principalId, label: row.principalLabel },
  }));
}
