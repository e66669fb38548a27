/** Slots of entries whose worker is unique, in each mode and beside each policy. */
import assert from "node:assert/strict";
import type { Database } from "../../src/db/database.ts";
import { sql } from "../../src/db/sql.ts";
import type { CronDeclaration } from "../../src/domain/cron_entry.ts";
import { defineLimiter } from "../../src/domain/limiter.ts";
import type { UniqueOptions } from "../../src/domain/unique_key.ts";
import { defineWorker } from "../../src/engine/worker.ts";
import { runCronEntryNow } from "../../src/store/cron.ts";
import { listCronSlots } from "../../src/store/cron_slots.ts";
import type { Notice } from "../../src/store/notices.ts";
import { createYardmaster } from "../../src/yardmaster.ts";
import {
  complete,
  HOUR_MS,
  jobs,
  MINUTE_MS,
  scheduler,
  states,
} from "../support/cron_world.ts";
import { type TestDb, usePGlite } from "../support/pglite.ts";
import { MODE_CASES } from "../support/unique_modes.ts";

const testDb = usePGlite();
const args = { scope: "all" };
const lasting = { states: "incomplete", periodMs: null } as const;

function workerOf(unique: boolean | UniqueOptions = lasting) {
  return defineWorker({ name: "sync", unique, perform: () => {} });
}

/** An hourly entry of a unique worker, and who calls that worker. */
async function world(
  db: TestDb,
  worker = workerOf(),
  change: Partial<CronDeclaration> = {},
) {
  const yard = createYardmaster({
    database: db,
    workers: [worker],
    notify: false,
  });
  const set = (more: Partial<CronDeclaration> = {}) =>
    yard.cron.set({
      name: "hourly",
      expression: "0 * * * *",
      worker,
      args,
      overlap: "allow",
      ...change,
      ...more,
    });
  assert.equal((await set()).status, "applied");
  const service = scheduler(db);
  await service.runOnce();
  return {
    set,
    call: () => yard.enqueue(worker, args),
    pass: async (ms = HOUR_MS) => {
      db.advanceMs(ms);
      return await service.runOnce();
    },
    service,
  };
}

/** What became of each slot, oldest first: its job or its holder, and why. */
async function told(db: Database): Promise<string[]> {
  const ids = await jobs(db);
  const nth = (id: string | null) =>
    id === null ? "" : ` ${ids.indexOf(id as `${bigint}`) + 1}`;
  const slots = await listCronSlots(db, { name: "hourly", limit: 100 });
  return slots.reverse().map(({ state, reason, jobId, blockedById }) =>
    `${reason ?? state}${nth(jobId ?? blockedById)}`
  );
}

for (const { mode, unique, meetsWaiting, meetsEnded } of MODE_CASES) {
  Deno.test(`a slot of ${mode} is told of the job that holds its key, waiting or ended`, async () => {
    await using db = await testDb();
    const { call, pass } = await world(db, workerOf(unique));
    // Hourly slots, and a throttle of an hour that began half an hour before.
    db.advanceMs(HOUR_MS / 2);
    const first = await call();
    assert.equal(first.status, "inserted");

    await pass(HOUR_MS / 2);
    const met = meetsWaiting === "replaced" ? "overwrote 1" : "key_held 1";
    assert.deepEqual(await told(db), [met]);
    assert.equal((await jobs(db)).length, 1);

    await complete(db, (await jobs(db))[0]);
    if (meetsEnded === "conflict") return;
    await pass();
    assert.deepEqual(await told(db), [met, "claimed 2"]);
  });
}

Deno.test("a job of a slot holds the key against calls, and the key is the one that calls ask for", async () => {
  await using db = await testDb();
  const { call, pass } = await world(db);
  await pass();
  const answer = await call();
  assert.equal(answer.status, "conflict");
  assert.deepEqual(await told(db), ["claimed 1"]);
});

Deno.test("what a slot overwrites becomes what the slot asked for", async () => {
  await using db = await testDb();
  const worker = workerOf({ onConflict: "keep_last" });
  const { call, pass } = await world(db, worker, { priority: 7, tags: ["x"] });
  await call();
  await pass();
  const [job] = await db.query(sql`
    select priority, tags, meta -> 'cron' ->> 'name' as name, cron_entry
    from yardmaster.jobs
  `);
  assert.deepEqual(job, {
    priority: 7,
    tags: ["x"],
    name: "hourly",
    // It stays the job of who inserted it.
    cron_entry: null,
  });
  const events = await db.query(sql`
    select kind::text from yardmaster.attempt_events
  `);
  assert.deepEqual(events, [{ kind: "replaced" }]);
});

