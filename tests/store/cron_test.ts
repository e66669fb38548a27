import assert from "node:assert/strict";
import type { Database } from "../../src/db/database.ts";
import { sql } from "../../src/db/sql.ts";
import {
  findCronEntry,
  listCronEntries,
  lockCronEntry,
  pauseCronEntry,
  resumeCronEntry,
} from "../../src/store/cron.ts";
import {
  listCoverage,
  pruneCoverage,
  recordCoverage,
} from "../../src/store/cron_coverage.ts";
import {
  listCronSlots,
  pruneCronSlots,
  recordCronSlots,
} from "../../src/store/cron_slots.ts";
import {
  removeCronEntry,
  syncCronEntries,
  upsertCronEntry,
} from "../../src/store/cron_sync.ts";
import { define, HOUR_MS } from "../support/cron_world.ts";
import { usePGlite } from "../support/pglite.ts";

const testDb = usePGlite();
const paused = { name: "hourly", principal: "ops" };

async function names(db: Database, retired = false): Promise<string[]> {
  const entries = await listCronEntries(db, { retired });
  return entries.map((entry) => entry.name);
}

async function skipped(db: Database, plannedAt: Date): Promise<void> {
  await recordCronSlots(db, {
    name: "hourly",
    kind: "scheduled",
    slots: [{
      plannedAt,
      state: "skipped",
      jobId: null,
      blockedById: null,
      reason: null,
    }],
    evaluatedThrough: plannedAt,
    activeFromId: null,
  });
}

Deno.test("syncCronEntries() writes what code declares, as it is read again", async () => {
  await using db = await testDb();
  const definition = define({
    args: { nested: { list: [1, "two", null] } },
    meta: { owner: "finance" },
    tags: ["b", "a"],
    deadlineMs: 1_500.5,
    priority: 4,
    overlap: "cancel_previous",
    catchUp: "all",
    catchUpMax: 7,
  });
  assert.deepEqual(await syncCronEntries(db, [definition]), [
    { name: "hourly", change: "added" },
  ]);
  assert.deepEqual(await findCronEntry(db, "hourly"), {
    ...definition,
    source: "code",
    pausedAt: null,
    pausedBy: null,
    lastRunAt: null,
    evaluatedThrough: db.nowAt(),
    activeFromId: "0",
    insertedAt: db.nowAt(),
    updatedAt: db.nowAt(),
    planSince: db.nowAt(),
    retiredAt: null,
    uniqueness: null,
  });
  assert.deepEqual(
    await lockCronEntry(db, "hourly"),
    await findCronEntry(db, "hourly"),
  );
  assert.equal(await lockCronEntry(db, "none"), null);
});

Deno.test("syncCronEntries() changes nothing when nothing changed", async () => {
  await using db = await testDb();
  await syncCronEntries(db, [define()]);
  const before = await findCronEntry(db, "hourly");
  db.advanceMs(HOUR_MS);
  assert.deepEqual(await syncCronEntries(db, [define()]), []);
  assert.deepEqual(await findCronEntry(db, "hourly"), before);
});

Deno.test("syncCronEntries() lets a new plan count from now, and keeps the pause", async () => {
  await using db = await testDb();
  const start = db.nowAt();
  await syncCronEntries(db, [define()]);
  await pauseCronEntry(db, paused);
  db.advanceMs(HOUR_MS);
  await syncCronEntries(db, [define({ args: { scope: "new" } })]);
  const other = await findCronEntry(db, "hourly");
  assert.deepEqual(other?.evaluatedThrough, start);
  assert.deepEqual(other?.planSince, start);
  assert.deepEqual(other?.updatedAt, db.nowAt());

  await syncCronEntries(db, [define({ timezone: "Europe/Berlin" })]);
  const moved = await findCronEntry(db, "hourly");
  assert.deepEqual(moved?.args, { scope: "all" });
  assert.deepEqual(moved?.evaluatedThrough, db.nowAt());
  assert.deepEqual(moved?.planSince, db.nowAt());
  assert.deepEqual(moved?.pausedAt, start);
  assert.equal(moved?.pausedBy, "ops");
});

