/** Args of older and of newer code. */
import assert from "node:assert/strict";
import { z } from "zod";
import { sql } from "../../src/db/sql.ts";
import { ARGS_VERSION_KEY } from "../../src/domain/args_version.ts";
import { parseCronEntry } from "../../src/domain/cron_entry.ts";
import { createEngine } from "../../src/engine/engine.ts";
import type { Upgrades } from "../../src/engine/upgrade.ts";
import { defineWorker } from "../../src/engine/worker.ts";
import type { YardmasterEvent } from "../../src/events.ts";
import { claimed, executorWorld } from "../support/executor_world.ts";
import { drain } from "../../src/testing/testing.ts";
import { type TestDb, usePGlite } from "../support/pglite.ts";

const testDb = usePGlite();

const seen: unknown[] = [];
const first = defineWorker({
  name: "greet",
  perform: (args: { name: string }) => seen.push(args),
});
const third = defineWorker({
  name: "greet",
  version: 3,
  upgrade: {
    1: ({ name }: { name: string }) => ({ first: name }),
    2: async (args: { first: string }) => ({ ...await args, last: "" }),
  },
  args: z.object({ first: z.string(), last: z.string() }),
  unique: true,
  perform: (args) => seen.push(args),
});

async function metas(db: TestDb): Promise<unknown[]> {
  const rows = await db.query<{ meta: unknown }>(
    sql`select meta from yardmaster.jobs order by id`,
  );
  return rows.map(({ meta }) => meta);
}

Deno.test("jobs of older code are upgraded step by step before each attempt", async () => {
  await using db = await testDb();
  seen.length = 0;
  const engine = createEngine({ database: db });
  await engine.enqueue(first, { name: "Ada" });
  await drain({ database: db, workers: [third] });
  await engine.enqueue(third, { first: "Bo", last: "Ek" });
  await drain({ database: db, workers: [third] });

  assert.deepEqual(await metas(db), [{}, { [ARGS_VERSION_KEY]: 3 }]);
  assert.deepEqual(seen, [
    { first: "Ada", last: "" },
    { first: "Bo", last: "Ek" },
  ]);
});

Deno.test("a job of newer code waits for it without burning an attempt, and its events say so", async () => {
  await using db = await testDb();
  seen.length = 0;
  const engine = createEngine({ database: db });
  await engine.enqueue(third, { first: "Ada", last: "" });
  const events: YardmasterEvent[] = [];
  const onEvent = (event: YardmasterEvent) => events.push(event);
  const report = await drain({ database: db, workers: [first], onEvent });

  assert.deepEqual(seen, []);
  assert.equal(report.givenBack, 0);
  const told = await db.query(sql`
    select kind::text, attempt_events.attempt, message,
      scheduled.attempt as burnt, scheduled.state::text
    from yardmaster.attempt_events
    join yardmaster.scheduled using (job_id)
  `);
  assert.deepEqual(told, [{
    kind: "given_back",
    attempt: 1,
    message: "Its args have version 3, and the code of this executor knows " +
      "version 1",
    burnt: 0,
    state: "scheduled",
  }]);
  const [tooNew] = events.filter(({ type }) => type === "args_too_new");
  assert.ok(tooNew?.type === "args_too_new");
  assert.deepEqual([tooNew.version, tooNew.known], [3, 1]);

  db.advanceMs(6_000);
  await drain({ database: db, workers: [third] });
  assert.deepEqual(seen, [{ first: "Ada", last: "" }]);
  const [row] = await db.query<{ attempt: number }>(
    sql`select attempt from yardmaster.outcomes`,
  );
  assert.equal(row?.attempt, 1);
});

Deno.test("the wait for newer code grows with the time for which it does not come", async () => {
  const { executor, clock, results } = executorWorld(
    defineWorker({ name: "work", perform() {} }),
  );
  const newer = { ...claimed, meta: { [ARGS_VERSION_KEY]: 2 } };
  for (const elapsedMs of [0, 2_000, 58_000, 3_600_000]) {
    await clock.advanceMs(elapsedMs);
    executor.accept([newer]);
    await executor.idle();
  }
  assert.deepEqual(
    results.map(({ delayMs }) => delayMs),
    [5_000, 5_000, 60_000, 300_000],
  );
  assert.equal(executor.givenBack, 0);
});

