import assert from "node:assert/strict";
import { z } from "zod";
import type { Database } from "../../src/db/database.ts";
import { sql } from "../../src/db/sql.ts";
import { defineLimiter } from "../../src/domain/limiter.ts";
import { createEngine } from "../../src/engine/engine.ts";
import { Enqueuer } from "../../src/engine/enqueuer.ts";
import type { EnqueueResult } from "../../src/engine/enqueue.ts";
import type { EnqueueOptions } from "../../src/engine/enqueue_options.ts";
import { Fingerprints } from "../../src/engine/fingerprints.ts";
import { LimiterDeclarer } from "../../src/engine/limiter_declarer.ts";
import { Pruner } from "../../src/engine/pruner.ts";
import { receiptApi } from "../../src/engine/receipts.ts";
import { defineWorker } from "../../src/engine/worker.ts";
import { NO_KEYS } from "../support/prepare_tools.ts";
import { usePGlite } from "../support/pglite.ts";

const testDb = usePGlite();
const DAY_MS = 24 * 60 * 60 * 1_000;

const charge = defineWorker({
  name: "charge",
  args: z.object({ order: z.int(), note: z.string().optional() }),
  idempotent: true,
  perform: () => {},
});
const plain = defineWorker({ name: "plain", perform: () => {} });

function idOf(result: EnqueueResult | undefined): string {
  assert.equal(result?.status, "inserted");
  return result.job.id;
}

/** The id of the job that a receipt is of. */
function answered(result: EnqueueResult | undefined): string {
  assert.ok(result?.status === "conflict" && result.by === "receipt");
  assert.deepEqual([result.replaced, result.runAt], [false, null]);
  return result.job.id;
}

async function count(db: Database, table: string): Promise<number> {
  const [row] = await db.query<{ rows: number }>(sql`
    select count(*)::integer as rows
    from (
      select 'jobs' as name from yardmaster.jobs
      union all select 'receipts' from yardmaster.receipts
      union all select 'unique_keys' from yardmaster.unique_keys
    ) as each
    where name = ${table}
  `);
  return row?.rows ?? 0;
}

Deno.test("an idempotent worker answers the same args with the first job, whatever else the call says", async () => {
  await using db = await testDb();
  const engine = createEngine({ database: db });
  const first = idOf(await engine.enqueue(charge, { order: 1, note: "a" }));
  const options: readonly EnqueueOptions[] = [
    {},
    { queue: "other", priority: 5, meta: { from: "web" }, tags: ["x"] },
    { delayMs: 60_000, deadlineMs: 90_000, maxAttempts: 2 },
    { idempotent: { keepMs: 1_000 } },
  ];
  for (const each of options) {
    const again = await engine.enqueue(charge, { note: "a", order: 1 }, each);
    assert.equal(answered(again), first);
  }
  const other = await engine.enqueue(charge, { order: 1 });
  assert.notEqual(idOf(other), first);
  assert.equal(await count(db, "jobs"), 2);
});

Deno.test("a receipt holds for 24 hours, or for what the worker or the call says, to the millisecond", async () => {
  await using db = await testDb();
  const engine = createEngine({ database: db });
  const brief = defineWorker({
    name: "brief",
    idempotent: { keepMs: 5_000 },
    perform: () => {},
  });
  const cases = [
    { ask: () => engine.enqueue(charge, { order: 1 }), keepMs: DAY_MS },
    { ask: () => engine.enqueue(brief, {}), keepMs: 5_000 },
    {
      ask: () => engine.enqueue(plain, {}, { idempotencyKey: "k" }),
      keepMs: DAY_MS,
    },
    {
      ask: () => engine.enqueue(brief, {}, { idempotent: { keepMs: 1_000 } }),
      keepMs: 1_000,
    },
  ];
  for (const { ask, keepMs } of cases) {
    const first = idOf(await ask());
    db.advanceMs(keepMs - 1);
    assert.equal(answered(await ask()), first);
    db.advanceMs(1);
    assert.notEqual(idOf(await ask()), first);
    db.advanceMs(DAY_MS);
  }
});

