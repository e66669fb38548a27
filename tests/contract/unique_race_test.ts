/** Many processes enqueue the same job, and keep the same partitions. */
import assert from "node:assert/strict";
import type { Database } from "../../src/db/database.ts";
import { sql } from "../../src/db/sql.ts";
import { enqueueJobs } from "../../src/engine/enqueue.ts";
import { defineWorker } from "../../src/engine/worker.ts";
import { insertJobs, type JobInsert } from "../../src/store/jobs.ts";
import {
  createPartition,
  dropDay,
  listMissingPartitions,
} from "../../src/store/partitions.ts";
import { cancelJob } from "../../src/store/transitions.ts";
import { NO_KEYS as tools } from "../support/prepare_tools.ts";
import { usePostgres } from "../support/postgres.ts";
import { stillDb } from "../support/still_db.ts";
import { until } from "../support/until.ts";

const testPostgres = usePostgres();

function insert(key: string): JobInsert {
  return {
    queue: "default",
    worker: "work",
    args: {},
    priority: 0,
    maxAttempts: 3,
    unique: { key, states: ["available", "completed"], periodMs: null },
  };
}

Deno.test("insertJobs() of many at once: one is inserted, and the others conflict with it by id", async () => {
  await using world = await testPostgres();
  const dbs = await Promise.all(
    Array.from({ length: 8 }, () => world.connect()),
  );
  for (let round = 0; round < 15; round++) {
    const answers = await Promise.all(
      dbs.map(async (db) => (await insertJobs(db, [insert(`k${round}`)]))[0]),
    );
    const inserted = answers.filter((each) => each?.status === "inserted");
    assert.equal(inserted.length, 1);
    const ids = new Set(answers.map((each) => each?.jobId));
    assert.deepEqual([...ids], [inserted[0]?.jobId]);
  }
  const jobs = await world.db.query(sql`select from yardmaster.jobs`);
  assert.equal(jobs.length, 15);
});

Deno.test("insertJobs() of batches with the same keys in other orders never deadlock", async () => {
  await using world = await testPostgres();
  const dbs = await Promise.all(
    Array.from({ length: 4 }, () => world.connect()),
  );
  const keys = Array.from({ length: 50 }, (_, index) => `k${index}`);
  const batches = await Promise.all(dbs.map((db, index) => {
    const mine = index % 2 === 0 ? keys : keys.toReversed();
    return insertJobs(db, mine.map(insert));
  }));
  const inserted = batches.flat().filter(({ status }) => status === "inserted");
  assert.equal(inserted.length, 50);
});

Deno.test("insertJobs() waits for another transaction, and inserts when that rolls back", async () => {
  await using world = await testPostgres();
  const { db } = world;
  const other = await world.connect();
  let mine: ReturnType<typeof insertJobs> | undefined;
  const theirs = db.transaction(async (tx) => {
    await insertJobs(tx, [insert("k")]);
    mine = insertJobs(other, [insert("k")]);
    await until("ours waits for theirs", async () =>
      (await db.query(sql`
        select from pg_stat_activity
        where datname = current_database() and wait_event_type = 'Lock'
      `)).length > 0);
    throw new Error("theirs rolls back");
  });
  await assert.rejects(theirs, /rolls back/);
  assert.equal((await mine)?.[0]?.status, "inserted");
});

Deno.test("insertJobs() of many at once take over a key that is no longer held, once", async () => {
  await using world = await testPostgres();
  const { db } = world;
  const dbs = await Promise.all(
    Array.from({ length: 6 }, () => world.connect()),
  );
  for (let round = 0; round < 10; round++) {
    const [first] = await insertJobs(db, [insert(`k${round}`)]);
    assert.ok(first);
    await cancelJob(db, { jobId: first.jobId, principal: null });
    const answers = await Promise.all(
      dbs.map(async (each) =>
        (await insertJobs(each, [insert(`k${round}`)]))[0]
      ),
    );
    const ids = new Set(answers.map((each) => each?.jobId));
    assert.equal(ids.size, 1);
    assert.ok(!ids.has(first.jobId));
  }
});

