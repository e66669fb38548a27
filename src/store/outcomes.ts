import type { Database } from "../db/database.ts";
import { json, type Sql, sql } from "../db/sql.ts";
import type { JobId } from "../domain/job.ts";
import { wholeMs } from "./lease_ends.ts";
import type { LeaseId } from "./leases.ts";
import { givenBack } from "./limited.ts";
import { keyOf, keysOf, type Place, tellLost } from "./lost_ends.ts";
import { keptOutputs, type StorableOutput } from "./outputs.ts";

/** What became of a run. Each names its lease; without it, it writes nothing. */
export interface RunResult {
  readonly leaseId: LeaseId;
  readonly jobId: JobId;
  readonly attempt: number;
  /** Where the job goes: an end, back to wait, or back as if it had not run. */
  readonly to:
    | "completed"
    | "cancelled"
    | "discarded"
    | "retryable"
    | "scheduled"
    | "available";
  /** How long it ran, on this process' own clock. */
  readonly tookMs: number;
  /** For `retryable` and `scheduled`. */
  readonly delayMs?: number;
  /** Of a run that did not simply complete. */
  readonly event?: RunEvent;
  /** What to keep of a completed run. */
  readonly output?: StorableOutput;
}

/** What is told about a run beside where its job goes. */
export interface RunEvent {
  readonly kind:
    | "failed"
    | "timed_out"
    | "snoozed"
    | "given_back"
    | "cancelled"
    | "discarded"
    | "expired";
  readonly fingerprint?: string;
  readonly template?: string;
  readonly topFrame?: string | null;
  readonly message?: string;
  readonly stack?: string | null;
}

/** `lost`: the lease no longer held the job, and nothing was written. */
export type Acknowledgement = "applied" | "lost";

/**
 * Writes what became of runs, of many leases at once, and takes their jobs out
 * of the leases. A lease ends when all its jobs are done.
 *
 * @returns One answer for each result, in that order. What was lost is recorded
 * as an event of its job. It may be tried again when it is not known whether it
 * was carried out, or how much of it: what was applied is answered so again.
 */
export async function acknowledge(
  db: Database,
  executorId: number,
  results: readonly RunResult[],
): Promise<Acknowledgement[]> {
  if (results.length === 0) return [];
  // The happy path pays neither for planning nor for running the rest.
  const unhappy = results.filter(({ to, event }) =>
    to !== "completed" || event
  );
  const outputs = results.filter(({ output }) => output !== undefined);
  const missed = await db.query<Place>(
    sql`
    with result as materialized (
      select lease_id, job_id, state, took_ms
      from unnest(
        (select ${results.map((result) => result.leaseId)}::bigint[]),
        (select ${results.map((result) => result.jobId)}::bigint[]),
        (select ${results.map((result) => result.to)}::text[]),
        (select ${results.map((result) => wholeMs(result.tookMs))}::integer[])
      ) as result (lease_id, job_id, state, took_ms)
    ),
    -- Lock first, unnest after. In one select, Postgres would lock the new
    -- version of the row and still unnest the old one, with the jobs which a
    -- concurrent rescue has just taken out.
    lease as materialized (
      select id, executor_id, job_ids, attempts
      from yardmaster.leases
      where id = any (
        ${[...new Set(results.map((result) => result.leaseId))]}::bigint[]
      )
      order by id
      for update
    ),
    -- What is held and what is told meet once. A second join for what is missed
    -- becomes a loop in a loop: of arrays the planner expects few rows.
    matched as materialized (
      select lease_id, job_id, run.executor_id, run.attempt, result.state,
        result.took_ms
      from (
        select lease.id as lease_id, executor_id, held.job_id, held.attempt
        from lease
        cross join unnest(job_ids, attempts) as held (job_id, attempt)
      ) as run
      full join result using (lease_id, job_id)
    ),
    held as not materialized (
      select * from matched where attempt is not null
    ),
    kept as (
      select
        lease_id,
        array_agg(job_id order by job_id) filter (where state is null)
          as job_ids,
        array_agg(attempt order by job_id) filter (where state is null)
          as attempts
      from held
      group by lease_id
      having count(state) > 0
    ),
    emptied as (
      delete from yardmaster.leases
      where id = any (array(select lease_id from kept where job_ids is null))
    ),
    trimmed as (
      update yardmaster.leases
      set job_ids = kept.job_ids, attempts = kept.attempts
      from kept
      where leases.id = kept.lease_id and kept.job_ids is not null
    ),
    ended as (
      insert into yardmaster.outcomes (
        job_id, state, attempt, executor_id, took_ms, finished_at
      )
      select
        job_id, state::yardmaster.outcome_state, attempt, executor_id, took_ms,
        ${db.now}
      from held
      where state in ('completed', 'cancelled', 'discarded')
    ),
    ${unhappy.length > 0 ? unhappyEnds(db, unhappy) : sql``}
    ${outputs.length > 0 ? keptOutputs(db, outputs) : sql``}
    -- What of this was applied before is asked only if there is any.
    missed as (
      select job_id, lease_id from matched where attempt is null
    )
    select job_id::text as "jobId", lease_id::text as "leaseId" from missed
  `,
    { hot: true },
  );
  if (missed.length === 0) return results.map(() => "applied");
  const keysMissed = keysOf(missed);
  const lost = await tellLost(db, {
    executorId,
    missed: results.filter((result) => keysMissed.has(keyOf(result))),
  });
  const keys = keysOf(lost);
  return results.map((result) => keys.has(keyOf(result)) ? "lost" : "applied");
}

