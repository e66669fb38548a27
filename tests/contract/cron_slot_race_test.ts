import assert from "node:assert/strict";
import type { Database } from "../../src/db/database.ts";
import { sql } from "../../src/db/sql.ts";
import { createCronScheduler } from "../../src/engine/cron_scheduler.ts";
import { pauseCronEntry, runCronEntryNow } from "../../src/store/cron.ts";
import { listActiveCronJobs } from "../../src/store/cron_slots.ts";
import { cancelJob, retryJob } from "../../src/store/transitions.ts";
import { fireCronEntry } from "../../src/store/cron_fire.ts";
import { holdCronEntry } from "../../src/store/cron_plans.ts";
import { syncCronEntries } from "../../src/store/cron_sync.ts";
import { define } from "../support/cron_world.ts";
import { type TestPostgres, usePostgres } from "../support/postgres.ts";
import { until } from "../support/until.ts";

const postgres = usePostgres();
const ENTRIES = ["a", "b", "c"];
/** Monthly, and days away, so that none more comes while a test runs. */
const MONTHLY = {
  expression: `0 0 ${new Date().getUTCDate() > 14 ? 7 : 21} * *`,
};
/** Instants that lie back, and so are caught up. */
const MONTHS = 6;

/** Entries whose newest instants are all due, and all of which make a job. */
async function overdue(world: TestPostgres): Promise<void> {
  await syncCronEntries(
    world.db,
    ENTRIES.map((name) =>
      define({
        ...MONTHLY,
        name,
        overlap: "allow",
        catchUp: "all",
        catchUpMax: 100,
      })
    ),
  );
  await rewind(world.db);
}

async function rewind(db: Database): Promise<void> {
  await db.query(sql`
    update yardmaster.cron_entries
    set evaluated_through = ${db.now} - ${MONTHS} * interval '1 month'
  `);
}

interface Ledger {
  readonly slots: number;
  readonly jobs: number;
  /** Claimed slots whose job is there and says so itself. */
  readonly pairs: number;
}

async function ledger(db: Database): Promise<Ledger> {
  const [row] = await db.query<Ledger>(sql`
    select
      (select count(*)::int from yardmaster.cron_slots) as "slots",
      (select count(*)::int from yardmaster.jobs) as "jobs",
      (
        select count(distinct jobs.id)::int
        from yardmaster.cron_slots as slot
        join yardmaster.jobs on jobs.id = slot.job_id
        where jobs.cron_entry = slot.entry_name
          and (jobs.meta -> 'cron' ->> 'plannedAt')::timestamptz
            = slot.planned_at
      ) as "pairs"
  `);
  assert(row);
  return row;
}

Deno.test("schedulers that pass at once make one slot and one job of each instant", async () => {
  await using world = await postgres();
  const nodes = await Promise.all([1, 2, 3, 4].map(() => world.connect()));
  for (let round = 1; round <= 5; round++) {
    await world.reset();
    await overdue(world);
    const schedulers = nodes.map((database) =>
      createCronScheduler({ database })
    );
    await Promise.all(schedulers.map((scheduler) => scheduler.runOnce()));
    // One that was held by somebody whose turn was over is found by a later pass.
    await schedulers[0]?.runOnce();

    const expected = ENTRIES.length * MONTHS;
    assert.deepEqual(await ledger(world.db), {
      slots: expected,
      jobs: expected,
      pairs: expected,
    });
  }
});

Deno.test("runs that are asked for at once are each a slot and a job, beside the plan", async () => {
  await using world = await postgres();
  await overdue(world);
  const nodes = await Promise.all([1, 2, 3, 4].map(() => world.connect()));
  const asked = { name: "a", principal: "ops" };
  const [runs] = await Promise.all([
    Promise.all(
      nodes.map((db) => db.transaction((tx) => runCronEntryNow(tx, asked))),
    ),
    createCronScheduler({ database: world.db }).runOnce(),
    createCronScheduler({ database: world.db }).runOnce(),
  ]);
  await createCronScheduler({ database: world.db }).runOnce();

  assert.equal(new Set(runs.map((run) => run?.jobId)).size, nodes.length);
  const expected = ENTRIES.length * MONTHS + nodes.length;
  assert.deepEqual(await ledger(world.db), {
    slots: expected,
    jobs: expected,
    pairs: expected,
  });
});

