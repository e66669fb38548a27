/** Keys of outputs are rotated while they are written, expire and are read. */
import assert from "node:assert/strict";
import { encryptionStatus, reencrypt } from "../../src/control/encryption.ts";
import type { Database } from "../../src/db/database.ts";
import { json, sql } from "../../src/db/sql.ts";
import { type EncryptionKeys, KeyRing } from "../../src/domain/key_ring.ts";
import { SEALED_KEY } from "../../src/domain/sealed_args.ts";
import type { JobId } from "../../src/domain/job.ts";
import { createEngine } from "../../src/engine/engine.ts";
import { outputReader } from "../../src/engine/job_output.ts";
import { randomBytes, Sealer } from "../../src/engine/sealer.ts";
import { defineWorker } from "../../src/engine/worker.ts";
import { emptyOutputs } from "../../src/store/output_retention.ts";
import { findSealed, reseal } from "../../src/store/sealed_parts.ts";
import { retryJob } from "../../src/store/transitions.ts";
import { usePostgres } from "../support/postgres.ts";
import { BOTH_KEYS, NEW_KEYS, OLD_KEYS } from "../support/secrets.ts";

const testPostgres = usePostgres();
const both = new KeyRing(BOTH_KEYS, randomBytes);
const place = "outputs";

const pin = defineWorker({
  name: "pin",
  recordOutput: { encrypt: true },
  perform: ({ n }: { n: number }) => ({ n }),
});

function engineOf(db: Database, keys: EncryptionKeys) {
  return createEngine({
    database: db,
    workers: [pin],
    queues: { default: { limit: 50 } },
    sealer: new Sealer(keys),
    notify: false,
  });
}

/** Jobs that have run, each with its number as its output. */
async function given(
  db: Database,
  { from = 0, many }: { readonly from?: number; readonly many: number },
): Promise<Map<JobId, number>> {
  const engine = engineOf(db, OLD_KEYS);
  const numbers = Array.from({ length: many }, (_, index) => from + index);
  const results = await engine.enqueueMany(
    numbers.map((n) => ({ worker: pin, args: { n } })),
  );
  await engine.tick({ budgetMs: 60_000 });
  return new Map(results.map((result, index) => {
    assert.ok(result.status === "inserted");
    return [result.job.id, from + index];
  }));
}

async function numberOf(db: Database, jobId: JobId, keys = NEW_KEYS) {
  const found = await outputReader(db, new Sealer(keys))(pin, jobId);
  return found.status === "found" ? found.output.n : found.why;
}

Deno.test("a rotation of outputs beside runs and beside what expires loses nothing, and then the old key is in no use", async () => {
  await using world = await testPostgres();
  const { db } = world;
  const other = await world.connect();
  const first = await given(db, { many: 250 });
  const expiring = [...first.keys()].slice(0, 60);
  await db.query(sql`
    update yardmaster.outputs set expires_at = recorded_at - interval '2 days',
      recorded_at = recorded_at - interval '3 days'
    where job_id = any (${expiring}::bigint[])
  `);
  const rotation = (async () => {
    for (let round = 0; round < 5; round++) {
      await reencrypt(other, { ring: both, limit: 60 });
    }
  })();
  const expiry = (async () => {
    for (let round = 0; round < 10; round++) {
      await emptyOutputs(other, { limit: 10 });
    }
  })();
  const rival = reencrypt(db, { ring: both });
  const later = await given(db, { from: 1_000, many: 50 });
  await Promise.all([rotation, expiry, rival]);
  await emptyOutputs(db, { limit: 1_000 });
  await reencrypt(db, { ring: both });
  const last = await reencrypt(other, { ring: both });

  assert.deepEqual([last.outputs, last.skipped, last.unreadable], [0, 0, 0]);
  for (const [jobId, n] of [...first, ...later]) {
    const is = expiring.includes(jobId) ? "expired" : n;
    assert.equal(await numberOf(db, jobId), is);
  }
  assert.deepEqual(await encryptionStatus(db, both), {
    current: "2026-11",
    keys: [{
      key: "2026-11",
      known: true,
      jobs: 0,
      cronEntries: 0,
      outputs: 240,
    }],
  });
});

