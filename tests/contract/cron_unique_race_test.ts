/** Slots and calls that ask for one unique key at once, on several connections. */
import assert from "node:assert/strict";
import type { Database } from "../../src/db/database.ts";
import { sql } from "../../src/db/sql.ts";
import type { CronOverlap } from "../../src/domain/cron_entry.ts";
import { createCronScheduler } from "../../src/engine/cron_scheduler.ts";
import { defineWorker } from "../../src/engine/worker.ts";
import { type CronRunNow, runCronEntryNow } from "../../src/store/cron.ts";
import { fireCronEntry } from "../../src/store/cron_fire.ts";
import { holdCronEntry } from "../../src/store/cron_plans.ts";
import { listCronSlots } from "../../src/store/cron_slots.ts";
import { cancelJob, retryJob } from "../../src/store/transitions.ts";
import { lockUniqueHolder } from "../../src/store/unique_holders.ts";
import { SchemaVersionError } from "../../src/errors.ts";
import { createYardmaster } from "../../src/yardmaster.ts";
import { type TestPostgres, usePostgres } from "../support/postgres.ts";
import {
  callerOn,
  jobsOf,
  MODE_CASES,
  type ModeCase,
} from "../support/unique_modes.ts";
import { until } from "../support/until.ts";

const postgres = usePostgres();
/** Instants that lie back, and so are caught up. */
const MONTHS = 4;
const asked = { name: "monthly", principal: "ops" };

function caseOf(mode: ModeCase["mode"]): ModeCase {
  const found = MODE_CASES.find((each) => each.mode === mode);
  assert(found);
  return found;
}

/** A monthly entry whose jobs have the key "k", with instants that are due. */
async function given(
  { db }: TestPostgres,
  { unique }: ModeCase,
  { overlap = "allow", overdue = true }: {
    readonly overlap?: CronOverlap;
    readonly overdue?: boolean;
  } = {},
): Promise<void> {
  const worker = defineWorker({
    name: "work",
    unique: { keys: ["key"], ...unique },
    perform: () => {},
  });
  const yard = createYardmaster({ database: db, notify: false });
  const answer = await yard.cron.set({
    name: "monthly",
    expression: "0 0 1 * *",
    worker,
    args: { key: "k", n: 0 },
    overlap,
    catchUp: "all",
    catchUpMax: 100,
  });
  assert.equal(answer.status, "applied");
  if (!overdue) return;
  await db.query(sql`
    update yardmaster.cron_entries
    set evaluated_through = date_trunc('month', ${db.now}, 'UTC')
      - ${MONTHS} * interval '1 month'
  `);
}

/** Each slot as its reason, or its state. */
async function settled(db: Database): Promise<string[]> {
  const slots = await listCronSlots(db, { name: "monthly", limit: 100 });
  return slots.map(({ state, reason }) => reason ?? state);
}

function schedulerOn(database: Database, faults: unknown[] = []) {
  return createCronScheduler({
    database,
    onFault: (_name, error) => faults.push(error),
  });
}

for (const mode of MODE_CASES) {
  Deno.test(`two schedulers and callers at one key of ${mode.mode} make one job, and every slot says what it met`, async () => {
    await using world = await postgres();
    const [one, two, three, four] = await Promise.all(
      [1, 2, 3, 4].map(() => world.connect()),
    );
    assert(one && two && three && four);
    for (let round = 0; round < 4; round++) {
      await world.reset();
      await given(world, mode);
      const faults: unknown[] = [];
      const [, , ...told] = await Promise.all([
        schedulerOn(one, faults).runOnce(),
        schedulerOn(two, faults).runOnce(),
        callerOn(three, mode).one("k", 1),
        callerOn(four, mode).one("k", 2),
      ]);
      await schedulerOn(one, faults).runOnce();

      assert.deepEqual(faults, []);
      const slots = await settled(world.db);
      assert.equal(slots.length, MONTHS);
      const inserted = [...slots, ...told].filter((each) =>
        each === "claimed" || each === "inserted"
      );
      assert.equal(inserted.length, 1, `${slots} ${told}`);
      const met = mode.meetsWaiting === "replaced" ? "overwrote" : "key_held";
      assert.deepEqual(
        new Set(slots.filter((each) => each !== "claimed")),
        new Set([met]),
      );
      assert.equal((await jobsOf(world.db, "k")).length, 1);
    }
  });
}

Deno.test("a call that holds the key of an entry in its host's open transaction keeps no other entry waiting", async () => {
  await using world = await postgres();
  const { db } = world;
  await given(world, caseOf("reject"));
  const worker = defineWorker({
    name: "work",
    unique: { keys: ["key"], ...caseOf("reject").unique },
    perform: (_: { key: string; n: number }) => {},
  });
  const yard = createYardmaster({ database: db, notify: false });
  const host = await world.connect();
  const faults: unknown[] = [];
  await host.transaction(async (tx) => {
    await yard.enqueue(worker, { key: "k", n: 1 }, { database: tx });
    // It comes back by itself, though nobody lets go of the key.
    await schedulerOn(await world.connect(), faults).runOnce();
    assert.deepEqual(await settled(db), []);
    assert.match(String(faults), /lock timeout/);
  });
  await schedulerOn(db, faults).runOnce();
  assert.equal(faults.length, 1);
  assert.deepEqual(await settled(db), Array(MONTHS).fill("key_held"));
});

