/**
 * Every reason there is, produced on a real Postgres: the job is explained by
 * exactly that reason. A reason that nobody produces here does not compile.
 */
import assert from "node:assert/strict";
import { sql } from "../../src/db/sql.ts";
import { DIAGNOSES, type JobDiagnosis } from "../../src/domain/diagnosis.ts";
import { explainQueue } from "../../src/domain/explain_queue.ts";
import { queueSentence } from "../../src/domain/explain_queue_words.ts";
import { sentenceWords } from "../../src/domain/sentence.ts";
import { tellJob } from "../../src/domain/explain_told.ts";
import type { JobId } from "../../src/domain/job.ts";
import { createEngine } from "../../src/engine/engine.ts";
import type { EnqueueOptions } from "../../src/engine/enqueue_options.ts";
import { discard } from "../../src/engine/verdict.ts";
import { type AnyWorker, defineWorker } from "../../src/engine/worker.ts";
import { defineLimiter, type Limiter } from "../../src/domain/limiter.ts";
import { findExplainFacts } from "../../src/store/explain.ts";
import { readQueueFacts } from "../../src/store/explain_queue.ts";
import { coolDownLimiter } from "../../src/store/limiter_cooldowns.ts";
import { cancelJob } from "../../src/store/transitions.ts";
import { cronWorld, HOUR_MS } from "../support/cron_world.ts";
import {
  givenExecutor,
  givenJob,
  givenQueue,
  type JobOf,
} from "../support/job_world.ts";
import {
  claimLimited,
  givenLimits,
  givenWork,
  PER_CUSTOMER,
} from "../support/limiter_world.ts";
import { usePostgres } from "../support/postgres.ts";
import { type StillDb, stillDb } from "../support/still_db.ts";

const testPostgres = usePostgres();
const MINUTE_MS = 60_000;

/** A queue that a healthy executor serves, and one place in it. */
async function served(db: StillDb): Promise<void> {
  await givenQueue(db, { limit: 1 });
  await givenExecutor(db, { name: "host-1" });
}

/** A job of that queue; nothing is wrong with it. */
async function waiting(db: StillDb, job: JobOf = {}): Promise<JobId> {
  await served(db);
  return await givenJob(db, job);
}

/** Enqueues a job and runs it as often as it takes until it has ended. */
async function ended(
  db: StillDb,
  worker: AnyWorker,
  options: EnqueueOptions = {},
): Promise<JobId> {
  const engine = createEngine({
    database: db,
    workers: [worker],
    queues: { default: { limit: 1 } },
    notify: false,
  });
  const done = await engine.enqueue(worker as never, {} as never, options);
  assert.equal(done.status, "inserted");
  const id = done.status === "inserted" ? done.job.id : "0";
  for (let tick = 0; tick < 5; tick++) {
    db.advanceMs(MINUTE_MS);
    await engine.tick({ budgetMs: 60_000 });
    if ((await findExplainFacts(db, id))?.job.finishedAt !== null) return id;
  }
  throw new Error("The job did not end within five ticks");
}

function held(db: StillDb, beatAgoMs: number): Promise<JobId> {
  return givenExecutor(db, { beatAgoMs }).then((executorId) =>
    givenJob(db, { state: "executing", attempt: 1, executorId })
  );
}

function worker(perform: () => unknown): AnyWorker {
  return defineWorker({
    name: "send_mail",
    maxAttempts: 2,
    backoff: () => 1_000,
    perform,
  });
}

/** Jobs of a limited worker, of which a process has claimed what it may. */
async function limited(
  db: StillDb,
  { limiter, args, claims = 100 }: {
    readonly limiter: Limiter;
    readonly args: readonly Readonly<Record<string, unknown>>[];
    readonly claims?: number;
  },
): Promise<readonly JobId[]> {
  await givenQueue(db, { limit: 100 });
  await givenLimits(db, [limiter]);
  const executorId = await givenExecutor(db, { workers: ["work"] });
  const jobs = await givenWork(db, args);
  if (claims > 0) await claimLimited(db, executorId, { most: claims });
  return jobs;
}

