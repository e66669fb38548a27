/** The engine as a whole: ticks with a clock that moves, and a start with a real one. */
import assert from "node:assert/strict";
import { z } from "zod";
import { pglite } from "../../src/db/pglite.ts";
import { sql } from "../../src/db/sql.ts";
import { createEngine, type Engine } from "../../src/engine/engine.ts";
import type { EngineOptions } from "../../src/engine/engine_options.ts";
import type { Service } from "../../src/engine/service.ts";
import { cancel, snooze } from "../../src/engine/verdict.ts";
import { type AnyWorker, defineWorker } from "../../src/engine/worker.ts";
import type { YardmasterEvent } from "../../src/events.ts";
import { cancelJob } from "../../src/store/transitions.ts";
import { drain, runWorker } from "../../src/testing/testing.ts";
import { jumpingClock } from "../support/jumping_clock.ts";
import {
  openMigratedPGlite,
  type TestDb,
  usePGlite,
} from "../support/pglite.ts";
import { until } from "../support/until.ts";

const testDb = usePGlite();

function engineOn(
  database: EngineOptions["database"],
  options: Partial<EngineOptions> & { readonly workers: readonly AnyWorker[] },
): Engine {
  return createEngine({
    database,
    queues: { default: { limit: 5 } },
    notify: false,
    ...options,
  });
}

async function states(db: TestDb): Promise<string[]> {
  const rows = await db.query<{ state: string }>(
    sql`select state::text from yardmaster.job_states order by job_id`,
  );
  return rows.map(({ state }) => state);
}

Deno.test("drain() runs what is due, and what that enqueues, until nothing is left", async () => {
  await using db = await testDb();
  const done: number[] = [];
  const count = defineWorker({
    name: "count",
    args: z.object({ n: z.number() }),
    recordOutput: true,
    perform: async ({ n }) => {
      done.push(n);
      if (n > 0) await engine.enqueue(count, { n: n - 1 });
      return { n };
    },
  });
  const engine = engineOn(db, { workers: [count] });
  await engine.enqueue(count, { n: 3 });
  await engine.enqueue(count, { n: 9 }, { delayMs: 1_000 });

  const report = await drain({ database: db, workers: [count] });

  assert.deepEqual(done, [3, 2, 1, 0]);
  assert.equal(report.claimed, 4);
  assert.ok(report.done && report.failed.length === 0);
  assert.equal(
    (await states(db)).filter((each) => each === "scheduled").length,
    1,
  );
  db.advanceMs(1_000);
  await drain({ database: db, workers: [count] });
  assert.equal(done.length, 14);
});

Deno.test("tick() retries after the backoff, snoozes without burning an attempt, and discards at the end", async () => {
  await using db = await testDb();
  const attempts: number[] = [];
  const flaky = defineWorker({
    name: "flaky",
    maxAttempts: 2,
    backoff: () => 1_000,
    perform: (_args, { attempt }) => {
      attempts.push(attempt);
      if (attempts.length === 1) return snooze(500);
      throw new Error("down");
    },
  });
  const engine = engineOn(db, { workers: [flaky] });
  await engine.enqueue(flaky, {});
  const expected = ["scheduled", "retryable", "discarded"];
  for (const state of expected) {
    await engine.tick({ budgetMs: 60_000 });
    assert.deepEqual(await states(db), [state]);
    db.advanceMs(1_000);
  }
  assert.deepEqual(attempts, [1, 1, 2]);
});

Deno.test("tick() stops at its budget, and gives back what still runs", async () => {
  await using db = await testDb();
  const kinds: unknown[] = [];
  const clock = jumpingClock();
  const endless = defineWorker({
    name: "endless",
    perform: (_args, { signal }) =>
      new Promise((_resolve, reject) => {
        signal.addEventListener("abort", () => {
          kinds.push(signal.reason.kind);
          reject(signal.reason);
        });
        // The budget is used up once it runs.
        clock.jump(60_000);
      }),
  });
  const engine = engineOn(db, { workers: [endless], clock });
  await engine.enqueue(endless, {});
  const report = await engine.tick({ budgetMs: 60_000 });
  assert.deepEqual(kinds, ["shutdown"]);
  assert.equal(report.givenBack, 1);
  assert.equal(report.done, false);
  assert.deepEqual(
    await db.query(sql`select attempt from yardmaster.ready`),
    [{ attempt: 0 }],
  );
});

