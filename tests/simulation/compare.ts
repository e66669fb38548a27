/** Whether the tables say what the model says, and nothing else. */
import assert from "node:assert/strict";
import type { Database } from "../../src/db/database.ts";
import { type Sql, sql } from "../../src/db/sql.ts";
import type { JobId } from "../../src/domain/job.ts";
import { isExpired } from "../../src/store/outputs.ts";
import type { Model } from "./model.ts";
import { idOrder } from "./model_retention.ts";
import type { ModelJob } from "./model_types.ts";

type Line = readonly (string | number | null)[];

/** Everything that the tables hold. Each line begins with what it is about. */
interface Told {
  readonly jobs: readonly Line[];
  readonly places: readonly Line[];
  /** The copies of a definition that lie where a job waits. */
  readonly waiting: readonly Line[];
  readonly leases: readonly (readonly [string, JobId[], number[]])[];
  readonly events: readonly Line[];
  readonly claims: readonly Line[];
  readonly executors: readonly Line[];
  readonly outputs: readonly Line[];
}

/** Fails where tables and model differ. */
export async function compare(model: Model, db: Database): Promise<void> {
  const told = await tell(db);
  const jobs = [...model.jobs.values()].sort(idOrder);
  compareJobs(jobs, told);
  compareLeases(told);
  same(
    "events",
    told.events,
    () =>
      model.events.map((
        { jobId, attempt, kind, executorId, principal, at },
      ) => [
        jobId,
        attempt,
        kind,
        executorId ?? null,
        principal ?? null,
        at,
      ]),
  );
  same(
    "claims",
    told.claims,
    () =>
      [...model.claims].map(([key, { jobId, states, expiresAt }]) => [
        key,
        jobId,
        states.join(),
        expiresAt,
      ]),
  );
  same(
    "executors",
    told.executors,
    () =>
      [...model.executors].map(([id, { beatAt, stoppedAt }]) => [
        id,
        beatAt,
        stoppedAt,
      ]),
  );
  same(
    "outputs",
    told.outputs,
    () =>
      [...model.outputs].flatMap(([id, { attempt, expiresAt }]) =>
        expiresAt > model.nowMs ? [[id, attempt, attempt]] : []
      ),
  );
}

function compareJobs(jobs: readonly ModelJob[], told: Told): void {
  same(
    "jobs",
    told.jobs,
    () =>
      jobs.map(({ id, queue, worker, priority, maxAttempts }) => [
        id,
        queue,
        worker,
        priority,
        maxAttempts,
      ]),
  );
  same(
    "places",
    told.places,
    () => jobs.map(({ id, at }) => [id, ...Object.values(at)]),
  );
  for (const { id, at, maxAttempts, retries } of jobs) {
    // An operator may allow one more; nobody else does.
    assert.ok(at.attempt <= maxAttempts + retries, `${id}: ${at.attempt}`);
  }
  same(
    "waiting",
    told.waiting,
    () =>
      jobs.filter(({ at }) =>
        ["available", "scheduled", "retryable"].includes(at.state)
      ).map(({ id, queue, worker, priority }) => [id, queue, worker, priority]),
  );
}

function compareLeases({ leases }: Told): void {
  for (const [id, jobIds, attempts] of leases) {
    assert.ok(jobIds.length > 0, `lease ${id} is empty`);
    assert.equal(attempts.length, jobIds.length, `arrays of lease ${id}`);
    assert.equal(new Set(jobIds).size, jobIds.length, `twice in lease ${id}`);
  }
}

/** Lines in any order. */
function same(
  what: string,
  told: readonly Line[],
  expected: () => readonly Line[],
): void {
  const lines = (all: readonly Line[]) => all.map((line) => line.join()).sort();
  assert.deepEqual(lines(told), lines(expected()), `of ${what}`);
}

async function tell(db: Database): Promise<Told> {
  const ms = (at: Sql) => sql`(extract(epoch from ${at}) * 1000)::bigint`;
  const lines = (columns: Sql, from: Sql) =>
    sql`(
      select coalesce(json_agg(json_build_array(${columns})), '[]')
      from ${from}
    )`;
  const waiting = sql`job_id::text, queue, worker, priority`;
  const rows = await db.query<Told>(sql`
    select
      ${
    lines(
      sql`id::text, queue, worker, priority, max_attempts`,
      sql`yardmaster.jobs`,
    )
  } as "jobs",
      ${
    lines(
      sql`
        job_id::text, state, attempt, ${ms(sql`run_at`)}, lease_id::text,
        executor_id, ${ms(sql`claimed_at`)}, ${ms(sql`finished_at`)}, took_ms
      `,
      sql`yardmaster.job_states`,
    )
  } as "places",
      ${
    lines(
      waiting,
      sql`(
        select job_id, queue, worker, priority from yardmaster.ready
        union all
        select job_id, queue, worker, priority from yardmaster.limited
        union all
        select job_id, queue, worker, priority from yardmaster.scheduled
      ) as waiting`,
    )
  } as "waiting",
      ${
    lines(sql`id::text, job_ids::text[], attempts`, sql`yardmaster.leases`)
  } as "leases",
      ${
    lines(
      sql`job_id::text, attempt, kind, executor_id, principal, ${ms(sql`at`)}`,
      sql`yardmaster.attempt_events`,
    )
  } as "events",
      ${
    lines(
      sql`
        key, job_id::text, array_to_string(states, ','), ${ms(sql`expires_at`)}
      `,
      sql`yardmaster.unique_keys`,
    )
  } as "claims",
      ${
    lines(
      sql`id, ${ms(sql`beat_at`)}, ${ms(sql`stopped_at`)}`,
      sql`yardmaster.executors`,
    )
  } as "executors",
      ${
    lines(
      sql`job_id::text, attempt, (output ->> 'attempt')::integer`,
      sql`yardmaster.outputs where not ${isExpired(db)}`,
    )
  } as "outputs"
  `);
  const [row] = rows;
  assert.ok(row);
  return row;
}
