/** Every way in which a job ends, and whether who waits for it is told. */
import assert from "node:assert/strict";
import { operatorApi } from "../../src/control/operator.ts";
import type { Refused } from "../../src/control/refusal.ts";
import type { Database } from "../../src/db/database.ts";
import { sql } from "../../src/db/sql.ts";
import type { JobId } from "../../src/domain/job.ts";
import { defineLimiter } from "../../src/domain/limiter.ts";
import { createEngine, type Engine } from "../../src/engine/engine.ts";
import type { EngineOptions } from "../../src/engine/engine_options.ts";
import type { AnyWorker } from "../../src/engine/worker.ts";
import { defineWorker } from "../../src/engine/worker.ts";
import { controlOf, OPERATOR } from "../support/control_world.ts";
import { givenJob } from "../support/job_world.ts";
import { type TestPostgres, usePostgres } from "../support/postgres.ts";
import { until } from "../support/until.ts";
import { deafToTime, watched } from "../support/watched.ts";

const testPostgres = usePostgres();

const once = defineLimiter({ name: "once", concurrency: 1 });
const plain = defineWorker({ name: "plain", perform: () => {} });
const limited = defineWorker({
  name: "limited",
  limiters: [once],
  perform: () => {},
});

/** Who acts: a process of its own, which waits for nothing. */
interface Actor {
  readonly db: Database;
  /** Sends hints and hears none: it is not started. */
  readonly engine: Engine;
}

interface End {
  readonly given: (actor: Actor) => Promise<JobId>;
  readonly end: (actor: Actor, jobId: JobId) => Promise<void>;
  readonly state: "cancelled" | "discarded" | "completed";
}

const REASON = "nobody wants it any more";

async function operate(
  { db }: Actor,
  { jobId, action }: {
    readonly jobId: JobId;
    readonly action: "cancelJob" | "discardJob";
  },
): Promise<void> {
  // As a process of its own sends its hints, and not as a test hears them.
  const { notify: _, ...control } = controlOf(db);
  const done: { readonly ok: true } | Refused = await operatorApi(control)
    [action]({ actor: OPERATOR, jobId, reason: REASON });
  assert.ok(done.ok);
}

function operated(
  given: End["given"],
  action: "cancelJob" | "discardJob",
): End {
  const end: End["end"] = (actor, jobId) => operate(actor, { jobId, action });
  const state = action === "cancelJob" ? "cancelled" : "discarded";
  return { given, end, state };
}

async function enqueued(
  { engine }: Actor,
  worker: AnyWorker,
  options = {},
): Promise<JobId> {
  const answer = await engine.enqueue(worker as never, {} as never, options);
  assert.ok(answer.status === "inserted");
  return answer.job.id;
}

const standing =
  (state: "scheduled" | "retryable" | "suspended") => ({ db }: Actor) =>
    givenJob(db, { state, worker: plain.name });

/** Runs what is due, and ends what nobody runs any more. */
async function tickOnce(db: Database, options: Partial<EngineOptions> = {}) {
  const engine = createEngine({
    database: db,
    workers: [plain],
    queues: { default: { limit: 1 } },
    ...options,
  });
  await engine.tick({ budgetMs: 10_000 });
  await engine.stop();
}

const available = (actor: Actor) => enqueued(actor, plain);
const inLine = (actor: Actor) => enqueued(actor, limited);

/** Each end but that of a run in a process which hears. */
const ENDS: Readonly<Record<string, End>> = {
  "an operator cancels it while it is available": operated(
    available,
    "cancelJob",
  ),
  "an operator cancels it while it is scheduled": operated(
    standing("scheduled"),
    "cancelJob",
  ),
  "an operator cancels it while it is retryable": operated(
    standing("retryable"),
    "cancelJob",
  ),
  "an operator cancels it while it is suspended": operated(
    standing("suspended"),
    "cancelJob",
  ),
  "an operator cancels it in the line of a limiter": operated(
    inLine,
    "cancelJob",
  ),
  "an operator cancels it while it runs": operated(
    ({ db }) => givenJob(db, { state: "executing", worker: plain.name }),
    "cancelJob",
  ),
  "an operator discards it while it is available": operated(
    available,
    "discardJob",
  ),
  "an operator discards it while it is scheduled": operated(
    standing("scheduled"),
    "discardJob",
  ),
  "an operator discards it while it is retryable": operated(
    standing("retryable"),
    "discardJob",
  ),
  "an operator discards it while it is suspended": operated(
    standing("suspended"),
    "discardJob",
  ),
  "an operator discards it in the line of a limiter": operated(
    inLine,
    "discardJob",
  ),
  "code cancels it in a process that runs nothing": {
    given: available,
    end: async ({ engine }, jobId) => assert.ok(await engine.cancel(jobId)),
    state: "cancelled",
  },
  "it completes in a tick": {
    given: available,
    end: ({ db }) => tickOnce(db),
    state: "completed",
  },
  "its deadline passed before a tick could run it": {
    given: (actor) => enqueued(actor, plain, { deadlineMs: 1 }),
    end: ({ db }) => tickOnce(db),
    state: "cancelled",
  },
  "its executor is missing, and it was its last attempt": {
    given: ({ db }) =>
      givenJob(db, {
        state: "executing",
        worker: plain.name,
        attempt: 1,
        maxAttempts: 1,
        executorId: 999_999,
      }),
    end: ({ db }) => tickOnce(db),
    state: "discarded",
  },
};

/** Those who listen, in their first statement or by now. */
async function listens(db: Database): Promise<boolean> {
  const found = await db.query(sql`
    select from pg_stat_activity
    where datname = current_database() and query ilike 'listen%'
  `);
  return found.length > 0;
}