Deno.test("a long tick beats and hears of a cancellation, and does not wait for a run that ignores its timeout", async () => {
  await using db = await testDb();
  const kinds: unknown[] = [];
  let release = () => {};
  const endless = defineWorker({
    name: "endless",
    perform: (_args, { signal, jobId }) =>
      new Promise((_resolve, reject) => {
        void cancelJob(db, { jobId, principal: "ann" });
        signal.addEventListener("abort", () => {
          kinds.push(signal.reason.kind);
          reject(signal.reason);
        });
      }),
  });
  const deaf = defineWorker({
    name: "deaf",
    timeoutMs: 20,
    maxAttempts: 1,
    perform: () => new Promise<void>((resolve) => release = resolve),
  });
  const engine = engineOn(db, { workers: [endless, deaf] });
  await engine.enqueue(endless, {});
  await engine.enqueue(deaf, {});
  const report = await engine.tick({ budgetMs: 60_000 });
  assert.deepEqual(kinds, ["cancelled"]);
  assert.deepEqual(await states(db), ["cancelled", "discarded"]);
  // It would have waited until the end of its budget.
  assert.ok(report.done);
  release();
});

Deno.test("tick() runs at most so many jobs, and one executor for all ticks of a process", async () => {
  await using db = await testDb();
  const free = defineWorker({ name: "free", perform: () => {} });
  const engine = engineOn(db, { workers: [free] });
  for (let count = 0; count < 5; count++) await engine.enqueue(free, {});
  const first = await engine.tick({ budgetMs: 60_000, maxJobs: 2 });
  assert.equal(first.claimed, 2);
  const second = await engine.tick({ budgetMs: 60_000 });
  assert.equal(second.claimed, 3);
  const executors = await db.query<{ stopped: boolean }>(sql`
    select stopped_at is not null as stopped from yardmaster.executors
  `);
  assert.deepEqual(executors, [{ stopped: true }]);
});

Deno.test("tick() asks every queue before it says that nothing is left, also when one alone may take its whole budget", async () => {
  await using db = await testDb();
  const far = defineWorker({ name: "far", queue: "far", perform: () => {} });
  for (const [limit, maxJobs] of [[5, 1], [1_000, Infinity]] as const) {
    const queues = { far: { limit }, near: { limit }, nearest: { limit } };
    for (let turn = 0; turn < 3; turn++) {
      const engine = engineOn(db, { workers: [far], queues });
      await engine.enqueue(far, {});
      for (let before = 0; before < turn; before++) {
        await engine.tick({ budgetMs: 60_000, maxJobs });
        await engine.enqueue(far, {});
      }
      const { claimed } = await engine.tick({ budgetMs: 60_000, maxJobs });
      assert.equal(claimed, 1);
    }
  }
});

Deno.test("tick() that comes while another is under way joins it", async () => {
  await using db = await testDb();
  const free = defineWorker({ name: "free", perform: () => {} });
  const engine = engineOn(db, { workers: [free] });
  await engine.enqueue(free, {});

  const reports = await Promise.all([
    engine.tick({ budgetMs: 60_000 }),
    engine.tick({ budgetMs: 60_000 }),
  ]);

  assert.equal(reports[0], reports[1]);
  assert.equal(reports[0].claimed, 1);
});

Deno.test("tick() finds what lands in front of the jobs that it claimed last", async () => {
  await using db = await testDb();
  const order: number[] = [];
  const count = defineWorker({
    name: "count",
    perform: async ({ n }: { n: number }) => {
      order.push(n);
      // In front of all that waits, while the rest is being claimed.
      if (n === 0) await engine.enqueue(count, { n: -1 }, { priority: 0 });
    },
  });
  const engine = engineOn(db, { workers: [count] });
  for (let n = 0; n < 40; n++) {
    await engine.enqueue(count, { n }, { priority: 5 });
  }

  const report = await engine.tick({ budgetMs: 60_000 });

  assert.equal(report.claimed, 41);
  assert.ok(report.done);
  assert.ok(order.includes(-1));
});

