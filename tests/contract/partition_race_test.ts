/** Rows move to a new partition while others look for them. */
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
import { acknowledge } from "../../src/store/outcomes.ts";
import {
  createPartition,
  listMissingPartitions,
  type Partitioned,
} from "../../src/store/partitions.ts";
import { lockAlone } from "../../src/store/table_locks.ts";
import { cancelJob, retryJob } from "../../src/store/transitions.ts";
import { usePostgres } from "../support/postgres.ts";
import { stillDb } from "../support/still_db.ts";
import { until } from "../support/until.ts";

const testPostgres = usePostgres();

/**
 * A job that runs, and whose tables have no partition for today: a day that does
 * not end while a test runs.
 */
async function givenRun(db: Database): Promise<ClaimedJob> {
  await dropPartitions(db);
  const executorId = await startExecutor(db, {
    name: "a",
    runtime: "Deno",
    queues: ["default"],
    workers: ["work"],
    lateAfterMs: 100_000,
    missingAfterMs: 200_000,
  });
  const insert = { queue: "default", worker: "work", args: {}, priority: 0 };
  await insertJobs(db, [{ ...insert, maxAttempts: 3 }]);
  const [run] = await claimJobs(db, {
    executorId,
    workers: ["work"],
    queues: [{
      queue: "default",
      declaredLimit: 9,
      held: 0,
      prefetch: 0,
      most: 1,
    }],
  });
  assert.ok(run);
  return run;
}

async function dropPartitions(db: Database): Promise<void> {
  const rows = await db.query<{ name: string }>(sql`
    select relname as name from pg_class
    where relname ~ '^(jobs|outcomes|attempt_events|outputs)_\d{8}$'
  `);
  for (const { name } of rows) {
    await db.script(`drop table yardmaster.${name}`);
  }
}

/** Runs `act` on a connection of its own while a table's rows move. */
async function whileRowsMove<T>(
  { db, other, table }: {
    readonly db: Database;
    readonly other: Database;
    readonly table: Partitioned;
  },
  act: (db: Database) => Promise<T>,
): Promise<T> {
  const missing = await listMissingPartitions(db, { daysAhead: 0 });
  const partition = missing.find((each) => each.table === table);
  assert.ok(partition);
  let answer: Promise<T> | undefined;
  await db.transaction(async (tx) => {
    assert.ok(await createPartition(tx, partition));
    answer = act(other);
    await until("it waits for the rows", async () =>
      (await db.query(sql`
        select from pg_stat_activity
        where datname = current_database() and wait_event_type = 'Lock'
      `)).length > 0);
  });
  assert.ok(answer);
  return await answer;
}

async function standings(db: Database): Promise<unknown[]> {
  const rows = await db.query<{ state: string }>(sql`
    select coalesce(job_states.state::text, 'nowhere') as state
    from yardmaster.jobs
    left join yardmaster.job_states on job_states.job_id = jobs.id
  `);
  return rows.map(({ state }) => state);
}

Deno.test("createPartition() moves definitions while a failed run is acknowledged: the job waits again", async () => {
  await using world = await testPostgres();
  const db = stillDb(world.db);
  const { leaseId, jobId, attempt } = await givenRun(db);
  const other = stillDb(await world.connect());
  const answers = await whileRowsMove(
    { db, other, table: "jobs" },
    (their) =>
      acknowledge(their, 1, [{
        leaseId,
        jobId,
        attempt,
        to: "retryable",
        tookMs: 1,
        delayMs: 60_000,
      }]),
  );
  assert.deepEqual(answers, ["applied"]);
  assert.deepEqual(await standings(db), ["retryable"]);
});

Deno.test("createPartition() moves definitions while a lease is rescued: the job is ready again", async () => {
  await using world = await testPostgres();
  const db = stillDb(world.db);
  await givenRun(db);
  await stopExecutor(db, 1);
  const other = stillDb(await world.connect());
  const rescue = await whileRowsMove(
    { db, other, table: "jobs" },
    (their) => rescueLeases(their, { limit: 1 }),
  );
  assert.deepEqual(rescue, {
    rescued: 1,
    discarded: 0,
    discardedIds: [],
    queues: ["default"],
  });
  assert.deepEqual(await standings(db), ["available"]);
});

Deno.test("createPartition() moves definitions while a running job is cancelled: it is", async () => {
  await using world = await testPostgres();
  const db = stillDb(world.db);
  const { jobId } = await givenRun(db);
  const other = stillDb(await world.connect());
  const moved = await whileRowsMove(
    { db, other, table: "jobs" },
    (their) => cancelJob(their, { jobId, principal: "ann" }),
  );
  assert.equal(moved?.before, "executing");
  assert.deepEqual(await standings(db), ["cancelled"]);
});

for (const table of ["jobs", "outcomes"] as const) {
  Deno.test(`createPartition() moves rows of ${table} while an ended job is retried: it is`, async () => {
    await using world = await testPostgres();
    const db = stillDb(world.db);
    const { jobId } = await givenRun(db);
    await cancelJob(db, { jobId, principal: "ann" });
    const other = stillDb(await world.connect());
    const moved = await whileRowsMove(
      { db, other, table },
      (their) => retryJob(their, { jobId, principal: "ann" }),
    );
    assert.equal(moved?.before, "cancelled");
    assert.deepEqual(await standings(db), ["available"]);
  });
}

Deno.test("lockAlone() holds all tables or none, gives way in half the time of a deadlock, and leaves the session as it was", async () => {
  await using world = await testPostgres();
  const db = stillDb(world.db);
  const other = stillDb(await world.connect());
  const [jobs, outcomes] = [sql`yardmaster.jobs`, sql`yardmaster.outcomes`];
  await db.transaction(async (tx) => {
    await tx.query(sql`select from yardmaster.outcomes limit 1`);
    await assert.rejects(
      other.transaction((own) => lockAlone(own, [jobs, outcomes])),
      { code: "55P03" },
    );
    // Whoever reads the first one does not wait.
    assert.deepEqual(await other.query(sql`select from yardmaster.jobs`), []);
  });
  await other.transaction(async (own) => {
    await own.query(sql`set local statement_timeout = '7min'`);
    await lockAlone(own, [jobs, outcomes]);
    assert.deepEqual(
      await own.query(sql`select current_setting('statement_timeout') as "is"`),
      [{ is: "7min" }],
    );
  });
});
