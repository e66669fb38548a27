/** What the engine does while the database can not be reached, or lies. */
import assert from "node:assert/strict";
import type { Database } from "../../src/db/database.ts";
import { type Sql, sql } from "../../src/db/sql.ts";
import { Acknowledger } from "../../src/engine/acknowledger.ts";
import { systemClock } from "../../src/engine/clock.ts";
import { createEngine } from "../../src/engine/engine.ts";
import { withDeadline } from "../../src/engine/deadline.ts";
import { Executor } from "../../src/engine/executor.ts";
import { Sealer } from "../../src/engine/sealer.ts";
import { HeldLeases } from "../../src/engine/held_leases.ts";
import { Heartbeat } from "../../src/engine/heartbeat.ts";
import { Refresher } from "../../src/engine/refresher.ts";
import { defineWorker } from "../../src/engine/worker.ts";
import type { YardmasterEvent } from "../../src/events.ts";
import { insertJobs } from "../../src/store/jobs.ts";
import { claimJobs } from "../../src/store/leases.ts";
import type { RunResult } from "../../src/store/outcomes.ts";
import { createTestClock } from "../../src/testing/testing.ts";
import { type TestDb, usePGlite } from "../support/pglite.ts";

const testDb = usePGlite();

/** A database whose statements fail as long as the test says so. */
function failing(
  db: TestDb,
  fault: () => Error | null,
  silence: () => Promise<never> | null = () => null,
): Database {
  const broken: Database = {
    schema: db.schema,
    get now() {
      return db.now;
    },
    async query<R>(statement: Sql): Promise<R[]> {
      const error = fault();
      if (error !== null) throw error;
      await silence();
      return await db.query<R>(statement);
    },
    transaction: (work) => db.transaction(work),
    script: (text) => db.script(text),
  };
  return broken;
}

/** Runs until it is told to stop. */
function endlessWorker(onAbort: (kind: unknown) => void) {
  return defineWorker({
    name: "endless",
    perform: (_args, { signal }) =>
      new Promise((_resolve, reject) =>
        signal.addEventListener("abort", () => {
          onAbort(signal.reason.kind);
          reject(signal.reason);
        })
      ),
  });
}

/** An executor process in parts, with one job that runs until it is told. */
async function world(
  db: TestDb,
  fault: () => Error | null,
  silence?: () => Promise<never> | null,
) {
  const database = failing(db, fault, silence);
  const clock = createTestClock();
  const events: YardmasterEvent[] = [];
  const told: unknown[] = [];
  const endless = endlessWorker((kind) => told.push(kind));
  const base = {
    clock,
    onEvent: (event: YardmasterEvent) => void events.push(event),
  };
  const executor: Executor = new Executor({
    ...base,
    workers: new Map([["endless", endless]]),
    queues: { default: { limit: 1 } },
    sealer: new Sealer(),
    random: () => 0,
    onResult: (result) => acknowledger.add(result),
    isFull: () => false,
    onHungry: () => false,
  });
  const heartbeat = new Heartbeat({
    ...base,
    database,
    executor,
    beatMs: 15_000,
    start: {
      name: "a",
      runtime: "Deno",
      queues: ["default"],
      workers: ["endless"],
      lateAfterMs: 45_000,
      missingAfterMs: 120_000,
    },
  });
  const acknowledger: Acknowledger = new Acknowledger({
    ...base,
    database,
    leases: new HeldLeases(),
    clock: systemClock,
    executorId: () => heartbeat.lastExecutorId,
    onFlushed: () => {},
  });
  const refresher = new Refresher({
    ...base,
    database,
    executor,
    acknowledger,
    executorId: () => heartbeat.executorId,
    onRoom: () => {},
  });
  await heartbeat.runOnce();
  const jobs = await claimTwo(db, heartbeat.lastExecutorId);
  return {
    clock,
    events,
    told,
    executor,
    heartbeat,
    acknowledger,
    refresher,
    jobs,
  };
}

