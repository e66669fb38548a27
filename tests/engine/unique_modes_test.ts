/** What each mode of uniqueness does, from the call to the tables. */
import assert from "node:assert/strict";
import { sql } from "../../src/db/sql.ts";
import { defineLimiter } from "../../src/domain/limiter.ts";
import type { OnConflict, UniqueOptions } from "../../src/domain/unique_key.ts";
import { createEngine, type Engine } from "../../src/engine/engine.ts";
import type { EnqueueResult } from "../../src/engine/enqueue.ts";
import type { EnqueueOptions } from "../../src/engine/enqueue_options.ts";
import { defineWorker } from "../../src/engine/worker.ts";
import { startExecutor } from "../../src/store/executors.ts";
import { type ClaimedJob, claimJobs } from "../../src/store/leases.ts";
import { acknowledge } from "../../src/store/outcomes.ts";
import { type TestDb, usePGlite } from "../support/pglite.ts";

const testDb = usePGlite();

function page(onConflict: OnConflict, rest: UniqueOptions = {}) {
  const unique = { keys: ["page"], onConflict, ...rest };
  return defineWorker({ name: "index", unique, perform: () => {} });
}

function at(db: TestDb, ms: number): Date {
  return new Date(db.nowAt().getTime() + ms);
}

interface Claimer {
  claim(): Promise<ClaimedJob[]>;
  end(runs: readonly ClaimedJob[]): Promise<void>;
}

async function claimer(db: TestDb): Promise<Claimer> {
  const executorId = await startExecutor(db, {
    name: "a",
    runtime: "Deno",
    queues: ["default"],
    workers: ["index"],
    lateAfterMs: 1_000,
    missingAfterMs: 2_000,
  });
  const demand = { queue: "default", declaredLimit: 99, held: 0, prefetch: 0 };
  return {
    claim: () =>
      claimJobs(db, {
        executorId,
        workers: ["index"],
        queues: [{ ...demand, most: 99 }],
      }),
    async end(runs) {
      const results = runs.map(({ leaseId, jobId, attempt }) => {
        return { leaseId, jobId, attempt, to: "completed", tookMs: 1 } as const;
      });
      await acknowledge(db, executorId, results);
    },
  };
}

function outcome(result: EnqueueResult | undefined): string {
  if (result?.status !== "conflict") return result?.status ?? "nothing";
  return result.replaced ? "replaced" : "conflict";
}

async function versions(db: TestDb): Promise<unknown[]> {
  const rows = await db.query<{ n: unknown }>(
    sql`select args -> 'n' as n from yardmaster.jobs order by id`,
  );
  return rows.map(({ n }) => n);
}

function engineOn(database: TestDb): Engine {
  return createEngine({ database, notify: false });
}

Deno.test("throttle lets one job in for each period, whatever became of it", async () => {
  await using db = await testDb();
  const engine = engineOn(db);
  const worker = page("throttle", { periodMs: 60_000 });
  const { claim, end } = await claimer(db);
  const call = async (n: number) =>
    outcome(await engine.enqueue(worker, { page: "/", n }));
  assert.equal(await call(1), "inserted");
  await end(await claim());
  db.advanceMs(59_999);
  assert.equal(await call(2), "conflict");
  db.advanceMs(1);
  assert.equal(await call(3), "inserted");
  // The window is that of the third call, and of no clock.
  db.advanceMs(59_999);
  assert.equal(await call(4), "conflict");
  assert.deepEqual(await versions(db), [1, 3]);
});

Deno.test("throttle holds for its period also when its job was pruned", async () => {
  await using db = await testDb();
  const engine = engineOn(db);
  const worker = page("throttle", { periodMs: 60_000 });
  const first = await engine.enqueue(worker, { page: "/" });
  assert.equal(first.status, "inserted");
  await db.query(sql`delete from yardmaster.ready`);
  await db.query(sql`delete from yardmaster.jobs`);
  const second = await engine.enqueue(worker, { page: "/" });
  assert.ok(second.status === "conflict" && second.job.id === first.job.id);
  db.advanceMs(60_000);
  assert.equal(
    (await engine.enqueue(worker, { page: "/" })).status,
    "inserted",
  );
});

