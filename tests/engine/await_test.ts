/** Waiting for the end of a job: what it comes to, and what it costs. */
import assert from "node:assert/strict";
import type { Database } from "../../src/db/database.ts";
import type { JobId } from "../../src/domain/job.ts";
import { AwaitedElsewhere } from "../../src/engine/awaited_elsewhere.ts";
import { systemClock } from "../../src/engine/clock.ts";
import { createEngine, type Engine } from "../../src/engine/engine.ts";
import type { EngineOptions } from "../../src/engine/engine_options.ts";
import type { JobEnd } from "../../src/engine/job_end.ts";
import { cancel, discard } from "../../src/engine/verdict.ts";
import { type AnyWorker, defineWorker } from "../../src/engine/worker.ts";
import type { YardmasterEvent } from "../../src/events.ts";
import { sql } from "../../src/db/sql.ts";
import { retryJob } from "../../src/store/transitions.ts";
import { createTestClock } from "../../src/testing/testing.ts";
import { givenJob } from "../support/job_world.ts";
import { usePGlite } from "../support/pglite.ts";
import { until } from "../support/until.ts";

const testDb = usePGlite();

function engineOf(
  database: Database,
  { workers = [], ...options }: Partial<EngineOptions> = {},
): Engine {
  const queues = { default: { limit: 10 } };
  return createEngine({ database, workers, queues, pollMs: 20, ...options });
}

async function enqueued(engine: Engine, worker: AnyWorker): Promise<JobId> {
  const answer = await engine.enqueue(worker as never, {} as never);
  assert.ok(answer.status === "inserted");
  return answer.job.id;
}

/** Counts statements that ask how jobs ended. */
function counted(db: Database) {
  const asked: number[] = [];
  const underWay = new Set<Promise<unknown>>();
  const database: Database = {
    schema: db.schema,
    get now() {
      return db.now;
    },
    transaction: (work) => db.transaction(work),
    script: (text) => db.script(text),
    query(statement, options) {
      const { text, values } = statement.render("yardmaster");
      if (text.includes("as asked (id)")) {
        asked.push((values[0] as readonly unknown[]).length);
      }
      const answer = db.query(statement, options);
      underWay.add(answer);
      const end = () => underWay.delete(answer);
      answer.then(end, end);
      return answer as never;
    },
  };
  return { database, asked, underWay };
}

Deno.test("awaitJob() resolves with what a completed job left", async () => {
  await using db = await testDb();
  const sum = defineWorker({
    name: "sum",
    recordOutput: true,
    perform: () => ({ total: 7n }),
  });
  const engine = engineOf(db, { workers: [sum] });
  const jobId = await enqueued(engine, sum);
  const ended = engine.awaitJob(sum, jobId);
  await engine.tick({ budgetMs: 60_000 });
  const end = await ended;
  assert.ok(end.status === "completed" && end.output.status === "found");
  const { total } = end.output.output;
  assert.equal(total satisfies string, "7");
  assert.equal(end.attempt, 1);
  assert.deepEqual(end.finishedAt, db.nowAt());
  assert.deepEqual(await engine.awaitJob({ id: jobId }), end);
  await engine.stop();
});

Deno.test("awaitJob() tells how a job ended that did not complete, and what was said last", async () => {
  await using db = await testDb();
  const failing = (name: string, perform: () => unknown, maxAttempts = 1) =>
    defineWorker({ name, maxAttempts, perform });
  const workers = [
    failing("fails", () => {
      throw new Error("the bank said no");
    }),
    failing("cancels", () => cancel("not wanted")),
    failing("discards", () => discard("no such customer")),
    defineWorker({ name: "silent", perform: () => 7 }),
  ];
  const engine = engineOf(db, { workers });
  const ids: JobId[] = [];
  for (const worker of workers) ids.push(await enqueued(engine, worker));
  const waiting = await enqueued(engine, workers[0] as AnyWorker);
  assert.ok(await engine.cancel(waiting));
  await engine.tick({ budgetMs: 60_000 });
  const ends = [];
  for (const id of [...ids, waiting]) ends.push(await engine.awaitJob(id));
  const finishedAt = db.nowAt();
  const at = { attempt: 1, finishedAt };
  assert.deepEqual(ends, [
    {
      status: "discarded",
      ...at,
      why: "failed",
      message: "the bank said no",
    },
    { status: "cancelled", ...at, why: "cancelled", message: "not wanted" },
    {
      status: "discarded",
      ...at,
      why: "discarded",
      message: "no such customer",
    },
    {
      status: "completed",
      ...at,
      output: { status: "none", why: "not_recorded" },
    },
    {
      status: "cancelled",
      attempt: 0,
      finishedAt,
      why: "cancelled",
      message: null,
    },
  ]);
  await engine.stop();
});