async function claimTwo(db: TestDb, executorId: number) {
  const insert = { queue: "default", worker: "endless", args: {} };
  await insertJobs(db, [
    { ...insert, priority: 0, maxAttempts: 3 },
    { ...insert, priority: 0, maxAttempts: 3 },
  ]);
  const queue = { queue: "default", declaredLimit: 2, held: 0, prefetch: 0 };
  return await claimJobs(db, {
    executorId,
    workers: ["endless"],
    queues: [{ ...queue, most: 2 }],
  });
}

const DOWN = new Error("connection refused");

Deno.test("an executor that can not beat gives its runs up before others may take them", async () => {
  await using db = await testDb();
  let fault: Error | null = null;
  const { clock, told, executor, heartbeat, jobs } = await world(
    db,
    () => fault,
  );
  executor.accept(jobs);
  fault = DOWN;
  await clock.advanceMs(15_000);
  await assert.rejects(heartbeat.runOnce());
  await clock.advanceMs(89_999);
  assert.deepEqual(told, []);

  await clock.advanceMs(1);

  // 15 s before anybody may call it missing.
  assert.deepEqual(told, ["lease_lost"]);
  assert.equal(executor.queues.get("default")?.buffered, 0);
  await heartbeat.rest().catch(() => {});
});

Deno.test("an executor that was found missing gives its runs up, and starts as another", async () => {
  await using db = await testDb();
  const { told, executor, heartbeat, jobs } = await world(db, () => null);
  executor.accept(jobs);
  const before = heartbeat.executorId;
  await db.query(sql`
    update yardmaster.executors
    set stopped_at = beat_at + missing_after
  `);

  await heartbeat.runOnce();

  await executor.idle();
  assert.deepEqual(told, ["lease_lost"]);
  assert.notEqual(heartbeat.executorId, before);
  await heartbeat.rest();
});

Deno.test("the acknowledger writes everything once the database is back, and its bound holds up new runs", async () => {
  await using db = await testDb();
  let faults = 2;
  const { acknowledger, events, heartbeat, jobs } = await world(db, () => null);
  const flaky = new Acknowledger({
    database: failing(db, () => faults-- > 0 ? DOWN : null),
    leases: new HeldLeases(),
    clock: systemClock,
    onEvent: (event) => events.push(event),
    executorId: () => heartbeat.lastExecutorId,
    onFlushed: () => {},
  });
  for (const job of jobs) flaky.add(completed(job));
  assert.equal(flaky.unacknowledged, 2);
  await flaky.flushed();
  const failed = events.filter(({ type }) => type === "acknowledgement_failed");
  assert.equal(failed.length, 2);
  const outcomes = await db.query(sql`select from yardmaster.outcomes`);
  assert.equal(outcomes.length, 2);
  assert.equal(acknowledger.full, false);
  await heartbeat.rest();
});

Deno.test("one result that the database refuses does not keep the others from being written", async () => {
  await using db = await testDb();
  const { acknowledger, heartbeat, jobs } = await world(db, () => null);
  const [first, second] = jobs;
  assert.ok(first && second);
  const isolating = new Acknowledger({
    // A statement that fails breaks the test's own transaction, so it is undone.
    database: { ...failing(db, () => null), now: db.now, query: undoing(db) },
    leases: new HeldLeases(),
    clock: systemClock,
    onEvent: () => {},
    executorId: () => heartbeat.lastExecutorId,
    onFlushed: () => {},
  });
  isolating.add(completed(first));
  isolating.add({
    ...completed(second),
    to: "discarded",
    event: { kind: "failed", message: "\0" },
  });
  await isolating.flushed();
  const rows = await db.query(sql`
    select state::text from yardmaster.outcomes order by job_id
  `);
  assert.deepEqual(rows, [{ state: "completed" }, { state: "discarded" }]);
  assert.deepEqual(isolating.list(), []);
  assert.equal(acknowledger.unacknowledged, 0);
  await heartbeat.rest();
});

function undoing(db: TestDb): Database["query"] {
  return (statement) => db.transaction((tx) => tx.query(statement));
}