const PRODUCED: {
  readonly [Code in JobDiagnosis]: (db: StillDb) => Promise<JobId>;
} = {
  job_suspended: (db) => waiting(db, { state: "suspended" }),
  job_scheduled: (db) => waiting(db, { state: "scheduled" }),
  job_retryable: (db) => waiting(db, { state: "retryable", attempt: 1 }),
  job_due: (db) => waiting(db, { state: "scheduled", dueInMs: 0 }),
  job_overdue: (db) =>
    waiting(db, { state: "scheduled", dueInMs: -MINUTE_MS - 1 }),
  job_deadline_passed: (db) => waiting(db, { deadlineAt: db.nowAt() }),
  job_deadline_first: async (db) => {
    const deadlineAt = new Date(db.nowAt().getTime() + MINUTE_MS);
    return await waiting(db, {
      state: "scheduled",
      dueInMs: 2 * MINUTE_MS,
      deadlineAt,
    });
  },
  job_queue_paused: async (db) => {
    await givenQueue(db, { pausedBy: "ops-demo" });
    await givenExecutor(db);
    return await givenJob(db);
  },
  job_unserved: async (db) => {
    await givenQueue(db);
    await givenExecutor(db, { beatAgoMs: 10 * MINUTE_MS });
    await givenExecutor(db, { queues: ["other"] });
    return await givenJob(db);
  },
  job_worker_unknown: async (db) => {
    await givenQueue(db);
    await givenExecutor(db, { workers: ["other"] });
    return await givenJob(db);
  },
  job_queue_full: async (db) => {
    await givenQueue(db, { limit: 1 });
    const executorId = await givenExecutor(db);
    await givenJob(db, { state: "executing", attempt: 1, executorId });
    return await givenJob(db);
  },
  job_served_late: async (db) => {
    await givenQueue(db, { limit: 1 });
    await givenExecutor(db, { beatAgoMs: MINUTE_MS });
    return await givenJob(db);
  },
  job_rate_limited: async (db) => {
    const [, waits] = await limited(db, {
      limiter: defineLimiter({
        name: "api",
        rate: { capacity: 1, perMs: MINUTE_MS },
      }),
      args: [{}, {}],
    });
    return waits ?? "0";
  },
  job_cooling_down: async (db) => {
    const limiter = defineLimiter({
      name: "api",
      rate: { capacity: 5, perMs: MINUTE_MS },
    });
    const [waits] = await limited(db, { limiter, args: [{}], claims: 0 });
    await coolDownLimiter(db, {
      limiter: "api",
      key: null,
      forMs: MINUTE_MS,
      reason: "The API said 429",
      by: "ops-demo",
      extendsOnly: false,
    });
    return waits ?? "0";
  },
  job_key_busy: async (db) => {
    const [, , waits] = await limited(db, {
      limiter: PER_CUSTOMER,
      args: [{ customer: "a" }, { customer: "a" }, { customer: "a" }],
    });
    return waits ?? "0";
  },
  job_lane_behind: async (db) => {
    const [, waits] = await limited(db, {
      limiter: PER_CUSTOMER,
      args: [{ customer: "a" }, { customer: "a" }],
      claims: 0,
    });
    return waits ?? "0";
  },
  job_lane_turn: async (db) => {
    const [waits] = await limited(db, {
      limiter: PER_CUSTOMER,
      args: [{ customer: "a" }],
      claims: 0,
    });
    return waits ?? "0";
  },
  job_behind: async (db) => {
    await served(db);
    await givenJob(db);
    return await givenJob(db);
  },
  job_ready: async (db) => {
    await served(db);
    // A claim passes over what nobody knows.
    await givenJob(db, { worker: "nobody_knows" });
    return await givenJob(db);
  },
  job_running: (db) => held(db, 0),
  job_executor_late: (db) => held(db, MINUTE_MS),
  job_executor_missing: (db) => held(db, 10 * MINUTE_MS),
  job_completed: (db) => ended(db, worker(() => {})),
  job_cancelled: async (db) => {
    const jobId = await waiting(db);
    await cancelJob(db, { jobId, principal: "ops-demo" });
    return jobId;
  },
  job_superseded: async (db) => {
    const scheduler = await cronWorld(db, { overlap: "cancel_previous" });
    db.advanceMs(HOUR_MS);
    await scheduler.runOnce();
    const [first] = await db.query<{ id: JobId }>(
      sql`select id from yardmaster.jobs`,
    );
    db.advanceMs(HOUR_MS);
    await scheduler.runOnce();
    return first?.id ?? "0";
  },
  job_exhausted: (db) =>
    ended(
      db,
      worker(() => {
        throw new Error("The server is away");
      }),
    ),
  job_expired: (db) => ended(db, worker(() => {}), { deadlineMs: 1_000 }),
  job_discarded: (db) => ended(db, worker(() => discard("No such cart"))),
};

