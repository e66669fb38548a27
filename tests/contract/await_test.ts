/** Waiting for jobs of other processes, with hints and without. */
import assert from "node:assert/strict";
import type { Database } from "../../src/db/database.ts";
import { sql } from "../../src/db/sql.ts";
import type { JobId } from "../../src/domain/job.ts";
import { createEngine, type Engine } from "../../src/engine/engine.ts";
import type { EngineOptions } from "../../src/engine/engine_options.ts";
import type { JobEnd } from "../../src/engine/job_end.ts";
import { type AnyWorker, defineWorker } from "../../src/engine/worker.ts";
import { sendNotice } from "../../src/store/notices.ts";
import { type TestPostgres, usePostgres } from "../support/postgres.ts";
import { until } from "../support/until.ts";
import { deafToTime, watched } from "../support/watched.ts";

const testPostgres = usePostgres();

/** Ends when the test says so. */
function gated() {
  const gates = new Map<number, () => void>();
  const worker = defineWorker({
    name: "gated",
    recordOutput: true,
    perform: ({ n }: { n: number }) =>
      new Promise<{ n: number }>((resolve) =>
        gates.set(n, () => resolve({ n }))
      ),
  });
  return { worker, gates };
}

function runnerOf(
  database: Database,
  worker: AnyWorker,
  options: Partial<EngineOptions> = {},
): Engine {
  return createEngine({
    database,
    workers: [worker],
    queues: { default: { limit: 10 } },
    pollMs: 20,
    ...options,
  });
}

async function enqueued(
  engine: Engine,
  worker: AnyWorker,
  n: number,
): Promise<JobId> {
  const answer = await engine.enqueue(worker as never, { n } as never);
  assert.ok(answer.status === "inserted");
  return answer.job.id;
}

function nOf(end: JobEnd): unknown {
  assert.ok(end.status === "completed" && end.output.status === "found");
  return (end.output.output as { n: number }).n;
}

/** Connections that keep listening. */
async function listeners(db: Database): Promise<number> {
  const found = await db.query(sql`
    select from pg_stat_activity
    where datname = current_database() and query ilike 'listen%'
  `);
  return found.length;
}

/** One process waits, another runs; each has a pool of its own. */
async function twoProcesses(world: TestPostgres, options: {
  readonly waiter?: Partial<EngineOptions>;
  readonly runner?: Partial<EngineOptions>;
}) {
  const { worker, gates } = gated();
  const waiting = watched(await world.connect());
  const running = watched(world.db);
  const waiter = createEngine({ ...options.waiter, ...waiting });
  const runner = runnerOf(running.database, worker, options.runner);
  return { worker, gates, waiter, runner, waiting, running };
}

Deno.test("a process that never looks again hears of an end that another has written", async () => {
  await using world = await testPostgres();
  const { worker, gates, waiter, runner, running } = await twoProcesses(
    world,
    { waiter: { clock: deafToTime() }, runner: { clock: deafToTime() } },
  );
  await runner.start();
  await waiter.start();
  await until("both listen", async () => (await listeners(world.db)) === 2);
  for (let n = 1; n <= 3; n++) {
    const jobId = await enqueued(waiter, worker, n);
    const ended = waiter.awaitJob(jobId);
    await until(
      "the other has heard of it",
      () =>
        running.heard.some((notice) =>
          notice.t === "awaited" && notice.ids.includes(jobId)
        ),
    );
    await until("it runs", () => gates.has(n));
    gates.get(n)?.();
    assert.equal(nOf(await ended), n);
    const told = running.sent.filter(({ t }) => t === "ended");
    assert.deepEqual(told.at(-1), { t: "ended", ids: [jobId] });
    assert.equal(told.length, n);
  }
  await waiter.stop();
  await runner.stop();
});