Deno.test("a process that ends between the job and its slot leaves neither, and its key to who waits for it", async () => {
  await using world = await postgres();
  const { db } = world;
  const mode = caseOf("reject");
  await given(world, mode);
  const dying = await world.connect();
  const caller = callerOn(await world.connect(), mode);
  let call: Promise<string> | undefined;
  await assert.rejects(dying.transaction(async (tx) => {
    const entry = await holdCronEntry(tx, "monthly");
    assert(entry);
    const fired = await fireCronEntry(tx, {
      entry,
      kind: "scheduled",
      instants: [new Date("2026-01-01T00:00:00Z")],
      evaluatedThrough: entry.now,
    });
    assert.equal(fired.slots[0]?.state, "claimed");
    call = caller.one("k", 1);
    await until("the call waits for the key", () => isWaiting(db));
    await tx.query(sql`select pg_terminate_backend(pg_backend_pid())`);
  }));
  assert.equal(await call, "inserted");
  assert.deepEqual(await settled(db), []);

  await schedulerOn(db).runOnce();
  assert.deepEqual(await settled(db), Array(MONTHS).fill("key_held"));
  assert.equal((await jobsOf(db, "k")).length, 1);
});

Deno.test("a slot waits for a call that is not committed, and takes the key when that is rolled back", async () => {
  await using world = await postgres();
  const { db } = world;
  const mode = caseOf("reject");
  await given(world, mode);
  const host = await world.connect();
  let pass: Promise<unknown> | undefined;
  const undone = host.transaction(async (tx) => {
    assert.equal(await callerOn(tx, mode).one("k", 1), "inserted");
    pass = schedulerOn(await world.connect()).runOnce();
    await until("the scheduler waits for the key", () => isWaiting(db));
    throw new Error("the host rolls back");
  });
  await assert.rejects(undone, /the host rolls back/);
  await pass;
  // Should all of this have taken longer than a pass waits, the next one does it.
  await schedulerOn(db).runOnce();
  const slots = await settled(db);
  assert.deepEqual(slots.toSorted(), ["claimed", ...Array(3).fill("key_held")]);
});

Deno.test("an operator's retry and a run of the entry at one key leave one job, and lock nobody out", async () => {
  await using world = await postgres();
  const [one, two] = await Promise.all([world.connect(), world.connect()]);
  for (let round = 0; round < 12; round++) {
    await world.reset();
    await given(world, caseOf("reject"), { overdue: false });
    const first = await runCronEntryNow(world.db, asked);
    assert(first?.jobId);
    const jobId = first.jobId;
    await cancelJob(world.db, { jobId, principal: null });
    await Promise.all([
      one.transaction(async (tx) => {
        if (await lockUniqueHolder(tx, jobId) !== null) return;
        await retryJob(tx, { jobId, principal: "ops" });
      }),
      two.transaction((tx) => runCronEntryNow(tx, asked)),
    ]);
    const live = (await jobsOf(world.db, "k")).filter(({ state }) =>
      state !== "cancelled"
    );
    assert.equal(live.length, 1);
  }
});

Deno.test("cancel_previous and calls that overwrite what it cancels lock nobody out", async () => {
  await using world = await postgres();
  const mode = caseOf("keep_last");
  const [one, two, three] = await Promise.all(
    [1, 2, 3].map(() => world.connect()),
  );
  assert(one && two && three);
  await given(world, mode, { overlap: "cancel_previous", overdue: false });
  const callers = [callerOn(two, mode), callerOn(three, mode)];
  for (let round = 0; round < 12; round++) {
    const [run]: [CronRunNow | null, ...unknown[]] = await Promise.all([
      one.transaction((tx) => runCronEntryNow(tx, asked)),
      ...callers.map((caller) => caller.one("k", round)),
    ]);
    assert(run?.decision === "claimed" || run?.reason === "overwrote");
    const live = (await jobsOf(world.db, "k")).filter(({ state }) =>
      state !== "cancelled"
    );
    assert.equal(live.length, 1);
  }
});

Deno.test("on a schema that knows no keys of entries who sets one is told of it", async () => {
  await using world = await postgres();
  const { db } = world;
  await db.script(`
    alter table yardmaster.cron_entries drop column uniqueness;
    delete from yardmaster.schema_migrations where version >= 7;
  `);
  await assert.rejects(given(world, caseOf("reject")), (error) => {
    assert(error instanceof SchemaVersionError);
    assert.equal(error.version, 6);
    assert.match(
      error.message,
      /^Cannot set a cron entry: .* run "yardmaster migrate up"/,
    );
    return true;
  });
});

async function isWaiting(db: Database): Promise<boolean> {
  const rows = await db.query(sql`
    select from pg_stat_activity
    where datname = current_database() and wait_event_type = 'Lock'
  `);
  return rows.length > 0;
}