Deno.test("an upgrade that throws, or is missing, is a failed attempt without hooks", async () => {
  const failing: readonly [Upgrades, RegExp][] = [
    [{}, /its args have version 1, and work knows version 2 and no upgrade/],
    [{ 1: () => JSON.parse("{") }, /JSON/],
    [{ 1: () => [] }, /answered with no object/],
  ];
  for (const [upgrade, message] of failing) {
    const hooks: string[] = [];
    const { executor, results } = executorWorld(defineWorker({
      name: "work",
      version: 2,
      upgrade,
      perform() {},
      onStart: () => hooks.push("onStart"),
      onFailure: () => hooks.push("onFailure"),
    }));
    executor.accept([claimed]);
    await executor.idle();
    assert.equal(results[0]?.to, "retryable");
    assert.match(String(results[0]?.event?.message), message);
    assert.deepEqual(hooks, []);
  }
});

Deno.test("a job that is replaced takes over the version with the args, and keeps it with the notes", async () => {
  await using db = await testDb();
  const engine = createEngine({ database: db });
  const unique = { fields: ["worker" as const] };
  const onArgs = { replace: ["args" as const] };
  const onMeta = { replace: ["meta" as const] };
  await engine.enqueue(first, { name: "Ada" }, { meta: { by: 1 }, unique });
  await engine.enqueue(third, { first: "Bo", last: "" }, {
    unique: { ...unique, onConflict: onArgs },
  });
  assert.deepEqual(await metas(db), [{ by: 1, [ARGS_VERSION_KEY]: 3 }]);
  await engine.enqueue(first, { name: "Cy" }, {
    meta: { by: 2 },
    unique: { ...unique, onConflict: onMeta },
  });
  assert.deepEqual(await metas(db), [{ by: 2, [ARGS_VERSION_KEY]: 3 }]);
  await engine.enqueue(first, { name: "Di" }, {
    unique: { ...unique, onConflict: onArgs },
  });
  assert.deepEqual(await metas(db), [{ by: 2 }]);
});

Deno.test("the note is ours: a caller's is not kept, and a unique key does not depend on it", async () => {
  await using db = await testDb();
  const engine = createEngine({ database: db });
  await engine.enqueue(first, { name: "Ada" }, {
    meta: { [ARGS_VERSION_KEY]: 9, by: "me" },
  });
  assert.deepEqual(await metas(db), [{ by: "me" }]);

  const same = { unique: { fields: ["meta" as const, "worker" as const] } };
  const one = await engine.enqueue(first, { name: "Ada" }, same);
  const two = await engine.enqueue(third, { first: "Bo", last: "" }, same);
  assert.deepEqual([one.status, two.status], ["inserted", "conflict"]);
});

Deno.test("a cron entry notes the version of its worker's args", () => {
  const entry = { name: "e", expression: "0 2 * * *", meta: { by: "me" } };
  const parsed = parseCronEntry({ ...entry, worker: third });
  assert.deepEqual(parsed.ok && parsed.definition.meta, {
    by: "me",
    [ARGS_VERSION_KEY]: 3,
  });
  const named = parseCronEntry({ ...entry, worker: "greet" });
  assert.deepEqual(named.ok && named.definition.meta, { by: "me" });
});

Deno.test("defineWorker() refuses versions and upgrades that do not fit together", () => {
  const define = (version: number, upgrade: Upgrades) => () =>
    defineWorker({ name: "work", perform() {}, version, upgrade });
  const step = (args: object) => args;
  for (const version of [0, 1.5, 1_001]) {
    assert.throws(define(version, {}), /version of work is a whole number/);
  }
  const gaps: Upgrades[] = [{ 1: step }, { 3: step }, {
    0: step,
    1: step,
    2: step,
  }];
  for (const gap of gaps) {
    assert.throws(define(3, gap), /upgrade of work has one step for each/);
  }
  assert.throws(define(2, { 1: "up" as never }), /is a function/);
  assert.equal(define(3, { 2: step })().version, 3);
});
