/** An operator and a run, or two operators, at the same job. */
import assert from "node:assert/strict";
import type { Database } from "../../src/db/database.ts";
import { sql } from "../../src/db/sql.ts";
import type { JobId } from "../../src/domain/job.ts";
import { createEngine } from "../../src/engine/engine.ts";
import { Refresher } from "../../src/engine/refresher.ts";
import { defineWorker } from "../../src/engine/worker.ts";
import { startExecutor } from "../../src/store/executors.ts";
import { insertJobs } from "../../src/store/jobs.ts";
import { type ClaimedJob, claimJobs } from "../../src/store/leases.ts";
import { acknowledge } from "../../src/store/outcomes.ts";
import {
  cancelJob,
  discardJob,
  lockJob,
  retryJob,
} from "../../src/store/transitions.ts";
import { pauseQueue, resumeQueue } from "../../src/store/queues.ts";
import { holdSuspended } from "../../src/store/suspended.ts";
import { usePostgres } from "../support/postgres.ts";
import { until } from "../support/until.ts";

const testPostgres = usePostgres();
/** In the statement with which a process looks at its leases. */
const LOOK = `job_ids as "jobIds"`;
const principal = "ann";

async function enqueue(db: Database): Promise<JobId> {
  const [answer] = await insertJobs(db, [{
    queue: "default",
    worker: "work",
    args: {},
    priority: 0,
    maxAttempts: 3,
  }]);
  assert.ok(answer);
  return answer.jobId;
}

async function executor(db: Database): Promise<number> {
  return await startExecutor(db, {
    name: "a",
    runtime: "Deno",
    queues: ["default"],
    workers: ["work"],
    lateAfterMs: 1_000,
    missingAfterMs: 2_000,
  });
}

function claim(db: Database, executorId: number): Promise<ClaimedJob[]> {
  const queue = { queue: "default", declaredLimit: 100, held: 0, prefetch: 0 };
  return claimJobs(db, {
    executorId,
    workers: ["work"],
    queues: [{ ...queue, most: 100 }],
  });
}

async function waits(db: Database): Promise<boolean> {
  const rows = await db.query(sql`
    select from pg_stat_activity
    where datname = current_database() and wait_event_type = 'Lock'
  `);
  return rows.length > 0;
}

Deno.test("cancelJob() and acknowledge() at once: one of them happens, and both know which", async () => {
  await using world = await testPostgres();
  const { db } = world;
  const [operator, runner] = [await world.connect(), await world.connect()];
  const executorId = await executor(db);
  let cancelled = 0;
  for (let round = 0; round < 40; round++) {
    const jobId = await enqueue(db);
    const [run] = await claim(db, executorId);
    assert.ok(run);
    const { leaseId, attempt } = run;
    const [moved, answers] = await Promise.all([
      cancelJob(operator, { jobId, principal }),
      acknowledge(runner, executorId, [
        { leaseId, jobId, attempt, to: "completed", tookMs: 1 },
      ]),
    ]);
    const [outcome] = await db.query<{ state: string }>(sql`
      select state::text from yardmaster.outcomes
      where job_id = ${jobId}::bigint
    `);
    const wasCancelled = moved !== null;
    cancelled += wasCancelled ? 1 : 0;
    assert.equal(answers[0], wasCancelled ? "lost" : "applied");
    assert.equal(outcome?.state, wasCancelled ? "cancelled" : "completed");
  }
  assert.deepEqual(await db.query(sql`select from yardmaster.leases`), []);
});

Deno.test("cancelJob() finds a job that a claim has just moved away under its eyes", async () => {
  await using world = await testPostgres();
  const { db } = world;
  const executorId = await executor(db);
  const jobId = await enqueue(db);
  const operator = await world.connect();
  let moved: ReturnType<typeof cancelJob> = Promise.resolve(null);
  await db.transaction(async (tx) => {
    await claim(tx, executorId);
    moved = cancelJob(operator, { jobId, principal });
    await until("the operator waits for the row", () => waits(db));
  });
  assert.deepEqual(await moved, {
    before: "executing",
    after: "cancelled",
    queue: "default",
  });
});

Deno.test("lockJob() says where a job is when it moved while we waited, and keeps it there", async () => {
  await using world = await testPostgres();
  const { db } = world;
  const executorId = await executor(db);
  const jobId = await enqueue(db);
  const [operator, rival] = [await world.connect(), await world.connect()];
  let looking: Promise<void> = Promise.resolve();
  await db.transaction(async (tx) => {
    await claim(tx, executorId);
    looking = operator.transaction(async (own) => {
      assert.equal((await lockJob(own, jobId))?.state, "executing");
      const late = discardJob(rival, { jobId, principal });
      await until("the rival waits", () => waits(db));
      assert.ok(await cancelJob(own, { jobId, principal }));
      lateAnswer = late;
    });
    await until("the operator waits", () => waits(db));
  });
  let lateAnswer: Promise<unknown> = Promise.resolve("never");
  await looking;
  assert.equal(await lateAnswer, null);
});