Deno.test("a slot of debounce waits as a call does, and the next one puts it off", async () => {
  await using db = await testDb();
  const unique = { onConflict: { debounce: { delayMs: 2 * HOUR_MS } } };
  const { pass } = await world(db, workerOf(unique));
  await pass();
  await pass();
  assert.deepEqual(await told(db), ["claimed 1", "overwrote 1"]);
  const rows = await db.query<{ runAt: Date }>(sql`
    select run_at as "runAt" from yardmaster.scheduled
  `);
  assert.deepEqual(rows, [
    { runAt: new Date(db.nowAt().getTime() + 2 * HOUR_MS) },
  ]);
});

Deno.test("a period counts from the planned instant, so slots a period apart all become jobs", async () => {
  await using db = await testDb();
  for (const onConflict of ["reject", "throttle"] as const) {
    const worker = workerOf({ periodMs: MINUTE_MS, onConflict });
    const { pass } = await world(db, worker, { expression: "* * * * *" });
    // Each pass is a little faster than the one before.
    await pass(MINUTE_MS + 900);
    for (const _ of [1, 2, 3]) await pass(MINUTE_MS - 300);
    assert.deepEqual(
      (await told(db)).slice(-4).map((each) => each.split(" ")[0]),
      ["claimed", "claimed", "claimed", "claimed"],
      onConflict,
    );
    db.advanceMs(HOUR_MS);
  }
});

Deno.test("a slot that is caught up counts its period from now", async () => {
  await using db = await testDb();
  const worker = workerOf({ onConflict: "throttle", periodMs: 2 * HOUR_MS });
  const { pass } = await world(db, worker, { catchUp: "all" });
  await pass(3 * HOUR_MS + 30 * MINUTE_MS);
  assert.deepEqual(await told(db), ["claimed 1", "key_held 1", "key_held 1"]);
  const [key] = await db.query<{ ms: number }>(sql`
    select extract(epoch from expires_at - ${db.now})::float8 * 1000 as ms
    from yardmaster.unique_keys
  `);
  assert.equal(key?.ms, 2 * HOUR_MS);
});

Deno.test("the overlap policy comes first: what it holds back asks for no key", async () => {
  await using db = await testDb();
  const { pass } = await world(db, workerOf(), { overlap: "skip" });
  await pass();
  await pass();
  assert.deepEqual(await told(db), ["claimed 1", "overlap 1"]);
});

Deno.test("an instant without a job is in the way of no other, and each asks for itself", async () => {
  await using db = await testDb();
  const change = { overlap: "queue_one", catchUp: "all" } as const;
  const { call, pass } = await world(db, workerOf(), change);
  await call();
  await pass(3 * HOUR_MS + MINUTE_MS);
  assert.deepEqual(await told(db), ["key_held 1", "key_held 1", "key_held 1"]);

  await complete(db, (await jobs(db))[0]);
  await pass(2 * HOUR_MS);
  assert.deepEqual((await told(db)).slice(3), ["claimed 2", "queued 2"]);
});

Deno.test("a follow-up asks for the key when its turn comes, and passes when it is held", async () => {
  await using db = await testDb();
  const worker = workerOf({ states: "successful", periodMs: null });
  const { pass, service } = await world(db, worker, { overlap: "queue_one" });
  await pass();
  await pass();
  assert.deepEqual(await told(db), ["claimed 1", "queued 1"]);
  await complete(db, (await jobs(db))[0]);
  await service.runOnce();
  assert.deepEqual(await told(db), ["claimed 1", "key_held 1"]);
  assert.equal((await jobs(db)).length, 1);
});

Deno.test("cancel_previous cancels what holds the key and follows it", async () => {
  await using db = await testDb();
  const change = { overlap: "cancel_previous" } as const;
  const { pass } = await world(db, workerOf(), change);
  await pass();
  await pass();
  assert.deepEqual(await states(db), ["cancelled", "available"]);
  assert.deepEqual(await told(db), ["claimed 1", "claimed 2"]);
});

Deno.test("cancel_previous cancels nothing when no job would follow, for a key or a limiter", async () => {
  await using db = await testDb();
  const change = { overlap: "cancel_previous" } as const;
  const rare = workerOf({ onConflict: "throttle", periodMs: 5 * HOUR_MS });
  const { pass } = await world(db, rare, change);
  await pass();
  await pass();
  assert.deepEqual(await told(db), ["claimed 1", "key_held 1"]);
  assert.deepEqual(await states(db), ["available"]);
  const run = await runCronEntryNow(db, { name: "hourly", principal: "ops" });
  assert.equal(run?.decision, "skipped");
  assert.equal(run?.reason, "key_held");
  assert.deepEqual(run?.cancelledIds, []);
  assert.equal(run?.blockedById, (await jobs(db))[0]);
});

Deno.test("cancel_previous leaves the job before alone while a limiter refuses the next", async () => {
  await using db = await testDb();
  const worker = defineWorker({
    name: "sync",
    limiters: [defineLimiter({
      name: "rare",
      at: "enqueue",
      rate: { capacity: 1, perMs: 24 * HOUR_MS },
    })],
    perform: () => {},
  });
  const change = { overlap: "cancel_previous" } as const;
  const { call, pass } = await world(db, worker, change);
  // The first call writes the limiter down.
  assert.equal((await call()).status, "inserted");
  await pass();
  assert.deepEqual(await told(db), ["limited"]);
  assert.deepEqual(await states(db), ["available"]);
});

