import assert from "node:assert/strict";
import { sql } from "../../src/db/sql.ts";
import { pauseCronEntry, runCronEntryNow } from "../../src/store/cron.ts";
import { listCronSlots } from "../../src/store/cron_slots.ts";
import { upsertCronEntry } from "../../src/store/cron_sync.ts";
import type { Notice } from "../../src/store/notices.ts";
import { retryJob } from "../../src/store/transitions.ts";
import {
  complete,
  cronWorld,
  define,
  HOUR_MS,
  jobs,
  slots,
  states,
} from "../support/cron_world.ts";
import { usePGlite } from "../support/pglite.ts";

const testDb = usePGlite();
const asked = { name: "hourly", principal: "ops" };

Deno.test("allow fires beside a job that has not ended", async () => {
  await using db = await testDb();
  const service = await cronWorld(db, { overlap: "allow" });
  for (let hour = 0; hour < 2; hour++) {
    db.advanceMs(HOUR_MS);
    await service.runOnce();
  }
  assert.equal((await jobs(db)).length, 2);
});

Deno.test("skip makes no job while one of this entry has not ended", async () => {
  await using db = await testDb();
  const service = await cronWorld(db, { overlap: "skip" });
  db.advanceMs(HOUR_MS);
  await service.runOnce();
  db.advanceMs(HOUR_MS);
  await service.runOnce();
  const [first] = await jobs(db);
  await complete(db, first);
  db.advanceMs(HOUR_MS);
  await service.runOnce();

  assert.deepEqual(await slots(db), [
    "13:00:00 claimed",
    "14:00:00 skipped",
    "15:00:00 claimed",
  ]);
  const [, skipped] = await listCronSlots(db, { name: "hourly", limit: 9 });
  assert.equal(skipped?.blockedById, first);
});

Deno.test("skip minds the jobs of its own entry only", async () => {
  await using db = await testDb();
  const service = await cronWorld(db, { overlap: "skip" });
  await upsertCronEntry(db, define({ name: "other", overlap: "skip" }));
  db.advanceMs(HOUR_MS);
  await service.runOnce();
  assert.deepEqual(await slots(db, "hourly"), ["13:00:00 claimed"]);
  assert.deepEqual(await slots(db, "other"), ["13:00:00 claimed"]);
});

Deno.test("queue_one runs one follow-up when the job before it has ended", async () => {
  await using db = await testDb();
  const told: Notice[] = [];
  const service = await cronWorld(db, { overlap: "queue_one" }, told);
  for (let hour = 0; hour < 3; hour++) {
    db.advanceMs(HOUR_MS);
    await service.runOnce();
  }
  assert.deepEqual(await slots(db), [
    "13:00:00 claimed",
    "14:00:00 queued",
    "15:00:00 skipped",
  ]);

  const [first] = await jobs(db);
  assert.deepEqual(await service.runOnce(), { worked: false, nextInMs: 1_000 });
  await complete(db, first);
  db.advanceMs(1_000);
  assert.equal((await service.runOnce()).worked, true);

  assert.deepEqual(await slots(db), [
    "13:00:00 claimed",
    "14:00:00 claimed",
    "15:00:00 skipped",
  ]);
  assert.equal((await jobs(db)).length, 2);
  assert.equal(told.length, 2);

  // The next overlap queues again: nothing lingers.
  db.advanceMs(HOUR_MS);
  await service.runOnce();
  assert.equal((await slots(db)).at(-1), "16:00:00 queued");
});

Deno.test("queue_one lets a follow-up pass whose turn comes in a pause", async () => {
  await using db = await testDb();
  const service = await cronWorld(db, { overlap: "queue_one" });
  for (let hour = 0; hour < 2; hour++) {
    db.advanceMs(HOUR_MS);
    await service.runOnce();
  }
  await pauseCronEntry(db, { name: "hourly", principal: "ops" });
  await complete(db, (await jobs(db))[0]);
  await service.runOnce();
  assert.deepEqual(await slots(db), ["13:00:00 claimed", "14:00:00 paused"]);
  assert.equal((await jobs(db)).length, 1);
});