Deno.test("syncCronEntries() retires what code declares no more, and takes it back", async () => {
  await using db = await testDb();
  await upsertCronEntry(db, define({ name: "by_hand" }));
  await syncCronEntries(db, [define(), define({ name: "other" })]);
  db.advanceMs(HOUR_MS);
  assert.deepEqual(await syncCronEntries(db, [define()]), [
    { name: "other", change: "retired" },
  ]);
  assert.deepEqual(await names(db), ["by_hand", "hourly"]);
  assert.deepEqual(await names(db, true), ["by_hand", "hourly", "other"]);
  assert.deepEqual(
    (await findCronEntry(db, "other"))?.retiredAt,
    db.nowAt(),
  );

  db.advanceMs(HOUR_MS);
  await syncCronEntries(db, [define(), define({ name: "other" })]);
  const back = await findCronEntry(db, "other");
  assert.equal(back?.retiredAt, null);
  assert.deepEqual(back?.evaluatedThrough, db.nowAt());

  assert.equal((await syncCronEntries(db, [])).length, 2);
  assert.deepEqual(await names(db), ["by_hand"]);
});

Deno.test("syncCronEntries() drops the follow-up of an entry that it retires", async () => {
  await using db = await testDb();
  await syncCronEntries(db, [define()]);
  await recordCronSlots(db, {
    name: "hourly",
    kind: "scheduled",
    slots: [
      {
        plannedAt: db.nowAt(),
        state: "queued",
        jobId: null,
        blockedById: "1",
        reason: null,
      },
    ],
    evaluatedThrough: null,
    activeFromId: null,
  });
  await syncCronEntries(db, []);
  const [slot] = await listCronSlots(db, { name: "hourly", limit: 1 });
  assert.equal(slot?.state, "skipped");
});

Deno.test("upsertCronEntry() writes entries at run time, and none that code declares", async () => {
  await using db = await testDb();
  await syncCronEntries(db, [define()]);
  const change = define({ args: { scope: "hacked" } });
  assert.deepEqual(await upsertCronEntry(db, change), {
    ok: false,
    refusal: "code_managed_entry",
  });
  assert.deepEqual((await findCronEntry(db, "hourly"))?.args, { scope: "all" });

  const own = define({ name: "by_hand" });
  const changes = [
    await upsertCronEntry(db, own),
    await upsertCronEntry(db, own),
    await upsertCronEntry(db, { ...own, priority: 2 }),
  ];
  assert.deepEqual(
    changes.map((write) => write.ok && write.change),
    ["added", "unchanged", "changed"],
  );

  // Code takes it over, and from then on it is code's.
  await syncCronEntries(db, [define(), own]);
  assert.equal((await findCronEntry(db, "by_hand"))?.source, "code");
  assert.equal((await upsertCronEntry(db, own)).ok, false);

  // Code lets go of it.
  await syncCronEntries(db, [define()]);
  assert.deepEqual(await upsertCronEntry(db, own), {
    ok: true,
    change: "changed",
  });
});

Deno.test("removeCronEntry() retires entries of run time, and none of code", async () => {
  await using db = await testDb();
  await syncCronEntries(db, [define()]);
  await upsertCronEntry(db, define({ name: "by_hand" }));
  assert.equal(await removeCronEntry(db, "hourly"), "code_managed_entry");
  assert.equal(await removeCronEntry(db, "by_hand"), "removed");
  assert.equal(await removeCronEntry(db, "by_hand"), "absent");
  assert.equal(await removeCronEntry(db, "none"), "absent");
  assert.deepEqual(await names(db), ["hourly"]);
});

