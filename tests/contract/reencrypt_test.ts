/** Keys are rotated while jobs are enqueued, claimed and run. */
import assert from "node:assert/strict";
import { encryptionStatus, reencrypt } from "../../src/control/encryption.ts";
import type { Database } from "../../src/db/database.ts";
import { sql } from "../../src/db/sql.ts";
import { KeyRing } from "../../src/domain/key_ring.ts";
import { createEngine } from "../../src/engine/engine.ts";
import { randomBytes, Sealer } from "../../src/engine/sealer.ts";
import { defineWorker } from "../../src/engine/worker.ts";
import { findSealed, reseal } from "../../src/store/sealed_parts.ts";
import { usePostgres } from "../support/postgres.ts";
import { BOTH_KEYS, NEW_KEYS, OLD_KEYS } from "../support/secrets.ts";
import { until } from "../support/until.ts";

const testPostgres = usePostgres();
const both = new KeyRing(BOTH_KEYS, randomBytes);

const seen = new Map<number, number>();
const count = defineWorker({
  name: "count",
  encrypt: ["secret"],
  maxAttempts: 1,
  perform({ secret }: { secret: number; shown: string }) {
    seen.set(secret, (seen.get(secret) ?? 0) + 1);
  },
});

/** Enqueues with the older key. */
async function enqueueOld(db: Database, from: number, many: number) {
  const engine = createEngine({
    database: db,
    sealer: new Sealer(OLD_KEYS),
    notify: false,
  });
  const results = await engine.enqueueMany(
    Array.from({ length: many }, (_, index) => ({
      worker: count,
      args: { secret: from + index, shown: "x" },
    })),
  );
  assert.ok(results.every(({ status }) => status === "inserted"));
}

Deno.test("a rotation beside a worker fails nothing and loses nothing, and then the old key is in no use", async () => {
  await using world = await testPostgres();
  const { db } = world;
  const other = await world.connect();
  seen.clear();
  await enqueueOld(db, 0, 1_500);
  const engine = createEngine({
    database: db,
    workers: [count],
    queues: { default: { limit: 5 } },
    sealer: new Sealer(BOTH_KEYS),
    pollMs: 20,
  });
  await engine.start();
  const rotation = (async () => {
    // Some come with the old key while it is under way.
    for (let round = 1; round <= 5; round++) {
      await enqueueOld(db, round * 10_000, 100);
      await reencrypt(other, { ring: both, limit: 250 });
    }
  })();
  const rival = reencrypt(db, { ring: both });
  await Promise.all([rotation, rival]);
  await until("every job has run", () => seen.size === 2_000, {});
  await engine.stop();

  const passes = [
    await reencrypt(other, { ring: both }),
    await reencrypt(other, { ring: both }),
  ];
  assert.equal(passes[1]?.jobs, 0);
  assert.ok([...seen.values()].every((times) => times === 1));
  const [failed] = await db.query(sql`
    select count(*)::integer as failed from yardmaster.attempt_events
  `);
  assert.deepEqual(failed, { failed: 0 });
  assert.deepEqual(await encryptionStatus(db, both), {
    current: "2026-11",
    keys: [{
      key: "2026-11",
      known: true,
      jobs: 2_000,
      cronEntries: 0,
      outputs: 0,
    }],
  });
});

Deno.test("what was encrypted again runs where the old key is gone", async () => {
  await using world = await testPostgres();
  const { db } = world;
  seen.clear();
  await enqueueOld(db, 0, 3);
  const done = await reencrypt(db, { ring: both });
  assert.deepEqual(done, {
    jobs: 3,
    cronEntries: 0,
    outputs: 0,
    skipped: 0,
    unreadable: 0,
    complete: true,
  });
  const engine = createEngine({
    database: db,
    workers: [count],
    queues: { default: { limit: 5 } },
    sealer: new Sealer(NEW_KEYS),
  });
  await engine.tick({ budgetMs: 60_000 });
  assert.deepEqual([...seen.keys()].sort(), [0, 1, 2]);
});

Deno.test("a row that somebody holds is skipped and found by the next pass", async () => {
  await using world = await testPostgres();
  const { db } = world;
  const other = await world.connect();
  await enqueueOld(db, 0, 3);
  await other.transaction(async (tx) => {
    await tx.query(sql`
      select from yardmaster.jobs order by id limit 1 for update
    `);
    const pass = await reencrypt(db, { ring: both });
    assert.deepEqual([pass.jobs, pass.skipped], [2, 1]);
  });
  const pass = await reencrypt(db, { ring: both });
  assert.deepEqual([pass.jobs, pass.skipped], [1, 0]);
});

Deno.test("args that were replaced since they were read are left as they are", async () => {
  await using world = await testPostgres();
  const { db } = world;
  const other = await world.connect();
  const engine = createEngine({
    database: other,
    sealer: new Sealer(OLD_KEYS),
    notify: false,
  });
  const unique = {
    keys: ["shown"],
    onConflict: { replace: ["args"] },
  } as const;
  const enqueue = (secret: number) =>
    engine.enqueue(count, { secret, shown: "x" }, { unique });
  await enqueue(1);
  const { rows } = await findSealed(db, {
    place: "jobs",
    after: "0",
    exceptKey: "2026-11",
  });
  const [row] = rows;
  assert.ok(row !== undefined);
  assert.equal((await enqueue(2)).status, "conflict");

  const parts = [{ id: row.id, was: row.part, becomes: row.part }];
  assert.equal(await reseal(db, { place: "jobs", parts }), 0);
  seen.clear();
  await createEngine({
    database: db,
    workers: [count],
    queues: { default: { limit: 1 } },
    sealer: new Sealer(BOTH_KEYS),
  }).tick({ budgetMs: 60_000 });
  assert.deepEqual([...seen.keys()], [2]);
});

Deno.test("a pass stops at its limit and at its signal, and goes past what it can not read", async () => {
  await using world = await testPostgres();
  const { db } = world;
  await enqueueOld(db, 0, 5);
  await db.query(sql`
    update yardmaster.jobs set args = '{"__encrypted__": "nonsense"}'
    where id = (select min(id) from yardmaster.jobs)
  `);
  const gone = AbortSignal.abort();
  const stopped = await reencrypt(db, { ring: both, signal: gone });
  assert.deepEqual([stopped.jobs, stopped.complete], [0, false]);
  for (const limit of [0, 0.5, NaN]) {
    await assert.rejects(reencrypt(db, { ring: both, limit }), TypeError);
  }
  const some = await reencrypt(db, { ring: both, limit: 2 });
  assert.deepEqual([some.jobs, some.unreadable, some.complete], [2, 1, false]);
  const rest = await reencrypt(db, { ring: both });
  assert.deepEqual([rest.jobs, rest.unreadable, rest.complete], [2, 1, true]);
  const { keys } = await encryptionStatus(db, both);
  assert.deepEqual(keys.map(({ key, known }) => [key, known]), [
    ["", false],
    ["2026-11", true],
  ]);
});