Deno.test("the caller's own key stands for the args, for any worker, and not for other args", async () => {
  await using db = await testDb();
  const engine = createEngine({ database: db });
  const idempotencyKey = "request 7";
  const first = idOf(await engine.enqueue(plain, { a: 1 }, { idempotencyKey }));
  const same = await engine.enqueue(plain, { a: 1 }, { idempotencyKey });
  const misused = await engine.enqueue(plain, { a: 2 }, { idempotencyKey });
  const ofOther = await engine.enqueue(charge, { order: 1 }, {
    idempotencyKey,
  });
  const byArgs = await engine.enqueue(charge, { order: 1 });

  assert.equal(answered(same), first);
  assert.deepEqual(misused, {
    status: "invalid",
    issues: [{ path: "idempotencyKey", message: "was used for other args" }],
  });
  idOf(ofOther);
  idOf(byArgs);
  assert.equal(await count(db, "jobs"), 3);
});

Deno.test("what the call says of receipts is checked, and can switch them off", async () => {
  await using db = await testDb();
  const engine = createEngine({ database: db });
  const wrong: readonly (readonly [Record<string, unknown>, RegExp])[] = [
    [{ idempotencyKey: "" }, /^idempotencyKey must have 1 to 255/],
    [{ idempotencyKey: "x".repeat(256) }, /^idempotencyKey must have 1 to 255/],
    [{ idempotencyKey: "\0" }, /^idempotencyKey must have/],
    [{ idempotencyKey: 7 }, /^idempotencyKey must have/],
    [{ idempotent: 1 }, /^idempotent must be true, false or \{ keepMs \}$/],
    [{ idempotent: {} }, /^idempotent must be true, false or \{ keepMs \}$/],
    [{ idempotent: { keepMs: 999 } }, /^idempotent keepMs must be 1 s to ten/],
    [{ idempotent: { keepMs: 1e12 } }, /^idempotent keepMs must be 1 s to ten/],
    [{ idempotent: { keepMs: 1_000, x: 1 } }, /^idempotent x is not known$/],
    [
      { idempotencyKey: "k", idempotent: false },
      /^idempotencyKey must not be given with idempotent: false$/,
    ],
  ];
  for (const [options, told] of wrong) {
    const result = await engine.enqueue(charge, { order: 1 }, options);
    assert.equal(result.status, "invalid", JSON.stringify(options));
    const [issue] = result.issues;
    assert.match(`${issue?.path} ${issue?.message}`, told);
  }
  idOf(await engine.enqueue(charge, { order: 1 }, { idempotent: false }));
  idOf(await engine.enqueue(charge, { order: 1 }, { idempotent: false }));
  assert.equal(await count(db, "receipts"), 0);
  assert.throws(
    () =>
      defineWorker({
        name: "worse",
        idempotent: { keepMs: 0 },
        perform: () => {},
      }),
    /idempotent of worse keepMs must be/,
  );
});

Deno.test("what is invalid leaves no receipt", async () => {
  await using db = await testDb();
  const engine = createEngine({ database: db });
  const args = { order: "one" } as unknown as { order: number };
  const options = { idempotencyKey: "k" };
  const bad = await engine.enqueue(charge, args, options);
  assert.equal(bad.status, "invalid");
  assert.equal(await count(db, "receipts"), 0);
  idOf(await engine.enqueue(charge, { order: 1 }, options));
});

Deno.test("enqueueMany() answers each, with receipts of before and of the same call", async () => {
  await using db = await testDb();
  const engine = createEngine({ database: db });
  const before = idOf(await engine.enqueue(charge, { order: 1 }));
  const key = { options: { idempotencyKey: "k" } };
  const results = await engine.enqueueMany([
    { worker: charge, args: { order: 1 } },
    { worker: charge, args: { order: 2 } },
    { worker: charge, args: { order: 2 } },
    { worker: plain, args: { a: 1 }, ...key },
    { worker: plain, args: { a: 2 }, ...key },
    { worker: plain, args: {} },
    { worker: plain, args: {} },
  ]);
  assert.equal(answered(results[0]), before);
  assert.equal(answered(results[2]), idOf(results[1]));
  idOf(results[3]);
  assert.equal(results[4]?.status, "invalid");
  assert.notEqual(idOf(results[5]), idOf(results[6]));
});

