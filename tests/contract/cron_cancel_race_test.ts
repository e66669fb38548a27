/** An entry cancels what it started, while its runs end. */
import assert from "node:assert/strict";
import type { Database } from "../../src/db/database.ts";
import { sql } from "../../src/db/sql.ts";
import type { JobId } from "../../src/domain/job.ts";
import { runCronEntryNow } from "../../src/store/cron.ts";
import { startExecutor } from "../../src/store/executors.ts";
import { insertJobs } from "../../src/store/jobs.ts";
import { acknowledge } from "../../src/store/outcomes.ts";
import { givenCronEntry } from "../support/control_world.ts";
import { usePostgres } from "../support/postgres.ts";
import { until } from "../support/until.ts";

const testPostgres = usePostgres();

/** Two jobs of one entry, which wait. */
async function givenWaiting(db: Database) {
  const name = await givenCronEntry(db, { overlap: "cancel_previous" });
  const executorId = await startExecutor(db, {
    name: "a",
    runtime: "Deno",
    queues: ["default"],
    workers: ["nightly_sync"],
    lateAfterMs: 100_000,
    missingAfterMs: 200_000,
  });
  const insert = {
    queue: "default",
    worker: "nightly_sync",
    args: {},
    priority: 0,
    maxAttempts: 3,
    cronEntry: name,
  };
  const [older, younger] = await insertJobs(db, [insert, insert]);
  assert.ok(older && younger);
  return { name, executorId, jobIds: [older.jobId, younger.jobId] as const };
}

/** Two jobs of one entry; the younger one was claimed first. */
async function givenRuns(db: Database) {
  const { name, executorId, jobIds } = await givenWaiting(db);
  const runs = [];
  for (const jobId of jobIds.toReversed()) {
    runs.push(await claimOnly(db, { jobId, executorId }));
  }
  return { name, executorId, runs };
}

/** Claims this job and no other. */
async function claimOnly(db: Database, { jobId, executorId }: {
  readonly jobId: JobId;
  readonly executorId: number;
}) {
  const [lease] = await db.query<{ leaseId: `${bigint}` }>(sql`
    with taken as (
      delete from yardmaster.ready where job_id = ${jobId}::bigint
      returning job_id
    )
    insert into yardmaster.leases (executor_id, job_ids, attempts, claimed_at)
    select ${executorId}::integer, array[job_id], '{1}', ${db.now} from taken
    returning id::text as "leaseId"
  `);
  assert.ok(lease);
  return { leaseId: lease.leaseId, jobId, attempt: 1 };
}

Deno.test("runCronEntryNow() cancels runs of leases that end together, and neither locks the other out", async () => {
  await using world = await testPostgres();
  const { db } = world;
  const { name, executorId, runs } = await givenRuns(db);
  const other = await world.connect();
  const third = await world.connect();

  // Both wait for the older lease, in whatever order they ask for the two.
  let ended: Promise<unknown> = Promise.resolve();
  let fired: Promise<{ cancelledIds: readonly JobId[] } | null> | undefined;
  await db.transaction(async (tx) => {
    await tx.query(sql`
      select from yardmaster.leases
      where id = ${runs[0]?.leaseId ?? "0"}::bigint for update
    `);
    ended = acknowledge(
      other,
      executorId,
      runs.map((run) => ({ ...run, to: "completed" as const, tookMs: 1 })),
    );
    await until("one waits", async () => await waiting(db) === 1);
    fired = third.transaction((tx) =>
      runCronEntryNow(tx, { name, principal: "ann" })
    );
    await until("both wait", async () => await waiting(db) === 2);
  });

  assert.deepEqual(await ended, ["applied", "applied"]);
  assert.deepEqual((await fired)?.cancelledIds, []);
});

Deno.test("runCronEntryNow() waits for no lease that was made since it looked, while it holds another", async () => {
  await using world = await testPostgres();
  const { db } = world;
  const { name, executorId, jobIds } = await givenWaiting(db);
  const [older, younger] = jobIds;
  const [other, third, fourth] = [
    await world.connect(),
    await world.connect(),
    await world.connect(),
  ];
  const { promise, resolve: letGo } = Promise.withResolvers<void>();
  let ended: Promise<unknown> = Promise.resolve();
  let holder: Promise<unknown> = Promise.resolve();

  /** Both are claimed, the younger one first, and end together. */
  async function claimAndEnd(): Promise<void> {
    const runs = [
      await claimOnly(db, { jobId: younger, executorId }),
      await claimOnly(db, { jobId: older, executorId }),
    ];
    const { promise: held, resolve } = Promise.withResolvers<void>();
    holder = fourth.transaction(async (tx) => {
      await tx.query(sql`
        select from yardmaster.leases
        where id = ${runs[0]?.leaseId ?? "0"}::bigint for update
      `);
      resolve();
      await promise;
    });
    await held;
    ended = acknowledge(
      other,
      executorId,
      runs.map((run) => ({ ...run, to: "completed" as const, tookMs: 1 })),
    );
    await until("the end waits", async () => await waiting(db) === 1);
  }

  const fired = third.transaction((tx) =>
    runCronEntryNow(after(tx, "job_ids &&", claimAndEnd), {
      name,
      principal: "ann",
    })
  );
  await until("both wait", async () => await waiting(db) === 2);
  letGo();
  await holder;
  assert.deepEqual(await ended, ["applied", "applied"]);
  assert.deepEqual((await fired)?.cancelledIds, []);
});

/** Does something once, right after a statement with these words. */
function after(
  db: Database,
  words: string,
  once: () => Promise<void>,
): Database {
  let left = 1;
  const watch = (db: Database): Database => ({
    ...db,
    get now() {
      return db.now;
    },
    query: async (statement, options) => {
      const rows = await db.query(statement, options);
      if (left > 0 && statement.render("yardmaster").text.includes(words)) {
        left -= 1;
        await once();
      }
      return rows as never;
    },
    transaction: (work) => db.transaction((tx) => work(watch(tx))),
  });
  return watch(db);
}

async function waiting(db: Database): Promise<number> {
  const rows = await db.query(sql`
    select from pg_stat_activity
    where datname = current_database() and wait_event_type = 'Lock'
  `);
  return rows.length;
}
