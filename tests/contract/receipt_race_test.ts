/** Many ask for the same at once, over connections of their own. */
import assert from "node:assert/strict";
import type { Database } from "../../src/db/database.ts";
import { sql } from "../../src/db/sql.ts";
import { createEngine } from "../../src/engine/engine.ts";
import type { JobId } from "../../src/domain/job.ts";
import { enqueueJobs, type EnqueueResult } from "../../src/engine/enqueue.ts";
import { receiptApi } from "../../src/engine/receipts.ts";
import { type AnyWorker, defineWorker } from "../../src/engine/worker.ts";
import { SchemaVersionError } from "../../src/errors.ts";
import { pruneReceipts } from "../../src/store/receipts.ts";
import { cancelJob } from "../../src/store/transitions.ts";
import { NO_KEYS as tools } from "../support/prepare_tools.ts";
import { usePostgres } from "../support/postgres.ts";
import { until } from "../support/until.ts";

const testPostgres = usePostgres();

const charge = defineWorker<{ order: number }>({
  name: "charge",
  idempotent: { keepMs: 60_000 },
  perform: () => {},
});
const only = defineWorker<{ order: number }>({
  name: "only",
  idempotent: true,
  unique: { keys: ["none"], periodMs: null, states: "incomplete" },
  perform: () => {},
});

type World = Awaited<ReturnType<typeof testPostgres>>;

async function connections(world: World, count: number): Promise<Database[]> {
  return await Promise.all(
    Array.from({ length: count }, () => world.connect()),
  );
}

function enqueueAll(
  db: Database,
  orders: readonly number[],
  worker: AnyWorker = charge,
): Promise<EnqueueResult[]> {
  const inputs = orders.map((order) => ({ worker, args: { order } }));
  return enqueueJobs(db, { inputs, tools });
}

async function enqueueOn(db: Database, order: number): Promise<EnqueueResult> {
  const [result] = await enqueueAll(db, [order]);
  assert.ok(result);
  return result;
}

function isWaiting(db: Database): Promise<void> {
  return until("somebody waits for a lock", async () =>
    (await db.query(sql`
      select from pg_stat_activity
      where datname = current_database() and wait_event_type = 'Lock'
    `)).length > 0);
}

async function jobsOf(db: Database): Promise<number> {
  return (await db.query(sql`select from yardmaster.jobs`)).length;
}

/** Exactly one was inserted, and every other answer is that it was. */
function oneOf(results: readonly (EnqueueResult | undefined)[]): string {
  const inserted = results.filter((each) => each?.status === "inserted");
  assert.equal(inserted.length, 1);
  const ids = new Set<string>();
  for (const result of results) {
    assert.ok(result?.status === "inserted" || result?.status === "conflict");
    if (result.status === "conflict") {
      assert.equal(result.by, "receipt");
      assert.equal(result.job.isGone, false);
    }
    ids.add(result.job.id);
  }
  assert.equal(ids.size, 1);
  return [...ids].join();
}

Deno.test("enqueueJobs() of eight at once: one is inserted, and seven are answered with it", async () => {
  await using world = await testPostgres();
  const dbs = await connections(world, 8);
  for (let order = 0; order < 20; order++) {
    oneOf(await Promise.all(dbs.map((db) => enqueueOn(db, order))));
  }
  assert.equal(await jobsOf(world.db), 20);
});

Deno.test("enqueueJobs() waits for who asked first, and is answered with that job when it commits", async () => {
  await using world = await testPostgres();
  const [first, second, third] = await connections(world, 3);
  assert.ok(first && second && third);
  let others: Promise<EnqueueResult[]> | undefined;
  const theirs = await first.transaction(async (tx) => {
    const result = await enqueueOn(tx, 1);
    others = Promise.all([second, third].map((db) => enqueueOn(db, 1)));
    await isWaiting(world.db);
    return result;
  });
  oneOf([theirs, ...await others ?? []]);
  assert.equal(await jobsOf(world.db), 1);
});

