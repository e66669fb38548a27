/** What limiters leave behind, and when it goes. */
import assert from "node:assert/strict";
import { sql } from "../../src/db/sql.ts";
import { LimiterKeeper } from "../../src/engine/limiter_keeper.ts";
import { coolDownLimiter } from "../../src/store/limiter_cooldowns.ts";
import {
  pruneLimiterFacts,
  pruneLimiterGrants,
  pruneLimiterPartitions,
} from "../../src/store/limiter_retention.ts";
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
import { type TestDb, usePGlite } from "../support/pglite.ts";

const testDb = usePGlite();
const HOUR_MS = 3_600_000;
const limit = 100;

async function keys(db: TestDb): Promise<string[]> {
  const rows = await db.query<{ key: string }>(sql`
    select key from yardmaster.limiter_partitions order by key
  `);
  return rows.map(({ key }) => key);
}

Deno.test("pruneLimiterPartitions() deletes what is unused again, and nothing that says more", async () => {
  await using db = await testDb();
  await givenLimits(db, [PER_CUSTOMER]);
  const customers = ["held", "waits", "waits", "waits", "idle"];
  await givenWork(db, customers.map((customer) => ({ customer })));
  const executorId = await givenExecutor(db);
  const jobs = await claimLimited(db, executorId);
  await complete(
    db,
    executorId,
    jobs.filter(({ args }) => args.customer === "idle"),
  );
  await pruneLimiterGrants(db, { limit });
  await coolDownLimiter(db, {
    limiter: "per_customer",
    key: "cools",
    forMs: 3 * HOUR_MS,
    reason: "429",
    by: "ops",
    extendsOnly: false,
  });

  assert.equal((await pruneLimiterPartitions(db, { limit })).pruned, 0);
  db.advanceMs(HOUR_MS + 1);
  assert.equal((await pruneLimiterPartitions(db, { limit })).pruned, 1);
  assert.deepEqual(await keys(db), ["cools", "held", "waits"]);
  db.advanceMs(2 * HOUR_MS);
  assert.equal((await pruneLimiterPartitions(db, { limit })).pruned, 1);
});

Deno.test("a partition that was pruned gives no more than one that was not", async () => {
  await using db = await testDb();
  await givenLimits(db, [API]);
  await givenWork(db, Array.from({ length: 20 }, () => ({})));
  const executorId = await givenExecutor(db);
  assert.equal((await claimLimited(db, executorId)).length, 5);
  db.advanceMs(HOUR_MS + 1);
  // Jobs wait for it: it stays.
  assert.equal((await pruneLimiterPartitions(db, { limit })).pruned, 0);
  assert.equal((await claimLimited(db, executorId)).length, 5);
});

Deno.test("pruneLimiterGrants() deletes those whose lease let go, and no others", async () => {
  await using db = await testDb();
  await givenLimits(db, [PER_CUSTOMER]);
  await givenWork(db, [1, 2, 3].map((customer) => ({ customer })));
  const executorId = await givenExecutor(db);
  const jobs = await claimLimited(db, executorId);
  await complete(db, executorId, jobs.slice(0, 2));
  assert.equal(await pruneLimiterGrants(db, { limit }), 2);
  assert.equal(await pruneLimiterGrants(db, { limit }), 0);
  assert.equal(await count(db, "limiter_grants"), 1);
});

Deno.test("pruneLimiterFacts() keeps the window", async () => {
  await using db = await testDb();
  await givenLimits(db, [API]);
  await givenLimits(db, [{ ...API, capacity: 6 }]);
  db.advanceMs(60_000);
  await givenLimits(db, [{ ...API, capacity: 7 }]);
  assert.equal(await pruneLimiterFacts(db, { keepMs: 60_000, limit }), 1);
  assert.equal(await count(db, "limiter_facts"), 1);
});

Deno.test("LimiterKeeper brings jobs of older code to their limiters, and tells of it", async () => {
  await using db = await testDb();
  await givenLimits(db, [API]);
  await givenWork(db, [{}, {}], { limited: false });
  const told: (readonly string[])[] = [];
  const keeper = new LimiterKeeper({
    database: db,
    keepMs: HOUR_MS,
    onReady: (queues) => void told.push(queues),
  });
  assert.deepEqual(await keeper.runOnce(), { worked: false });
  assert.equal(await count(db, "limited"), 2);
  assert.deepEqual(told, [["default"]]);
  await keeper.runOnce();
  assert.equal(told.length, 1);
});

Deno.test("a claim that takes the last job of a lane takes the lane away, and a new job makes it anew", async () => {
  await using db = await testDb();
  await givenLimits(db, [API]);
  const executorId = await givenExecutor(db);
  const lanes = async () =>
    (await db.query(sql`select id from yardmaster.lanes`)).length;
  for (let round = 0; round < 2; round++) {
    await givenWork(db, [{}]);
    assert.equal((await claimLimited(db, executorId)).length, 1);
    assert.equal(await lanes(), 0);
  }
  // One of which a job is left stays.
  await givenWork(db, Array.from({ length: 9 }, () => ({})));
  await claimLimited(db, executorId);
  assert.equal(await lanes(), 1);
});
