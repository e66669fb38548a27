import assert from "node:assert/strict";
import { z } from "zod";
import type { Database } from "../../src/db/database.ts";
import { sql } from "../../src/db/sql.ts";
import { createEngine, type Engine } from "../../src/engine/engine.ts";
import type { EnqueueOptions } from "../../src/engine/enqueue_options.ts";
import { type AnyWorker, defineWorker } from "../../src/engine/worker.ts";
import { type TestDb, usePGlite } from "../support/pglite.ts";

const testDb = usePGlite();

const sync = defineWorker({
  name: "sync",
  queue: "slow",
  args: z.object({
    customer: z.number().int(),
    since: z.iso.date().optional(),
  }),
  tags: ["Sync"],
  perform: () => {},
});
const free = defineWorker({ name: "free", perform: () => {} });

function engineOn(database: TestDb): Engine {
  return createEngine({ database, notify: false });
}

/** So deep that Postgres in the process would never come back. */
function nested(depth: number): object {
  let value = {};
  for (let level = 1; level < depth; level++) value = { value };
  return value;
}

async function refused(
  engine: Engine,
  options: Record<string, unknown>,
): Promise<string> {
  const result = await engine.enqueue(free, {}, options as EnqueueOptions);
  assert.equal(result.status, "invalid", JSON.stringify(options));
  return result.issues.map(({ path }) => path).join();
}

Deno.test("enqueue() inserts a job with what its worker and the call say", async () => {
  await using db = await testDb();
  const engine = engineOn(db);
  const result = await engine.enqueue(sync, { customer: 7 }, {
    priority: 3,
    tags: [" Urgent ", "sync"],
    meta: { from: "web" },
    deadlineMs: 60_000,
  });
  assert.equal(result.status, "inserted");
  const { id, insertedAt, ...job } = result.job;
  assert.deepEqual(job, {
    queue: "slow",
    worker: "sync",
    state: "available",
    runAt: null,
  });
  assert.deepEqual(insertedAt, db.nowAt());
  assert.deepEqual(
    await db.query(sql`
      select id, args, meta, tags, priority, max_attempts, deadline_at
      from yardmaster.jobs
    `),
    [{
      id,
      args: { customer: 7 },
      meta: { from: "web" },
      tags: ["sync", "urgent"],
      priority: 3,
      max_attempts: 20,
      deadline_at: new Date(db.nowAt().getTime() + 60_000),
    }],
  );
});

Deno.test("enqueue() plans a job by the database's clock", async () => {
  await using db = await testDb();
  const engine = engineOn(db);
  const result = await engine.enqueue(free, {}, { delayMs: 5_000 });
  assert.equal(result.status, "inserted");
  assert.equal(result.job.state, "scheduled");
  assert.deepEqual(result.job.runAt, new Date(db.nowAt().getTime() + 5_000));
  const past = await engine.enqueue(free, {}, { runAt: new Date(0) });
  assert.ok(past.status === "inserted" && past.job.state === "available");
});

Deno.test("enqueue() answers invalid and writes nothing for args that the schema or JSON refuses", async () => {
  await using db = await testDb();
  const engine = engineOn(db);
  const bad = await engine.enqueue(sync, { customer: "7" } as never);
  assert.equal(bad.status, "invalid");
  assert.equal(bad.issues[0]?.path, "args.customer");
  const circular: Record<string, unknown> = {};
  circular.self = circular;
  const args = [null, [], "x", 5, circular, { n: 5n }, { t: "\0" }, {
    t: "\ud800",
  }, { t: "x".repeat(1_048_576) }];
  for (const value of args) {
    const result = await engine.enqueue(free, value as never);
    assert.equal(result.status, "invalid");
  }
  assert.deepEqual(await db.query(sql`select from yardmaster.jobs`), []);
});

Deno.test("enqueue() says that it takes a worker and not its name", async () => {
  await using db = await testDb();
  const engine = engineOn(db);
  for (const worker of ["work", {}, undefined] as unknown as AnyWorker[]) {
    const says = /the worker that defineWorker\(\) made, and not with its name/;
    await assert.rejects(engine.enqueue(worker, {}), says);
    await assert.rejects(engine.enqueueMany([{ worker, args: {} }]), says);
  }
});

Deno.test("enqueue() answers invalid for an option that it does not know or that is out of bounds", async () => {
  await using db = await testDb();
  const engine = engineOn(db);
  const options: readonly Record<string, unknown>[] = [
    { priorty: 1 },
    { priority: 10 },
    { priority: 1.5 },
    { maxAttempts: 0 },
    { maxAttempts: 1_001 },
    { queue: "" },
    { queue: "q".repeat(129) },
    { delayMs: NaN },
    { delayMs: -1 },
    { runAt: new Date(NaN) },
    { deadlineMs: Infinity },
    { tags: ["x".repeat(256)] },
    { meta: [] },
    { unique: { fields: [] } },
    { unique: { period: 5 } },
    { unique: { states: "some" } },
    { unique: { onConflict: { replace: ["queue"] } } },
    { unique: 7 },
    { unique: [] },
    { database: "postgres://" },
    { toString: 1 },
    { queue: "\ud800" },
    { tags: ["half \udc00"] },
    { meta: { "\ud800": 1 } },
    { meta: nested(1_001) },
    { runAt: new Date("0000-12-31T23:59:59Z") },
    { runAt: new Date("-000100-01-01T00:00:00Z") },
  ];
  for (const each of options) {
    assert.equal(await refused(engine, each), Object.keys(each).join());
  }
  const deepest = await engine.enqueue(free, {
    text: '{[\\"',
    ...nested(1_000),
  });
  assert.equal(deepest.status, "inserted");
  assert.equal(
    await refused(engine, { runAt: new Date(), delayMs: 1 }),
    "delayMs",
  );
});