/** Jobs that wait again, and what is told about the runs. */
function unhappyEnds(db: Database, results: readonly RunResult[]): Sql {
  return sql`
    unhappy as materialized (
      select held.*, ended.delay_ms, ended.kind, ended.fingerprint,
        ended.template, ended.top_frame, ended.message, ended.stack
      from jsonb_to_recordset(${json(results.map(toUnhappy))}) as ended (
        lease_id bigint, job_id bigint, delay_ms float8,
        kind yardmaster.attempt_event_kind, fingerprint text, template text,
        top_frame text, message text, stack text
      )
      join held using (lease_id, job_id)
    ),
    waiting as (
      insert into yardmaster.scheduled (
        job_id, queue, worker, priority, state, run_at, attempt
      )
      select
        job.id, job.queue, job.worker, job.priority,
        unhappy.state::yardmaster.waiting_state,
        ${db.now} + coalesce(unhappy.delay_ms, 0) * interval '1 ms',
        -- A snooze burns no attempt.
        case unhappy.state
          when 'scheduled' then unhappy.attempt - 1 else unhappy.attempt
        end
      from unhappy
      cross join lateral (
        select id, queue, worker, priority
        from yardmaster.jobs
        where jobs.id = unhappy.job_id
        offset 0
      ) as job
      where unhappy.state in ('retryable', 'scheduled')
    ),
    ${results.some(({ to }) => to === "available") ? givenBack() : sql``}
    told as (
      insert into yardmaster.attempt_events (
        job_id, attempt, kind, executor_id, fingerprint, template, top_frame,
        message, stack, run_at, at
      )
      select
        job_id, attempt, kind, executor_id, fingerprint, template, top_frame,
        message, stack,
        case when state in ('retryable', 'scheduled')
          then ${db.now} + coalesce(delay_ms, 0) * interval '1 ms'
        end,
        ${db.now}
      from unhappy
      where kind is not null
    ),
  `;
}

function toUnhappy(result: RunResult): Record<string, unknown> {
  const { event } = result;
  return {
    lease_id: result.leaseId,
    job_id: result.jobId,
    delay_ms: result.delayMs ?? 0,
    kind: event?.kind,
    fingerprint: event?.fingerprint,
    template: event?.template,
    top_frame: event?.topFrame,
    message: event?.message,
    stack: event?.stack,
  };
}

/** Which of these jobs were ended by somebody: cancelled or discarded. */
export async function listEnded(
  db: Database,
  jobIds: readonly JobId[],
): Promise<JobId[]> {
  const rows = await db.query<{ jobId: JobId }>(sql`
    select job_id::text as "jobId"
    from yardmaster.outcomes
    where job_id = any (${[...jobIds]}::bigint[])
      and state in ('cancelled', 'discarded')
  `);
  return rows.map((row) => row.jobId);
}
