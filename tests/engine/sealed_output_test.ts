/** Outputs that are encrypted, on each way out of a run and back to a reader. */
import assert from "node:assert/strict";
import { json, sql } from "../../src/db/sql.ts";
import type { EncryptionKeys } from "../../src/domain/key_ring.ts";
import { SEALED_KEY } from "../../src/domain/sealed_args.ts";
import { defineChunkWorker } from "../../src/engine/chunk_worker.ts";
import { createEngine, type Engine } from "../../src/engine/engine.ts";
import { outputReader } from "../../src/engine/job_output.ts";
import { withSealedOutputs } from "../../src/engine/output_sealing.ts";
import { Sealer } from "../../src/engine/sealer.ts";
import { type AnyWorker, defineWorker } from "../../src/engine/worker.ts";
import type { YardmasterEvent } from "../../src/events.ts";
import { retryJob } from "../../src/store/transitions.ts";
import {
  createTestClock,
  drain,
  runChunk,
  runWorker,
} from "../../src/testing/testing.ts";
import { outputOf } from "../support/outputs.ts";
import { type TestDb, usePGlite } from "../support/pglite.ts";
import {
  BOTH_KEYS,
  NEW_KEYS,
  OLD_KEYS,
  tablesWith,
} from "../support/secrets.ts";

const testDb = usePGlite();

const SECRET = "s3cret-of-ada";
const OTHER_KEYS: EncryptionKeys = {
  current: "2026-11",
  keys: { "2026-11": new Uint8Array(32).fill(99) },
};

const told: unknown[] = [];
const issue = defineWorker({
  name: "issue",
  encrypt: true,
  recordOutput: { encrypt: true },
  onSuccess: (_run, { value }) => void told.push(value),
  perform: ({ who }: { who: string }) => ({ pin: SECRET, who }),
});

/** An engine that runs these workers, with what it told. */
function engineOf(
  db: TestDb,
  { workers = [issue] as readonly AnyWorker[], keys = BOTH_KEYS } = {},
): { readonly engine: Engine; readonly events: YardmasterEvent[] } {
  const events: YardmasterEvent[] = [];
  const engine = createEngine({
    database: db,
    workers,
    queues: { default: { limit: 5 } },
    sealer: new Sealer(keys),
    notify: false,
    onEvent: (event) => events.push(event),
  });
  return { engine, events };
}

/** One job of `issue` that has run. */
async function givenOutput(db: TestDb, keys = BOTH_KEYS) {
  const { engine } = engineOf(db, { keys });
  const enqueued = await engine.enqueue(issue, { who: SECRET });
  assert.ok(enqueued.status === "inserted");
  await engine.tick({ budgetMs: 60_000 });
  return { engine, jobId: enqueued.job.id };
}

Deno.test("an encrypted output is in no table, and found by readOutput(), awaitJob() and a hook", async () => {
  await using db = await testDb();
  told.length = 0;
  const { engine, jobId } = await givenOutput(db);
  const output = { pin: SECRET, who: SECRET };
  assert.deepEqual(await tablesWith(db, SECRET), []);
  const [row] = await db.query<{ output: Record<string, unknown> }>(
    sql`select output from yardmaster.outputs`,
  );
  assert.deepEqual(Object.keys(row?.output ?? {}), [SEALED_KEY]);
  const part = row?.output[SEALED_KEY] as Record<string, unknown>;
  assert.deepEqual([part.v, part.key], [1, "2026-11"]);

  const bytes = JSON.stringify(output).length;
  const found = await outputReader(db, new Sealer(NEW_KEYS))(issue, jobId);
  assert.ok(found.status === "found");
  assert.deepEqual([found.output, found.bytes, found.attempt], [
    output,
    bytes,
    1,
  ]);
  const end = await engine.awaitJob(issue, jobId);
  assert.ok(end.status === "completed");
  assert.deepEqual(end.output, found);
  assert.deepEqual(told, [output]);
});

Deno.test("any JSON value can be an encrypted output, also one that looks like one", async () => {
  await using db = await testDb();
  const looks = { [SEALED_KEY]: { v: 1, key: "k", iv: "", data: "" } };
  for (const value of [null, false, 0, "", [], "é".repeat(9), looks]) {
    const worker = defineWorker({
      name: "any",
      recordOutput: { encrypt: true },
      perform: () => value,
    });
    const { engine, events } = engineOf(db, { workers: [worker] });
    const enqueued = await engine.enqueue(worker, {});
    assert.ok(enqueued.status === "inserted");
    await engine.tick({ budgetMs: 60_000 });
    const found = await outputReader(db, new Sealer(BOTH_KEYS))(enqueued.job);
    assert.ok(found.status === "found", JSON.stringify([value, found]));
    assert.deepEqual(found.output, value);
    assert.deepEqual(events.filter(({ type }) => /dropped/.test(type)), []);
  }
});

