import assert from "node:assert/strict";
import { sql } from "../../src/db/sql.ts";
import type { Service } from "../../src/engine/service.ts";
import {
  findCronEntry,
  pauseCronEntry,
  resumeCronEntry,
  runCronEntryNow,
} from "../../src/store/cron.ts";
import { listCoverage } from "../../src/store/cron_coverage.ts";
import { listCronSlots } from "../../src/store/cron_slots.ts";
import { syncCronEntries } from "../../src/store/cron_sync.ts";
import type { Notice } from "../../src/store/notices.ts";
import {
  cronWorld,
  define,
  HOUR_MS,
  jobs,
  MINUTE_MS,
  scheduler,
  slots,
} from "../support/cron_world.ts";
import { type TestDb, usePGlite } from "../support/pglite.ts";

const testDb = usePGlite();
const LONG_AGO = new Date(0);

Deno.test("runOnce() fires an entry when its instant has come, and not before", async () => {
  await using db = await testDb();
  const told: Notice[] = [];
  const service = await cronWorld(db, { queue: "slow", tags: ["sync"] }, told);

  db.advanceMs(HOUR_MS - 1_000);
  assert.deepEqual(await service.runOnce(), { worked: false, nextInMs: 1_001 });
  assert.deepEqual(await slots(db), []);

  db.advanceMs(1_004);
  const pass = await service.runOnce();

  assert.equal(pass.worked, true);
  assert.deepEqual(await slots(db), ["13:00:00 claimed"]);
  assert.deepEqual(told, [{ t: "ready", q: ["slow"] }]);
  const [job] = await db.query(sql`
    select queue, worker, args, meta, tags, cron_entry from yardmaster.jobs
  `);
  assert.deepEqual(job, {
    queue: "slow",
    worker: "sync",
    args: { scope: "all" },
    meta: {
      cron: {
        name: "hourly",
        kind: "scheduled",
        plannedAt: "2026-01-15T13:00:00.000Z",
        expression: "0 * * * *",
        timezone: "Etc/UTC",
      },
    },
    tags: ["sync"],
    cron_entry: "hourly",
  });
  assert.deepEqual((await findCronEntry(db, "hourly"))?.lastRunAt, db.nowAt());

  await service.runOnce();
  assert.equal((await jobs(db)).length, 1);
});

Deno.test("runOnce() fires every second for six fields and asks to be called in time", async () => {
  await using db = await testDb();
  const service = await cronWorld(db, {
    expression: "* * * * * *",
    overlap: "allow",
  });

  for (let second = 0; second < 3; second++) {
    db.advanceMs(1_000);
    assert.deepEqual(await service.runOnce(), {
      worked: true,
      nextInMs: 1_001,
    });
  }
  assert.deepEqual(await slots(db), [
    "12:00:01 claimed",
    "12:00:02 claimed",
    "12:00:03 claimed",
  ]);
});

Deno.test("runOnce() catches up the newest after an absence for latest", async () => {
  await using db = await testDb();
  const service = await cronWorld(db, { catchUp: "latest" });
  db.advanceMs(3 * HOUR_MS + 10 * MINUTE_MS);
  await service.runOnce();
  assert.deepEqual(await slots(db), [
    "13:00:00 missed",
    "14:00:00 missed",
    "15:00:00 claimed",
  ]);
});

Deno.test("runOnce() catches up exactly catchUpMax for all", async () => {
  await using db = await testDb();
  const service = await cronWorld(db, {
    catchUp: "all",
    catchUpMax: 2,
    overlap: "allow",
  });
  db.advanceMs(4 * HOUR_MS + 10 * MINUTE_MS);
  await service.runOnce();
  assert.deepEqual(await slots(db), [
    "13:00:00 missed",
    "14:00:00 missed",
    "15:00:00 claimed",
    "16:00:00 claimed",
  ]);
  assert.equal((await jobs(db)).length, 2);
});

Deno.test("runOnce() catches up nothing for none, and fires from then on", async () => {
  await using db = await testDb();
  const service = await cronWorld(db, { catchUp: "none" });
  db.advanceMs(2 * HOUR_MS + 10 * MINUTE_MS);
  await service.runOnce();
  db.advanceMs(50 * MINUTE_MS);
  await service.runOnce();
  assert.deepEqual(await slots(db), [
    "13:00:00 missed",
    "14:00:00 missed",
    "15:00:00 claimed",
  ]);
});

Deno.test("runOnce() is bounded after a very long absence", async () => {
  await using db = await testDb();
  const service = await cronWorld(db, { expression: "* * * * * *" });
  db.advanceMs(30 * 24 * HOUR_MS);
  await service.runOnce();
  const found = await listCronSlots(db, { name: "hourly", limit: 1_000 });
  // A hundred that were missed, and the six that are on time.
  assert.equal(found.length, 106);
  assert.equal((await jobs(db)).length, 1);
  await service.runOnce();
  assert.equal((await jobs(db)).length, 1);
});

