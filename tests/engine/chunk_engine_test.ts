/** Chunks on a database: what is claimed for them, and what is written. */
import assert from "node:assert/strict";
import { sql } from "../../src/db/sql.ts";
import { defineLimiter } from "../../src/domain/limiter.ts";
import {
  type ChunkJob,
  defineChunkWorker,
} from "../../src/engine/chunk_worker.ts";
import { createEngine } from "../../src/engine/engine.ts";
import type { EngineOptions } from "../../src/engine/engine_options.ts";
import { snooze } from "../../src/engine/verdict.ts";
import { defineWorker } from "../../src/engine/worker.ts";
import { pauseQueue, resumeQueue } from "../../src/store/queues.ts";
import { drain } from "../../src/testing/testing.ts";
import { type TestDb, usePGlite } from "../support/pglite.ts";
import { jumpingClock } from "../support/jumping_clock.ts";
import { until } from "../support/until.ts";

const testDb = usePGlite();

type Args = { readonly n: number };

/** Where jobs stand, and how many at which attempt. */
async function standing(db: TestDb): Promise<string[]> {
  const rows = await db.query<{ line: string }>(sql`
    select concat_ws(' ', count(*), state, attempt) as "line"
    from (
      select 'ready' as state, attempt from yardmaster.ready
      union all
      select state::text, attempt from yardmaster.outcomes
      union all
      select 'scheduled', attempt from yardmaster.scheduled
      union all
      select 'executing', unnest(attempts) from yardmaster.leases
    ) as jobs
    group by state, attempt
    order by state, attempt
  `);
  return rows.map(({ line }) => line);
}

/** Enqueues jobs `{ n: 0 }`, `{ n: 1 }`, … of a worker. */
async function enqueue(
  db: TestDb,
  worker: ReturnType<typeof defineChunkWorker<Args>>,
  count: number,
): Promise<void> {
  await createEngine({ database: db }).enqueueMany(
    Array.from({ length: count }, (_, n) => ({ worker, args: { n } })),
  );
}

function started(db: TestDb, options: Partial<EngineOptions>) {
  return createEngine({
    database: db,
    queues: { default: { limit: 2 } },
    notify: false,
    pollMs: 20,
    ...options,
  });
}

Deno.test("drain() fills chunks beyond the limit of their queue, and writes an outcome for each job", async () => {
  await using db = await testDb();
  const calls: number[] = [];
  const worker = defineChunkWorker<Args>({
    name: "work",
    chunk: { size: 100, waitMs: 60_000 },
    recordOutput: true,
    backoff: () => 5_000,
    perform(jobs, chunk) {
      calls.push(jobs.length);
      for (const job of jobs) {
        const { n } = job.args;
        const isFirst = job.attempt === 1;
        if (n < 10) chunk.complete(job, { n });
        else if (n < 30 && isFirst) chunk.fail(job, new Error("once more"));
        else if (n < 60 && isFirst) chunk.decide(job, snooze(5_000));
      }
    },
  });
  await enqueue(db, worker, 250);
  const report = await drain({ database: db, workers: [worker] });
  assert.deepEqual(calls, [100, 100, 50]);
  assert.deepEqual([report.claimed, report.done], [250, true]);
  assert.deepEqual(await standing(db), [
    "200 completed 1",
    // A snooze burns no attempt.
    "30 scheduled 0",
    "20 scheduled 1",
  ]);
  const outputs = await db.query<{ output: unknown }>(sql`
    select output from yardmaster.outputs order by job_id
  `);
  assert.deepEqual(
    outputs.map(({ output }) => output),
    Array.from({ length: 10 }, (_, n) => ({ n })),
  );

  db.advanceMs(6_000);
  await drain({ database: db, workers: [worker] });
  // Those that were snoozed are at their first attempt, and again snooze.
  assert.deepEqual(calls.slice(3), [50]);
  assert.deepEqual(await standing(db), [
    "200 completed 1",
    "20 completed 2",
    "30 scheduled 0",
  ]);
});

Deno.test("tick() claims no more for chunks than it may, and does not wait for others", async () => {
  await using db = await testDb();
  const calls: number[] = [];
  const worker = defineChunkWorker<Args>({
    name: "work",
    chunk: { size: 10, waitMs: 60_000 },
    perform: (jobs) => void calls.push(jobs.length),
  });
  await enqueue(db, worker, 40);
  const engine = started(db, { workers: [worker] });
  const report = await engine.tick({ budgetMs: 120_000, maxJobs: 25 });
  assert.deepEqual(calls, [10, 10, 5]);
  assert.deepEqual([report.claimed, report.done, report.givenBack], [
    25,
    false,
    0,
  ]);
  assert.ok(report.tookMs < 60_000);
  assert.deepEqual(await standing(db), ["25 completed 1", "15 ready 0"]);
});

Deno.test("tick() gives back what a chunk did not end within the budget", async () => {
  await using db = await testDb();
  const clock = jumpingClock();
  const worker = defineChunkWorker<Args>({
    name: "work",
    chunk: { size: 3 },
    async perform(jobs, chunk) {
      chunk.complete(jobs[0] as ChunkJob<Args>);
      // The budget is used up once it runs.
      clock.jump(60_000);
      await new Promise((resolve) =>
        chunk.signal.addEventListener("abort", resolve)
      );
      throw chunk.signal.reason;
    },
  });
  await enqueue(db, worker, 3);
  const engine = started(db, { workers: [worker], clock });
  const report = await engine.tick({ budgetMs: 60_000 });
  assert.equal(report.givenBack, 2);
  assert.deepEqual(await standing(db), ["1 completed 1", "2 ready 0"]);
});

