/** A process that freezes in the middle of a transaction holds nobody up. */
import assert from "node:assert/strict";
import {
  freezeAt,
  listFreezePoints,
} from "../chaos/faults/frozen_statements.ts";
import { usePostgres } from "../support/postgres.ts";

const testPostgres = usePostgres();

// The pools of processes that are gone are left as they are.
Deno.test.sanitizer({ ops: false, resources: false });

/** Those that hold most; `deno task chaos` takes every statement there is. */
const FROZEN_IN: readonly string[] = [
  "enqueue many, replace",
  "make a past day",
  "operator: retry a job",
  "migrate further",
];

Deno.test("whatever a process does in a transaction, Postgres ends it when the process says no more, and all others go on", async () => {
  await using world = await testPostgres();
  const { last, unbounded } = await listFreezePoints(world.db);
  assert.deepEqual(unbounded, []);
  const chosen = last.filter(({ deed }) => FROZEN_IN.includes(deed.name));
  assert.deepEqual(chosen.map(({ deed }) => deed.name), FROZEN_IN);
  for (const [index, point] of chosen.entries()) {
    await freezeAt(point, {
      url: world.directUrl,
      well: world.db,
      driver: index % 2 === 0 ? "postgres.js" : "node-postgres",
    });
  }
});