Deno.test("jobs of a claim whose answer was lost on the way are given back", async () => {
  await using db = await testDb();
  const { refresher, executor, heartbeat, events } = await world(
    db,
    () => null,
  );
  assert.equal(executor.runs.size, 0);
  await refresher.runOnce();
  assert.deepEqual(await db.query(sql`select from yardmaster.ready`), []);
  await refresher.runOnce();
  assert.deepEqual(
    await db.query(sql`select attempt from yardmaster.ready`),
    [{ attempt: 0 }, { attempt: 0 }],
  );
  assert.ok(events.some(({ type }) => type === "leases_recovered"));
  await heartbeat.rest();
});

Deno.test("a claim whose answer comes after its jobs went back runs none of them", async () => {
  await using db = await testDb();
  const { refresher, executor, heartbeat, jobs } = await world(db, () => null);
  await refresher.runOnce();
  await refresher.runOnce();
  assert.equal((await db.query(sql`select from yardmaster.ready`)).length, 2);

  executor.accept(jobs);

  assert.equal(executor.runs.size, 0);
  const others = await claimTwo(db, heartbeat.lastExecutorId);
  executor.accept(others);
  assert.equal(executor.runs.size, 2);
  executor.abort("shutdown");
  await executor.idle();
  await heartbeat.rest();
});

Deno.test("start() fails when the database can not be reached, and may be tried again", async () => {
  await using db = await testDb();
  let fault: Error | null = DOWN;
  const engine = createEngine({
    database: failing(db, () => fault),
    queues: { default: { limit: 1 } },
    notify: false,
  });
  await assert.rejects(engine.start(), /connection refused/);
  await assert.rejects(engine.tick({ budgetMs: 60_000 }), /connection refused/);
  fault = null;
  assert.ok((await engine.tick({ budgetMs: 60_000 })).done);
});

Deno.test("a statement that never answers is given up, and cancelled where the driver can", async () => {
  await using db = await testDb();
  const clock = createTestClock();
  const signals: AbortSignal[] = [];
  const silent: Database = {
    ...failing(db, () => null),
    query: (_statement, options) => {
      if (options?.signal) signals.push(options.signal);
      return new Promise(() => {});
    },
  };
  const database = withDeadline(silent, { clock, ms: 1_000 });
  const waiting = assert.rejects(
    database.query(sql`select 1`),
    /Cannot wait for the database any longer/,
  );
  await clock.advanceMs(1_000);
  await waiting;
  assert.ok(signals[0]?.aborted);
});

Deno.test("a transaction that stands still is given up, and goes no further when it wakes up", async () => {
  await using db = await testDb();
  const clock = createTestClock();
  const sent: string[] = [];
  let wakeUp = () => {};
  const silent: Database = {
    ...failing(db, () => null),
    query: (statement) => {
      sent.push(statement.render("yardmaster").text.trim());
      return sent.length < 2
        ? Promise.resolve([])
        : new Promise((resolve) => wakeUp = () => resolve([]));
    },
    transaction: (work) => work(silent),
  };
  const database = withDeadline(silent, { clock, ms: 1_000 });
  let ended: unknown = null;
  const waiting = database.transaction(async (tx) => {
    await tx.query(sql`select 1`);
    await new Promise<void>((resolve) => clock.after(600, resolve));
    await tx.query(sql`select 2`);
    await tx.query(sql`select 3`);
  }).catch((error) => ended = error.name);
  await clock.advanceMs(600);
  await clock.advanceMs(999);
  assert.equal(ended, null);
  await clock.advanceMs(1);
  await waiting;
  assert.equal(ended, "DeadlineError");
  wakeUp();
  await clock.advanceMs(0);
  assert.deepEqual(sent, ["select 1", "select 2"]);
});

Deno.test("a beat that hangs is followed by another, long before the executor is missing", async () => {
  await using db = await testDb();
  let hangs = false;
  const { heartbeat, clock } = await world(
    db,
    () => null,
    () => hangs ? new Promise(() => {}) : null,
  );
  hangs = true;
  const beat = assert.rejects(heartbeat.runOnce(), { name: "DeadlineError" });
  await clock.advanceMs(15_000);
  await beat;
  hangs = false;
  await heartbeat.runOnce();
  await heartbeat.rest();
});

function completed(
  { leaseId, jobId, attempt }: Pick<RunResult, "leaseId" | "jobId" | "attempt">,
): RunResult {
  return { leaseId, jobId, attempt, to: "completed", tookMs: 1 };
}
