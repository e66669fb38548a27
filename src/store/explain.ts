/**
 * The facts that an explanation is told from. Each statement goes along an index
 * or stops at a bound, and none of them locks: they work on a replica.
 */
import type { Database } from "../db/database.ts";
import { sql } from "../db/sql.ts";
import { parseNewerArgs } from "../domain/args_version.ts";
import { parseUnknownKey } from "../domain/sealed_args.ts";
import type {
  ExplainedJob,
  ExplainedQueue,
  ExplainFacts,
  HoldingExecutor,
  ServingExecutor,
} from "../domain/explain_facts.ts";
import { workersBeside } from "../domain/explain_places.ts";
import { type JobExplanation, tellJob } from "../domain/explain_told.ts";
import type { JobId } from "../domain/job.ts";
import type { AttemptEventKind } from "../domain/state.ts";
import { liveHealth } from "./executor_health.ts";
import { findLane } from "./explain_lane.ts";
import { readAhead, readPace } from "./explain_turn.ts";

/** Finds a job and explains it; `null` if there is no record of it. */
export async function findExplanation(
  db: Database,
  jobId: JobId,
): Promise<JobExplanation | null> {
  const facts = await findExplainFacts(db, jobId);
  return facts === null ? null : tellJob(facts);
}

/** Finds what a job can be explained with; `null` if there is no record of it. */
export async function findExplainFacts(
  db: Database,
  jobId: JobId,
): Promise<ExplainFacts | null> {
  const found = await findStanding(db, jobId);
  if (found === null) return null;
  const { job, queue, at } = found;
  const waits = job.finishedAt === null && job.claimedAt === null;
  const serving = waits ? await listServing(db, [job.queue]) : [];
  const workers = workersBeside(job.worker, serving);
  const givenOut = job.state === "available" && queue.pausedAt === null;
  const lane = job.state === "available" ? await findLane(db, jobId) : null;
  const ahead = givenOut && workers.length > 0 && lane === null
    ? await readAhead(db, { job: found.job, workers })
    : null;
  return {
    ...found,
    at,
    serving,
    lastStopped: waits && serving.every(({ health }) => health === "missing")
      ? await findLastStopped(db, job.queue)
      : null,
    lane,
    turn: ahead === null ? null : {
      ahead,
      pace: ahead.count === 0 ? null : await readPace(db, job.queue),
    },
  };
}

type Standing =
  & Omit<ExplainFacts, "serving" | "lastStopped" | "turn" | "lane">
  & {
    readonly job: ExplainedJob & { readonly priority: number };
  };

interface StandingRow extends ExplainedJob {
  readonly priority: number;
  readonly recorded: boolean;
  readonly limit: number | null;
  readonly pausedAt: Date | null;
  readonly pausedBy: string | null;
  readonly holderName: string | null;
  readonly holderHealth: HoldingExecutor["health"] | null;
  readonly holderBeatAt: Date | null;
  readonly eventKind: AttemptEventKind | null;
  readonly eventPrincipal: string | null;
  /** Of one that was given back. */
  readonly eventMessage: string | null;
  readonly eventAt: Date | null;
  readonly supersededAt: Date | null;
  readonly at: Date;
}

