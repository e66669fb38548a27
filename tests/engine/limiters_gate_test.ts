/** Limiters that refuse at enqueue. */
import assert from "node:assert/strict";
import { sql } from "../../src/db/sql.ts";
import { parseCronEntry } from "../../src/domain/cron_entry.ts";
import { defineLimiter } from "../../src/domain/limiter.ts";
import { createEngine } from "../../src/engine/engine.ts";
import { defineWorker } from "../../src/engine/worker.ts";
import { fireCronEntry } from "../../src/store/cron_fire.ts";
import { upsertCronEntry } from "../../src/store/cron_sync.ts";
import { cancelJob, retryJob } from "../../src/store/transitions.ts";
import { count } from "../support/limiter_world.ts";
import { usePGlite } from "../support/pglite.ts";

const testDb = usePGlite();

const perCustomer = defineLimiter({
  name: "per_customer",
  rate: { algorithm: "fixed_window", capacity: 2, perMs: 60_000 },
  partitionBy: "customer",
  at: "enqueue",
});
const send = defineWorker<{ customer: number; text?: string }>({
  name: "send",
  limiters: [perCustomer],
  unique: { fields: ["worker", "args"], keys: ["text"] },
  perform: () => {},
});
const plain = defineWorker<{ customer: number }>({
  name: "send_plain",
  limiters: [perCustomer],
  perform: () => {},
});

Deno.test("enqueue() answers blocked with everything that is known, and writes nothing", async () => {
  await using db = await testDb();
  const engine = createEngine({ database: db });
  const customer = 7;
  for (let time = 0; time < 2; time++) {
    assert.equal(
      (await engine.enqueue(plain, { customer })).status,
      "inserted",
    );
  }
  const answer = await engine.enqueue(plain, { customer });
  assert.deepEqual(answer, {
    status: "blocked",
    reason: "Limiter per_customer, key 7 is used up: 2 of 2.",
    blockers: [{
      code: "limit_reached",
      limiter: "per_customer",
      key: "7",
      kind: "fixed_window",
      at: "enqueue",
      scope: "partitioned",
      eligibleAt: new Date("2026-01-15T12:01:00Z"),
      capacity: 2,
      used: 2,
      weight: 1,
      reason: null,
    }],
  });
  assert.equal(await count(db, "ready"), 2);
  assert.equal(await count(db, "limiter_facts"), 1);
  const other = await engine.enqueue(plain, { customer: 8 });
  assert.equal(other.status, "inserted");

  db.advanceMs(60_000);
  assert.equal((await engine.enqueue(plain, { customer })).status, "inserted");
});

Deno.test("enqueueMany() asks for each in its order, beside workers without limiters", async () => {
  await using db = await testDb();
  const engine = createEngine({ database: db });
  const free = defineWorker({ name: "free", perform: () => {} });
  const answers = await engine.enqueueMany([
    { worker: plain, args: { customer: 1 } },
    { worker: free, args: {} },
    { worker: plain, args: { customer: 1 } },
    { worker: plain, args: { customer: 1 } },
    { worker: plain, args: { customer: 2 } },
  ]);
  assert.deepEqual(
    answers.map(({ status }) => status),
    ["inserted", "inserted", "inserted", "blocked", "inserted"],
  );
  assert.equal(await count(db, "ready"), 4);
});

Deno.test("a conflict is no use of a limiter, and beats what it would say", async () => {
  await using db = await testDb();
  const engine = createEngine({ database: db });
  const ask = (text: string) => engine.enqueue(send, { customer: 1, text });
  const first = await ask("a");
  assert.equal((await ask("a")).status, "conflict");
  assert.equal((await ask("b")).status, "inserted");
  assert.equal((await ask("a")).status, "conflict");
  assert.equal((await ask("c")).status, "blocked");
  // What was refused holds no uniqueness.
  db.advanceMs(60_000);
  assert.equal((await ask("c")).status, "inserted");
  assert.equal(first.status, "inserted");
});