Deno.test("with coalesce, an idempotent job goes alone, and others do not wait for it", async () => {
  await using db = await testDb();
  let statements = 0;
  const counting: Database = {
    ...db,
    now: db.now,
    query(statement, options) {
      statements += 1;
      return db.query(statement, options);
    },
  };
  const engine = createEngine({
    database: counting,
    coalesce: true,
    notify: false,
  });
  const results = await Promise.all([
    engine.enqueue(plain, { n: 1 }),
    engine.enqueue(plain, { n: 2 }),
    engine.enqueue(charge, { order: 1 }),
    engine.enqueue(charge, { order: 1 }),
  ]);
  const [, , third, fourth] = results.map(({ status }) => status);
  assert.deepEqual([third, fourth].sort(), ["conflict", "inserted"]);
  assert.equal(statements, 3);
});

Deno.test("who runs jobs is told of what was inserted, and not of what a receipt answers", async () => {
  await using db = await testDb();
  const told: unknown[] = [];
  const enqueuer = new Enqueuer({
    database: db,
    limiters: new LimiterDeclarer(db),
    tools: NO_KEYS,
    coalesce: false,
    onReady: (queues, when) => told.push([queues, when.committed]),
    onPlanned: () => told.push("planned"),
  });
  const args = { order: 1 };
  const input = { worker: charge, args };
  await enqueuer.enqueue(charge, { args, options: {} });
  await enqueuer.enqueue(charge, { args, options: {} });
  await enqueuer.enqueueMany([input, input], {});
  const next = { order: 2 };
  await enqueuer.enqueue(charge, { args: next, options: { database: db } });

  assert.deepEqual(told, [[["default"], true], [["default"], false]]);
});

const gated = defineWorker({
  name: "gated",
  idempotent: true,
  limiters: [
    defineLimiter({
      name: "gate",
      rate: { algorithm: "fixed_window", capacity: 2, perMs: 60_000 },
      at: "enqueue",
    }),
  ],
  perform: () => {},
});

Deno.test("at a full limiter the same again is a conflict that uses nothing, and what is refused leaves no receipt", async () => {
  await using db = await testDb();
  const engine = createEngine({ database: db });
  const ask = (n: number) => engine.enqueue(gated, { n });
  const first = idOf(await ask(1));
  assert.equal(answered(await ask(1)), first);
  idOf(await ask(2));
  const [refused, beside] = await engine.enqueueMany([
    { worker: gated, args: { n: 3 } },
    { worker: gated, args: { n: 3 } },
  ]);
  assert.deepEqual([refused?.status, beside?.status], ["blocked", "blocked"]);
  assert.equal(answered(await ask(1)), first);
  assert.equal((await ask(3)).status, "blocked");
  assert.equal(await count(db, "receipts"), 2);

  db.advanceMs(60_000);
  const third = idOf(await ask(3));
  assert.equal(answered(await ask(3)), third);
});

Deno.test("a receipt outlives its job: cancelled, or gone", async () => {
  await using db = await testDb();
  const engine = createEngine({ database: db });
  const result = await engine.enqueue(charge, { order: 1 });
  assert.ok(result.status === "inserted");
  const { id, insertedAt } = result.job;
  await engine.cancel(id);
  const again = await engine.enqueue(charge, { order: 1 });
  await db.query(sql`delete from yardmaster.jobs`);
  const gone = await engine.enqueue(charge, { order: 1 });

  const answer = { status: "conflict", by: "receipt", replaced: false };
  const job = { id, insertedAt, isGone: false };
  assert.deepEqual(again, { ...answer, job, runAt: null });
  assert.deepEqual(gone, {
    ...answer,
    job: { ...job, isGone: true },
    runAt: null,
  });
});