Deno.test("enqueueJobs() inserts when who asked first rolls back, and only once", async () => {
  await using world = await testPostgres();
  const [first, second, third] = await connections(world, 3);
  assert.ok(first && second && third);
  let others: Promise<EnqueueResult[]> | undefined;
  const theirs = first.transaction(async (tx) => {
    await enqueueOn(tx, 1);
    others = Promise.all([second, third].map((db) => enqueueOn(db, 1)));
    await isWaiting(world.db);
    throw new Error("theirs rolls back");
  });
  await assert.rejects(theirs, /rolls back/);
  oneOf(await others ?? []);
  assert.equal(await jobsOf(world.db), 1);
});

Deno.test("enqueue() and enqueueMany() that a transaction of the host locks out begin again, and are answered", async () => {
  await using world = await testPostgres();
  const [host, one, many] = await connections(world, 3);
  assert.ok(host && one && many);
  // Who has waited for two seconds looks, and is the one that is sent away.
  for (const db of [one, many]) await db.script("set deadlock_timeout = '2s'");
  const input = (order: number, idempotencyKey: string) => {
    return { worker: only, args: { order }, options: { idempotencyKey } };
  };
  const ways: readonly (() => Promise<EnqueueResult[]>)[] = [
    () => {
      const { worker, args, options } = input(1, "a");
      const engine = createEngine({ database: one, notify: false });
      return Promise.all([engine.enqueue(worker, args, options)]);
    },
    () =>
      createEngine({ database: many, notify: false }).enqueueMany([
        input(1, "a"),
      ]),
  ];
  for (const enqueue of ways) {
    await world.reset();
    let theirs: Promise<EnqueueResult[]> | undefined;
    await host.transaction(async (tx) => {
      await tx.script("set local deadlock_timeout = '60s'");
      await enqueueJobs(tx, { inputs: [input(2, "b")], tools });
      theirs = enqueue();
      await isWaiting(world.db);
      await enqueueJobs(tx, { inputs: [input(1, "a")], tools });
    });
    const [result] = await theirs ?? [];
    assert.ok(result?.status === "conflict");
    assert.equal(result.by, "unique");
  }
});

Deno.test("enqueueJobs() of the same in opposite orders never deadlocks, and inserts each once", async () => {
  await using world = await testPostgres();
  const dbs = await connections(world, 6);
  for (let round = 0; round < 5; round++) {
    const orders = Array.from({ length: 60 }, (_, n) => round * 60 + n);
    const answers = await Promise.all(dbs.map((db, index) => {
      const mine = index % 2 === 0 ? orders : orders.toReversed();
      return enqueueAll(db, mine);
    }));
    const inOrder = answers.map((each, index) =>
      index % 2 === 0 ? each : each.toReversed()
    );
    for (const place of orders.keys()) {
      oneOf(inOrder.map((each) => each[place]));
    }
  }
  assert.equal(await jobsOf(world.db), 300);
});

Deno.test("enqueueJobs() of six at once takes an expired receipt over once, also while it is swept", async () => {
  await using world = await testPostgres();
  const dbs = await connections(world, 6);
  const sweeper = await world.connect();
  for (let order = 0; order < 15; order++) {
    const [db] = dbs;
    assert.ok(db);
    const old = oneOf([await enqueueOn(db, order)]);
    await expire(world.db);
    const [results] = await Promise.all([
      Promise.all(dbs.map((each) => enqueueOn(each, order))),
      order % 2 === 0 ? pruneReceipts(sweeper, { limit: 100 }) : null,
    ]);
    assert.notEqual(oneOf(results), old);
  }
  assert.equal(await jobsOf(world.db), 30);
});

async function expire(db: Database): Promise<void> {
  await db.query(sql`
    update yardmaster.receipts set expires_at = ${db.now} - interval '1 s'
  `);
}