Deno.test("pauseCronEntry() and resumeCronEntry() change what is not so already", async () => {
  await using db = await testDb();
  await syncCronEntries(db, [define()]);
  assert.equal(await resumeCronEntry(db, paused), null);
  const entry = await pauseCronEntry(db, paused);
  assert.deepEqual(entry?.pausedAt, db.nowAt());
  assert.equal(entry?.pausedBy, "ops");
  assert.equal(await pauseCronEntry(db, paused), null);
  assert.equal((await resumeCronEntry(db, paused))?.pausedAt, null);

  await syncCronEntries(db, []);
  assert.equal(await pauseCronEntry(db, paused), null);
  assert.equal(await pauseCronEntry(db, { ...paused, name: "none" }), null);
});

Deno.test("resumeCronEntry() resumes an entry whose plan can not be read", async () => {
  await using db = await testDb();
  await syncCronEntries(db, [define()]);
  await pauseCronEntry(db, paused);
  await db.query(sql`update yardmaster.cron_entries set expression = 'x'`);
  db.advanceMs(HOUR_MS);
  assert.equal((await resumeCronEntry(db, paused))?.pausedAt, null);
});

Deno.test("listCronEntries() goes on from a name", async () => {
  await using db = await testDb();
  await syncCronEntries(db, ["a", "b", "c"].map((name) => define({ name })));
  const page = await listCronEntries(db, { after: "a", limit: 1 });
  assert.deepEqual(page.map((entry) => entry.name), ["b"]);
});

Deno.test("listCronSlots() is a window of both kinds, the newest first", async () => {
  await using db = await testDb();
  await syncCronEntries(db, [define()]);
  const at = (hours: number) =>
    new Date(db.nowAt().getTime() + hours * HOUR_MS);
  for (const hours of [1, 2, 3, 4]) await skipped(db, at(hours));
  const window = { name: "hourly", limit: 9, since: at(2), before: at(4) };
  const found = await listCronSlots(db, window);
  assert.deepEqual(found.map((slot) => slot.plannedAt), [at(3), at(2)]);
});

Deno.test("recordCronSlots() writes an instant once, or nothing at all", async () => {
  await using db = await testDb();
  await syncCronEntries(db, [define()]);
  await skipped(db, db.nowAt());
  await assert.rejects(
    db.transaction((tx) => skipped(tx, db.nowAt())),
    /cron_slots_are_claimed_once/,
  );
});

Deno.test("cron_entries_have_one_follow_up", async () => {
  await using db = await testDb();
  await syncCronEntries(db, [define()]);
  const queue = (kind: "scheduled" | "manual") =>
    db.transaction((tx) =>
      recordCronSlots(tx, {
        name: "hourly",
        kind,
        slots: [{
          plannedAt: db.nowAt(),
          state: "queued",
          jobId: null,
          blockedById: "1",
          reason: null,
        }],
        evaluatedThrough: null,
        activeFromId: null,
      })
    );
  await queue("scheduled");
  await assert.rejects(queue("manual"), /cron_entries_have_one_follow_up/);
});

Deno.test("pruneCronSlots() and pruneCoverage() drop what is old", async () => {
  await using db = await testDb();
  await syncCronEntries(db, [define()]);
  const at = (hours: number) =>
    new Date(db.nowAt().getTime() + hours * HOUR_MS);
  for (const hours of [0, 1, 2]) {
    await skipped(db, at(hours));
    await recordCoverage(db, { at: at(hours), gapMs: 1_000 });
  }
  const last = at(2);
  db.setNow(at(3));
  const keepMs = HOUR_MS;
  assert.equal(await pruneCronSlots(db, { keepMs, limit: 1 }), 1);
  assert.equal(await pruneCronSlots(db, { keepMs, limit: 9 }), 1);
  assert.equal(await pruneCoverage(db, { keepMs }), 2);
  assert.equal(
    (await listCronSlots(db, { name: "hourly", limit: 9 })).length,
    1,
  );
  assert.deepEqual(await listCoverage(db, { since: new Date(0) }), [
    { fromAt: last, throughAt: last },
  ]);
});