Deno.test("an output that expired or was written anew since it was read is left as it is", async () => {
  await using world = await testPostgres();
  const { db } = world;
  const other = await world.connect();
  const [expired, anew] = [...(await given(db, { many: 2 })).keys()];
  assert.ok(expired !== undefined && anew !== undefined);
  const { rows } = await findSealed(db, {
    place,
    after: "0",
    exceptKey: "2026-11",
  });
  assert.deepEqual(rows.map(({ id, attempt }) => [id, attempt]), [
    [expired, 1],
    [anew, 1],
  ]);
  await other.query(sql`
    update yardmaster.outputs set output = null
    where job_id = ${expired}::bigint
  `);
  await retryJob(other, { jobId: anew, principal: "ann" });
  await engineOf(other, BOTH_KEYS).tick({ budgetMs: 10_000 });
  const becomes = { v: 1, key: "2026-11", iv: "", data: "" };
  const parts = rows.map(({ id, part: was }) => ({ id, was, becomes }));
  assert.equal(await reseal(db, { place, parts }), 0);
  assert.equal(await numberOf(db, anew), 1);
  const [row] = await db.query(sql`
    select output from yardmaster.outputs where job_id = ${expired}::bigint
  `);
  assert.deepEqual(row, { output: null });
});

Deno.test("an output that somebody writes at this moment is skipped, and what they wrote stays", async () => {
  await using world = await testPostgres();
  const { db } = world;
  const other = await world.connect();
  const [one, two] = [...(await given(db, { many: 2 })).keys()];
  assert.ok(one !== undefined && two !== undefined);
  await other.transaction(async (tx) => {
    await tx.query(sql`
      update yardmaster.outputs set output = '{"n": 7}', attempt = 2
      where job_id = ${one}::bigint
    `);
    const pass = await reencrypt(db, { ring: both });
    assert.deepEqual([pass.outputs, pass.skipped], [1, 1]);
  });
  const pass = await reencrypt(db, { ring: both });
  assert.deepEqual([pass.outputs, pass.skipped, pass.unreadable], [0, 0, 0]);
  assert.deepEqual([await numberOf(db, one), await numberOf(db, two)], [7, 1]);
});

Deno.test("outputs whose jobs are gone are encrypted again too, and read", async () => {
  await using world = await testPostgres();
  const { db } = world;
  const jobs = await given(db, { many: 3 });
  await db.query(sql`delete from yardmaster.jobs`);
  await db.query(sql`delete from yardmaster.outcomes`);
  const pass = await reencrypt(db, { ring: both });
  assert.deepEqual([pass.outputs, pass.unreadable, pass.complete], [
    3,
    0,
    true,
  ]);
  for (const [jobId, n] of jobs) assert.equal(await numberOf(db, jobId), n);
});

Deno.test("a pass over outputs goes past what it can not read, and counts what names no key", async () => {
  await using world = await testPostgres();
  const { db } = world;
  const [broken, moved, plain, near] = [
    ...(await given(db, { many: 5 })).keys(),
  ];
  const put = (jobId: JobId | undefined, output: unknown) =>
    db.query(sql`
      update yardmaster.outputs set output = ${json(output)}
      where job_id = ${jobId ?? "0"}::bigint
    `);
  await db.query(sql`
    update yardmaster.outputs set output = other.output
    from yardmaster.outputs as other
    where outputs.job_id = ${moved ?? "0"}::bigint
      and other.job_id = ${broken ?? "0"}::bigint
  `);
  await put(broken, { [SEALED_KEY]: "nonsense" });
  await put(plain, [SEALED_KEY]);
  await put(near, { [SEALED_KEY]: { key: "2025-01" }, more: 1 });
  const pass = await reencrypt(db, { ring: both });
  assert.deepEqual([pass.outputs, pass.unreadable, pass.complete], [
    1,
    2,
    true,
  ]);
  const { keys } = await encryptionStatus(db, both);
  assert.deepEqual(keys.map(({ key, outputs }) => [key, outputs]), [
    ["", 1],
    ["2025-01", 1],
    ["2026-11", 1],
  ]);
});

Deno.test("findSealed() brings 16 MiB at a time, and loses nothing of the rest", async () => {
  await using world = await testPostgres();
  const { db } = world;
  await given(db, { many: 14 });
  await db.query(sql`
    update yardmaster.outputs set output = jsonb_set(
      output, ${[SEALED_KEY, "data"]}::text[], to_jsonb(repeat('A', 1350000))
    )
  `);
  const found: string[][] = [];
  let after: string | null = "0";
  while (after !== null) {
    const stretch: Awaited<ReturnType<typeof findSealed>> = await findSealed(
      db,
      { place, after, exceptKey: "2026-11" },
    );
    found.push(stretch.rows.map(({ id }) => id));
    after = stretch.through;
  }
  assert.deepEqual(found.map(({ length }) => length), [12, 2]);
  const pass = await reencrypt(db, { ring: both });
  assert.deepEqual([pass.unreadable, pass.complete], [14, true]);
});
