/** Jobs that come to a lane at the moment at which it is woken. */
import assert from "node:assert/strict";
import { defineLimiter } from "../../src/domain/limiter.ts";
import {
  claimLimited,
  complete,
  givenExecutor,
  givenLimits,
  givenWork,
} from "../support/limiter_world.ts";
import { usePostgres } from "../support/postgres.ts";

const testPostgres = usePostgres();

Deno.test("lookAtLanes() wakes a lane at which jobs arrive, beside one that is new", async () => {
  await using world = await testPostgres();
  const { db } = world;
  await givenLimits(db, [
    defineLimiter({ name: "all", concurrency: 1 }),
    defineLimiter({ name: "per_key", concurrency: 1, partitionBy: "key" }),
  ]);
  const executorId = await givenExecutor(db);
  await givenWork(db, [{ key: "a" }, { key: "a" }]);
  const first = await claimLimited(db, executorId);
  assert.equal(first.length, 1);
  const ended = await complete(db, executorId, first);
  // One for the lane that waits, and many that begin lanes.
  await givenWork(
    db,
    ["a", "b", "c", "d", "e", "f"].map((key) => ({ key })),
  );
  assert.equal((await claimLimited(db, executorId, { ended })).length, 1);
});