Deno.test("tick() passes a guest service once, and outlives one that throws", async () => {
  await using db = await testDb();
  const events: YardmasterEvent[] = [];
  let passes = 0;
  const guest: Service = {
    name: "guest",
    runOnce() {
      passes += 1;
      return Promise.reject(new Error("guest is down"));
    },
  };
  const engine = engineOn(db, {
    workers: [],
    services: [guest],
    onEvent: (event) => {
      events.push(event);
      throw new Error("so is the telemetry");
    },
  });
  const report = await engine.tick({ budgetMs: 60_000 });
  assert.deepEqual([passes, report.failed], [1, ["guest"]]);
  assert.ok(events.some((event) => event.type === "service_failed"));
});

Deno.test("jobs of a worker that nobody knows here are left alone", async () => {
  await using db = await testDb();
  const known = defineWorker({ name: "known", perform: () => {} });
  const strange = defineWorker({ name: "strange", perform: () => {} });
  const engine = engineOn(db, { workers: [known] });
  await engine.enqueue(strange, {});
  await engine.enqueue(known, {});
  await engine.tick({ budgetMs: 60_000 });
  assert.deepEqual(await states(db), ["available", "completed"]);
});

Deno.test("runWorker() runs one in the process of the test, as a queue would", async () => {
  const greet = defineWorker({
    name: "greet",
    args: z.object({ name: z.string() }),
    perform: ({ name }, { attempt }) =>
      name === "" ? cancel("no name") : `${name} ${attempt}`,
  });
  assert.deepEqual(
    await runWorker(greet, {
      args: { name: "Ann" },
      context: { attempt: 2 },
    }),
    {
      kind: "completed",
      value: "Ann 2",
    },
  );
  assert.deepEqual(await runWorker(greet, { args: { name: "" } }), {
    kind: "cancelled",
    reason: "no name",
  });
  assert.equal((await runWorker(greet, { args: {} as never })).kind, "failed");
});

Deno.test("createEngine() and defineWorker() refuse what can not be right", () => {
  const perform = () => {};
  assert.throws(() => defineWorker({ name: "", perform }), /1 to 128/);
  assert.throws(
    () => defineWorker({ name: "a", timeoutMs: 0, perform }),
    /timeoutMs/,
  );
  assert.throws(
    () => defineWorker({ name: "a", unique: { fields: [] }, perform }),
    /unique of a/,
  );
  const database = {} as EngineOptions["database"];
  const twice = defineWorker({ name: "a", perform });
  assert.throws(() => createEngine({ database, workers: [twice, twice] }));
  assert.throws(() => createEngine({ database, queues: { q: { limit: 0 } } }));
  assert.throws(() => createEngine({ database, heartbeatMs: 60_000 }));
});

Deno.test("start() runs on one connection of PGlite, and stop() gives back what still runs", async () => {
  const pg = await openMigratedPGlite();
  const database = pglite(pg);
  const events: string[] = [];
  let ran = 0;
  const quick = defineWorker({ name: "quick", perform: () => void (ran += 1) });
  const endless = defineWorker({
    name: "endless",
    perform: () => new Promise<void>((resolve) => release = resolve),
  });
  let release = () => {};
  const engine = createEngine({
    database,
    workers: [quick, endless],
    queues: { default: { limit: 2 } },
    onEvent: ({ type }) => events.push(type),
  });
  await engine.start();
  await engine.enqueue(endless, {});
  await engine.enqueueMany(
    Array.from({ length: 200 }, () => ({ worker: quick, args: {} })),
  );
  await engine.enqueue(quick, {}, { delayMs: 50 });
  await until("all quick jobs ran", () => ran === 201);

  await engine.stop({ graceMs: 10 });

  release();
  const rows = await database.query(sql`
    select state::text, attempt, count(*)::integer
    from yardmaster.job_states group by 1, 2 order by 1
  `);
  assert.deepEqual(rows, [
    { state: "available", attempt: 0, count: 1 },
    { state: "completed", attempt: 1, count: 201 },
  ]);
  assert.equal(engine.executorId, null);
  assert.ok(events.includes("partitions_changed"));
  assert.ok(!events.includes("service_failed"));
  await pg.close();
});
