/** The instant from which a limiter lets a job pass, against the claims around it. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { sql } from "../../src/db/sql.ts";
import { explainJob } from "../../src/domain/explain.ts";
import { defineLimiter } from "../../src/domain/limiter.ts";
import type { JobId } from "../../src/domain/job.ts";
import { findExplainFacts } from "../../src/store/explain.ts";
import { coolDownLimiter } from "../../src/store/limiter_cooldowns.ts";
import { scaleLimiter } from "../../src/store/limiters.ts";
import { givenQueue } from "../support/job_world.ts";
import {
  claimLimited,
  givenExecutor,
  givenLimits,
  givenWork,
} from "../support/limiter_world.ts";
import { usePostgres } from "../support/postgres.ts";
import { type StillDb, stillDb } from "../support/still_db.ts";

const testPostgres = usePostgres();

const LIMITERS = [
  defineLimiter({
    name: "bucket",
    rate: { capacity: 5, perMs: 7_000 },
    weight: "weight",
  }),
  defineLimiter({
    name: "window",
    rate: { algorithm: "fixed_window", capacity: 3, perMs: 4_000 },
  }),
  defineLimiter({
    name: "keyed",
    rate: { capacity: 2, perMs: 3_000 },
    partitionBy: "key",
  }),
];

const anyWorld = fc.record({
  limiters: fc.subarray(LIMITERS, { minLength: 1 }),
  weights: fc.array(fc.integer({ min: 1, max: 4 }), {
    minLength: 4,
    maxLength: 10,
  }),
  firstClaim: fc.integer({ min: 1, max: 4 }),
  laterMs: fc.constantFrom(0, 1, 333, 2_999),
  cools: fc.constantFrom(null, null, "bucket", "window", "keyed"),
  capacity: fc.constantFrom(null, null, 1, 2),
});

/** Together they have every reason; what chance adds is looked at after them. */
const FIRST_WORLDS = [
  ...LIMITERS.map((limiter) => ({ limiters: [limiter], cools: null })),
  { limiters: LIMITERS, cools: "bucket" as const },
].map((world) => ({
  ...world,
  weights: [4, 4, 4, 4],
  firstClaim: 4,
  laterMs: 0 as const,
  capacity: null,
}));

/** A cooldown, then the allowance. */
const LOOKS_MAX = 4;

/** All that holds the first job of the lane back is a matter of time. */
const TIMED = ["job_rate_limited", "job_cooling_down"];

Deno.test("the time that is told of a limited job is the first at which a claim takes it", async () => {
  await using postgres = await testPostgres();
  const met = new Set<string>();
  await fc.assert(
    fc.asyncProperty(anyWorld, async (world) => {
      await postgres.reset();
      const db = stillDb(postgres.db);
      await givenQueue(db, { limit: 1_000 });
      await givenLimits(db, world.limiters);
      const executorId = await givenExecutor(db);
      await givenWork(
        db,
        world.weights.map((weight) => ({ weight, key: "a" })),
      );
      await claimLimited(db, executorId, { most: world.firstClaim });
      db.advanceMs(world.laterMs);
      const [limiter] = world.limiters;
      if (world.cools !== null) {
        await coolDownLimiter(db, {
          limiter: world.cools,
          key: world.cools === "keyed" ? "a" : null,
          ...{ forMs: 2_500, reason: "It said 429", by: "ops-demo" },
          extendsOnly: false,
        });
      }
      if (world.capacity !== null && limiter !== undefined) {
        const { name } = limiter;
        const { capacity } = world;
        await scaleLimiter(db, { name, capacity, principal: "ops-demo" });
      }
      await claimLimited(db, executorId);

      const first = await findFirst(db);
      if (first === null) return;
      for (let look = 1; look < LOOKS_MAX; look++) {
        const told = await explainTime(db, { jobId: first, met });
        // A moment before, it is refused, also where somebody looks.
        db.advanceMs(told.at.getTime() - 1 - db.nowAt().getTime());
        await db.query(sql`update yardmaster.lanes set look_at = ${db.now}`);
        assert.deepEqual(await claimLimited(db, executorId), []);
        db.advanceMs(1);
        const [claimed] = await claimLimited(db, executorId);
        if (claimed?.jobId === first) return;
        // Where its cooldown ends, it may have to wait for the allowance.
        assert.ok(told.cools, "it was told too early");
      }
      assert.fail("it is told again and again");
    }),
    {
      numRuns: 40,
      examples: FIRST_WORLDS.map((world): [typeof world] => [world]),
    },
  );
  for (const code of [...TIMED, "bucket", "window", "keyed"]) {
    assert.ok(met.has(code), `no world had ${code}`);
  }
});

async function findFirst(db: StillDb): Promise<JobId | null> {
  const [row] = await db.query<{ jobId: JobId }>(sql`
    select job_id::text as "jobId" from yardmaster.limited
    order by priority, job_id
    limit 1
  `);
  return row?.jobId ?? null;
}

/** When all of its limiters let it pass, as told. */
async function explainTime(
  db: StillDb,
  { jobId, met }: { readonly jobId: JobId; readonly met: Set<string> },
): Promise<{ readonly at: Date; readonly cools: boolean }> {
  const facts = await findExplainFacts(db, jobId);
  assert.ok(facts);
  const { reasons } = explainJob(facts);
  let last = 0;
  for (const { code, evidence } of reasons) {
    assert.ok(TIMED.includes(code), code);
    const { limiter, eligibleAt } = evidence as {
      readonly limiter: string;
      readonly eligibleAt: Date;
    };
    met.add(code);
    met.add(limiter);
    last = Math.max(last, eligibleAt.getTime());
  }
  const cools = reasons.some(({ code }) => code === "job_cooling_down");
  return { at: new Date(last), cools };
}