/** The job, its queue, who holds it and what happened last, at one instant. */
async function findStanding(
  db: Database,
  jobId: JobId,
): Promise<Standing | null> {
  const [row] = await db.query<StandingRow>(sql`
    select
      jobs.id, jobs.queue, jobs.worker, jobs.priority,
      jobs.max_attempts as "maxAttempts", jobs.deadline_at as "deadlineAt",
      jobs.cron_entry as "cronEntry",
      coalesce(standing.state::text, 'suspended') as "state",
      coalesce(standing.attempt, 0)::integer as "attempt",
      standing.run_at as "runAt", standing.claimed_at as "claimedAt",
      standing.finished_at as "finishedAt", standing.took_ms as "tookMs",
      queues.name is not null as "recorded",
      coalesce(queues.chosen_limit, queues.declared_limit) as "limit",
      queues.paused_at as "pausedAt", queues.paused_by as "pausedBy",
      holder.name as "holderName", holder.beat_at as "holderBeatAt",
      case
        when holder.id is null then null
        when holder.stopped_at is not null then 'stopped'
        else ${liveHealth(db, sql`holder`)}
      end as "holderHealth",
      event.kind as "eventKind", event.principal as "eventPrincipal",
      event.message as "eventMessage", event.at as "eventAt",
      case when standing.state = 'cancelled' then (
        select slot.planned_at
        from yardmaster.cron_slots as slot
        join yardmaster.cron_entries as entry on entry.name = slot.entry_name
        where slot.entry_name = jobs.cron_entry
          and entry.overlap = 'cancel_previous'
          and slot.planned_at > standing.finished_at - interval '1 day'
          and slot.planned_at < standing.finished_at + interval '1 hour'
          -- A fire cancels, and is written down by the same transaction.
          and slot.claimed_at >= standing.finished_at
          and slot.claimed_at < standing.finished_at + interval '1 minute'
          and slot.blocked_by_id = jobs.id
        limit 1
      ) end as "supersededAt",
      ${db.now}::timestamptz as "at"
    from yardmaster.jobs
    -- The id is said twice, so that each side finds its partition by itself.
    left join yardmaster.job_states as standing
      on standing.job_id = ${jobId}::bigint
    left join yardmaster.queues on queues.name = jobs.queue
    left join yardmaster.executors as holder
      on holder.id = standing.executor_id and standing.claimed_at is not null
    left join lateral (
      select kind::text as kind, principal, at,
        case when kind = 'given_back' then message end as message
      from yardmaster.attempt_events
      where job_id = ${jobId}::bigint
        -- The late answer of a run that was taken away changed nothing.
        and kind <> 'lost'
      order by id desc
      limit 1
    ) as event on true
    where jobs.id = ${jobId}::bigint
    limit 1
  `);
  return row === undefined ? null : standingOf(row);
}

function standingOf(row: StandingRow): Standing {
  const { holderName, holderHealth, holderBeatAt } = row;
  const { eventKind, eventPrincipal, eventAt } = row;
  const newerArgs = parseNewerArgs(row.eventMessage);
  const unknownKey = parseUnknownKey(row.eventMessage);
  return {
    at: row.at,
    job: row,
    queue: { ...row, name: row.queue } satisfies ExplainedQueue,
    holder: holderName === null || holderHealth === null ||
        holderBeatAt === null
      ? null
      : { name: holderName, health: holderHealth, beatAt: holderBeatAt },
    lastEvent: eventKind === null || eventAt === null ? null : {
      kind: eventKind,
      principal: eventPrincipal,
      at: eventAt,
      ...(newerArgs && { newerArgs }),
      ...(unknownKey !== null && { unknownKey }),
    },
    supersededBy: row.supersededAt === null
      ? null
      : { plannedAt: row.supersededAt },
  };
}

/** Executors, times their queues, that an explanation looks at. */
const SERVING_MAX = 2_000;

/** An executor, once for each of its queues. */
export type ServingOfQueue = ServingExecutor & { readonly queue: string };

/**
 * Executors that have not stopped and serve one of the queues, the freshest
 * first, with how much of it each holds. Their table holds a row for each
 * process, so it is read from end to end; the leases of one that serves a single
 * queue need no look at their jobs.
 */
export async function listServing(
  db: Database,
  queues: readonly string[],
): Promise<ServingOfQueue[]> {
  return await db.query<ServingOfQueue>(sql`
    select
      executors.id, executors.name, executors.workers,
      executors.beat_at as "beatAt", served.queue,
      ${liveHealth(db)} as "health",
      case when cardinality(queues) = 1 then (
        select coalesce(sum(cardinality(job_ids)), 0)::integer
        from yardmaster.leases
        where leases.executor_id = executors.id
      ) else (
        select count(*)::integer
        from yardmaster.leases,
          unnest(leases.job_ids) as run (job_id),
          lateral (
            select queue from yardmaster.jobs where id = run.job_id offset 0
          ) as job
        where leases.executor_id = executors.id and job.queue = served.queue
      ) end as "held"
    from yardmaster.executors, unnest(queues) as served (queue)
    where stopped_at is null and served.queue = any (${[...queues]}::text[])
    order by beat_at desc, executors.id desc
    limit ${SERVING_MAX}
  `);
}

/** The executor of a queue that stopped last, as long as its row is kept. */
export async function findLastStopped(
  db: Database,
  queue: string,
): Promise<{ readonly name: string; readonly at: Date } | null> {
  const [stopped] = await db.query<{ name: string; at: Date }>(sql`
    select name, stopped_at as "at"
    from yardmaster.executors
    where stopped_at is not null and ${queue} = any(queues)
    order by stopped_at desc
    limit 1
  `);
  return stopped ?? null;
}