Deno.test("a pause leaves paused slots, and a resume catches nothing up", async () => {
  await using db = await testDb();
  const service = await cronWorld(db);
  await pauseCronEntry(db, { name: "hourly", principal: "ops" });
  db.advanceMs(HOUR_MS);
  await service.runOnce();
  // Nobody looks at the next one.
  db.advanceMs(90 * MINUTE_MS);
  await resumeCronEntry(db, { name: "hourly" });
  await service.runOnce();
  assert.deepEqual(await slots(db), ["13:00:00 paused", "14:00:00 paused"]);
  assert.deepEqual(await jobs(db), []);

  db.advanceMs(30 * MINUTE_MS);
  await service.runOnce();
  assert.equal((await slots(db)).at(-1), "15:00:00 claimed");
});

Deno.test("a run now takes no planned instant away", async () => {
  await using db = await testDb();
  const service = await cronWorld(db, { overlap: "allow" });
  db.advanceMs(HOUR_MS);
  await runCronEntryNow(db, { name: "hourly", principal: "ops" });
  await service.runOnce();
  assert.equal((await jobs(db)).length, 2);
  assert.deepEqual(await slots(db), ["13:00:00 claimed", "13:00:00 claimed"]);
});

Deno.test("an expression that can not be read is told once and blocks no other", async () => {
  await using db = await testDb();
  await syncCronEntries(db, [define(), define({ name: "a_broken" })]);
  await db.query(sql`
    update yardmaster.cron_entries set expression = 'x', timezone = 'Mars'
    where name = 'a_broken'
  `);
  const faults: string[] = [];
  const service = scheduler(db, [], faults);
  await service.runOnce();
  db.advanceMs(HOUR_MS);
  await service.runOnce();
  assert.deepEqual(await slots(db), ["13:00:00 claimed"]);
  assert.deepEqual(faults, ["a_broken"]);
});

Deno.test("an entry that fails is tried again and blocks no other", async () => {
  await using db = await testDb();
  await syncCronEntries(db, [define(), define({ name: "a_failing" })]);
  // As a bug might leave it: no job has room for such a name.
  await db.query(sql`
    update yardmaster.cron_entries set queue = repeat('x', 200)
    where name = 'a_failing'
  `);
  const faults: string[] = [];
  const service = scheduler(db, [], faults);
  await service.runOnce();
  db.advanceMs(HOUR_MS);
  assert.deepEqual(await service.runOnce(), { worked: true, nextInMs: 1_000 });
  assert.deepEqual(await slots(db), ["13:00:00 claimed"]);
  assert.deepEqual(await slots(db, "a_failing"), []);
  assert.deepEqual(faults, ["a_failing"]);

  await db.query(sql`update yardmaster.cron_entries set queue = 'default'`);
  await service.runOnce();
  assert.deepEqual(await slots(db, "a_failing"), ["13:00:00 claimed"]);
});

Deno.test("coverage grows while somebody looks, and an absence begins another span", async () => {
  await using db = await testDb();
  const service = await cronWorld(db);
  const start = db.nowAt();
  for (let pass = 0; pass < 4; pass++) {
    db.advanceMs(2_000);
    await service.runOnce();
  }
  // Written at 0 and 6 s: at most once in five, when nothing fires.
  const through = (seconds: number) =>
    new Date(start.getTime() + seconds * 1_000);
  assert.deepEqual(await listCoverage(db, { since: LONG_AGO }), [
    { fromAt: start, throughAt: through(6) },
  ]);

  db.advanceMs(10 * MINUTE_MS);
  await service.runOnce();
  assert.deepEqual(await listCoverage(db, { since: LONG_AGO }), [
    { fromAt: start, throughAt: through(6) },
    { fromAt: through(608), throughAt: through(608) },
  ]);
  assert.equal((await listCoverage(db, { since: through(7) })).length, 1);
});

Deno.test("a missing hour fires once after the gap, and a double hour once", async () => {
  await using db = await testDb();
  const berlin = { expression: "30 2 * * *", timezone: "Europe/Berlin" };
  db.setNow(new Date("2026-03-29T00:30:00Z"));
  const service = await cronWorld(db, { ...berlin, overlap: "allow" });
  await walk(db, service, "2026-03-29T04:00:00Z");
  assert.deepEqual(await slots(db), ["01:00:00 claimed"]);

  db.setNow(new Date("2026-10-24T12:00:00Z"));
  await syncCronEntries(db, []);
  await syncCronEntries(db, [define({ ...berlin, overlap: "allow" })]);
  await walk(db, service, "2026-10-25T04:00:00Z");
  assert.deepEqual(await slots(db), ["01:00:00 claimed", "00:30:00 claimed"]);
});

/** Passes every ten minutes until an instant. */
async function walk(
  db: TestDb,
  service: Service,
  until: string,
): Promise<void> {
  while (db.nowAt() < new Date(until)) {
    db.advanceMs(10 * MINUTE_MS);
    await service.runOnce();
  }
}
