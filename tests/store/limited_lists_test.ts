/**
 * Jobs that wait for limiters are due like others: whatever counts or lists due
 * jobs knows them too.
 */
import assert from "node:assert/strict";
import type { Database } from "../../src/db/database.ts";
import { sql } from "../../src/db/sql.ts";
import type { JobId } from "../../src/domain/job.ts";
import { bucketsOf } from "../../src/domain/overview.ts";
import { countJobs } from "../../src/store/job_counts.ts";
import { readOverview } from "../../src/store/overview.ts";
import { createPartition, dropDay } from "../../src/store/partitions.ts";
import { readQueueEvidence } from "../../src/store/queue_evidence.ts";
import { listQueueStatus } from "../../src/store/queue_status.ts";
import { listJobs } from "../../src/store/search.ts";
import { givenExecutor, givenJob, givenQueue } from "../support/job_world.ts";
import {
  API,
  count,
  givenLimits,
  givenWork,
} from "../support/limiter_world.ts";
import { usePostgres } from "../support/postgres.ts";

const testPostgres = usePostgres();

/** Two jobs of `work` that wait for a limiter, and none that is ready. */
async function givenLine(
  db: Database,
  queue = "default",
): Promise<readonly JobId[]> {
  await givenLimits(db, [API]);
  const ids = await givenWork(db, [{}, {}], { queue, priority: 3 });
  assert.equal(await count(db, "limited"), 2);
  assert.equal(await count(db, "ready"), 0);
  return ids;
}

/** How many a bucket of the overview counts, and what stands in it. */
async function bucketsAt(db: Database) {
  const facts = await readOverview(db);
  return Object.fromEntries(
    bucketsOf(facts).map(({ status, total, exemplars }) => [status, {
      total: total?.count,
      resources: exemplars.map(({ resource }) => resource.id),
    }]),
  );
}

Deno.test("listQueueStatus() knows a queue by the jobs alone that wait for limiters, and the oldest of all its due jobs", async () => {
  await using postgres = await testPostgres();
  const { db } = postgres;
  const [oldest] = await givenLine(db, "api");

  const [alone] = await listQueueStatus(db);
  const ready = await givenJob(db, { queue: "api", worker: "other" });
  const [beside] = await listQueueStatus(db, { name: "api" });

  assert.equal(alone?.name, "api");
  assert.equal(alone.ready, 2);
  assert.equal(alone.oldestId, oldest);
  assert.equal(beside?.ready, 3);
  assert.equal(beside.oldestId, oldest);
  assert.notEqual(ready, oldest);
});

Deno.test("countJobs() and listJobs() find jobs that wait for limiters among the available ones, with a filter and without", async () => {
  await using postgres = await testPostgres();
  const { db } = postgres;
  const inLine = await givenLine(db);
  const ready = await givenJob(db, { queue: "mail", worker: "other" });
  const page = { from: null, way: "down", limit: 25 } as const;
  const found = async (filter: { readonly queue?: string }) => {
    const { jobs } = await listJobs(db, {
      ...page,
      state: "available",
      filter,
    });
    return jobs.map(({ jobId }) => jobId).sort();
  };

  const all = await countJobs(db, {});
  const ofQueue = await countJobs(db, { queue: "default" });
  const ofWorker = await countJobs(db, { worker: "work" });

  assert.deepEqual(all.available, { count: 3, isExact: true });
  assert.deepEqual(ofQueue.available, { count: 2, isExact: true });
  assert.deepEqual(ofWorker.available, { count: 2, isExact: true });
  assert.deepEqual(await found({}), [...inLine, ready].sort());
  assert.deepEqual(await found({ queue: "default" }), [...inLine].sort());
  const { jobs } = await listJobs(db, {
    ...page,
    state: "suspended",
    filter: {},
  });
  assert.deepEqual(jobs, []);
});

Deno.test("readQueueEvidence() counts jobs that wait for limiters, and tells when the oldest was inserted", async () => {
  await using postgres = await testPostgres();
  const { db } = postgres;
  await givenLine(db, "api");

  const { ready, oldestReadyAt } = await readQueueEvidence(db, "api");

  assert.equal(ready, 2);
  assert.ok(oldestReadyAt instanceof Date);
});

Deno.test("readOverview() counts jobs of a served queue that wait for limiters as waiting, and not as runnable", async () => {
  await using postgres = await testPostgres();
  const { db } = postgres;
  await givenExecutor(db, { workers: ["work", "other"] });
  await givenLine(db);

  const alone = await bucketsAt(db);
  await givenJob(db, { worker: "other" });
  const beside = await bucketsAt(db);

  assert.deepEqual(alone["waiting"], { total: 2, resources: ["default"] });
  assert.deepEqual(alone["runnable"], { total: 0, resources: [] });
  assert.deepEqual(alone["blocked"], { total: 0, resources: [] });
  assert.deepEqual(beside["waiting"], { total: 2, resources: ["default"] });
  assert.deepEqual(beside["runnable"], { total: 1, resources: ["default"] });
});

Deno.test("readOverview() finds queues that are unserved, paused or without code by the jobs alone that wait for limiters", async () => {
  await using postgres = await testPostgres();
  const { db } = postgres;
  await givenLine(db);

  const unserved = await bucketsAt(db);
  await givenExecutor(db, { workers: ["other"] });
  const unknown = await readOverview(db);
  await givenQueue(db, { name: "default", pausedBy: "ada" });
  const paused = await bucketsAt(db);

  assert.deepEqual(unserved["blocked"], { total: 1, resources: ["default"] });
  assert.deepEqual(unserved["waiting"], { total: 0, resources: [] });
  assert.deepEqual(
    unknown.queues.map(({ name, unknownWorkers, limited }) => {
      return { name, unknownWorkers, limited };
    }),
    [{
      name: "default",
      unknownWorkers: ["work"],
      limited: { count: 2, capped: false },
    }],
  );
  assert.equal(paused["waiting"]?.total, 1);
});

Deno.test("dropDay() keeps the definitions of jobs that wait for limiters", async () => {
  await using postgres = await testPostgres();
  const { db } = postgres;
  const [today] = await db.query<{
    readonly day: string;
    readonly fromId: JobId;
    readonly toId: JobId;
  }>(sql`
    select to_char(${db.now} at time zone 'UTC', 'YYYYMMDD') as "day",
      yardmaster.job_id_at(date_trunc('day', ${db.now}, 'UTC')) as "fromId",
      yardmaster.job_id_at(
        date_trunc('day', ${db.now}, 'UTC') + interval '1 day'
      ) as "toId"
  `);
  assert.ok(today);
  const table = "jobs" as const;
  assert.ok(await createPartition(db, { ...today, table, begun: true }));
  const inLine = await givenLine(db);

  assert.ok(await dropDay(db, { day: today.day, keepMs: 0 }));

  const kept = await db.query<{ id: JobId }>(sql`
    select id from yardmaster.jobs order by id
  `);
  assert.deepEqual(kept.map(({ id }) => id), [...inLine]);
});
