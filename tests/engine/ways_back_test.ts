/** Ways on which a job comes back: what it was inserted with, it keeps. */
import assert from "node:assert/strict";
import { z } from "zod";
import { sql } from "../../src/db/sql.ts";
import { defineLimiter } from "../../src/domain/limiter.ts";
import type { JobId } from "../../src/domain/job.ts";
import { snooze } from "../../src/engine/verdict.ts";
import { defineWorker, type Worker } from "../../src/engine/worker.ts";
import { rescueLeases } from "../../src/store/leases.ts";
import { stageJobs } from "../../src/store/scheduled.ts";
import { cancelJob, retryJob } from "../../src/store/transitions.ts";
import { createYardmaster } from "../../src/yardmaster.ts";
import { givenExecutor } from "../support/job_world.ts";
import { type TestDb, usePGlite } from "../support/pglite.ts";
import { BOTH_KEYS } from "../support/secrets.ts";

const testDb = usePGlite();
const HOUR_MS = 3_600_000;
const rate = { capacity: 5, perMs: 24 * HOUR_MS };

/** All that a worker may declare. */
const worker = defineWorker({
  name: "work",
  args: z.object({
    customer: z.int(),
    token: z.string().optional(),
    pin: z.string(),
  }),
  version: 2,
  upgrade: { 1: (args) => args },
  redact: ["token"],
  encrypt: ["pin"],
  unique: { states: "incomplete", periodMs: null },
  idempotent: true,
  limiters: [
    defineLimiter({ name: "calls", at: "enqueue", rate }),
    defineLimiter({ name: "starts", rate }),
  ],
  deadlineMs: 24 * HOUR_MS,
  priority: 4,
  queue: "own",
  perform: () => snooze(60_000),
});

function yardOf(db: TestDb) {
  return createYardmaster({
    database: db,
    workers: [worker],
    queues: { own: { limit: 1 } },
    encryption: BOTH_KEYS,
    fingerprintKey: "sixteen bytes or more",
    notify: false,
  });
}

/** The job, its key, its receipt, and what it used of the limiter at enqueue. */
async function kept(db: TestDb): Promise<unknown> {
  const [row] = await db.query(sql`
    select
      (select to_jsonb(jobs) - 'max_attempts' from yardmaster.jobs) as job,
      (select to_jsonb(held) from yardmaster.unique_keys as held) as key,
      (select to_jsonb(receipts) from yardmaster.receipts) as receipt,
      (
        select used from yardmaster.limiter_partitions
        where limiter = 'calls'
      ) as used
  `);
  return row;
}

/** What happens to a job, until it waits for its turn again. */
const WAYS: Readonly<
  Record<string, (db: TestDb, jobId: JobId) => Promise<unknown>>
> = {
  "an operator's retry": async (db, jobId) => {
    await cancelJob(db, { jobId, principal: "ops" });
    await retryJob(db, { jobId, principal: "ops" });
  },
  "a rescue from a missing executor": async (db, jobId) => {
    const executorId = await givenExecutor(db);
    await db.query(sql`
      with taken as (delete from yardmaster.limited returning job_id)
      insert into yardmaster.leases (executor_id, job_ids, attempts, claimed_at)
      select ${executorId}, array[job_id], '{1}', ${db.now} from taken
    `);
    await db.query(sql`
      update yardmaster.executors set stopped_at = ${db.now}
      where id = ${executorId}
    `);
    assert.deepEqual((await rescueLeases(db, { limit: 1 })).discardedIds, []);
    assert.ok(jobId);
  },
  "a snooze": async (db) => {
    const { claimed } = await yardOf(db).tick({ budgetMs: 5_000, maxJobs: 1 });
    assert.equal(claimed, 1);
    db.advanceMs(60_000);
    await stageJobs(db, { limit: 10 });
  },
};

for (const [way, go] of Object.entries(WAYS)) {
  Deno.test(`${way} leaves a job all that it was inserted with, and asks only the limiters at dispatch`, async () => {
    await using db = await testDb();
    const yard = yardOf(db);
    const args = { customer: 7, token: "t0ken", pin: "p1n" };
    const answer = await yard.enqueue(worker as Worker<typeof args>, args);
    assert.equal(answer.status, "inserted");
    const before = await kept(db);

    await go(db, answer.job.id);

    assert.deepEqual(await kept(db), before);
    const waiting = await db.query<{ jobId: JobId }>(sql`
      select job_id::text as "jobId" from yardmaster.limited
    `);
    assert.deepEqual(waiting, [{ jobId: answer.job.id }]);
  });
}

Deno.test("what is staged has all that it was enqueued with, and its deadline counts from the call", async () => {
  await using db = await testDb();
  const args = { customer: 7, token: "t0ken", pin: "p1n" };
  const answer = await yardOf(db).enqueue(worker, args, { delayMs: HOUR_MS });
  assert.equal(answer.status, "inserted");
  const before = await kept(db);
  db.advanceMs(HOUR_MS);
  assert.equal((await stageJobs(db, { limit: 10 })).staged, 1);
  assert.deepEqual(await kept(db), before);
  const waiting = await db.query(sql`select from yardmaster.limited`);
  assert.equal(waiting.length, 1);
});
