/** Claims of jobs that wait for limiters, one at a time. */
import assert from "node:assert/strict";
import { sql } from "../../src/db/sql.ts";
import { defineLimiter } from "../../src/domain/limiter.ts";
import { claimJobs, rescueLeases } from "../../src/store/leases.ts";
import { stopExecutor } from "../../src/store/executors.ts";
import { acknowledge } from "../../src/store/outcomes.ts";
import { stageJobs } from "../../src/store/scheduled.ts";
import { retryJob } from "../../src/store/transitions.ts";
import { replaceJobs } from "../../src/store/replacements.ts";
import { ensureQueues, pauseQueue } from "../../src/store/queues.ts";
import { lookAtLanes } from "../../src/store/lanes.ts";
import {
  API,
  claimLimited,
  complete,
  count,
  givenExecutor,
  givenLimits,
  givenWork,
  PER_CUSTOMER,
} from "../support/limiter_world.ts";
import { usePGlite } from "../support/pglite.ts";

const testDb = usePGlite();

const MANY = Array.from({ length: 12 }, (_, place) => ({ place }));

Deno.test("claimLimitedJobs() admits what a bucket holds, and the rest as it refills", async () => {
  await using db = await testDb();
  await givenLimits(db, [API]);
  await givenWork(db, MANY);
  const executorId = await givenExecutor(db);

  assert.equal((await claimLimited(db, executorId)).length, 5);
  assert.equal((await claimLimited(db, executorId)).length, 0);
  db.advanceMs(999);
  assert.equal((await claimLimited(db, executorId)).length, 0);
  db.advanceMs(1);
  assert.equal((await claimLimited(db, executorId)).length, 1);
  db.advanceMs(3_000);
  assert.equal((await claimLimited(db, executorId)).length, 3);
});

Deno.test("claimLimitedJobs() takes jobs in their order, and lanes and arrivals end with the last", async () => {
  await using db = await testDb();
  await givenLimits(db, [API]);
  const late = await givenWork(db, [{}], { priority: 5 });
  const early = await givenWork(db, [{}, {}], { priority: 1 });
  const executorId = await givenExecutor(db);

  const jobs = await claimLimited(db, executorId);
  assert.deepEqual(jobs.map(({ jobId }) => jobId), [...early, ...late]);
  assert.equal(new Set(jobs.map(({ leaseId }) => leaseId)).size, 1);
  assert.deepEqual(jobs.map(({ attempt }) => attempt), [1, 1, 1]);
  for (const table of ["limited", "lanes", "lane_arrivals", "ready"]) {
    assert.equal(await count(db, table), 0, table);
  }
});

Deno.test("claimLimitedJobs() counts a weight from the args, and lets nothing pass a heavy job", async () => {
  await using db = await testDb();
  const heavy = defineLimiter({
    name: "rows",
    rate: { capacity: 10, perMs: 10_000 },
    weight: "rows",
  });
  await givenLimits(db, [heavy]);
  await givenWork(db, [{ rows: 8 }, { rows: 9 }, { rows: 1 }]);
  const executorId = await givenExecutor(db);

  assert.equal((await claimLimited(db, executorId)).length, 1);
  db.advanceMs(6_999);
  assert.equal((await claimLimited(db, executorId)).length, 0);
  db.advanceMs(1);
  assert.deepEqual(
    (await claimLimited(db, executorId)).map(({ args }) => args.rows),
    [9],
  );
});

Deno.test("claimLimitedJobs() runs so many of each key, each key in turn, and goes on when one ends", async () => {
  await using db = await testDb();
  await givenLimits(db, [PER_CUSTOMER]);
  await givenWork(db, [1, 1, 1, 1, 2, 2, 2].map((customer) => ({ customer })));
  const executorId = await givenExecutor(db);

  const customers = (
    jobs: readonly { readonly args: { readonly customer?: unknown } }[],
  ) => jobs.map(({ args }) => args.customer).toSorted();
  const first = await claimLimited(db, executorId);
  assert.deepEqual(customers(first), [1, 1, 2, 2]);
  assert.deepEqual(await claimLimited(db, executorId), []);

  const ended = await complete(
    db,
    executorId,
    first.filter(({ args }) => args.customer === 2).slice(0, 1),
  );
  assert.deepEqual(
    customers(await claimLimited(db, executorId, { ended })),
    [2],
  );
});

Deno.test("claimLimitedJobs() gives no key a second job before each has its first", async () => {
  await using db = await testDb();
  await givenLimits(db, [PER_CUSTOMER]);
  await givenWork(db, [1, 1, 1, 2, 3, 4].map((customer) => ({ customer })));
  const executorId = await givenExecutor(db);

  const jobs = await claimLimited(db, executorId, { most: 3 });
  const rest = await claimLimited(db, executorId, { most: 2 });
  assert.deepEqual(
    [...jobs, ...rest].map(({ args }) => args.customer).toSorted(),
    [1, 1, 2, 3, 4],
  );
});

Deno.test("claimLimitedJobs() needs all limiters of a worker, and takes from none when one is full", async () => {
  await using db = await testDb();
  await givenLimits(db, [API, PER_CUSTOMER]);
  await givenWork(
    db,
    [1, 1, 1, 1, 2, 2, 3, 3].map((customer) => ({ customer })),
  );
  const executorId = await givenExecutor(db);

  assert.equal((await claimLimited(db, executorId)).length, 5);
  const [used] = await db.query<{ used: number }>(
    sql`select used from yardmaster.limiter_partitions where limiter = 'api'`,
  );
  assert.equal(used?.used, 5);
});