Deno.test("debounce runs once when calls have ceased, with what came last, and at its longest wait", async () => {
  await using db = await testDb();
  const engine = engineOn(db);
  const worker = page({ debounce: { delayMs: 5_000, maxWaitMs: 8_000 } });
  const first = await engine.enqueue(worker, { page: "/", n: 1 });
  assert.ok(first.status === "inserted");
  assert.deepEqual(first.job.runAt, at(db, 5_000));
  db.advanceMs(2_000);
  const second = await engine.enqueue(worker, { page: "/", n: 2 });
  assert.ok(second.status === "conflict" && second.replaced);
  assert.deepEqual(second.runAt, at(db, 5_000));
  db.advanceMs(4_000);
  const third = await engine.enqueue(worker, { page: "/", n: 3 });
  assert.ok(third.status === "conflict" && third.replaced);
  assert.deepEqual(third.runAt, at(db, 2_000));
  assert.equal(third.job.id, first.job.id);
  assert.deepEqual(await versions(db), [3]);
});

for (
  const onConflict of [
    "keep_last",
    { debounce: { delayMs: 0 } },
  ] as const satisfies readonly OnConflict[]
) {
  const name = typeof onConflict === "string" ? onConflict : "debounce";
  Deno.test(`${name} keeps one that follows while the first runs, and each further call overwrites it`, async () => {
    await using db = await testDb();
    const engine = engineOn(db);
    const worker = page(onConflict);
    const { claim, end } = await claimer(db);
    const call = async (n: number) =>
      outcome(await engine.enqueue(worker, { page: "/", n }));
    assert.equal(await call(1), "inserted");
    assert.equal(await call(2), "replaced");
    const runs = await claim();
    assert.deepEqual(runs.map(({ args }) => args.n), [2]);
    assert.equal(await call(3), "inserted");
    assert.equal(await call(4), "replaced");
    assert.deepEqual(await versions(db), [2, 4]);
    await end(runs);
    await end(await claim());
    assert.equal(await call(5), "inserted");
    assert.deepEqual(await versions(db), [2, 4, 5]);
  });
}

Deno.test("every mode works in bulk: of several with one key the first is inserted, and the last wins", async () => {
  await using db = await testDb();
  const engine = engineOn(db);
  const modes: readonly [OnConflict, readonly unknown[], string][] = [
    ["reject", [0, 100], "conflict"],
    ["throttle", [0, 100], "conflict"],
    [{ replace: ["args"] }, [2, 102], "replaced"],
    [{ debounce: { delayMs: 5 } }, [2, 102], "replaced"],
    ["keep_last", [2, 102], "replaced"],
  ];
  for (const [onConflict, expected, later] of modes) {
    await db.query(sql`delete from yardmaster.jobs`);
    const worker = page(onConflict, { fields: ["args"] });
    const key = JSON.stringify(onConflict);
    const of = (n: number, page: string) => {
      return { worker, args: { page: `${key} ${page}`, n } };
    };
    const results = await engine.enqueueMany([
      of(0, "/a"),
      of(100, "/b"),
      of(1, "/a"),
      of(101, "/b"),
      of(2, "/a"),
      of(102, "/b"),
    ]);
    assert.deepEqual(
      results.map(outcome),
      ["inserted", "inserted", later, later, later, later],
      key,
    );
    assert.deepEqual(await versions(db), expected, key);
  }
});

Deno.test("ten thousand conflicts of one call are overwritten by one statement", async () => {
  await using db = await testDb();
  let statements = 0;
  const counted = (handle: TestDb): TestDb => ({
    ...handle,
    now: handle.now,
    query(...given) {
      statements += 1;
      return handle.query(...given);
    },
    transaction: (work) =>
      handle.transaction((tx) => work(counted(tx as TestDb))),
  });
  const engine = engineOn(counted(db));
  const worker = page("keep_last");
  const calls = (n: number) =>
    Array.from({ length: 10_000 }, (_, index) => {
      return { worker, args: { page: `/${index}`, n } };
    });
  await engine.enqueueMany(calls(1));
  statements = 0;
  const results = await engine.enqueueMany(calls(2));
  assert.equal(statements, 2);
  assert.ok(results.every((result) => outcome(result) === "replaced"));
  const rows = await db.query(sql`
    select count(*)::integer as jobs, min(args ->> 'n') as least
    from yardmaster.jobs
  `);
  assert.deepEqual(rows, [{ jobs: 10_000, least: "2" }]);
});