Deno.test("cancel_previous ends the job before, waiting or running, and tells of it", async () => {
  await using db = await testDb();
  const told: Notice[] = [];
  const service = await cronWorld(db, { overlap: "cancel_previous" }, told);
  db.advanceMs(HOUR_MS);
  await service.runOnce();
  const [first] = await jobs(db);
  await db.query(sql`
    with taken as (delete from yardmaster.ready returning job_id)
    insert into yardmaster.leases (executor_id, job_ids, attempts, claimed_at)
    select 1, array[job_id], '{1}', ${db.now} from taken
  `);

  db.advanceMs(HOUR_MS);
  await service.runOnce();

  assert.deepEqual(await states(db), ["cancelled", "available"]);
  assert.deepEqual(await db.query(sql`select id from yardmaster.leases`), []);
  assert.deepEqual(told.slice(1), [
    { t: "cancelled", ids: [first] },
    { t: "ready", q: ["default"] },
  ]);
  const [newest] = await listCronSlots(db, { name: "hourly", limit: 1 });
  assert.equal(newest?.state, "claimed");
  assert.equal(newest?.blockedById, first);
});

Deno.test("an ended job that an operator retries is active again", async () => {
  await using db = await testDb();
  const service = await cronWorld(db, { overlap: "skip" });
  for (let hour = 0; hour < 2; hour++) {
    db.advanceMs(HOUR_MS);
    await service.runOnce();
    await complete(db, (await jobs(db))[hour]);
  }
  const [first] = await jobs(db);
  await retryJob(db, { jobId: first!, principal: "ops" });
  db.advanceMs(HOUR_MS);
  await service.runOnce();
  assert.equal((await slots(db)).at(-1), "15:00:00 skipped");
});

Deno.test("runCronEntryNow() makes a job with a slot of its own, also in a pause", async () => {
  await using db = await testDb();
  const service = await cronWorld(db);
  await pauseCronEntry(db, asked);
  const run = await runCronEntryNow(db, asked);
  await service.runOnce();

  const [jobId] = await jobs(db);
  assert.deepEqual(run, {
    decision: "claimed",
    jobId,
    reason: null,
    blockedById: null,
    cancelledIds: [],
    queue: "default",
    plannedAt: db.nowAt(),
  });
  assert.deepEqual(await listCronSlots(db, { name: "hourly", limit: 9 }), [{
    entryName: "hourly",
    kind: "manual",
    plannedAt: db.nowAt(),
    state: "claimed",
    jobId,
    blockedById: null,
    reason: null,
    claimedAt: db.nowAt(),
  }]);
  const [job] = await db.query<{ cron: Record<string, unknown> }>(
    sql`select meta -> 'cron' as cron from yardmaster.jobs`,
  );
  assert.equal(job?.cron.kind, "manual");
  assert.equal(job?.cron.principal, "ops");
});

Deno.test("runCronEntryNow() tells how the overlap policy decided", async () => {
  await using db = await testDb();
  await cronWorld(db, { overlap: "skip" });
  const first = await runCronEntryNow(db, asked);
  const second = await runCronEntryNow(db, asked);
  assert.equal(first?.decision, "claimed");
  assert.equal(second?.decision, "skipped");
  assert.equal(second?.jobId, null);
  assert.equal(second?.blockedById, first?.jobId);
  // Both were asked for in the same instant, and both are on record.
  assert.deepEqual(await slots(db), ["12:00:00 claimed", "12:00:00 skipped"]);
});

Deno.test("runCronEntryNow() queues a follow-up that runs even in a pause", async () => {
  await using db = await testDb();
  const service = await cronWorld(db, { overlap: "queue_one" });
  await runCronEntryNow(db, asked);
  assert.equal((await runCronEntryNow(db, asked))?.decision, "queued");
  assert.equal((await runCronEntryNow(db, asked))?.decision, "skipped");
  await pauseCronEntry(db, asked);
  await complete(db, (await jobs(db))[0]);
  await service.runOnce();
  assert.equal((await jobs(db)).length, 2);
});

Deno.test("runCronEntryNow() answers with the jobs that it cancelled", async () => {
  await using db = await testDb();
  await cronWorld(db, { overlap: "cancel_previous" });
  const first = await runCronEntryNow(db, asked);
  const second = await runCronEntryNow(db, asked);
  assert.deepEqual(second?.cancelledIds, [first?.jobId]);
  assert.equal(second?.decision, "claimed");
  assert.deepEqual(await states(db), ["cancelled", "available"]);
});

Deno.test("runCronEntryNow() works without a plan that can be read, and not when there is none", async () => {
  await using db = await testDb();
  await cronWorld(db);
  await db.query(sql`update yardmaster.cron_entries set expression = 'x'`);
  assert.equal((await runCronEntryNow(db, asked))?.decision, "claimed");
  await db.query(sql`
    update yardmaster.cron_entries set retired_at = ${db.now}
  `);
  assert.equal(await runCronEntryNow(db, asked), null);
  assert.equal(await runCronEntryNow(db, { ...asked, name: "none" }), null);
});
