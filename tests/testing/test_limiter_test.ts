/** A limiter in memory, held against the one in a database. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { defineLimiter, type Limiter } from "../../src/domain/limiter.ts";
import type { JobId } from "../../src/domain/job.ts";
import { createEngine } from "../../src/engine/engine.ts";
import { limiterApi } from "../../src/engine/limiter_api.ts";
import { defineWorker } from "../../src/engine/worker.ts";
import { snooze } from "../../src/engine/verdict.ts";
import { declareLimiters } from "../../src/store/limiter_declarations.ts";
import { cancelJob } from "../../src/store/transitions.ts";
import type { ClaimedJob } from "../../src/store/leases.ts";
import {
  createTestClock,
  createTestLimiter,
  runWorker,
  type TestAdmission,
} from "../../src/testing/testing.ts";
import {
  claimLimited,
  complete,
  givenExecutor,
  givenLimits,
  givenWork,
} from "../support/limiter_world.ts";
import { type TestDb, usePGlite } from "../support/pglite.ts";

const testDb = usePGlite();
const KEYS = [7, "7", "ada", null, 1e21, 0.000001, true, { b: [1], aa: "x" }];

const step = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      type: fc.constant("admit" as const),
      key: fc.constantFrom(...KEYS),
      weight: fc.integer({ min: 1, max: 3 }),
    }),
  },
  fc.record({
    type: fc.constant("advance" as const),
    ms: fc.constantFrom(1, 999, 1_000, 3_333, 10_000, 25_000),
  }),
  fc.record({
    type: fc.constant("coolDown" as const),
    key: fc.constantFrom(undefined, "7", "ada"),
    forMs: fc.constantFrom(1, 2_000, 15_000),
  }),
  fc.record({
    type: fc.constant("clear" as const),
    key: fc.constantFrom(undefined, "7", "ada"),
  }),
  fc.record({ type: fc.constant("release" as const), nth: fc.nat(5) }),
);
type Step = typeof step extends fc.Arbitrary<infer Each> ? Each : never;

const RUNS = { numRuns: 15 };
const steps = fc.array(step, { minLength: 5, maxLength: 30 });

/** All but admitting is the same for every limiter. */
async function done(
  each: Exclude<Step, { type: "admit" } | { type: "release" }>,
  { db, limiter, memory }: {
    readonly db: TestDb;
    readonly limiter: Limiter;
    readonly memory: ReturnType<typeof createTestLimiter>;
  },
): Promise<void> {
  const api = limiterApi(db);
  if (each.type === "advance") {
    db.advanceMs(each.ms);
  } else if (each.type === "coolDown") {
    const { key, forMs } = each;
    const cooldown = {
      forMs,
      reason: `for ${forMs}`,
      ...(key !== undefined && { key }),
    };
    assert.deepEqual(
      memory.coolDown(cooldown),
      await api.coolDown(limiter, cooldown),
    );
  } else {
    const of = each.key === undefined ? {} : { key: each.key };
    assert.equal(
      memory.clearCooldown(of),
      await api.clearCooldown(limiter, of),
    );
  }
}

for (const algorithm of ["token_bucket", "fixed_window"] as const) {
  Deno.test(`random traffic at a ${algorithm} is refused by a test limiter as by a database, word for word`, async () => {
    const limiter = defineLimiter({
      name: "api",
      rate: { algorithm, capacity: 3, perMs: 10_000 },
      partitionBy: "customer.id",
      weight: "weight",
      at: "enqueue",
    });
    const worker = defineWorker({
      name: "work",
      limiters: [limiter],
      perform: () => {},
    });
    await fc.assert(
      fc.asyncProperty(steps, async (sequence) => {
        await using db = await testDb();
        const engine = createEngine({ database: db, notify: false });
        const limiters = [limiter];
        const workers = [{ name: "work", limiters }];
        await declareLimiters(db, { limiters, workers });
        const memory = createTestLimiter(limiter, { clock: db });
        for (const each of sequence) {
          if (each.type === "release") continue;
          if (each.type !== "admit") {
            await done(each, { db, limiter, memory });
            continue;
          }
          const { key, weight } = each;
          const args = { customer: { id: key }, weight };
          const answer = await engine.enqueue(worker, args);
          const admission = memory.admit(args);
          if (answer.status === "inserted") {
            assert.equal(admission.admitted, true);
            continue;
          }
          assert.ok(answer.status === "blocked" && !admission.admitted);
          const { blockers, reason } = answer;
          assert.deepEqual(rounded(admission), { blockers, reason });
        }
      }),
      RUNS,
    );
  });
}

/** Text in the database has fewer digits than a fraction here. */
function rounded(admission: TestAdmission) {
  assert.ok(!admission.admitted);
  return { blockers: admission.blockers, reason: admission.reason };
}