Deno.test("enqueue() says what of a mode can not be", async () => {
  await using db = await testDb();
  const engine = engineOn(db);
  const free = defineWorker({ name: "free", perform: () => {} });
  const debounce = { debounce: { delayMs: 5 } };
  const wrong: readonly [unknown, RegExp, EnqueueOptions?][] = [
    ["debounce", /onConflict must be "reject", /],
    [{ replace: ["args"], ...debounce }, /onConflict must be "reject", /],
    [{ replace: ["args"], delayMs: 5 }, /onConflict must be "reject", /],
    [{ debounce: {} }, /whose delayMs must be milliseconds/],
    [{ debounce: { delayMs: 1, wait: 2 } }, /whose wait is not known/],
    [{ debounce: { delayMs: 9, maxWaitMs: 8 } }, /maxWaitMs of at least/],
    [debounce, /must not be given with debounce/, { delayMs: 1 }],
    [debounce, /must not be given with debounce/, { runAt: new Date() }],
    [debounce, /states must not be/, { unique: { states: "all" } }],
    ["keep_last", /states must not be/, { unique: { states: "all" } }],
    ["keep_last", /periodMs must not be/, { unique: { periodMs: 5 } }],
    ["throttle", /states must not be/, { unique: { states: "all" } }],
    ["throttle", /periodMs must be from 1/, { unique: { periodMs: null } }],
    ["throttle", /periodMs must be from 1/, { unique: { periodMs: 0 } }],
  ];
  for (const [onConflict, message, { unique, ...rest } = {}] of wrong) {
    const options = { ...Object(unique), onConflict };
    const result = await engine.enqueue(free, {}, { ...rest, unique: options });
    assert.equal(result.status, "invalid", JSON.stringify(onConflict));
    assert.match(result.issues[0]?.message ?? "", message);
  }
  assert.deepEqual(await versions(db), []);
});

Deno.test("a mode of a worker is checked with what its calls say, and both say it together", async () => {
  await using db = await testDb();
  const engine = engineOn(db);
  assert.throws(
    () => page("throttle", { periodMs: null }),
    /unique of index periodMs must be from 1/,
  );
  const worker = page("throttle", { periodMs: 1_000 });
  const forEver = await engine.enqueue(worker, {}, { unique: true });
  assert.equal(forEver.status, "invalid");
  const kept = page("keep_last", { periodMs: null });
  const { status } = await engine.enqueue(kept, {}, { unique: true });
  assert.equal(status, "inserted");
});

Deno.test("a holder that waits for its limiters is overwritten there, and waits in the lane of the newest args", async () => {
  await using db = await testDb();
  const engine = engineOn(db);
  const perCustomer = defineLimiter({
    name: "per_customer",
    concurrency: 1,
    partitionBy: "customer",
  });
  const worker = defineWorker({
    name: "index",
    unique: { keys: ["page"], onConflict: "keep_last" },
    limiters: [perCustomer],
    perform: () => {},
  });
  const of = (customer: number) => {
    return { worker, args: { page: "/", customer } };
  };
  const standing = () =>
    db.query<{ lane: string; customer: number }>(sql`
      select lane_id::text as lane, (args ->> 'customer')::integer as customer
      from yardmaster.limited join yardmaster.jobs on jobs.id = limited.job_id
    `);
  assert.equal(
    outcome(await engine.enqueue(worker, of(1).args)),
    "inserted",
  );
  const [before] = await standing();
  const results = await engine.enqueueMany([of(2), of(3)]);
  assert.deepEqual(results.map(outcome), ["replaced", "replaced"]);
  const [after, ...more] = await standing();
  assert.deepEqual([after?.customer, more], [3, []]);
  assert.notEqual(after?.lane, before?.lane);
  const arrivals = await db.query(sql`
    select from yardmaster.lane_arrivals where lane_id = ${after?.lane ?? ""}
  `);
  assert.equal(arrivals.length, 1);
  assert.deepEqual(await db.query(sql`select from yardmaster.ready`), []);
});

Deno.test("calls that come at once keep the last, also where others share a statement", async () => {
  await using db = await testDb();
  const engine = createEngine({ database: db, notify: false, coalesce: true });
  const worker = page("keep_last");
  const results = await Promise.all(
    [1, 2, 3, 4].map((n) => engine.enqueue(worker, { page: "/", n })),
  );
  assert.deepEqual(
    results.map(outcome).toSorted(),
    ["inserted", "replaced", "replaced", "replaced"],
  );
  assert.equal((await versions(db)).length, 1);
});

Deno.test("calls in the host's own transaction overwrite with it, and not without", async () => {
  await using db = await testDb();
  const engine = engineOn(db);
  const worker = page("keep_last");
  await engine.enqueue(worker, { page: "/", n: 1 });
  const undone = db.transaction(async (database) => {
    const of = (n: number) => ({ worker, args: { page: "/", n } });
    const one = await engine.enqueue(worker, of(2).args, { database });
    assert.equal(outcome(one), "replaced");
    const [many] = await engine.enqueueMany([of(3)], { database });
    assert.equal(outcome(many), "replaced");
    throw new Error("the host rolls back");
  });
  await assert.rejects(undone, /the host rolls back/);
  assert.deepEqual(await versions(db), [1]);
});
