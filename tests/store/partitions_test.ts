import assert from "node:assert/strict";
import { sql } from "../../src/db/sql.ts";
import type { JobId } from "../../src/domain/job.ts";
import { startExecutor } from "../../src/store/executors.ts";
import { insertJobs } from "../../src/store/jobs.ts";
import { claimJobs } from "../../src/store/leases.ts";
import { acknowledge } from "../../src/store/outcomes.ts";
import {
  createPartition,
  dropDay,
  listMissingPartitions,
  listOldDays,
} from "../../src/store/partitions.ts";
import {
  pruneDefaultPartitions,
  pruneExecutors,
  pruneOldEvents,
} from "../../src/store/retention.ts";
import { type TestDb, usePGlite } from "../support/pglite.ts";
import { outputOf } from "../support/outputs.ts";

const testDb = usePGlite();
const DAY_MS = 86_400_000;
const keepMs = 7 * DAY_MS;
/** Longer than history. */
const outputMs = 30 * DAY_MS;

async function enqueue(db: TestDb, delayMs: number | null = null) {
  const [answer] = await insertJobs(db, [{
    queue: "default",
    worker: "work",
    args: {},
    priority: 0,
    maxAttempts: 3,
    delayMs,
  }]);
  assert.ok(answer);
  return answer.jobId;
}

/** Runs every job that is ready, and keeps an output and an event of each. */
async function runAll(db: TestDb): Promise<void> {
  const executorId = await startExecutor(db, {
    name: "a",
    runtime: "Deno",
    queues: ["default"],
    workers: ["work"],
    lateAfterMs: 1_000,
    missingAfterMs: 2_000,
  });
  const queue = { queue: "default", declaredLimit: 100, held: 0, prefetch: 0 };
  const runs = await claimJobs(db, {
    executorId,
    workers: ["work"],
    queues: [{ ...queue, most: 100 }],
  });
  await acknowledge(
    db,
    executorId,
    runs.map(({ leaseId, jobId, attempt }) => ({
      leaseId,
      jobId,
      attempt,
      to: "completed",
      tookMs: 1,
      event: { kind: "failed" },
      output: outputOf(1, { keepMs: outputMs }),
    })),
  );
}

async function createAll(db: TestDb): Promise<void> {
  for (const each of await listMissingPartitions(db, { daysAhead: 3 })) {
    assert.ok(await createPartition(db, each));
  }
}

async function places(db: TestDb, table = "jobs"): Promise<string[]> {
  const key = table === "jobs" ? sql`id` : sql`job_id`;
  const from = {
    jobs: sql`yardmaster.jobs`,
    outcomes: sql`yardmaster.outcomes`,
    attempt_events: sql`yardmaster.attempt_events`,
    outputs: sql`yardmaster.outputs`,
  }[table] ?? sql``;
  const rows = await db.query<{ place: string }>(sql`
    select tableoid::regclass::text as place from ${from} order by ${key}
  `);
  return rows.map(({ place }) => place.replace("yardmaster.", ""));
}

Deno.test("createPartition() moves what the default partition caught, and new jobs go there", async () => {
  await using db = await testDb();
  await enqueue(db);
  assert.deepEqual(await places(db), ["jobs_default"]);
  const missing = await listMissingPartitions(db, { daysAhead: 3 });
  assert.equal(missing.length, 16);
  assert.deepEqual(missing.filter((each) => each.begun).length, 4);

  await createAll(db);

  db.advanceMs(1);
  await enqueue(db);
  await runAll(db);
  assert.deepEqual(await places(db), ["jobs_20260115", "jobs_20260115"]);
  assert.deepEqual(await places(db, "outputs"), [
    "outputs_20260115",
    "outputs_20260115",
  ]);
  db.advanceMs(10 * DAY_MS);
  await enqueue(db);
  assert.equal((await places(db)).at(-1), "jobs_default");
  assert.deepEqual(
    (await listMissingPartitions(db, { daysAhead: 0 })).map(({ day }) => day),
    ["20260125", "20260125", "20260125", "20260125"],
  );
  const partitions = await listMissingPartitions(db, { daysAhead: 0 });
  for (const each of partitions) assert.ok(await createPartition(db, each));
  for (const each of partitions) {
    assert.equal(await createPartition(db, each), false);
  }
});

Deno.test("dropDay() takes a day with its evidence, and keeps what lives or ended lately", async () => {
  await using db = await testDb();
  await createAll(db);
  const planned = await enqueue(db, 400 * DAY_MS);
  db.advanceMs(1);
  const old = await enqueue(db);
  await runAll(db);
  db.advanceMs(1);
  const lately = await enqueue(db);
  db.advanceMs(7 * DAY_MS);
  await runAll(db);
  db.advanceMs(DAY_MS / 2);
  assert.deepEqual(await listOldDays(db, { olderThanMs: keepMs }), [
    "20260115",
  ]);

  assert.ok(await dropDay(db, { day: "20260115", keepMs }));

  const kept = await db.query<{ id: JobId }>(
    sql`select id from yardmaster.jobs order by id`,
  );
  assert.deepEqual(kept.map(({ id }) => id), [planned, lately]);
  assert.ok(!kept.some(({ id }) => id === old));
  for (const table of ["outcomes", "attempt_events"]) {
    assert.deepEqual(await places(db, table), [`${table}_default`]);
  }
  assert.deepEqual(await places(db, "outputs"), [
    "outputs_20260115",
    "outputs_20260115",
  ]);
  assert.deepEqual(await listOldDays(db, { olderThanMs: keepMs }), []);
  assert.equal(await dropDay(db, { day: "20260115", keepMs }), false);
});

Deno.test("pruneDefaultPartitions() deletes a bounded number of old ended jobs, and nothing that lives", async () => {
  await using db = await testDb();
  for (let count = 0; count < 3; count++) await enqueue(db);
  const planned = await enqueue(db, 400 * DAY_MS);
  await runAll(db);
  db.advanceMs(keepMs);
  assert.equal(await pruneDefaultPartitions(db, { keepMs, limit: 10 }), 0);
  db.advanceMs(1);

  assert.equal(await pruneDefaultPartitions(db, { keepMs, limit: 2 }), 2);
  assert.equal(await pruneDefaultPartitions(db, { keepMs, limit: 2 }), 1);

  assert.deepEqual(await db.query(sql`select id from yardmaster.jobs`), [
    { id: planned },
  ]);
  for (const table of ["outcomes", "attempt_events"]) {
    assert.deepEqual(await places(db, table), []);
  }
  assert.equal((await places(db, "outputs")).length, 3);
});

Deno.test("pruneOldEvents() and pruneExecutors() forget what nothing refers to, and old events of what lives", async () => {
  await using db = await testDb();
  await enqueue(db);
  await runAll(db);
  await db.query(sql`delete from yardmaster.jobs`);
  await db.query(sql`
    update yardmaster.executors set stopped_at = ${db.now}, beat_at = ${db.now}
  `);
  const living = await enqueue(db, 400 * DAY_MS);
  await db.query(sql`
    insert into yardmaster.attempt_events (job_id, attempt, kind, at)
    values (${living}::bigint, 1, 'snoozed', ${db.now})
  `);
  db.advanceMs(keepMs + 1);
  assert.equal(await pruneOldEvents(db, { keepMs, limit: 10 }), 2);
  assert.equal(await pruneExecutors(db, { keepMs, limit: 10 }), 1);
});