Deno.test("pruneReceipts() leaves a receipt that was taken over under its eyes", async () => {
  await using world = await testPostgres();
  const [first, sweeper] = await connections(world, 2);
  assert.ok(first && sweeper);
  await enqueueOn(first, 1);
  await expire(world.db);
  const taken = await first.transaction(async (tx) => {
    const result = await enqueueOn(tx, 1);
    // It waits for nobody.
    assert.equal(await pruneReceipts(sweeper, { limit: 100 }), 0);
    return result;
  });
  assert.equal(await pruneReceipts(sweeper, { limit: 100 }), 0);
  oneOf([taken, await enqueueOn(sweeper, 1)]);
});

Deno.test("enqueueJobs() in the host's transaction is answered with what that has enqueued, and gives it back with a savepoint", async () => {
  await using world = await testPostgres();
  const { db } = world;
  const ask = (each: Database) => enqueueOn(each, 1);
  const results = await db.transaction(async (tx) => {
    await assert.rejects(
      tx.transaction(async (inner) => {
        oneOf([await ask(inner), await ask(inner)]);
        throw new Error("inner rolls back");
      }),
      /inner rolls back/,
    );
    return [await ask(tx), await ask(tx)];
  });
  oneOf([...results, await enqueueOn(db, 1)]);
  assert.equal(await jobsOf(db), 1);
});

Deno.test("of jobs with a receipt and a uniqueness at once, many leave one job, and receipts of nothing else", async () => {
  await using world = await testPostgres();
  const dbs = await connections(world, 6);
  const ask = async (db: Database, order: number) => {
    const [result] = await enqueueAll(db, [order], only);
    assert.ok(result);
    return result;
  };
  // Three ask for one thing and three for another, which only one may do.
  const results = await Promise.all(
    dbs.map((db, index) => ask(db, index % 2)),
  );
  const inserted = results.filter(({ status }) => status === "inserted");
  assert.equal(inserted.length, 1);
  const ids = new Set(results.map((each) => "job" in each && each.job.id));
  assert.equal(ids.size, 1);
  assert.equal(await jobsOf(world.db), 1);
  const orphans = await world.db.query(sql`
    select from yardmaster.receipts
    where not exists (
      select from yardmaster.jobs where jobs.id = receipts.job_id
    )
  `);
  assert.equal(orphans.length, 0);

  const winner = results.findIndex(({ status }) => status === "inserted");
  const [jobId] = ids;
  await cancelJob(world.db, { jobId: jobId as JobId, principal: null });
  const again = await ask(world.db, winner % 2);
  const other = await ask(world.db, (winner + 1) % 2);
  assert.ok(again.status === "conflict" && again.by === "receipt");
  assert.equal(other.status, "inserted");
});

Deno.test("on a schema without receipts who asks for one is told of it, and others are not", async () => {
  await using world = await testPostgres();
  const { db } = world;
  await db.script(`
    drop table yardmaster.receipts;
    delete from yardmaster.schema_migrations where version >= 5;
  `);
  const engine = createEngine({ database: db, notify: false });
  const plain = defineWorker({ name: "plain", perform: () => {} });
  const results = [
    await engine.enqueue(plain, {}),
    await engine.enqueue(plain, {}, { delayMs: 1_000, unique: true }),
  ];
  const isTold = (error: unknown) =>
    error instanceof SchemaVersionError && error.version === 4 &&
    /^Cannot (?:enqueue|forget): .* run "yardmaster migrate up"/.test(
      error.message,
    );

  assert.deepEqual(results.map(({ status }) => status), [
    "inserted",
    "inserted",
  ]);
  await assert.rejects(engine.enqueue(charge, { order: 1 }), isTold);
  const input = { worker: charge, args: { order: 1 } };
  await assert.rejects(engine.enqueueMany([input, input]), isTold);
  const { forget } = receiptApi(db, tools.fingerprints);
  await assert.rejects(forget(charge, { args: { order: 1 } }), isTold);
});
