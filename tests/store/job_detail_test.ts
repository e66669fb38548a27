import assert from "node:assert/strict";
import { sql } from "../../src/db/sql.ts";
import { JOB_STATES } from "../../src/domain/state.ts";
import {
  findJobDetail,
  listAttemptEvents,
} from "../../src/store/job_detail.ts";
import {
  listExecutorStatus,
  listKnownNames,
  listQueueStatus,
} from "../../src/store/queue_status.ts";
import {
  givenEvent,
  givenExecutor,
  givenJob,
  givenQueue,
} from "../support/job_world.ts";
import { usePGlite } from "../support/pglite.ts";

const testDb = usePGlite();

Deno.test("findJobDetail() tells where a job stands and what lies around it", async () => {
  await using db = await testDb();
  await givenQueue(db, { name: "mail", pausedBy: "ops-demo" });
  const before = await givenJob(db, {
    cronEntry: "nightly",
    state: "completed",
    attempt: 1,
  });
  await givenJob(db, { queue: "mail", priority: 1 });
  const id = await givenJob(db, {
    queue: "mail",
    cronEntry: "nightly",
    args: { n: 1 },
    meta: { m: true },
    uniqueKey: "key",
  });
  await db.query(sql`
    insert into yardmaster.receipts (fingerprint, job_id, expires_at)
    values (sha256('1'), ${id}, ${db.now})
  `);
  await db.query(sql`
    insert into yardmaster.unique_keys (key, job_id, states)
    values ('key', ${before}, '{available}')
  `);
  await db.query(sql`
    insert into yardmaster.outputs (job_id, attempt, output, recorded_at)
    values (${id}, 1, '{"rows": 3}', ${db.now})
  `);

  const job = await findJobDetail(db, id);

  assert.equal(job?.state, "available");
  assert.equal(job?.cronPreviousId, before);
  assert.equal(job?.cronNextId, null);
  assert.equal(job?.uniqueHolderId, before);
  assert.deepEqual(job?.receiptUntil, db.nowAt());
  assert.deepEqual(job?.args, { n: 1 });
  assert.deepEqual(job?.meta, { m: true });
  assert.deepEqual(job?.output, { rows: 3 });
  assert.equal(job?.outputBytes, 11);
  assert.deepEqual(job?.insertedAt, db.nowAt());
  assert.equal(await findJobDetail(db, "9223372036854775807"), null);
});

Deno.test("findJobDetail() knows each state", async () => {
  await using db = await testDb();
  for (const state of JOB_STATES) {
    const job = await findJobDetail(
      db,
      await givenJob(db, { state, attempt: 2 }),
    );
    assert.equal(job?.state, state);
  }
});

Deno.test("listAttemptEvents() tells what happened in its order, and when there is more", async () => {
  await using db = await testDb();
  const id = await givenJob(db);
  for (let attempt = 1; attempt <= 52; attempt++) {
    await givenEvent(db, {
      jobId: id,
      attempt,
      message: "boom",
      stack: "at x",
    });
  }
  const { events, hasOlder } = await listAttemptEvents(db, id);

  assert.equal(events.length, 50);
  assert.equal(hasOlder, true);
  assert.deepEqual([events[0]?.attempt, events.at(-1)?.attempt], [3, 52]);
  assert.equal(events[0]?.stack, "at x");
});

Deno.test("listQueueStatus() knows queues that are declared, served or only used", async () => {
  await using db = await testDb();
  await givenQueue(db, { name: "mail", limit: 4, pausedBy: "ops-demo" });
  await givenExecutor(db, { queues: ["served"] });
  const first = await givenJob(db, { queue: "used", priority: 5 });
  db.advanceMs(1_000);
  await givenJob(db, { queue: "used", priority: 0 });
  await givenJob(db, { queue: "mail", state: "executing", attempt: 1 });
  await givenJob(db, { queue: "mail", state: "scheduled" });
  await givenJob(db, {
    queue: "mail",
    state: "retryable",
    attempt: 1,
    dueInMs: 500,
  });

  const queues = await listQueueStatus(db);
  const [mail, served, used] = queues;

  assert.deepEqual(queues.map(({ name }) => name), ["mail", "served", "used"]);
  assert.deepEqual([mail?.recorded, served?.recorded, used?.recorded], [
    true,
    false,
    false,
  ]);
  assert.deepEqual([mail?.executing, mail?.scheduled, mail?.retryable], [
    1,
    1,
    1,
  ]);
  assert.equal(mail?.nextRunAt?.getTime(), db.nowAt().getTime() + 500);
  assert.equal(mail?.pausedBy, "ops-demo");
  assert.equal(mail?.declaredLimit, 4);
  assert.deepEqual([used?.ready, used?.oldestId], [2, first]);
  assert.deepEqual(await listQueueStatus(db, { name: "mail" }), [mail]);
  assert.deepEqual(await listQueueStatus(db, { name: "nobody" }), []);
});

Deno.test("listExecutorStatus() tells the healthy from the late and the missing", async () => {
  await using db = await testDb();
  const healthy = await givenExecutor(db, { workers: ["b", "a"] });
  await givenExecutor(db, { beatAgoMs: 45_000 });
  await givenExecutor(db, { beatAgoMs: 120_000, workers: ["c"] });
  await givenJob(db, { state: "executing", attempt: 1, executorId: healthy });

  const executors = await listExecutorStatus(db);

  assert.deepEqual(executors.map(({ health }) => health), [
    "healthy",
    "late",
    "missing",
  ]);
  assert.deepEqual(executors.map(({ executing }) => executing), [1, 0, 0]);
  assert.deepEqual((await listKnownNames(db)).workers, [
    "a",
    "b",
    "c",
    "send_mail",
  ]);
});