Deno.test("an entry turns uniqueness off, and on again", async () => {
  await using db = await testDb();
  const { set, call, pass } = await world(db, workerOf(), { unique: false });
  await call();
  await pass();
  await pass();
  assert.equal((await jobs(db)).length, 3);
  // Given `undefined`, as code without the key does.
  const { unique: _, ...plain } = {
    name: "hourly",
    expression: "0 * * * *",
    worker: workerOf(),
    args,
    overlap: "allow" as const,
    unique: false as const,
  };
  assert.equal((await set({ unique: false })).status, "unchanged");
  const yard = createYardmaster({ database: db, notify: false });
  assert.equal((await yard.cron.set(plain)).status, "applied");
  await pass();
  assert.equal((await told(db)).at(-1)?.split(" ")[0], "key_held");
});

Deno.test("an entry that says anything but false of uniqueness is refused", async () => {
  await using db = await testDb();
  const yard = createYardmaster({ database: db, notify: false });
  const answer = await yard.cron.set({
    name: "hourly",
    expression: "@hourly",
    worker: "sync",
    unique: true as never,
  });
  assert.deepEqual(answer, {
    status: "invalid",
    problems: ["unique must be false or left out: the worker says the rest"],
  });
});

Deno.test("an entry is refused whose worker says of uniqueness what no worker can", async () => {
  await using db = await testDb();
  const wrong: unknown[] = [
    { states: ["waiting"] },
    { fields: [] },
    { keys: "scope" },
    { periodMs: -1 },
    { onConflict: "skip" },
    // Its one job would keep all others out for ever.
    { onConflict: "throttle", periodMs: null },
  ];
  const yard = createYardmaster({ database: db, notify: false });
  for (const unique of wrong) {
    const worker = { name: "sync", unique: unique as UniqueOptions };
    const entry = { name: "hourly", expression: "@hourly", worker };
    const answer = await yard.cron.set(entry);
    assert.equal(answer.status, "invalid");
    const problems = answer.status === "invalid" ? answer.problems : [];
    assert.match(
      problems.join(),
      /^cron entry "hourly": unique of its worker \S+ must /,
    );
    const strict = createYardmaster({
      database: db,
      notify: false,
      cron: [entry],
    });
    await assert.rejects(
      strict.tick({ budgetMs: 1 }),
      /unique of its worker \S+ must /,
    );
  }
});

Deno.test("a slot that makes the job that holds its key due says so", async () => {
  await using db = await testDb();
  const worker = workerOf({
    ...lasting,
    onConflict: { replace: ["runAt"] },
  });
  const { set } = await world(db, worker);
  const yard = createYardmaster({ database: db, notify: false });
  await yard.enqueue(worker, args, { delayMs: 48 * HOUR_MS });
  await set();
  db.advanceMs(HOUR_MS);
  const notices: Notice[] = [];
  await scheduler(db, notices).runOnce();
  assert.deepEqual(await told(db), ["overwrote 1"]);
  assert.deepEqual(await states(db), ["available"]);
  assert.deepEqual(notices, [{ t: "ready", q: ["default"] }]);
});

Deno.test("an entry that names its worker asks for its key where this process knows the worker", async () => {
  await using db = await testDb();
  const { call, pass } = await world(db, workerOf(), { worker: "sync" });
  await call();
  await pass();
  assert.deepEqual(await told(db), ["key_held 1"]);
});

Deno.test("the key of an entry whose args are hidden is made of them as given, with the host's key only", async () => {
  await using db = await testDb();
  const worker = defineWorker({
    name: "sync",
    redact: ["token"],
    unique: lasting,
    perform: (_: { token: string }) => {},
  });
  const entry = {
    name: "hourly",
    expression: "0 * * * *",
    worker,
    args: { token: "t0ken" },
  };
  const without = createYardmaster({ database: db, notify: false });
  const answer = await without.cron.set(entry);
  assert.deepEqual(answer, {
    status: "invalid",
    problems: [
      'cron entry "hourly": fingerprintKey is missing, and its jobs would be ' +
      "known by a digest of args that are hidden",
    ],
  });

  const yard = createYardmaster({
    database: db,
    fingerprintKey: "sixteen bytes or more",
    notify: false,
  });
  assert.equal((await yard.cron.set(entry)).status, "applied");
  assert.equal((await yard.cron.set(entry)).status, "unchanged");
  const service = scheduler(db);
  await service.runOnce();
  await yard.enqueue(worker, { token: "another" });
  await yard.enqueue(worker, { token: "t0ken" });
  db.advanceMs(HOUR_MS);
  await service.runOnce();
  assert.deepEqual(await told(db), ["key_held 2"]);
});