Deno.test("skip lets one of many through that are asked for at once", async () => {
  await using world = await postgres();
  await syncCronEntries(world.db, [
    define({ ...MONTHLY, name: "a", overlap: "skip" }),
  ]);
  await rewind(world.db);
  const nodes = await Promise.all([1, 2, 3].map(() => world.connect()));
  await Promise.all([
    ...nodes.map((db) =>
      db.transaction((tx) =>
        runCronEntryNow(tx, { name: "a", principal: "ops" })
      )
    ),
    createCronScheduler({ database: world.db }).runOnce(),
  ]);
  assert.equal((await ledger(world.db)).jobs, 1);
});

Deno.test("a crash before the commit leaves neither slot nor job, and the next pass does both", async () => {
  await using world = await postgres();
  await syncCronEntries(world.db, [
    define({ ...MONTHLY, name: "a", overlap: "allow" }),
  ]);
  await rewind(world.db);
  const dying = await world.connect();
  await assert.rejects(dying.transaction(async (tx) => {
    const entry = await holdCronEntry(tx, "a");
    assert(entry);
    await fireCronEntry(tx, {
      entry,
      kind: "scheduled",
      instants: [new Date("2026-01-01T01:00:00Z")],
      evaluatedThrough: entry.now,
    });
    assert.deepEqual(await ledger(tx), { slots: 1, jobs: 1, pairs: 1 });
    // The process dies: Postgres ends its session, as it does then.
    await tx.query(sql`select pg_terminate_backend(pg_backend_pid())`);
  }));
  assert.deepEqual(await ledger(world.db), { slots: 0, jobs: 0, pairs: 0 });

  await createCronScheduler({ database: world.db }).runOnce();
  const after = await ledger(world.db);
  assert.equal(after.jobs, 1);
  assert.equal(after.pairs, 1);
});

Deno.test("an entry that somebody holds is left alone, and soon looked at again", async () => {
  await using world = await postgres();
  await overdue(world);
  const operator = await world.connect();
  const scheduler = createCronScheduler({ database: world.db });
  await operator.transaction(async (tx) => {
    await pauseCronEntry(tx, { name: "a", principal: "ops" });
    const pass = await scheduler.runOnce();
    assert(pass.nextInMs !== undefined && pass.nextInMs <= 250);
  });
  await scheduler.runOnce();

  const states = await world.db.query<{ state: string; slots: number }>(sql`
    select state::text, count(*)::int as slots
    from yardmaster.cron_slots
    where entry_name = 'a'
    group by state
  `);
  // Paused before anybody dealt with them: what was late already is missed.
  assert.deepEqual(states, [{ state: "missed", slots: MONTHS }]);
  assert.equal((await ledger(world.db)).jobs, 2 * MONTHS);
});

Deno.test("syncCronEntries() by processes that declare other entries never deadlock", async () => {
  await using world = await postgres();
  const nodes = await Promise.all([1, 2, 3].map(() => world.connect()));
  for (let round = 0; round < 12; round++) {
    await Promise.all(nodes.map((db, node) =>
      syncCronEntries(
        db,
        Array.from({ length: 200 }, (_, index) =>
          define({ ...MONTHLY, name: `${node}-${index}`, args: { round } })),
      )
    ));
  }
  const active = await world.db.query(sql`
    select from yardmaster.cron_entries where retired_at is null
  `);
  assert.equal(active.length, 200);
});

Deno.test("a retry that is not committed yet counts for the run that follows", async () => {
  await using world = await postgres();
  const { db } = world;
  const other = await world.connect();
  const by = { name: "a", principal: "ann" };
  await syncCronEntries(db, [
    define({ ...MONTHLY, name: "a", overlap: "skip" }),
  ]);
  const first = await runCronEntryNow(db, by);
  assert(first?.jobId);
  await cancelJob(db, { jobId: first.jobId, principal: null });

  let second: ReturnType<typeof runCronEntryNow> | undefined;
  await db.transaction(async (tx) => {
    assert(first.jobId);
    await retryJob(tx, { jobId: first.jobId, principal: "ann" });
    second = other.transaction((their) => runCronEntryNow(their, by));
    // Either it waits for the retry, or it has ended.
    await Promise.race([second, until("it waits", () => isWaiting(db))]);
  });

  assert.equal((await second)?.decision, "skipped");
  const [entry] = await db.query<{ from: string }>(sql`
    select active_from_id::text as from from yardmaster.cron_entries
  `);
  assert(entry);
  const active = await listActiveCronJobs(db, {
    name: "a",
    fromId: entry.from,
  });
  assert.deepEqual(active, [first.jobId]);
});

async function isWaiting(db: Database): Promise<boolean> {
  const rows = await db.query(sql`
    select from pg_stat_activity
    where datname = current_database() and wait_event_type = 'Lock'
  `);
  return rows.length > 0;
}
