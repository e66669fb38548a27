/** Lanes and partitions that look as if nobody needed them any more. */
import assert from "node:assert/strict";
import { defineLimiter } from "../../src/domain/limiter.ts";
import { pruneStaleLanes, replaceMisplaced } from "../../src/store/limited.ts";
import { pruneLimiterPartitions } from "../../src/store/limiter_retention.ts";
import { cancelJob } from "../../src/store/transitions.ts";
import {
  claimLimited,
  complete,
  count,
  givenExecutor,
  givenLimits,
  givenWork,
} from "../support/limiter_world.ts";
import { usePostgres } from "../support/postgres.ts";
import { stillDb } from "../support/still_db.ts";
import { until } from "../support/until.ts";

const testPostgres = usePostgres();

class Undone extends Error {}

Deno.test("a lane whose only job somebody holds seems empty to a claim, and stays", async () => {
  await using world = await testPostgres();
  const { db } = world;
  const other = await world.connect();
  await givenLimits(db, [defineLimiter({ name: "all", concurrency: 5 })]);
  const executorId = await givenExecutor(db);
  const [jobId] = await givenWork(db, [{}]);
  assert.ok(jobId);
  await assert.rejects(
    db.transaction(async (tx) => {
      await cancelJob(tx, { jobId, principal: "ann" });
      assert.deepEqual(await claimLimited(other, executorId), []);
      throw new Undone();
    }),
    Undone,
  );
  assert.equal(await count(db, "lanes"), 1);
  await until("its job is claimed", async () => {
    return (await claimLimited(other, executorId)).length === 1;
  });
});

Deno.test("a lane that was looked at in vain for long is looked at again within five seconds", async () => {
  await using world = await testPostgres();
  const db = stillDb(world.db);
  await givenLimits(db, [defineLimiter({ name: "all", concurrency: 1 })]);
  const executorId = await givenExecutor(db);
  await givenWork(db, [{}, {}]);
  const first = await claimLimited(db, executorId);
  assert.equal(first.length, 1);
  for (let look = 0; look < 12; look++) {
    db.advanceMs(5_000);
    assert.deepEqual(await claimLimited(db, executorId), []);
  }
  // Nobody tells of the end.
  await complete(db, executorId, first);
  db.advanceMs(5_000);
  assert.equal((await claimLimited(db, executorId)).length, 1);
});

Deno.test("pruneStaleLanes() leaves a lane of other limiters until its jobs were moved", async () => {
  await using world = await testPostgres();
  const { db } = world;
  const all = defineLimiter({ name: "all", concurrency: 5 });
  const few = defineLimiter({ name: "few", concurrency: 2 });
  await givenLimits(db, [all]);
  const executorId = await givenExecutor(db);
  await givenWork(db, [{}, {}]);
  await claimLimited(db, executorId, { most: 1 });
  await givenLimits(db, [all, few]);

  assert.equal(await pruneStaleLanes(db), 0);
  assert.equal((await replaceMisplaced(db, { limit: 10 })).moved, 1);
  assert.equal(await pruneStaleLanes(db), 1);
  assert.equal((await claimLimited(db, executorId)).length, 1);
});

Deno.test("pruneLimiterPartitions() keeps what has not come back, however long that takes", async () => {
  await using world = await testPostgres();
  const db = stillDb(world.db);
  await givenLimits(db, [
    defineLimiter({ name: "daily", rate: { capacity: 1, perMs: 86_400_000 } }),
  ]);
  const executorId = await givenExecutor(db);
  await givenWork(db, [{}]);
  assert.equal((await claimLimited(db, executorId)).length, 1);
  db.advanceMs(20 * 3_600_000);
  assert.equal((await pruneLimiterPartitions(db, { limit: 10 })).pruned, 0);
  db.advanceMs(5 * 3_600_000);
  assert.equal((await pruneLimiterPartitions(db, { limit: 10 })).pruned, 1);
});