for (const code of Object.keys(DIAGNOSES).filter(isOfAJob)) {
  Deno.test(`a job is explained as ${code}, and as nothing else`, async () => {
    await using world = await testPostgres();
    const db = stillDb(world.db);
    const facts = await findExplainFacts(db, await PRODUCED[code](db));
    assert.ok(facts);

    const { reasons, runnable } = tellJob(facts);

    assert.deepEqual(reasons.map((reason) => reason.code), [code]);
    assert.equal(runnable, code === "job_ready");
    assert.match(reasons[0]?.message ?? "", /\.$/);
  });
}

function isOfAJob(code: string): code is JobDiagnosis {
  return Object.hasOwn(PRODUCED, code);
}

Deno.test("tellJob() names the job that holds a key, and when a limiter lets a job pass", async () => {
  await using world = await testPostgres();
  const db = stillDb(world.db);
  const explain = async (id: JobId) => {
    const facts = await findExplainFacts(db, id);
    assert.ok(facts);
    return tellJob(facts);
  };
  const busy = await explain(await PRODUCED.job_key_busy(db));
  const [reason] = busy.reasons;
  assert.ok(reason?.code === "job_key_busy");
  assert.equal(reason.evidence.key, "a");
  assert.equal(reason.evidence.holders.length, 2);
  assert.deepEqual(reason.nextSteps[0]?.target, {
    type: "job",
    id: reason.evidence.holders[0],
  });
  assert.deepEqual(reason.nextSteps[1]?.target, {
    type: "limiter",
    id: "per_customer",
  });

  await world.reset();
  const used = await explain(await PRODUCED.job_rate_limited(db));
  assert.equal(
    used.reasons[0]?.message,
    "Limiter api is used up: 1 of 1, and it takes 1. Enough has come back 2026-01-15T12:01:00.000Z.",
  );
  assert.equal(used.earliestAt?.toISOString(), "2026-01-15T12:01:00.000Z");

  await world.reset();
  const cool = await explain(await PRODUCED.job_cooling_down(db));
  assert.match(
    cool.reasons[0]?.message ?? "",
    /^Limiter api cools down, for this reason: The API said 429\. It is over/,
  );
});

Deno.test("explainQueue() counts jobs by the limiter that holds them back", async () => {
  await using world = await testPostgres();
  const db = stillDb(world.db);
  const customer = { customer: "a" };
  await limited(db, {
    limiter: PER_CUSTOMER,
    args: [customer, customer, customer, customer, { customer: "b" }],
  });
  await givenWork(db, [{ customer: "c" }]);

  const facts = await readQueueFacts(db, "default");
  const { code, reasons } = explainQueue(facts);

  assert.equal(code, "queue_working");
  assert.match(
    sentenceWords(queueSentence(facts)),
    /No job is ready\. Waiting for limiters: 3 jobs\.$/,
  );

  assert.deepEqual(
    reasons.map(({ reason, jobs }) => `${reason.code} ${jobs.count}`).sort(),
    [
      "job_key_busy 2",
      "job_lane_behind 1",
      "job_lane_turn 1",
      "job_running 3",
    ],
  );
});

Deno.test("findExplainFacts() finds who holds a queue, its pace, and nothing of a job that never was", async () => {
  await using world = await testPostgres();
  const db = stillDb(world.db);
  await givenQueue(db, { limit: 2 });
  // One process serves this queue only, the other another one as well.
  const one = await givenExecutor(db, { name: "host-1" });
  const two = await givenExecutor(db, {
    name: "host-2",
    queues: ["default", "other"],
  });
  for (let count = 0; count < 40; count++) {
    await givenJob(db, { state: "completed", attempt: 1, executorId: one });
  }
  db.advanceMs(10_000);
  for (const executorId of [one, one, two, two]) {
    await givenJob(db, { state: "executing", attempt: 1, executorId });
  }
  await givenJob(db, {
    state: "executing",
    attempt: 1,
    executorId: two,
    queue: "other",
  });
  for (let count = 0; count < 5; count++) await givenJob(db);
  const id = await givenJob(db);

  const facts = await findExplainFacts(db, id);
  assert.ok(facts);
  const [behind, full] = tellJob(facts).reasons;

  assert.ok(behind?.code === "job_behind");
  assert.deepEqual(behind.evidence.ahead, { count: 5, precision: "exact" });
  assert.equal(behind.evidence.estimate?.ended, 40);
  assert.ok(full?.code === "job_queue_full");
  assert.deepEqual(
    full.evidence.holders.map(({ executor, held }) => `${executor} ${held}`)
      .sort(),
    ["host-1 2", "host-2 2"],
  );
  assert.equal(await findExplainFacts(db, "7"), null);
});