Deno.test("a window begins with its first job, also where a cooldown was before", async () => {
  await using db = await testDb();
  const limiter = defineLimiter({
    name: "api",
    rate: { algorithm: "fixed_window", capacity: 1, perMs: 10_000 },
    partitionBy: "customer",
    at: "enqueue",
  });
  const worker = defineWorker<{ customer: number }>({
    name: "work",
    limiters: [limiter],
    perform: () => {},
  });
  const engine = createEngine({ database: db, notify: false });
  await engine.enqueue(worker, { customer: 1 });
  const cooldown = { key: 7, forMs: 1, reason: "429" };
  await limiterApi(db).coolDown(limiter, cooldown);
  db.advanceMs(8_000);
  await engine.enqueue(worker, { customer: 7 });
  db.advanceMs(8_000);
  const answer = await engine.enqueue(worker, { customer: 7 });
  assert.ok(answer.status === "blocked");
  const [blocker] = answer.blockers;
  assert.deepEqual(blocker?.eligibleAt, new Date("2026-01-15T12:00:18Z"));
});

Deno.test("random runs at a concurrency start by a test limiter as by a database", async () => {
  const limiter = defineLimiter({
    name: "per_customer",
    concurrency: 2,
    partitionBy: "customer",
  });
  await fc.assert(
    fc.asyncProperty(steps, async (sequence) => {
      await using db = await testDb();
      await givenLimits(db, [limiter]);
      const executorId = await givenExecutor(db);
      const memory = createTestLimiter(limiter, { clock: db });
      const running: { job: ClaimedJob; release: () => void }[] = [];
      let ended: JobId[] = [];
      for (const each of sequence) {
        if (each.type === "release") {
          const [one] = running.splice(each.nth % (running.length || 1), 1);
          if (one === undefined) continue;
          ended.push(...await complete(db, executorId, [one.job]));
          one.release();
        } else if (each.type !== "admit") {
          await done(each, { db, limiter, memory });
        } else {
          const args = { customer: each.key };
          const [jobId] = await givenWork(db, [args]);
          assert.ok(jobId);
          const jobs = await claimLimited(db, executorId, { ended });
          ended = [];
          const admission = memory.admit(args);
          assert.equal(jobs.length === 1, admission.admitted);
          const [job] = jobs;
          if (admission.admitted && job) {
            running.push({ job, release: admission.release });
          } else {
            await cancelJob(db, { jobId, principal: null });
          }
        }
      }
    }),
    RUNS,
  );
});

Deno.test("createTestLimiter() says when a place is free, and a cooldown that is longer stays", () => {
  const clock = createTestClock();
  const one = createTestLimiter(
    defineLimiter({ name: "one", concurrency: 1 }),
    { clock },
  );
  const first = one.admit();
  const second = one.admit();
  assert.ok(first.admitted && !second.admitted);
  assert.equal(second.eligibleAt, null);
  assert.equal(second.reason, "Limiter one is full: 1 of 1 run.");
  first.release();
  first.release();
  assert.equal(one.used(), 0, "who ends twice gives back once");

  const until = one.coolDown({ forMs: 60_000, reason: "429" });
  assert.deepEqual(one.coolDown({ forMs: 1, reason: "again" }), until);
  const cooled = one.admit();
  assert.ok(!cooled.admitted);
  assert.deepEqual(cooled.eligibleAt, until);
  assert.equal(cooled.reason, "Limiter one cools down: 429.");
  assert.equal(one.clearCooldown(), true);
  assert.equal(one.clearCooldown(), false);
  assert.equal(one.admit().admitted, true);
});

Deno.test("createTestLimiter() refuses a weight that could never start, as an enqueue does", () => {
  const limiter = createTestLimiter(defineLimiter({
    name: "api",
    rate: { capacity: 5, perMs: 1_000 },
    weight: "size",
  }));
  assert.throws(() => limiter.admit({ size: 6 }), /size is the weight for/);
  assert.equal(limiter.admit({ size: 5 }).admitted, true);
});

Deno.test("runWorker() asks all limiters before the run, waits if it may, and gives back its place", async () => {
  const clock = createTestClock();
  const rate = defineLimiter({
    name: "rate",
    rate: { algorithm: "fixed_window", capacity: 1, perMs: 60_000 },
  });
  const places = defineLimiter({ name: "places", concurrency: 1 });
  const worker = defineWorker({
    name: "work",
    limiters: [rate, places],
    perform: () => snooze(1_000),
  });
  const limiters = [rate, places].map((each) =>
    createTestLimiter(each, { clock })
  );
  const options = { args: {}, limiters, clock };
  assert.equal((await runWorker(worker, options)).kind, "snoozed");
  assert.equal(limiters[1]?.used(), 0);
  const blocked = await runWorker(worker, options);
  assert.ok(blocked.kind === "blocked");
  assert.equal(blocked.reason, "Limiter rate is used up: 1 of 1.");
  assert.deepEqual(blocked.eligibleAt, new Date("2026-01-15T12:01:00Z"));
  assert.equal(limiters[1]?.used(), 0, "all say yes, or none counts it");

  const waits = runWorker(worker, { ...options, waitMs: 60_000 });
  await clock.advanceMs(60_000);
  assert.equal((await waits).kind, "snoozed");

  const others = defineWorker({ name: "others", perform: () => {} });
  await assert.rejects(runWorker(others, options), /names limiter rate/);
});