Deno.test("without hints it is found by looking, by a process that is started, and by one that is not", async () => {
  await using world = await testPostgres();
  const { worker, gates, waiter, runner, waiting, running } =
    await twoProcesses(world, {
      waiter: { notify: false, pollMs: 20 },
      runner: { notify: false },
    });
  const started = createEngine({
    database: await world.connect(),
    notify: false,
    pollMs: 20,
  });
  await started.start();
  await runner.start();
  const jobId = await enqueued(waiter, worker, 1);
  const ended = [waiter, started, runner].map((each) => each.awaitJob(jobId));
  await until("it runs", () => gates.has(1));
  gates.get(1)?.();
  assert.deepEqual((await Promise.all(ended)).map(nOf), [1, 1, 1]);
  assert.deepEqual([...waiting.sent, ...running.sent], []);
  await Promise.all([waiter, started, runner].map((each) => each.stop()));
});

Deno.test("a process hears at once of an end that it writes itself, and tells nobody", async () => {
  await using world = await testPostgres();
  const { worker, gates } = gated();
  const { database, sent } = watched(world.db);
  const engine = runnerOf(database, worker, { clock: deafToTime() });
  await engine.start();
  const jobId = await enqueued(engine, worker, 1);
  const ended = engine.awaitJob(worker, jobId);
  await until("it runs", async () => {
    await sendNotice(database, { t: "ready", q: [] });
    return gates.has(1);
  });
  await until(
    "it said that it waits",
    () => sent.some(({ t }) => t === "awaited"),
  );
  gates.get(1)?.();
  const end = await ended;
  assert.ok(end.status === "completed" && end.output.status === "found");
  assert.equal(end.output.output.n, 1);
  assert.ok(sent.every(({ t }) => t !== "ended"));
  await engine.stop();
});

Deno.test("a job that is cancelled by this process is told at once, though nothing looks", async () => {
  await using world = await testPostgres();
  const { worker } = gated();
  const { database, asked } = watched(world.db);
  const engine = createEngine({ database, clock: deafToTime() });
  const jobId = await enqueued(engine, worker, 1);
  const ended = engine.awaitJob(jobId);
  await until("it looked twice", () => asked.length === 2);
  assert.ok(await engine.cancel(jobId));
  assert.equal((await ended).status, "cancelled");
  await engine.stop();
});

Deno.test("a thousand who wait at once cost few statements", async () => {
  await using world = await testPostgres();
  const done = defineWorker({
    name: "done",
    recordOutput: true,
    perform: ({ n }: { n: number }) => ({ n }),
  });
  const { database, asked, sent } = watched(await world.connect());
  const waiter = createEngine({ database, pollMs: 1_000 });
  await waiter.start();
  const answers = await waiter.enqueueMany(
    Array.from({ length: 1_000 }, (_, n) => ({ worker: done, args: { n } })),
  );
  const ids = answers.map((answer) => {
    assert.ok(answer.status === "inserted");
    return answer.job.id;
  });
  const ended = Promise.all(ids.map((id) => waiter.awaitJob(id)));
  await until(
    "they were announced",
    // Again as soon as it listens, which may be later.
    () => sent.filter(({ t }) => t === "awaited").length >= 4,
  );
  const runner = runnerOf(world.db, done, {
    queues: { default: { limit: 50 } },
  });
  await runner.start();
  assert.deepEqual((await ended).map(nOf), Array.from(ids, (_, n) => n));
  assert.equal(asked[0], 1_000);
  // It takes longer on a slow machine, and is asked more often.
  assert.ok(asked.length < 500, `asked ${asked.length} times`);
  await runner.stop();
  await waiter.stop();
});

Deno.test("a thousand outputs that are large come in statements of a bounded size", async () => {
  await using world = await testPostgres();
  const text = "x".repeat(900_000);
  const large = defineWorker({
    name: "large",
    recordOutput: { limitBytes: 1_048_576 },
    perform: () => text,
  });
  const engine = runnerOf(world.db, large);
  const ids: JobId[] = [];
  for (let n = 0; n < 20; n++) ids.push(await enqueued(engine, large, n));
  await engine.tick({ budgetMs: 60_000 });
  let statements = 0;
  const database: Database = {
    ...watched(world.db).database,
    query(statement, options) {
      const rendered = statement.render("yardmaster").text;
      if (rendered.includes("outputs.output,")) statements += 1;
      return world.db.query(statement, options);
    },
  };
  const waiter = createEngine({ database });
  const ends = await Promise.all(ids.map((id) => waiter.awaitJob(id)));
  for (const end of ends) {
    assert.ok(end.status === "completed" && end.output.status === "found");
    assert.equal(end.output.output, text);
  }
  // 18 of them make 16 MiB.
  assert.equal(statements, 2);
  await engine.stop();
  await waiter.stop();
});