async function actorOf(world: TestPostgres): Promise<Actor> {
  const db = await world.connect();
  const workers = [plain, limited];
  return { db, engine: createEngine({ database: db, workers }) };
}

Deno.test("who waits is told of every end by a hint, and never looks again", async (t) => {
  await using world = await testPostgres();
  const actor = await actorOf(world);
  const waiting = watched(world.db);
  const waiter = createEngine({ ...waiting, clock: deafToTime() });
  await waiter.start();
  await until("it listens", () => listens(world.db));
  for (const [name, { given, end, state }] of Object.entries(ENDS)) {
    await t.step(name, async () => {
      const jobId = await given(actor);
      const before = waiting.asked.length;
      const ended = waiter.awaitJob(jobId);
      await until("it looked twice", () => waiting.asked.length === before + 2);
      await end(actor, jobId);
      assert.equal((await ended).status, state);
    });
  }
  await waiter.stop();
  await actor.engine.stop();
});

Deno.test("without hints every end is found by looking", async (t) => {
  await using world = await testPostgres();
  const actor = await actorOf(world);
  const waiter = createEngine({
    database: world.db,
    notify: false,
    pollMs: 20,
  });
  for (const [name, { given, end, state }] of Object.entries(ENDS)) {
    await t.step(name, async () => {
      const jobId = await given(actor);
      const ended = waiter.awaitJob(jobId);
      await end(actor, jobId);
      assert.equal((await ended).status, state);
    });
  }
  await waiter.stop();
  await actor.engine.stop();
});

Deno.test("a tick tells of many ends in one hint, and of more than fit in one that stands for all", async () => {
  await using world = await testPostgres();
  const { database, sent } = watched(await world.connect());
  const engine = createEngine({
    database,
    workers: [plain],
    queues: { default: { limit: 50 } },
  });
  const counts = [];
  for (const jobs of [0, 2, 400]) {
    await engine.enqueueMany(
      Array.from({ length: jobs }, () => ({ worker: plain, args: {} })),
    );
    const before = sent.length;
    await engine.tick({ budgetMs: 20_000 });
    const told = sent.slice(before).flatMap((notice) =>
      notice.t === "ended" ? [notice.ids.length] : []
    );
    counts.push(told);
  }
  assert.deepEqual(counts, [[], [2], [0]]);
  await engine.stop();
});

Deno.test("a job that a newer call overwrites goes on, and so does the waiting", async () => {
  await using world = await testPostgres();
  const newest = defineWorker({
    name: "newest",
    recordOutput: true,
    unique: { keys: ["of"], onConflict: "keep_last" },
    perform: ({ n }: { of: string; n: number }) => n,
  });
  const actor = await actorOf(world);
  const waiter = createEngine({ database: world.db, pollMs: 20 });
  const first = await actor.engine.enqueue(newest, { of: "a", n: 1 }, {
    delayMs: 3_600_000,
  });
  assert.ok(first.status === "inserted");
  const ended = waiter.awaitJob(newest, first.job.id);
  const second = await actor.engine.enqueue(newest, { of: "a", n: 2 });
  assert.ok(second.status === "conflict" && second.replaced);
  await tickOnce(actor.db, { workers: [newest] });
  const end = await ended;
  assert.ok(end.status === "completed" && end.output.status === "found");
  assert.equal(end.output.output, 2);
  await waiter.stop();
  await actor.engine.stop();
});

Deno.test("what was refused is no job, and nobody waits for it", async () => {
  await using world = await testPostgres();
  const gate = defineLimiter({
    name: "gate",
    rate: { capacity: 1, perMs: 3_600_000 },
    at: "enqueue",
  });
  const gated = defineWorker({
    name: "gated",
    limiters: [gate],
    perform: () => {},
  });
  const { database, asked } = watched(world.db);
  const engine = createEngine({ database, workers: [gated] });
  const answers = await engine.enqueueMany([
    { worker: gated, args: {} },
    { worker: gated, args: {} },
    { worker: gated, args: {}, options: { priority: 1_000 } },
  ]);
  assert.deepEqual(answers.map(({ status }) => status), [
    "inserted",
    "blocked",
    "invalid",
  ]);
  for (const answer of answers.slice(1)) {
    const job = "job" in answer ? answer.job : undefined;
    const end = await engine.awaitJob(job as never);
    assert.deepEqual(end, { status: "unknown_job" });
  }
  assert.deepEqual(asked, []);
  await engine.stop();
});

Deno.test("a process that begins to hear asks who waits, and knows it after their next look", async () => {
  await using world = await testPostgres();
  const waiting = watched(await world.connect());
  const waiter = createEngine({ ...waiting, pollMs: 20 });
  await waiter.start();
  const jobId = await givenJob(world.db, {
    state: "scheduled",
    worker: plain.name,
  });
  const ended = waiter.awaitJob(jobId);
  const said = () => waiting.sent.filter(({ t }) => t === "awaited").length;
  await until("it said so once", () => said() > 0);
  const runner = watched(world.db);
  const later = createEngine({ ...runner });
  await later.start();
  await until(
    "the later one has heard who waits",
    () =>
      runner.heard.some((notice) =>
        notice.t === "awaited" && notice.ids.includes(jobId)
      ),
  );
  assert.ok(await later.cancel(jobId));
  assert.equal((await ended).status, "cancelled");
  assert.ok(runner.sent.some(({ t }) => t === "ended"));
  await later.stop();
  await waiter.stop();
});