Deno.test("retryJob() of two operators brings a job back once", async () => {
  await using world = await testPostgres();
  const { db } = world;
  const jobId = await enqueue(db);
  await cancelJob(db, { jobId, principal });
  const operators = await Promise.all([world.connect(), world.connect()]);
  const moves = await Promise.all(
    operators.map((operator) => retryJob(operator, { jobId, principal })),
  );
  assert.equal(moves.filter((moved) => moved !== null).length, 1);
  assert.equal((await db.query(sql`select from yardmaster.ready`)).length, 1);
});

Deno.test("with hints off, a cancelled run learns of it by the first look, within a second, and a paused queue stops", async () => {
  await using world = await testPostgres();
  const { db } = world;
  let aborted: unknown;
  let looks = 0;
  let looksBefore = Infinity;
  let looksWhenTold = 0;
  let ran = 0;
  const endless = defineWorker({
    name: "endless",
    perform: (_args, { signal }) =>
      new Promise((_resolve, reject) =>
        signal.addEventListener("abort", () => {
          aborted = signal.reason.kind;
          looksWhenTold = looks;
          reject(signal.reason);
        })
      ),
  });
  const quick = defineWorker({ name: "quick", perform: () => void (ran += 1) });
  const process = await world.connect();
  const engine = createEngine({
    database: {
      ...process,
      now: process.now,
      query(statement, options) {
        if (statement.render("yardmaster").text.includes(LOOK)) looks += 1;
        return process.query(statement, options);
      },
    },
    workers: [endless, quick],
    queues: { default: { limit: 2 } },
    notify: false,
    pollMs: 100,
  });
  await engine.start();
  const enqueued = await engine.enqueue(endless, {});
  assert.ok(enqueued.status === "inserted");
  const jobId = enqueued.job.id;
  await until(
    "it runs",
    async () => (await lockJob(db, jobId))?.state === "executing",
  );

  await cancelJob(db, { jobId, principal });
  looksBefore = looks;
  await until("the run is told", () => aborted !== undefined);
  assert.ok(looksWhenTold > 0);
  assert.ok(looksWhenTold <= looksBefore + 1, "it took more than one look");
  assert.ok(new Refresher({} as never).intervalMs < 1_000);
  assert.equal(aborted, "cancelled");

  await pauseQueue(db, { name: "default", principal });
  await engine.enqueue(quick, {});
  const waitsNow = await db.query(sql`select from yardmaster.ready`);
  assert.equal(waitsNow.length, 1);
  await resumeQueue(db, { name: "default" });
  await until("the queue goes on", () => ran === 1);
  await engine.stop();
  assert.equal((await lockJob(db, jobId))?.state, "cancelled");
});

/** A job that waits for something outside of it. */
async function suspended(db: Database): Promise<JobId> {
  const jobId = await enqueue(db);
  await db.query(sql`
    delete from yardmaster.ready where job_id = ${jobId}::bigint
  `);
  return jobId;
}

Deno.test("cancelJob() ends a job that is suspended, once, and nothing is left to end", async () => {
  await using world = await testPostgres();
  const { db } = world;
  const jobId = await suspended(db);
  assert.equal((await lockJob(db, jobId))?.state, "suspended");
  const operators = await Promise.all([world.connect(), world.connect()]);
  const moves = await Promise.all(
    operators.map((operator) => cancelJob(operator, { jobId, principal })),
  );
  assert.deepEqual(moves.filter((moved) => moved !== null), [
    { before: "suspended", after: "cancelled", queue: "default" },
  ]);
  const events = await db.query(sql`
    select kind::text as "kind", principal from yardmaster.attempt_events
  `);
  assert.deepEqual(events, [{ kind: "cancelled", principal }]);
  assert.equal((await lockJob(db, jobId))?.state, "cancelled");
  assert.equal(await cancelJob(db, { jobId: "1", principal }), null);

  const engine = createEngine({ database: db, notify: false });
  assert.equal(await engine.cancel(await suspended(db)), true);
});

Deno.test("cancelJob() and whoever lets a suspended job go on take turns at its definition", async () => {
  await using world = await testPostgres();
  const { db } = world;
  const [operator, resumer] = [await world.connect(), await world.connect()];
  const goOn = (tx: Database, jobId: JobId) =>
    tx.query(sql`
      insert into yardmaster.ready (job_id, queue, worker, priority, attempt)
      select id, queue, worker, priority, 0
      from yardmaster.jobs
      where id = ${jobId}::bigint
    `);

  const first = await suspended(db);
  let moved: ReturnType<typeof cancelJob> = Promise.resolve(null);
  await resumer.transaction(async (tx) => {
    assert.ok(await holdSuspended(tx, first));
    moved = cancelJob(operator, { jobId: first, principal });
    await until("the operator waits", () => waits(db));
    await goOn(tx, first);
  });
  assert.equal((await moved)?.before, "available");

  const second = await suspended(db);
  let goes: Promise<boolean> = Promise.resolve(true);
  await operator.transaction(async (tx) => {
    assert.ok(await cancelJob(tx, { jobId: second, principal }));
    goes = resumer.transaction(async (own) => {
      await own.query(sql`
        select from yardmaster.jobs where id = ${second}::bigint for update
      `);
      return await holdSuspended(own, second);
    });
    await until("the other waits", () => waits(db));
  });
  assert.equal(await goes, false);
  assert.deepEqual(await db.query(sql`select from yardmaster.ready`), []);
});