Deno.test("limitBytes counts what was returned, and not what is stored", async () => {
  await using db = await testDb();
  const sizes = [10, 11];
  const worker = defineWorker({
    name: "sized",
    recordOutput: { encrypt: true, limitBytes: 10 },
    perform: ({ size }: { size: number }) => "x".repeat(size - 2),
  });
  const { engine, events } = engineOf(db, { workers: [worker] });
  for (const size of sizes) await engine.enqueue(worker, { size });
  await engine.tick({ budgetMs: 60_000 });
  const rows = await db.query<{ bytes: number; stored: boolean }>(sql`
    select bytes, octet_length(output::text) > 100 as "stored"
    from yardmaster.outputs
  `);
  assert.deepEqual(rows, [{ bytes: 10, stored: true }]);
  const [dropped] = events.filter(({ type }) => type === "output_dropped");
  assert.ok(dropped?.type === "output_dropped");
  assert.deepEqual([dropped.why, dropped.bytes], ["too_large", 11]);
});

Deno.test("an output of a MiB, which is more once it is encrypted, comes back whole", async () => {
  await using db = await testDb();
  const large = "é".repeat(524_287);
  const worker = defineWorker({
    name: "large",
    recordOutput: { encrypt: true, limitBytes: 1_048_576 },
    perform: () => large,
  });
  const { engine } = engineOf(db, { workers: [worker] });
  const enqueued = await engine.enqueue(worker, {});
  assert.ok(enqueued.status === "inserted");
  await engine.tick({ budgetMs: 5_000 });
  const end = await engine.awaitJob(worker, enqueued.job);
  assert.ok(end.status === "completed" && end.output.status === "found");
  assert.equal(end.output.bytes, 1_048_576);
  assert.ok(end.output.output === large);
});

Deno.test("a reader without the key is told so, and no awaitJob() rejects", async () => {
  await using db = await testDb();
  const { jobId } = await givenOutput(db);
  const none = { status: "none", key: "2026-11" };
  for (
    const [keys, why] of [
      [undefined, "key_unknown"],
      [OLD_KEYS, "key_unknown"],
      [OTHER_KEYS, "decryption_failed"],
    ] as const
  ) {
    const sealer = new Sealer(keys);
    assert.deepEqual(await outputReader(db, sealer)(jobId), { ...none, why });
    const end = await createEngine({ database: db, sealer }).awaitJob(jobId);
    assert.ok(end.status === "completed");
    assert.deepEqual(end.output, { ...none, why });
  }
});

Deno.test("what was changed or truncated in the table is told as such, and the engine goes on", async () => {
  await using db = await testDb();
  const { engine, jobId } = await givenOutput(db);
  const [row] = await db.query<{ output: { __encrypted__: never } }>(
    sql`select output from yardmaster.outputs`,
  );
  const part = row?.output[SEALED_KEY] as unknown as Record<string, string>;
  const parts: unknown[] = [
    null,
    "x",
    1,
    [],
    {},
    { ...part, v: 2 },
    { ...part, data: part.data?.slice(0, 8) },
    { ...part, data: "" },
    { ...part, data: "no base64!" },
    { ...part, data: null },
    { ...part, iv: "" },
    { ...part, iv: part.data },
    { ...part, key: "<b>" },
    { ...part, key: "2025-01" },
    { ...part, fields: ["pin"] },
    {
      ...part,
      data: `A${part.data?.slice(1)}` === part.data
        ? ""
        : `A${part.data?.slice(1)}`,
    },
  ];
  for (const changed of parts) {
    await db.query(sql`
      update yardmaster.outputs set output = ${json({ [SEALED_KEY]: changed })}
    `);
    const found = await outputReader(db, new Sealer(BOTH_KEYS))(jobId);
    const why = found.status === "none" ? found.why : found.status;
    assert.equal(why, "decryption_failed", JSON.stringify(changed));
    const end = await engine.awaitJob(jobId);
    assert.ok(end.status === "completed");
    assert.deepEqual(end.output, found);
  }
  const again = await givenOutput(db);
  const found = await outputReader(db, new Sealer(BOTH_KEYS))(again.jobId);
  assert.equal(found.status, "found");
});

Deno.test("a ciphertext can be moved neither to another job nor to another attempt", async () => {
  await using db = await testDb();
  const { jobId: one } = await givenOutput(db);
  const { jobId: two } = await givenOutput(db);
  const read = outputReader(db, new Sealer(BOTH_KEYS));
  const why = async () => {
    const found = await read(issue, two);
    return found.status === "none" ? found.why : found.status;
  };
  assert.equal(await why(), "found");
  await db.query(sql`
    update yardmaster.outputs set output = other.output
    from yardmaster.outputs as other
    where outputs.job_id = ${two}::bigint and other.job_id = ${one}::bigint
  `);
  assert.equal(await why(), "decryption_failed");
  await db.query(sql`
    update yardmaster.outputs set attempt = 2 where job_id = ${one}::bigint
  `);
  assert.equal((await read(one)).status, "none");
});

