/** What needs two connections: claims, rescues and late acknowledgements. */
import assert from "node:assert/strict";
import type { Database } from "../../src/db/database.ts";
import { sql } from "../../src/db/sql.ts";
import { startExecutor, stopExecutor } from "../../src/store/executors.ts";
import { insertJobs } from "../../src/store/jobs.ts";
import {
  type ClaimedJob,
  claimJobs,
  rescueLeases,
} from "../../src/store/leases.ts";
import { acknowledge, type RunResult } from "../../src/store/outcomes.ts";
import { stageJobs } from "../../src/store/scheduled.ts";
import { usePostgres } from "../support/postgres.ts";
import { until } from "../support/until.ts";

const testPostgres = usePostgres();

async function enqueue(
  db: Database,
  { count, delayMs = null }: { count: number; delayMs?: number | null },
): Promise<void> {
  const insert = { queue: "default", worker: "work", args: {}, priority: 0 };
  await insertJobs(
    db,
    Array.from({ length: count }, () => ({
      ...insert,
      maxAttempts: 3,
      delayMs,
    })),
  );
}

function executor(db: Database): Promise<number> {
  return startExecutor(db, {
    name: "a",
    runtime: "Deno",
    queues: ["default"],
    workers: ["work"],
    lateAfterMs: 1_000,
    missingAfterMs: 2_000,
  });
}

function claim(db: Database, executorId: number, most = 7) {
  const queue = { queue: "default", declaredLimit: 1_000, held: 0 };
  return claimJobs(db, {
    executorId,
    workers: ["work"],
    queues: [{ ...queue, prefetch: 0, most }],
  });
}

function completed({ leaseId, jobId, attempt }: ClaimedJob): RunResult {
  return { leaseId, jobId, attempt, to: "completed", tookMs: 1 };
}

/** Whether somebody waits for a lock: then both sides of a race are on. */
async function isWaiting(db: Database): Promise<boolean> {
  const rows = await db.query(sql`
    select from pg_stat_activity
    where datname = current_database() and wait_event_type = 'Lock'
  `);
  return rows.length > 0;
}

Deno.test("claimJobs() gives each of many claimers other jobs, and all of them", async () => {
  await using world = await testPostgres();
  await enqueue(world.db, { count: 500 });
  const claimers = await Promise.all(
    Array.from({ length: 6 }, async () => {
      const db = await world.connect();
      return { db, executorId: await executor(db) };
    }),
  );

  // All have begun before any is done.
  const first = await Promise.all(
    claimers.map(({ db, executorId }) => claim(db, executorId)),
  );
  const claims = await Promise.all(claimers.map(async (claimer, place) => {
    const { db, executorId } = claimer;
    const mine = [...first[place] ?? []];
    let empty = 0;
    while (empty < 3) {
      const runs = await claim(db, executorId);
      mine.push(...runs);
      empty = runs.length === 0 ? empty + 1 : 0;
    }
    return mine;
  }));

  const ids = claims.flat().map((run) => run.jobId);
  assert.equal(ids.length, 500);
  assert.equal(new Set(ids).size, 500);
  assert.ok(claims.filter((mine) => mine.length > 0).length > 1);
});

Deno.test("stageJobs() stages each job once, whoever does it", async () => {
  await using world = await testPostgres();
  await enqueue(world.db, { count: 300, delayMs: 1 });
  const dbs = await Promise.all(
    Array.from({ length: 4 }, () => world.connect()),
  );
  let staged = 0;
  await until("all are staged", async () => {
    const passes = await Promise.all(
      dbs.map((db) => stageJobs(db, { limit: 20 })),
    );
    staged += passes.reduce((sum, pass) => sum + pass.staged, 0);
    return staged >= 300;
  });
  assert.equal(staged, 300);
  const ready = await world.db.query(sql`select from yardmaster.ready`);
  assert.equal(ready.length, 300);
});

Deno.test("acknowledge() is refused when a rescue that it waited for has taken the job", async () => {
  await using world = await testPostgres();
  const { db } = world;
  const executorId = await executor(db);
  await enqueue(db, { count: 2 });
  const runs = await claim(db, executorId);
  await stopExecutor(db, executorId);
  const other = await world.connect();
  let late: Promise<unknown> = Promise.resolve();

  await db.transaction(async (tx) => {
    assert.equal((await rescueLeases(tx, { limit: 10 })).rescued, 2);
    late = acknowledge(other, executorId, runs.map(completed));
    await until("the acknowledgement waits", () => isWaiting(db));
  });

  assert.deepEqual(await late, ["lost", "lost"]);
  assert.deepEqual(await db.query(sql`select from yardmaster.outcomes`), []);
  assert.equal((await db.query(sql`select from yardmaster.ready`)).length, 2);
});

Deno.test("rescueLeases() passes over a lease that is being acknowledged, and takes what it left", async () => {
  await using world = await testPostgres();
  const { db } = world;
  const executorId = await executor(db);
  await enqueue(db, { count: 3 });
  const runs = await claim(db, executorId);
  await stopExecutor(db, executorId);
  const other = await world.connect();

  await db.transaction(async (tx) => {
    await acknowledge(tx, executorId, runs.slice(0, 2).map(completed));
    const rescue = await rescueLeases(other, { limit: 10 });
    assert.deepEqual(rescue, {
      rescued: 0,
      discarded: 0,
      discardedIds: [],
      queues: [],
    });
  });

  assert.equal((await rescueLeases(other, { limit: 10 })).rescued, 1);
  const outcomes = await db.query(sql`select from yardmaster.outcomes`);
  assert.equal(outcomes.length, 2);
});

Deno.test("a zombie's late acknowledgement leaves the second run alone", async () => {
  await using world = await testPostgres();
  const { db } = world;
  const [zombie, successor] = [await executor(db), await executor(db)];
  await enqueue(db, { count: 1 });
  const before = await claim(db, zombie);
  await stopExecutor(db, zombie);
  await rescueLeases(db, { limit: 10 });
  const after = await claim(db, successor);

  const answers = await Promise.all([
    acknowledge(await world.connect(), zombie, before.map(completed)),
    acknowledge(await world.connect(), successor, after.map(completed)),
  ]);

  assert.deepEqual(answers, [["lost"], ["applied"]]);
  const outcomes = await db.query(sql`
    select attempt, executor_id from yardmaster.outcomes
  `);
  assert.deepEqual(outcomes, [{ attempt: 2, executor_id: successor }]);
  const told = await db.query(sql`
    select kind::text, attempt, executor_id
    from yardmaster.attempt_events order by id
  `);
  assert.deepEqual(told, [
    { kind: "rescued", attempt: 1, executor_id: zombie },
    { kind: "lost", attempt: 1, executor_id: zombie },
  ]);
});
