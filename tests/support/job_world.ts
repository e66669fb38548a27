/** Jobs in any state, put straight where they stand. */
import type { Database } from "../../src/db/database.ts";
import { json, type Sql, sql } from "../../src/db/sql.ts";
import type { JobId } from "../../src/domain/job.ts";
import type { JobState } from "../../src/domain/state.ts";

/** What a test says about a job; the rest is filled in. */
export interface JobOf {
  readonly state?: JobState;
  readonly queue?: string;
  readonly worker?: string;
  readonly args?: unknown;
  readonly meta?: unknown;
  readonly tags?: readonly string[];
  readonly priority?: number;
  readonly maxAttempts?: number;
  readonly attempt?: number;
  readonly deadlineAt?: Date | null;
  readonly cronEntry?: string | null;
  readonly uniqueKey?: string | null;
  /** From now, of a job that waits. */
  readonly dueInMs?: number;
  readonly leaseId?: string;
  readonly executorId?: number | null;
  /** Of the failure that brought it here. */
  readonly error?: string;
}

/** Inserts a job that stands in `state`; `available` unless told otherwise. */
export async function givenJob(db: Database, job: JobOf = {}): Promise<JobId> {
  const {
    state = "available",
    queue = "default",
    worker = "send_mail",
    priority = 3,
    attempt = 0,
    dueInMs = 60_000,
  } = job;
  const [row] = await db.query<{ id: JobId }>(sql`
    insert into yardmaster.jobs (
      id, queue, worker, args, meta, tags, priority, max_attempts, deadline_at,
      unique_key, cron_entry
    ) values (
      yardmaster.next_job_id(${db.now}), ${queue}, ${worker},
      ${json(job.args ?? {})}, ${json(job.meta ?? {})},
      ${job.tags ?? []}::text[], ${priority}, ${job.maxAttempts ?? 5},
      ${job.deadlineAt ?? null}, ${job.uniqueKey ?? null},
      ${job.cronEntry ?? null}
    )
    returning id
  `);
  const id = row?.id ?? "0";
  await db.query(
    standing(
      { ...job, id, state, queue, worker, priority, attempt, dueInMs },
      db.now,
    ),
  );
  if (job.error !== undefined) {
    await givenEvent(db, { jobId: id, attempt, message: job.error });
  }
  return id;
}

type Standing =
  & JobOf
  & { readonly id: JobId; readonly state: JobState; readonly queue: string }
  & {
    readonly worker: string;
    readonly priority: number;
    readonly attempt: number;
    readonly dueInMs: number;
  };

function standing(job: Standing, now: Sql): Sql {
  const { id, state, queue, worker, priority, attempt } = job;
  switch (state) {
    case "suspended":
      return sql`select 1`;
    case "available":
      return sql`
        insert into yardmaster.ready (job_id, queue, worker, priority, attempt)
        values (${id}, ${queue}, ${worker}, ${priority}, ${attempt})
      `;
    case "scheduled":
    case "retryable":
      return sql`
        insert into yardmaster.scheduled (
          job_id, queue, worker, priority, state, run_at, attempt
        ) values (
          ${id}, ${queue}, ${worker}, ${priority},
          ${state}::text::yardmaster.waiting_state,
          ${now} + ${job.dueInMs} * interval '1 ms', ${attempt}
        )
      `;
    case "executing":
      return sql`
        insert into yardmaster.leases (
          executor_id, job_ids, attempts, claimed_at
        ) values (
          ${job.executorId ?? 1}, array[${id}::bigint],
          array[${attempt}::smallint], ${now}
        )
      `;
    case "completed":
    case "cancelled":
    case "discarded":
      return sql`
        insert into yardmaster.outcomes (
          job_id, state, attempt, executor_id, took_ms, finished_at
        ) values (
          ${id}, ${state}::text::yardmaster.outcome_state, ${attempt},
          ${job.executorId ?? null}, 40, ${now}
        )
      `;
  }
}

/** Records that something happened to a job. */
export async function givenEvent(
  db: Database,
  {
    jobId,
    attempt = 1,
    kind = "failed",
    message = null,
    stack = null,
    principal = null,
  }: {
    readonly jobId: JobId;
    readonly attempt?: number;
    readonly kind?: string;
    readonly message?: string | null;
    readonly stack?: string | null;
    readonly principal?: string | null;
  },
): Promise<void> {
  await db.query(sql`
    insert into yardmaster.attempt_events (
      job_id, attempt, kind, principal, message, stack, template, top_frame,
      fingerprint, at
    ) values (
      ${jobId}, ${attempt}, ${kind}::text::yardmaster.attempt_event_kind,
      ${principal}, ${message}, ${stack}, ${message}, ${stack},
      ${message === null ? null : "f00d"}, ${db.now}
    )
  `);
}

/** A process that runs jobs, healthy unless its heartbeat is old. */
export async function givenExecutor(
  db: Database,
  {
    queues = ["default"],
    workers = ["send_mail"],
    beatAgoMs = 0,
    name = "executor",
  }: {
    readonly queues?: readonly string[];
    readonly workers?: readonly string[];
    readonly beatAgoMs?: number;
    readonly name?: string;
  } = {},
): Promise<number> {
  const [row] = await db.query<{ id: number }>(sql`
    insert into yardmaster.executors (
      name, runtime, queues, workers, started_at, beat_at, late_after,
      missing_after
    ) values (
      ${name}, 'deno', ${queues}::text[], ${workers}::text[],
      ${db.now} - interval '1 day',
      ${db.now} - ${beatAgoMs} * interval '1 ms', '45 s', '120 s'
    )
    returning id
  `);
  return row?.id ?? 0;
}

/** A queue that code declared, paused if somebody did it. */
export async function givenQueue(
  db: Database,
  { name = "default", limit = 10, pausedBy = null }: {
    readonly name?: string;
    readonly limit?: number;
    readonly pausedBy?: string | null;
  } = {},
): Promise<void> {
  await db.query(sql`
    insert into yardmaster.queues (
      name, declared_limit, paused_at, paused_by, inserted_at
    ) values (
      ${name}, ${limit},
      case when ${pausedBy}::text is not null then ${db.now} end,
      ${pausedBy}, ${db.now}
    )
  `);
}