Deno.test("a job that is blocked leaves its key to the cancelled one that had it, which a retry brings back", async () => {
  await using db = await testDb();
  const once = defineWorker({
    name: "once",
    limiters: [perCustomer],
    unique: { keys: ["customer"], periodMs: null },
    perform: (_: { customer: number; n: number }) => {},
  });
  const engine = createEngine({ database: db, workers: [once, plain] });
  const first = await engine.enqueue(once, { customer: 7, n: 1 });
  assert(first.status === "inserted");
  await engine.enqueue(plain, { customer: 7 });
  const jobId = first.job.id;
  await cancelJob(db, { jobId, principal: "ops" });
  const blocked = await engine.enqueue(once, { customer: 7, n: 2 });
  assert.equal(blocked.status, "blocked");

  assert.notEqual(await retryJob(db, { jobId, principal: "ops" }), null);
  db.advanceMs(60_000);
  const second = await engine.enqueue(once, { customer: 7, n: 3 });
  assert(second.status === "conflict");
  assert.equal(second.job.id, jobId);
});

Deno.test("a job that is blocked holds no key, neither one that it made nor one that it took over", async () => {
  await using db = await testDb();
  for (const onConflict of ["reject", "throttle"] as const) {
    const once = defineWorker({
      name: onConflict,
      limiters: [perCustomer],
      unique: { keys: ["customer"], periodMs: 90_000, onConflict },
      perform: (_: { customer: number }) => {},
    });
    const engine = createEngine({ database: db, workers: [once, plain] });
    const call = async () =>
      (await engine.enqueue(once, { customer: 7 })).status;
    const use = () => engine.enqueue(plain, { customer: 7 });
    await use();
    await use();
    assert.equal(await call(), "blocked");
    db.advanceMs(60_000);
    assert.equal(await call(), "inserted");

    // Its period is over, so that the next one takes the key over.
    db.advanceMs(120_000);
    await use();
    await use();
    assert.equal(await call(), "blocked");
    db.advanceMs(60_000);
    assert.equal(await call(), "inserted");
    db.advanceMs(60_000);
  }
});

Deno.test("a refusal in the host's own transaction ends with it", async () => {
  await using db = await testDb();
  const engine = createEngine({ database: db });
  await assert.rejects(
    db.transaction(async (tx) => {
      for (let time = 0; time < 3; time++) {
        await engine.enqueue(plain, { customer: 1 }, { database: tx });
      }
      throw new Error("rolled back");
    }),
    /rolled back/,
  );
  const answers = await db.transaction(async (tx) => {
    const all = [];
    for (let time = 0; time < 3; time++) {
      const options = { database: tx };
      all.push(await engine.enqueue(plain, { customer: 1 }, options));
    }
    return all;
  });
  assert.deepEqual(
    answers.map(({ status }) => status),
    ["inserted", "inserted", "blocked"],
  );
});

Deno.test("a cron entry asks the limiter too, and leaves a slot without a job", async () => {
  await using db = await testDb();
  const engine = createEngine({ database: db, workers: [plain] });
  await engine.tick({ budgetMs: 1 });
  const parsed = parseCronEntry({
    name: "send_often",
    expression: "* * * * * *",
    timezone: "Etc/UTC",
    worker: plain,
    args: { customer: 1 },
    overlap: "allow",
  });
  assert.ok(parsed.ok);
  await upsertCronEntry(db, parsed.definition);
  const fired = await fireCronEntry(db, {
    entry: { ...parsed.definition, activeFromId: "0" },
    kind: "scheduled",
    instants: [0, 1, 2].map((second) =>
      new Date(db.nowAt().getTime() + second)
    ),
  });
  assert.deepEqual(
    fired.slots.map(({ state, reason }) => reason ?? state),
    ["claimed", "claimed", "limited"],
  );
  const [row] = await db.query<{ jobs: number }>(
    sql`select count(*)::integer as jobs from yardmaster.jobs`,
  );
  assert.equal(row?.jobs, 2);
});