Deno.test("a grant heals by itself when its executor is gone", async () => {
  await using db = await testDb();
  await givenLimits(db, [PER_CUSTOMER]);
  await givenWork(db, [1, 1, 1].map((customer) => ({ customer })));
  const gone = await givenExecutor(db);
  assert.equal((await claimLimited(db, gone)).length, 2);
  await stopExecutor(db, gone);
  await rescueLeases(db, { limit: 10 });

  db.advanceMs(5_000);
  const executorId = await givenExecutor(db);
  const jobs = await claimLimited(db, executorId);
  assert.equal(jobs.length, 2);
  db.advanceMs(5_000);
  assert.equal((await claimLimited(db, executorId)).length, 0);
});

Deno.test("claimLimitedJobs() leaves a paused queue alone, and an executor that is gone gets nothing", async () => {
  await using db = await testDb();
  await givenLimits(db, [API]);
  await givenWork(db, MANY);
  const gone = await givenExecutor(db);
  await stopExecutor(db, gone);
  assert.deepEqual(await claimLimited(db, gone), []);

  const executorId = await givenExecutor(db);
  await ensureQueues(db, [{ name: "default", limit: 10 }]);
  await pauseQueue(db, { name: "default", principal: "ops" });
  assert.deepEqual(await claimLimited(db, executorId), []);
});

Deno.test("claimJobs() never sees a job that waits for a limiter", async () => {
  await using db = await testDb();
  await givenLimits(db, [API]);
  await givenWork(db, MANY);
  const jobs = await claimJobs(db, {
    executorId: await givenExecutor(db),
    workers: ["work"],
    queues: [{
      queue: "default",
      declaredLimit: 9,
      held: 0,
      prefetch: 0,
      most: 9,
    }],
  });
  assert.deepEqual(jobs, []);
});

Deno.test("lookAtLanes() says when the next lane is worth a look", async () => {
  await using db = await testDb();
  await givenLimits(db, [API]);
  await givenWork(db, MANY);
  const executorId = await givenExecutor(db);
  const look = () =>
    lookAtLanes(db, { queues: ["default"], workers: ["work"], freed: [] });
  assert.equal((await look()).nextInMs, 0);
  await claimLimited(db, executorId);
  assert.equal((await look()).nextInMs, 1_000);
  const other = { queues: ["other"], workers: ["work"], freed: [] };
  assert.equal((await lookAtLanes(db, other)).nextInMs, null);
});

Deno.test("the history is told once a minute that a partition is full, with what it was", async () => {
  await using db = await testDb();
  await givenLimits(db, [API]);
  await givenWork(db, MANY);
  const executorId = await givenExecutor(db);
  for (let second = 0; second < 5; second++) {
    await claimLimited(db, executorId);
    db.advanceMs(1_000);
  }
  const facts = await db.query(sql`
    select limiter, key, kind::text as "kind", eligible_at as "eligibleAt",
      details
    from yardmaster.limiter_facts
  `);
  assert.deepEqual(facts, [{
    limiter: "api",
    key: "",
    kind: "blocked",
    eligibleAt: new Date("2026-01-15T12:00:01Z"),
    details: { code: "limit_reached", used: 5, capacity: 5 },
  }]);
});

Deno.test("every way back leads to the limiters again: retry, give back, snooze and rescue", async () => {
  await using db = await testDb();
  await givenLimits(db, [API]);
  const jobIds = await givenWork(db, [{}, {}, {}, {}]);
  const executorId = await givenExecutor(db);
  const jobs = await claimLimited(db, executorId);
  const ends = ["available", "retryable", "scheduled", "completed"] as const;
  await acknowledge(
    db,
    executorId,
    jobs.map(({ leaseId, jobId, attempt }, place) => {
      const to = ends[place] ?? "completed";
      return { leaseId, jobId, attempt, to, tookMs: 1, delayMs: 1_000 };
    }),
  );
  assert.equal(await count(db, "limited"), 1);
  await retryJob(db, { jobId: jobIds[3] ?? "0", principal: "ops" });
  assert.equal(await count(db, "limited"), 2);
  db.advanceMs(1_000);
  await stageJobs(db, { limit: 10 });
  assert.equal(await count(db, "limited"), 4);
  assert.equal(await count(db, "ready"), 0);

  db.advanceMs(4_000);
  const again = await claimLimited(db, executorId);
  assert.equal(again.length, 4);
  await stopExecutor(db, executorId);
  await rescueLeases(db, { limit: 10 });
  assert.equal(await count(db, "limited"), 4);
  const other = await givenExecutor(db);
  db.advanceMs(5_000);
  assert.equal((await claimLimited(db, other)).length, 4);
});

Deno.test("a replaced job waits for the partition of its new args", async () => {
  await using db = await testDb();
  await givenLimits(db, [PER_CUSTOMER]);
  const states = ["available" as const];
  const [jobId = "0"] = await givenWork(db, [{ customer: 1 }], {
    unique: { key: "k", states, periodMs: null },
  });
  const insert = { queue: "default", worker: "work", priority: 0 };
  const [answer] = await replaceJobs(db, [{
    key: "k",
    jobId,
    overwrites: { mode: "replace", fields: ["args"] },
    insert: { ...insert, maxAttempts: 3, args: { customer: 2 } },
  }]);
  assert.deepEqual(answer, { replaced: true, queue: "default", runAt: null });
  const executorId = await givenExecutor(db);
  assert.equal((await claimLimited(db, executorId)).length, 1);
  assert.deepEqual(
    await db.query(sql`select key from yardmaster.limiter_grants`),
    [{ key: "2" }],
  );
});