Deno.test("enqueue() answers conflict with the job that holds the uniqueness, and replaces when asked", async () => {
  await using db = await testDb();
  const engine = engineOn(db);
  const unique = { fields: ["worker"], keys: [], periodMs: null } as const;
  const first = await engine.enqueue(sync, { customer: 1 }, { unique });
  const second = await engine.enqueue(sync, { customer: 2 }, { unique });
  assert.ok(first.status === "inserted" && second.status === "conflict");
  assert.equal(second.job.id, first.job.id);
  assert.equal(second.replaced, false);

  const third = await engine.enqueue(sync, { customer: 3 }, {
    unique: { ...unique, onConflict: { replace: ["args"] } },
  });
  assert.ok(third.status === "conflict" && third.replaced);
  assert.deepEqual(await db.query(sql`select args from yardmaster.jobs`), [
    { args: { customer: 3 } },
  ]);
});

Deno.test("enqueueMany() answers for each input, in order, and inserts what is valid", async () => {
  await using db = await testDb();
  const engine = engineOn(db);
  const results = await engine.enqueueMany([
    { worker: free, args: { n: 1 } },
    // A program without types gets an answer.
    { worker: sync, args: { customer: "x" } as never },
    { worker: sync, args: { customer: 1 }, options: { unique: true } },
    { worker: sync, args: { customer: 1 }, options: { unique: true } },
  ]);
  assert.deepEqual(results.map((result) => result.status), [
    "inserted",
    "invalid",
    "inserted",
    "conflict",
  ]);
  const many = Array.from(
    { length: 10_001 },
    () => ({ worker: free, args: {} }),
  );
  assert.equal((await engine.enqueueMany(many)).length, 10_001);
});

Deno.test("enqueue() in the host's transaction commits and rolls back with it", async () => {
  await using db = await testDb();
  const engine = engineOn(db);
  const failing = db.transaction(async (tx) => {
    await engine.enqueue(free, {}, { database: tx });
    throw new Error("the host changed its mind");
  });
  await assert.rejects(failing);
  assert.deepEqual(await db.query(sql`select from yardmaster.jobs`), []);
  await db.transaction((tx) => engine.enqueue(free, {}, { database: tx }));
  assert.equal((await db.query(sql`select from yardmaster.ready`)).length, 1);
});

/** Counts statements, each in a savepoint: the test's transaction must last. */
function counted(db: TestDb): { database: Database; statements(): number } {
  let statements = 0;
  const database: Database = {
    schema: db.schema,
    get now() {
      return db.now;
    },
    query: (statement) => {
      statements += 1;
      return db.transaction((tx) => tx.query(statement));
    },
    transaction: (work) => db.transaction(work),
    script: (text) => db.script(text),
  };
  return { database, statements: () => statements };
}

Deno.test("enqueue() of many at the same time takes few statements where the host wants it, and one that fails takes none with it", async () => {
  await using db = await testDb();
  const { database } = counted(db);
  const engine = createEngine({ database, notify: false, coalesce: true });
  await db.query(sql`
    alter table yardmaster.jobs
    add constraint no_job_is_cursed check (priority <> 9)
  `);
  const answers = await Promise.allSettled(
    Array.from(
      { length: 50 },
      (_, n) => engine.enqueue(free, { n }, { priority: n === 20 ? 9 : 0 }),
    ),
  );
  const failed = answers.filter(({ status }) => status === "rejected");
  assert.equal(failed.length, 1);
  const ids = answers.flatMap((answer) =>
    answer.status === "fulfilled" && answer.value.status === "inserted"
      ? [answer.value.job.id]
      : []
  );
  assert.equal(new Set(ids).size, 49);
  const jobs = await db.query<{ id: string; n: number }>(sql`
    select id, (args->>'n')::integer as n from yardmaster.jobs order by id
  `);
  assert.equal(jobs.length, 49);
  assert.deepEqual(
    jobs.map(({ n }) => n),
    jobs.map(({ n }) => n).toSorted((a, b) => a - b),
  );
});

Deno.test("enqueue() of many at the same time shares statements only where the host wants it, and never for what is unique", async () => {
  await using db = await testDb();
  const cases = [
    { coalesce: false, unique: false, least: 20 },
    { coalesce: true, unique: true, least: 20 },
    { coalesce: true, unique: false, least: 1 },
  ];
  for (const { coalesce, unique, least } of cases) {
    const { database, statements } = counted(db);
    const engine = createEngine({ database, notify: false, coalesce });
    const results = await Promise.all(
      Array.from(
        { length: 20 },
        (_, n) => engine.enqueue(free, { n, least }, { unique }),
      ),
    );
    assert.ok(results.every(({ status }) => status === "inserted"));
    const most = least === 1 ? 4 : least;
    assert.ok(statements() >= least && statements() <= most, `${statements()}`);
  }
});

Deno.test("enqueue() and enqueueMany() do not compile with args of another worker", () => {
  const typedByPerform = defineWorker({
    name: "typed_by_perform",
    perform: ({ order }: { order: number }) => order,
  });
  function neverCalled(engine: Engine): void {
    // @ts-expect-error: `customer` is a number
    void engine.enqueue(sync, { customer: "7" });
    // @ts-expect-error: `customer` is missing
    void engine.enqueue(sync, {});
    // @ts-expect-error: `order` is a number, says `perform`
    void engine.enqueue(typedByPerform, { order: "7" });
    void engine.enqueueMany([
      { worker: free, args: { anything: 1 } },
      // @ts-expect-error: `customer` is a number
      { worker: sync, args: { customer: "7" } },
    ]);
  }
  assert.equal(typeof neverCalled, "function");
});
