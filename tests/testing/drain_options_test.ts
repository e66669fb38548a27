/** What drain() runs, and what it leaves. */
import assert from "node:assert/strict";
import { z } from "zod";
import type { Database } from "../../src/db/database.ts";
import { sql } from "../../src/db/sql.ts";
import { defineLimiter } from "../../src/domain/limiter.ts";
import { createEngine, type Engine } from "../../src/engine/engine.ts";
import { cancel, snooze } from "../../src/engine/verdict.ts";
import type { EnqueueResult } from "../../src/engine/enqueue.ts";
import { defineWorker } from "../../src/engine/worker.ts";
import { assertEnqueued, drain } from "../../src/testing/testing.ts";
import { usePGlite } from "../support/pglite.ts";

const testDb = usePGlite();
const HOUR_MS = 3_600_000;

/** Jobs that enqueue more urgent ones, of which some wait for a limiter. */
function family(db: Database) {
  const ran: string[] = [];
  const once = defineLimiter({ name: "once", concurrency: 1 });
  const limited = defineWorker({
    name: "limited",
    limiters: [once],
    perform: () => void ran.push("limited"),
  });
  const child = defineWorker({
    name: "child",
    priority: 0,
    perform: () => void ran.push("child"),
  });
  const parent = defineWorker({
    name: "parent",
    priority: 5,
    async perform() {
      ran.push("parent");
      await engine.enqueueMany([
        { worker: child, args: {} },
        { worker: limited, args: {} },
        { worker: child, args: {}, options: { delayMs: HOUR_MS } },
      ]);
    },
  });
  const workers = [parent, child, limited];
  const engine: Engine = createEngine({ database: db, workers, notify: false });
  return { ran, engine, parent, child, limited, workers };
}

async function places(db: Database): Promise<unknown> {
  const [row] = await db.query(sql`
    select
      (select count(*)::integer from yardmaster.ready) as ready,
      (select count(*)::integer from yardmaster.limited) as limited,
      (select count(*)::integer from yardmaster.scheduled) as scheduled
  `);
  return row;
}

Deno.test("drain({ recursive: false }) runs only what waited when it began, and leaves the rest where it waits", async () => {
  await using db = await testDb();
  const { ran, engine, parent, child, limited, workers } = family(db);
  for (let n = 0; n < 3; n++) await engine.enqueue(parent, {});
  await engine.enqueue(limited, {});
  const first = await drain({ database: db, workers, recursive: false });
  assert.deepEqual(ran.toSorted(), ["limited", "parent", "parent", "parent"]);
  assert.deepEqual(first.ends, { completed: 4 });
  assert.deepEqual(await places(db), { ready: 3, limited: 3, scheduled: 3 });
  await assertEnqueued(db, { worker: child, count: 6 });

  // What was put back can be run like any other.
  const rest = await drain({ database: db, workers, scheduled: true });
  assert.deepEqual(rest.ends, { completed: 9 });
  assert.deepEqual(await places(db), { ready: 0, limited: 0, scheduled: 0 });
});

Deno.test("drain({ recursive: false, scheduled: true }) runs every attempt of the jobs that waited, and no other job", async () => {
  await using db = await testDb();
  const { ran, engine, parent, workers } = family(db);
  let attempts = 0;
  const again = defineWorker({
    name: "again",
    perform: () => {
      attempts += 1;
      if (attempts < 3) throw new Error("not now");
    },
  });
  await engine.enqueue(parent, {}, { delayMs: HOUR_MS });
  await engine.enqueue(again, {});
  const { ends } = await drain({
    database: db,
    workers: [...workers, again],
    recursive: false,
    scheduled: true,
  });
  assert.deepEqual(ends, { completed: 2, failed: 2 });
  assert.deepEqual(ran, ["parent"]);
  assert.deepEqual(await places(db), { ready: 1, limited: 1, scheduled: 1 });
});

Deno.test("drain({ recursive: false }) lets a later job cancel what an earlier one enqueued, and meet its unique key", async () => {
  await using db = await testDb();
  const child = defineWorker({
    name: "child",
    unique: { fields: ["worker"], onConflict: "keep_last" },
    perform: (_: { n: number }) => {},
  });
  const told: unknown[] = [];
  let last: EnqueueResult | undefined;
  const parent = defineWorker({
    name: "parent",
    perform: async ({ n }: { n: number }) => {
      if (n < 3) last = await engine.enqueue(child, { n });
      else if (last !== undefined && "job" in last) {
        told.push(await engine.cancel(last.job.id));
      }
    },
  });
  const workers = [parent, child];
  const engine = createEngine({ database: db, workers, notify: false });
  for (const n of [1, 2]) await engine.enqueue(parent, { n });
  await drain({ database: db, workers, recursive: false });
  assert.equal(last?.status, "conflict");
  await assertEnqueued(db, { worker: child, args: { n: 2 }, count: 1 });

  for (const n of [2, 3]) await engine.enqueue(parent, { n });
  await drain({ database: db, workers, recursive: false });
  assert.deepEqual(told, [true]);
  assert.deepEqual(await places(db), { ready: 0, limited: 0, scheduled: 0 });
});

Deno.test("drain({ recursive: false, maxJobs }) runs no more than that", async () => {
  await using db = await testDb();
  const { ran, engine, parent, workers } = family(db);
  for (let n = 0; n < 3; n++) await engine.enqueue(parent, {});
  const asked = { database: db, workers, recursive: false, maxJobs: 2 };
  const { claimed, done } = await drain(asked);
  assert.deepEqual([claimed, done, ran.length], [2, false, 2]);
  assert.deepEqual(await places(db), { ready: 3, limited: 2, scheduled: 2 });
});

Deno.test("drain({ throws }) rejects with what the first failing run threw, and runs nothing after it", async () => {
  await using db = await testDb();
  const broken = new Error("no such address");
  const ran: string[] = [];
  const mail = defineWorker({
    name: "mail",
    perform: ({ to }: { to: string }) => {
      ran.push(to);
      if (to === "nobody") throw broken;
      if (to === "late") return snooze(HOUR_MS);
      if (to === "gone") return cancel("no such customer");
    },
  });
  const workers = [mail];
  const engine = createEngine({ database: db, workers, notify: false });
  for (const to of ["late", "gone", "nobody", "ada"]) {
    await engine.enqueue(mail, { to });
  }
  const asked = { database: db, workers };
  await assert.rejects(drain({ ...asked, throws: true }), (error) => {
    assert.equal(error, broken);
    return true;
  });
  assert.deepEqual(ran, ["late", "gone", "nobody"]);
  await assertEnqueued(db, { worker: mail, args: { to: "nobody" } });
  // What had failed is written: the next call goes on after it.
  const { ends } = await drain({ ...asked, throws: true });
  assert.deepEqual(ends, { completed: 1 });
});

Deno.test("drain({ throws }) tells also what failed before perform, and what it sets aside comes back", async () => {
  await using db = await testDb();
  const { engine, parent, workers } = family(db);
  const strict = (args: z.ZodType) =>
    defineWorker({ name: "strict", priority: 9, args, perform: () => {} });
  await engine.enqueue(parent, {});
  await engine.enqueue(strict(z.object({})), {});
  const changed = strict(z.object({ cart: z.int() }));
  await assert.rejects(
    drain({
      database: db,
      workers: [...workers, changed],
      throws: true,
      recursive: false,
    }),
    /cart/,
  );
  assert.deepEqual(await places(db), { ready: 1, limited: 1, scheduled: 2 });
});