Deno.test("after an operator's retry the later output is read, with its own attempt", async () => {
  await using db = await testDb();
  const { engine, jobId } = await givenOutput(db);
  await retryJob(db, { jobId, principal: "ann" });
  const read = outputReader(db, new Sealer(BOTH_KEYS));
  assert.equal((await read(jobId)).status, "found");
  await engine.tick({ budgetMs: 60_000 });
  const found = await read(jobId);
  assert.ok(found.status === "found");
  assert.equal(found.attempt, 2);
  assert.deepEqual(await tablesWith(db, SECRET), []);
});

Deno.test("each job of a chunk has its output encrypted for itself", async () => {
  await using db = await testDb();
  const many = defineChunkWorker({
    name: "many",
    chunk: { size: 10 },
    recordOutput: { encrypt: true },
    perform(
      jobs: readonly { jobId: `${bigint}`; args: { n: number } }[],
      { complete },
    ) {
      for (const job of jobs) complete(job, `${SECRET}-${job.args.n}`);
    },
  });
  const { engine } = engineOf(db, { workers: [many] });
  const results = await engine.enqueueMany(
    [1, 2, 3].map((n) => ({ worker: many, args: { n } })),
  );
  await drain({ database: db, workers: [many], encryption: BOTH_KEYS });
  assert.deepEqual(await tablesWith(db, SECRET), []);
  const read = outputReader(db, new Sealer(BOTH_KEYS));
  for (const [index, result] of results.entries()) {
    assert.ok(result.status === "inserted");
    const found = await read(result.job);
    assert.ok(found.status === "found");
    assert.equal(found.output, `${SECRET}-${index + 1}`);
  }
});

Deno.test("an output that could be taken for an encrypted one is dropped and told of", async () => {
  await using db = await testDb();
  for (const value of [{ [SEALED_KEY]: 1 }, { [SEALED_KEY]: 1, more: 1 }]) {
    const worker = defineWorker({
      name: "plain",
      recordOutput: true,
      perform: () => value,
    });
    const { engine, events } = engineOf(db, { workers: [worker] });
    const enqueued = await engine.enqueue(worker, {});
    assert.ok(enqueued.status === "inserted");
    await engine.tick({ budgetMs: 60_000 });
    const found = await outputReader(db)(enqueued.job);
    const dropped = events.find(({ type }) => type === "output_dropped");
    const why = dropped?.type === "output_dropped" ? dropped.why : null;
    const isOne = Object.keys(value).length === 1;
    assert.deepEqual(
      [found.status, why],
      isOne ? ["none", "reserved"] : ["found", null],
    );
  }
});

Deno.test("where there are no keys no engine begins, and nothing is stored as it is", async () => {
  await using db = await testDb();
  const missing = /worker issue encrypts its output, and there are no keys/;
  assert.throws(
    () => createEngine({ database: db, workers: [issue] }),
    missing,
  );
  await assert.rejects(drain({ database: db, workers: [issue] }), missing);

  const events: YardmasterEvent[] = [];
  const run = { leaseId: "1", jobId: "1", attempt: 1, tookMs: 1 } as const;
  const [result] = await withSealedOutputs(
    [{ ...run, to: "completed", unsealed: outputOf({ pin: SECRET }) }],
    { sealer: new Sealer(), onEvent: (event) => events.push(event) },
  );
  assert.deepEqual(result, { ...run, to: "completed" });
  assert.deepEqual(events.map((event) => "why" in event && event.why), [
    "not_encrypted",
  ]);
});

Deno.test("runWorker() and runChunk() run such workers without keys, and check the output all the same", async () => {
  const events: YardmasterEvent[] = [];
  const onEvent = (event: YardmasterEvent) => events.push(event);
  const common = { recordOutput: { encrypt: true, limitBytes: 5 } } as const;
  const one = defineWorker({
    name: "one",
    ...common,
    perform: () => SECRET,
  });
  const many = defineChunkWorker({
    name: "many",
    ...common,
    chunk: { size: 2 },
    perform(jobs: readonly { jobId: `${bigint}` }[], { complete }) {
      for (const job of jobs) complete(job, SECRET);
    },
  });
  const clock = createTestClock();
  const completed = { kind: "completed", value: SECRET };
  assert.deepEqual(
    await runWorker(one, { args: {}, clock, onEvent }),
    completed,
  );
  const jobs = [{ args: {} }, { args: {} }];
  assert.deepEqual(
    await runChunk(many, { jobs: jobs as never, clock, onEvent }),
    [completed, completed],
  );
  const dropped = events.filter(({ type }) => type === "output_dropped");
  assert.equal(dropped.length, 3);
});