Deno.test("awaitJob() answers at once for what no job can be, and looks twice for what is not there", async () => {
  await using db = await testDb();
  const { database, asked } = counted(db);
  const engine = engineOf(database);
  const unknown: JobEnd = { status: "unknown_job" };
  assert.deepEqual(await engine.awaitJob("x" as JobId), unknown);
  assert.deepEqual(await engine.awaitJob(undefined as never), unknown);
  assert.deepEqual(asked, []);
  assert.deepEqual(await engine.awaitJob("12345"), unknown);
  assert.deepEqual(asked, [1, 1]);
  const other = defineWorker({ name: "other", perform: () => 1 });
  const done = await givenJob(db, { state: "completed", attempt: 1 });
  assert.deepEqual(await engine.awaitJob(other, done), unknown);
  await engine.stop();
});

Deno.test("a job that is missing at one look, and at another much later, is not unknown", async () => {
  await using db = await testDb();
  const jobId: JobId = "12345";
  const missing = { jobId, state: null, worker: null };
  const ended = {
    ...missing,
    worker: "work",
    state: "cancelled",
    attempt: 1,
    finishedAt: db.nowAt(),
    kind: "cancelled",
    message: null,
  };
  const looks: unknown[][] = [[missing], [], [missing], [ended]];
  const engine = engineOf({
    schema: db.schema,
    now: db.now,
    transaction: (work) => db.transaction(work),
    script: (text) => db.script(text),
    query: () => Promise.resolve(looks.shift() ?? []) as never,
  });
  const end = await engine.awaitJob(jobId, { timeoutMs: 10_000 });
  assert.equal(end.status, "cancelled");
  await engine.stop();
});

Deno.test("awaitJob() times out, and refuses a time that is out of bounds", async () => {
  await using db = await testDb();
  const clock = createTestClock();
  const engine = engineOf(db, { clock, pollMs: 1_000 });
  const jobId = await givenJob(db, { state: "retryable", attempt: 1 });
  for (const timeoutMs of [0, -1, 1.5, NaN, Infinity, 86_400_001]) {
    await assert.rejects(engine.awaitJob(jobId, { timeoutMs }), TypeError);
  }
  const brief = engine.awaitJob(jobId, { timeoutMs: 5_000 });
  const usual = engine.awaitJob(jobId);
  let told = 0;
  void brief.then(() => told += 1);
  await clock.advanceMs(4_999);
  assert.equal(told, 0);
  await clock.advanceMs(1);
  assert.deepEqual(await brief, { status: "timed_out" });
  await clock.advanceMs(55_000);
  assert.deepEqual(await usual, { status: "timed_out" });
  await engine.stop();
});

Deno.test("awaitJob() rejects with the reason of its signal, before and while it waits, and leaves no listener", async () => {
  await using db = await testDb();
  const engine = engineOf(db);
  const jobId = await givenJob(db);
  const reason = new Error("enough");
  await assert.rejects(
    engine.awaitJob(jobId, { signal: AbortSignal.abort(reason) }),
    reason,
  );
  const controller = new AbortController();
  const { signal } = controller;
  let listeners = 0;
  const { addEventListener, removeEventListener } = signal;
  signal.addEventListener = (...args: readonly unknown[]) => {
    listeners += 1;
    addEventListener.apply(signal, args as never);
  };
  signal.removeEventListener = (...args: readonly unknown[]) => {
    listeners -= 1;
    removeEventListener.apply(signal, args as never);
  };
  const short = engine.awaitJob(jobId, { signal, timeoutMs: 30 });
  assert.equal(listeners, 1);
  assert.deepEqual(await short, { status: "timed_out" });
  assert.equal(listeners, 0);
  const waiting = engine.awaitJob(jobId, { signal });
  setTimeout(() => controller.abort(reason), 30);
  await assert.rejects(waiting, reason);
  assert.equal(listeners, 0);
  await engine.stop();
});

Deno.test("awaitJob() looks often at first and then ever less, at all jobs in one statement", async () => {
  await using db = await testDb();
  const clock = createTestClock();
  const { database, asked, underWay } = counted(db);
  const engine = engineOf(database, { clock, pollMs: 1_000, random: () => 0 });
  const jobId = await givenJob(db, { state: "scheduled" });
  const others = await Promise.all(
    Array.from({ length: 1_001 }, () => givenJob(db)),
  );
  const waits = [jobId, jobId, ...others].map((id) =>
    engine.awaitJob(id, { timeoutMs: 4_000 })
  );
  for (let ms = 0; ms < 4_000; ms += 10) {
    await clock.advanceMs(10);
    await until("the look has ended", async () => {
      await clock.advanceMs(0);
      return underWay.size === 0;
    });
  }
  const ends = await Promise.all(waits);
  assert.ok(ends.every(({ status }) => status === "timed_out"));
  // 0, 10, 30, 70, 150, 310, 630, 1,270, 2,270 and 3,270 ms, two statements each.
  const looks = asked.length / 2;
  assert.ok(looks >= 8 && looks <= 11, `looked ${looks} times`);
  assert.deepEqual(asked.slice(0, 2), [1_000, 2]);
  await clock.advanceMs(10_000);
  assert.equal(asked.length / 2, looks);
  await engine.stop();
});