Deno.test("enqueueJobs() of several statements tries again when it met another in a deadlock", async () => {
  await using world = await testPostgres();
  const { db } = world;
  const other = await world.connect();
  const plain = defineWorker({ name: "plain", perform: () => {} });
  const once = defineWorker({ name: "once", unique: true, perform: () => {} });
  const a = { worker: once, args: { key: "a" } };
  const b = { worker: once, args: { key: "b" } };
  // More than one statement: each has a key that the other side wants as well.
  const many = Array.from(
    { length: 9_999 },
    () => ({ worker: plain, args: {} }),
  );

  let ours: ReturnType<typeof enqueueJobs> | undefined;
  const theirs = await db.transaction(async (tx) => {
    const answers = await enqueueJobs(tx, { inputs: [b], tools });
    ours = enqueueJobs(other, { inputs: [a, ...many, b], tools });
    await until("ours waits for theirs", async () =>
      (await db.query(sql`
        select from pg_stat_activity
        where datname = current_database() and wait_event_type = 'Lock'
      `)).length > 0);
    answers.push(...await enqueueJobs(tx, { inputs: [a], tools }));
    return answers;
  });

  assert.deepEqual(theirs.map(({ status }) => status), [
    "inserted",
    "inserted",
  ]);
  const answers = await ours;
  assert.equal(answers?.at(0)?.status, "conflict");
  assert.equal(answers?.at(-1)?.status, "conflict");
  const jobs = await db.query(sql`select from yardmaster.jobs`);
  assert.equal(jobs.length, 10_001);
});

async function keepPartitions(db: Database): Promise<void> {
  for (const each of await listMissingPartitions(db, { daysAhead: 3 })) {
    await createPartition(db, each);
  }
}

Deno.test("createPartition() by two processes while others insert: nobody fails and nothing is lost", async () => {
  await using world = await testPostgres();
  // A day that does not end meanwhile.
  const db = stillDb(world.db);
  await dropPartitions(db);
  const dbs: Database[] = await Promise.all(
    Array.from({ length: 4 }, async () => stillDb(await world.connect())),
  );
  const [first, second, third, fourth] = dbs as [
    Database,
    Database,
    Database,
    Database,
  ];
  let inserted = 0;
  let working = true;
  async function insertOn(each: Database): Promise<void> {
    while (working) {
      const { unique: _, ...plain } = insert("");
      const answers = await insertJobs(each, [plain]);
      inserted += answers.length;
    }
  }
  const inserting = [insertOn(third), insertOn(fourth)];
  await until("all partitions are there", async () => {
    await Promise.all([keepPartitions(first), keepPartitions(second)]);
    return (await listMissingPartitions(db, { daysAhead: 3 })).length === 0;
  });
  working = false;
  await Promise.all(inserting);

  const [count] = await db.query<{ jobs: number; caught: number }>(sql`
    select
      (select count(*)::integer from yardmaster.jobs) as jobs,
      (select count(*)::integer from yardmaster.jobs_default) as caught
  `);
  assert.deepEqual(count, { jobs: inserted, caught: 0 });
  const day = db.nowAt().toISOString().slice(0, 10).replaceAll("-", "");
  const drops = await Promise.all(
    dbs.map((each) => dropDay(each, { day, keepMs: 0 })),
  );
  assert.ok(drops.filter((dropped) => dropped).length <= 1);
  const kept = await db.query(sql`select from yardmaster.jobs`);
  assert.equal(kept.length, inserted);
});

/** Another test of this file, or the template, may have made them. */
async function dropPartitions(db: Database): Promise<void> {
  const rows = await db.query<{ name: string }>(sql`
    select relname as name from pg_class
    where relname ~ '^(jobs|outcomes|attempt_events|outputs)_\d{8}$'
  `);
  for (const { name } of rows) {
    await db.script(`drop table yardmaster.${name}`);
  }
}
