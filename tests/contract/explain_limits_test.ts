/**
 * Random limiters on a real Postgres: what is said of each job that waits for
 * them against what the next claim does with it.
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import type { Database } from "../../src/db/database.ts";
import { sql } from "../../src/db/sql.ts";
import type { JobDiagnosis } from "../../src/domain/diagnosis.ts";
import { explainJob } from "../../src/domain/explain.ts";
import type { JobId } from "../../src/domain/job.ts";
import { findExplainFacts } from "../../src/store/explain.ts";
import { coolDownLimiter } from "../../src/store/limiter_cooldowns.ts";
import { givenQueue } from "../support/job_world.ts";
import {
  API,
  claimLimited,
  complete,
  givenExecutor,
  givenLimits,
  givenWork,
  PER_CUSTOMER,
} from "../support/limiter_world.ts";
import { usePostgres } from "../support/postgres.ts";
import { stillDb } from "../support/still_db.ts";

const testPostgres = usePostgres();

const anyWorld = fc.record({
  limiters: fc.subarray([API, PER_CUSTOMER], { minLength: 1 }),
  customers: fc.array(fc.constantFrom("a", "b", "c"), {
    minLength: 1,
    maxLength: 12,
  }),
  firstClaim: fc.nat({ max: 8 }),
  ended: fc.nat({ max: 3 }),
  laterMs: fc.constantFrom(0, 1_000, 10_000),
  cools: fc.nat({ max: 4 }).map((dice) => dice === 0),
});

/** Together they have every reason; what chance adds is looked at after them. */
const FIRST_WORLDS = [
  { limiters: [API], firstClaim: 8, cools: false },
  { limiters: [API], firstClaim: 2, cools: false },
  { limiters: [API], firstClaim: 0, cools: true },
  { limiters: [PER_CUSTOMER], firstClaim: 8, cools: false },
].map((world) => ({
  ...world,
  customers: Array<"a">(7).fill("a"),
  ended: 0,
  laterMs: 0 as const,
}));

/** A limiter holds it back at this moment. */
const BLOCKED: readonly JobDiagnosis[] = [
  "job_rate_limited",
  "job_cooling_down",
  "job_key_busy",
];

async function coolDown(db: Database, limiter: string): Promise<void> {
  await coolDownLimiter(db, {
    limiter,
    key: null,
    forMs: 5_000,
    reason: "It said 429",
    by: "ops-demo",
    extendsOnly: false,
  });
}

Deno.test("a job that waits for limiters has a reason, is not claimed while one blocks it, and one of those that they let pass is", async () => {
  await using postgres = await testPostgres();
  const met = new Set<JobDiagnosis>();
  await fc.assert(
    fc.asyncProperty(anyWorld, async (world) => {
      await postgres.reset();
      const db = stillDb(postgres.db);
      await givenQueue(db, { limit: 1_000 });
      await givenLimits(db, world.limiters);
      const executorId = await givenExecutor(db);
      await givenWork(
        db,
        world.customers.map((customer) => ({ customer })),
      );
      const first = world.firstClaim === 0
        ? []
        : await claimLimited(db, executorId, { most: world.firstClaim });
      const ended = await complete(
        db,
        executorId,
        first.slice(0, world.ended),
      );
      if (world.cools) await coolDown(db, world.limiters[0]?.name ?? "");
      db.advanceMs(world.laterMs);
      const waiting = await db.query<{ id: JobId }>(
        sql`select job_id as id from yardmaster.limited`,
      );
      const said = new Map<JobId, readonly JobDiagnosis[]>();
      for (const { id } of waiting) {
        const facts = await findExplainFacts(db, id);
        assert.ok(facts);
        const { reasons, runnable } = explainJob(facts);
        assert.equal(runnable, false);
        said.set(id, reasons.map(({ code }) => code));
      }

      const next = await claimLimited(db, executorId, { ended });

      const claimed = new Set(next.map(({ jobId }) => jobId));
      let passes = 0;
      let passed = 0;
      for (const [id, codes] of said) {
        for (const code of codes) met.add(code);
        const what = `${id}: ${codes.join()}`;
        assert.ok(codes.length > 0, what);
        if (codes.some((code) => BLOCKED.includes(code))) {
          assert.ok(!claimed.has(id), `claimed all the same, ${what}`);
        }
        if (codes.join() !== "job_lane_turn") continue;
        passes += 1;
        if (claimed.has(id)) passed += 1;
      }
      // They share a bucket, so not all of them: the first takes what is left.
      assert.ok(passes === 0 || passed > 0, "none was claimed");
    }),
    {
      numRuns: 40,
      examples: FIRST_WORLDS.map((world): [typeof world] => [world]),
    },
  );
  for (
    const code of [...BLOCKED, "job_lane_turn", "job_lane_behind"] as const
  ) assert.ok(met.has(code), `no world had ${code}`);
});