Deno.test("a connection that listens is killed meanwhile: who waits hears again, and looks in any case", async () => {
  await using world = await testPostgres();
  const { worker, gates, waiter, runner } = await twoProcesses(world, {
    waiter: { pollMs: 50 },
  });
  await waiter.start();
  await runner.start();
  const jobId = await enqueued(waiter, worker, 1);
  const ended = waiter.awaitJob(jobId);
  await until("it runs", () => gates.has(1));
  await until("those who listen are killed", async () => {
    const killed = await world.db.query(sql`
      select pg_terminate_backend(pid)
      from pg_stat_activity
      where datname = current_database() and pid <> pg_backend_pid()
        and query ilike 'listen%'
    `);
    return killed.length > 0;
  });
  gates.get(1)?.();
  assert.equal(nOf(await ended), 1);
  await waiter.stop();
  await runner.stop();
});

Deno.test("a job that retention takes while nobody could look is unknown", async () => {
  await using world = await testPostgres();
  const { worker } = gated();
  const { database, asked } = watched(world.db);
  const engine = createEngine({ database, clock: deafToTime() });
  const jobId = await enqueued(engine, worker, 1);
  const ended = engine.awaitJob(jobId);
  await until("it looked twice", () => asked.length === 2);
  const operator = createEngine({ database: await world.connect() });
  assert.ok(await operator.cancel(jobId));
  for (const table of ["jobs", "outcomes", "attempt_events"]) {
    await world.db.script(`delete from yardmaster.${table}`);
  }
  assert.deepEqual(await operator.awaitJob(jobId), { status: "unknown_job" });
  await engine.stop();
  assert.deepEqual(await ended, { status: "unknown_job" });
  await operator.stop();
});

Deno.test("a job may wait for another, and its signal ends that when its process stops", async () => {
  await using world = await testPostgres();
  const { worker: inner, gates } = gated();
  const told: unknown[] = [];
  const outer = defineWorker({
    name: "outer",
    queue: "outer",
    recordOutput: true,
    perform: async ({ jobId }: { jobId: JobId }, { signal }) => {
      const end = await engine.awaitJob(inner, jobId, { signal })
        .catch((reason) => {
          told.push(reason.kind);
          throw reason;
        });
      told.push(end.status);
      return end.status === "completed" && end.output.status === "found"
        ? end.output.output.n
        : null;
    },
  });
  const engine: Engine = createEngine({
    database: world.db,
    workers: [inner, outer],
    queues: { default: { limit: 1 }, outer: { limit: 2 } },
    pollMs: 20,
  });
  await engine.start();
  const ids = [];
  for (let n = 1; n <= 2; n++) {
    const answer = await engine.enqueue(outer, {
      jobId: await enqueued(engine, inner, n),
    });
    assert.ok(answer.status === "inserted");
    ids.push(answer.job.id);
  }
  await until("the first runs", () => gates.has(1));
  gates.get(1)?.();
  const [first, second] = ids as [JobId, JobId];
  const end = await engine.awaitJob(outer, first);
  assert.ok(end.status === "completed" && end.output.status === "found");
  assert.equal(end.output.output, 1);
  await until("the second runs", () => gates.has(2));
  await engine.stop({ graceMs: 10 });
  assert.deepEqual(told, ["completed", "shutdown"]);
  const after = createEngine({ database: await world.connect() });
  assert.deepEqual(await after.awaitJob(second, { timeoutMs: 50 }), {
    status: "timed_out",
  });
  await after.stop();
});
