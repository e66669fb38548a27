/** Hooks and middleware on a database: what they find there. */
import assert from "node:assert/strict";
import { sql } from "../../src/db/sql.ts";
import { createEngine } from "../../src/engine/engine.ts";
import { defineWorker } from "../../src/engine/worker.ts";
import type { YardmasterEvent } from "../../src/events.ts";
import { cancelJob } from "../../src/store/transitions.ts";
import { drain } from "../../src/testing/testing.ts";
import { type TestDb, usePGlite } from "../support/pglite.ts";

const testDb = usePGlite();

async function states(db: TestDb): Promise<string[]> {
  const rows = await db.query<{ state: string }>(
    sql`select state::text from yardmaster.job_states order by job_id`,
  );
  return rows.map(({ state }) => state);
}

Deno.test("onSuccess finds the job completed and its output recorded, and drain() runs what it enqueues", async () => {
  await using db = await testDb();
  const engine = createEngine({ database: db });
  const found: unknown[] = [];
  const next = defineWorker({ name: "next", perform: () => {} });
  const first = defineWorker({
    name: "first",
    recordOutput: true,
    perform: () => ({ sent: 7 }),
    onSuccess: async (run) => {
      found.push(
        ...await db.query(sql`
          select outcomes.state::text, outputs.output
          from yardmaster.outcomes
          join yardmaster.outputs using (job_id)
          where job_id = ${run.jobId}::bigint
        `),
      );
      await engine.enqueue(next, {});
    },
  });
  await engine.enqueue(first, {});
  const report = await drain({ database: db, workers: [first, next] });
  assert.deepEqual(found, [{ state: "completed", output: { sent: 7 } }]);
  assert.equal(report.claimed, 2);
  assert.deepEqual(await states(db), ["completed", "completed"]);
});

Deno.test("no hook is called for a job that somebody cancelled while it ran", async () => {
  await using db = await testDb();
  const engine = createEngine({ database: db });
  const told: string[] = [];
  const worker = defineWorker({
    name: "work",
    perform: (_args, run) =>
      cancelJob(db, { jobId: run.jobId, principal: null }),
    onStart: () => told.push("onStart"),
    onSuccess: () => told.push("onSuccess"),
    onFailure: () => told.push("onFailure"),
    onDiscard: () => told.push("onDiscard"),
  });
  await engine.enqueue(worker, {});
  await drain({ database: db, workers: [worker] });
  assert.deepEqual(await states(db), ["cancelled"]);
  assert.deepEqual(told, ["onStart"]);
});

Deno.test("hooks whose connection is gone, or that throw, leave every job as it is", async () => {
  await using db = await testDb();
  const engine = createEngine({ database: db });
  const gone = () =>
    Promise.reject(Object.assign(new Error("terminated"), { code: "57P01" }));
  const events: YardmasterEvent[] = [];
  const worker = defineWorker({
    name: "work",
    maxAttempts: 1,
    perform: ({ fails }: { fails: boolean }) => {
      if (fails) throw new Error("no");
    },
    onStart: gone,
    onSuccess: gone,
    onDiscard: () => {
      throw new Error("by a hook");
    },
  });
  await engine.enqueueMany([
    { worker, args: { fails: false } },
    { worker, args: { fails: true } },
  ]);
  await drain({
    database: db,
    workers: [worker],
    onEvent: (event) => events.push(event),
  });
  assert.deepEqual(await states(db), ["completed", "discarded"]);
  const hooks = events.flatMap((event) =>
    event.type === "hook_ran" ? [`${event.hook} ${event.outcome}`] : []
  );
  assert.deepEqual(hooks.toSorted(), [
    "onDiscard threw",
    "onStart threw",
    "onStart threw",
    "onSuccess threw",
  ]);
});