Deno.test("the pruner sweeps receipts that hold no longer, and says when there is more", async () => {
  await using db = await testDb();
  const engine = createEngine({ database: db });
  const inputs = Array.from({ length: 1_001 }, (_, order) => ({
    worker: charge,
    args: { order },
  }));
  await engine.enqueueMany(inputs);
  const pruner = new Pruner({
    database: db,
    onEvent: () => {},
    keepMs: 7 * DAY_MS,
  });

  db.advanceMs(DAY_MS - 1);
  assert.deepEqual(await pruner.runOnce(), { worked: false });
  assert.equal(await count(db, "receipts"), 1_001);
  db.advanceMs(1);
  assert.deepEqual(await pruner.runOnce(), { worked: true });
  assert.deepEqual(await pruner.runOnce(), { worked: false });
  assert.equal(await count(db, "receipts"), 0);
  assert.equal(await count(db, "jobs"), 1_001);
});

Deno.test("receipts.forget() lets the same be asked for again, by args or by key", async () => {
  await using db = await testDb();
  const fingerprints = new Fingerprints("0123456789abcdef");
  const engine = createEngine({ database: db, fingerprints });
  const receipts = receiptApi(db, fingerprints);
  const args = { order: 1 };
  const idempotencyKey = "k";
  const first = idOf(await engine.enqueue(charge, args));
  idOf(await engine.enqueue(plain, { a: 1 }, { idempotencyKey }));

  assert.equal(await receipts.forget(charge, { args: { order: 2 } }), false);
  assert.equal(await receipts.forget(plain, { args: { a: 1 } }), false);
  assert.equal(await receipts.forget(charge, { args }), true);
  assert.equal(await receipts.forget(charge, { args }), false);
  assert.equal(await receipts.forget(plain, { idempotencyKey }), true);
  assert.notEqual(idOf(await engine.enqueue(charge, args)), first);
  idOf(await engine.enqueue(plain, { a: 2 }, { idempotencyKey }));
  for (const wrong of ["", null as unknown as string]) {
    await assert.rejects(
      receipts.forget(plain, { idempotencyKey: wrong }),
      /an idempotencyKey must have 1 to 255 characters/,
    );
  }
  await assert.rejects(
    receipts.forget(plain, { args: 7 as unknown as Record<string, never> }),
    /args must be a JSON object/,
  );
  const none = undefined as unknown as string;
  const both = { args, idempotencyKey: none };
  assert.equal(await receipts.forget(charge, both), true);
  await assert.rejects(
    receipts.forget(charge, { idempotencyKey: none }),
    /args must be a JSON object/,
  );
});

Deno.test("the version of args is no part of what was asked, so that old and new code know the same job", async () => {
  await using db = await testDb();
  const engine = createEngine({ database: db });
  const newer = defineWorker({
    name: "charge",
    idempotent: true,
    version: 2,
    upgrade: { 1: (args) => args },
    perform: () => {},
  });
  const first = idOf(await engine.enqueue(charge, { order: 1 }));
  assert.equal(answered(await engine.enqueue(newer, { order: 1 })), first);
});

Deno.test("with a fingerprintKey nothing in the rows is a plain digest of what was asked", async () => {
  await using db = await testDb();
  const fingerprints = new Fingerprints("0123456789abcdef");
  const engine = createEngine({ database: db, fingerprints });
  await engine.enqueue(charge, { order: 1 });
  await engine.enqueue(plain, { a: 1 }, { idempotencyKey: "k", unique: true });
  const told = JSON.stringify(
    await db.query(sql`
      select to_jsonb(receipts) as row from yardmaster.receipts
      union all select to_jsonb(unique_keys) from yardmaster.unique_keys
    `),
  );
  const guess = new Fingerprints();
  for (
    const value of [
      { receipt: "args", worker: "charge", args: { order: 1 } },
      { receipt: "key", worker: "plain", key: "k" },
      { receipt: "args_of_key", worker: "plain", args: { a: 1 } },
      {
        keys: [],
        parts: { args: { a: 1 }, queue: "default", worker: "plain" },
      },
    ]
  ) {
    assert.ok(told.includes(await fingerprints.of(value)));
    assert.ok(!told.includes(await guess.of(value)));
  }
});