Deno.test("a job that waits for another attempt has not ended, and the first end is told after which an operator retries", async () => {
  await using db = await testDb();
  let runs = 0;
  const second = defineWorker({
    name: "second",
    recordOutput: true,
    backoff: () => 60_000,
    perform: () => {
      runs += 1;
      if (runs === 1) throw new Error("once more");
      return { runs };
    },
  });
  const engine = engineOf(db, { workers: [second] });
  const jobId = await enqueued(engine, second);
  await engine.tick({ budgetMs: 60_000 });
  assert.deepEqual(await engine.awaitJob(jobId, { timeoutMs: 50 }), {
    status: "timed_out",
  });
  db.advanceMs(60_000);
  await engine.tick({ budgetMs: 60_000 });
  const end = await engine.awaitJob(second, jobId);
  assert.ok(end.status === "completed" && end.output.status === "found");
  assert.deepEqual([end.attempt, end.output.output], [2, { runs: 2 }]);

  await retryJob(db, { jobId, principal: "ann" });
  assert.deepEqual(await engine.awaitJob(jobId, { timeoutMs: 50 }), {
    status: "timed_out",
  });
  // The third completes without an output of its own.
  await db.query(sql`
    update yardmaster.jobs set worker = 'silent' where id = ${jobId}::bigint
  `);
  await db.query(sql`update yardmaster.ready set worker = 'silent'`);
  const silent = defineWorker({ name: "silent", perform: () => {} });
  const other = engineOf(db, { workers: [silent] });
  await other.tick({ budgetMs: 60_000 });
  const third = await engine.awaitJob(jobId);
  assert.ok(third.status === "completed");
  assert.deepEqual(third.output, { status: "none", why: "not_recorded" });
  await engine.stop();
  await other.stop();
});

Deno.test("an output that expired before it was awaited is told so", async () => {
  await using db = await testDb();
  const brief = defineWorker({
    name: "brief",
    recordOutput: { keep: 60_000 },
    perform: () => 1,
  });
  const engine = engineOf(db, { workers: [brief] });
  const jobId = await enqueued(engine, brief);
  await engine.tick({ budgetMs: 60_000 });
  db.advanceMs(60_000);
  const end = await engine.awaitJob(jobId);
  assert.ok(end.status === "completed");
  assert.deepEqual(end.output, { status: "none", why: "expired" });
  await engine.stop();
});

Deno.test("stop() looks once more, tells those who still wait, and leaves nothing behind", async () => {
  await using db = await testDb();
  const { database, asked } = counted(db);
  const note = defineWorker({ name: "note", perform: () => {} });
  const engine = engineOf(database, {
    // Nothing but the last look can find the end.
    clock: {
      monotonicMs: systemClock.monotonicMs,
      after: (ms, callBack) =>
        systemClock.after(ms < 5 ? ms : ms + 60_000, callBack),
    },
  });
  const [waits, ends] = [await givenJob(db), await enqueued(engine, note)];
  const stopped = engine.awaitJob(waits);
  const done = engine.awaitJob(ends);
  await until("the first look was had", () => asked.length === 1);
  const other = engineOf(db, { workers: [note] });
  await other.tick({ budgetMs: 60_000 });
  await engine.stop();
  assert.deepEqual(await stopped, { status: "stopped" });
  assert.equal((await done).status, "completed");
  assert.equal(asked.length, 2);
  await other.stop();
});

Deno.test("awaitJob() goes on when the database does not answer, and tells of it", async () => {
  await using db = await testDb();
  const { database, asked } = counted(db);
  const events: YardmasterEvent[] = [];
  let faults = 3;
  const broken: Database = {
    ...database,
    now: db.now,
    query(statement, options) {
      const { text } = statement.render("yardmaster");
      if (text.includes("as asked (id)") && faults > 0) {
        faults -= 1;
        return Promise.reject(new Error("down"));
      }
      return database.query(statement, options);
    },
  };
  const engine = engineOf(broken, { onEvent: (event) => events.push(event) });
  const done = await givenJob(db, { state: "completed", attempt: 1 });
  const end = await engine.awaitJob(done);
  assert.equal(end.status, "completed");
  assert.equal(asked.length, 1);
  assert.deepEqual(
    events.map((event) => event.type === "service_failed" && event.service),
    ["awaiter", "awaiter", "awaiter"],
  );
  await engine.stop();
});

Deno.test("AwaitedElsewhere remembers a bounded number, for a minute, and each once", async () => {
  const clock = createTestClock();
  const remembered = new AwaitedElsewhere(clock);
  assert.ok(remembered.isEmpty);
  remembered.remember(["1", "nonsense", "2", "-3"]);
  assert.deepEqual(remembered.take(["3", "2"]), ["2"]);
  assert.deepEqual(remembered.take(["2"]), []);
  await clock.advanceMs(60_000);
  assert.deepEqual(remembered.take(["2"]), []);
  assert.ok(remembered.isEmpty);

  const many = Array.from({ length: 12_000 }, (_, n) => `${BigInt(n + 1)}`);
  remembered.remember(many);
  const taken = remembered.take(many as JobId[]);
  assert.equal(taken.length, 10_000);
});