Deno.test("jobs that gather stand as executing, and go back at once when their queue is paused or the engine stops", async () => {
  await using db = await testDb();
  const calls: number[] = [];
  const worker = defineChunkWorker<Args>({
    name: "work",
    chunk: { size: 10, waitMs: 60_000 },
    perform: (jobs) => void calls.push(jobs.length),
  });
  const engine = started(db, { workers: [worker] });
  await engine.start();
  await enqueue(db, worker, 4);
  const are = (line: string) => async () =>
    (await standing(db)).join() === line;
  await until("they gather", are("4 executing 1"));
  const by = { name: "default", principal: "ops" };
  await pauseQueue(db, by);
  await until("they are back", are("4 ready 0"));
  await resumeQueue(db, by);
  await until("they gather again", are("4 executing 1"));
  // Who waited for it to be full, or for the grace, would call it.
  await engine.stop({ graceMs: 120_000 });
  assert.deepEqual([calls, await standing(db)], [[], ["4 ready 0"]]);
  assert.deepEqual(
    await db.query(sql`select from yardmaster.attempt_events`),
    [],
  );
});

Deno.test("limiters hold back each job of a chunk", async () => {
  await using db = await testDb();
  const calls: number[] = [];
  const worker = defineChunkWorker<Args>({
    name: "work",
    chunk: { size: 100, waitMs: 60_000 },
    limiters: [
      defineLimiter({ name: "api", rate: { capacity: 7, perMs: 60_000 } }),
    ],
    perform: (jobs) => void calls.push(jobs.length),
  });
  const engine = started(db, { workers: [worker] });
  // Limiters are declared where their workers run.
  await engine.tick({ budgetMs: 60_000 });
  await enqueue(db, worker, 20);
  await engine.tick({ budgetMs: 60_000 });
  assert.equal(calls.reduce((all, jobs) => all + jobs, 0), 7);
  assert.equal(calls.length, 1);
});

Deno.test("chunks and other jobs of one queue run both, and the oldest begins", async () => {
  await using db = await testDb();
  const order: string[] = [];
  const chunked = defineChunkWorker<Args>({
    name: "chunked",
    chunk: { size: 5 },
    perform: (jobs) => void order.push(`chunk of ${jobs.length}`),
  });
  const plain = defineWorker({
    name: "plain",
    perform: () => void order.push("plain"),
  });
  const engine = started(db, {
    workers: [chunked, plain],
    queues: { default: { limit: 1 } },
  });
  await enqueue(db, chunked, 10);
  await engine.enqueueMany(
    Array.from({ length: 3 }, () => ({ worker: plain, args: {} })),
  );
  const report = await engine.tick({ budgetMs: 60_000 });
  // They are claimed each by themselves, so what is here first may be either.
  assert.equal(order[0], "chunk of 5");
  assert.deepEqual(order.toSorted(), [
    "chunk of 5",
    "chunk of 5",
    "plain",
    "plain",
    "plain",
  ]);
  assert.equal(report.claimed, 13);
});

Deno.test("jobs that wait for limiters fill their chunks beyond the limit of their queue", async () => {
  await using db = await testDb();
  const calls: number[] = [];
  const worker = defineChunkWorker<Args>({
    name: "work",
    chunk: { size: 10 },
    limiters: [defineLimiter({ name: "index", concurrency: 25 })],
    perform: (jobs) => void calls.push(jobs.length),
  });
  await enqueue(db, worker, 45);
  const engine = started(db, {
    workers: [worker],
    queues: { default: { limit: 1 } },
  });
  await engine.tick({ budgetMs: 60_000 });
  // Five of the first 25 may be called before others are granted a place.
  assert.deepEqual(calls.slice(0, 2), [10, 10]);
  assert.equal(calls.reduce((sum, each) => sum + each, 0), 45);
  await engine.stop();
});

Deno.test("small ticks run other jobs beside chunks and limited jobs, whichever were there first", async () => {
  await using db = await testDb();
  const ran: string[] = [];
  const chunked = defineChunkWorker<Args>({
    name: "chunked",
    chunk: { size: 10 },
    perform: (jobs) => void ran.push(...jobs.map(() => "chunked")),
  });
  const other = (name: string, concurrency?: number) =>
    defineWorker<Args>({
      name,
      ...(concurrency !== undefined &&
        { limiters: [defineLimiter({ name, concurrency })] }),
      perform: () => void ran.push(name),
    });
  const workers = [chunked, other("plain"), other("limited", 100)];
  for (const worker of workers) await enqueue(db, worker, 50);
  const engine = started(db, {
    workers,
    queues: { default: { limit: 10 } },
  });
  for (let n = 0; n < 6; n++) {
    await engine.tick({ budgetMs: 60_000, maxJobs: 7 });
  }
  assert.equal(ran.length, 42);
  assert.deepEqual([...new Set(ran)].sort(), ["chunked", "limited", "plain"]);
  await engine.stop();
});
