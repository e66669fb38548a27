/** Secrets in args, on each way into the engine and out of it. */
import assert from "node:assert/strict";
import { z } from "zod";
import { sql } from "../../src/db/sql.ts";
import { REDACTED_KEY } from "../../src/domain/redaction.ts";
import { SEALED_KEY } from "../../src/domain/sealed_args.ts";
import { createEngine, type Engine } from "../../src/engine/engine.ts";
import { Fingerprints } from "../../src/engine/fingerprints.ts";
import { Sealer } from "../../src/engine/sealer.ts";
import { defineChunkWorker } from "../../src/engine/chunk_worker.ts";
import { defineWorker } from "../../src/engine/worker.ts";
import type { StandardSchema } from "../../src/engine/standard_schema.ts";
import type { YardmasterEvent } from "../../src/events.ts";
import { retryJob } from "../../src/store/transitions.ts";
import { drain } from "../../src/testing/testing.ts";
import { type TestDb, usePGlite } from "../support/pglite.ts";
import {
  BOTH_KEYS,
  NEW_KEYS,
  OLD_KEYS,
  tablesWith,
} from "../support/secrets.ts";

const testDb = usePGlite();

const TOKEN = "t0ken-of-ada";
const NUMBER = "4111-1111";
const args = {
  customer: "ada",
  token: TOKEN,
  card: { number: NUMBER, month: 12 },
};

const seen: unknown[] = [];
const pay = defineWorker({
  name: "pay",
  args: z.object({
    customer: z.string(),
    token: z.string(),
    card: z.object({ number: z.string(), month: z.number() }),
  }),
  redact: ["token"],
  encrypt: ["card.number"],
  perform(args) {
    seen.push(args);
    return Promise.reject(new Error("declined"));
  },
});
const all = defineWorker({
  name: "all",
  encrypt: true,
  perform: (args: { pin: string }) => void seen.push(args),
});

function engineOf(db: TestDb, keys = BOTH_KEYS): Engine {
  const fingerprints = new Fingerprints("0123456789abcdef");
  return createEngine({ database: db, sealer: new Sealer(keys), fingerprints });
}

async function stored(db: TestDb) {
  return await db.query<{ args: Record<string, unknown>; meta: unknown }>(
    sql`select args, meta from yardmaster.jobs order by id`,
  );
}

async function nowhere(db: TestDb): Promise<void> {
  for (const secret of [TOKEN, NUMBER]) {
    assert.deepEqual(await tablesWith(db, secret), []);
  }
}

Deno.test("tablesWith() finds what is stored, so that finding nothing says something", async () => {
  await using db = await testDb();
  await engineOf(db).enqueue(pay, args);
  assert.deepEqual(await tablesWith(db, "ada"), ["jobs"]);
});

Deno.test("redacted and encrypted values are in no table, on any way in, and a run sees what it may", async () => {
  await using db = await testDb();
  const engine = engineOf(db);
  const meta = { by: "me", [REDACTED_KEY]: ["forged"] };
  const single = await engine.enqueue(pay, args, { meta });
  assert.equal(single.status, "inserted");
  await engine.enqueueMany([{ worker: pay, args }, {
    worker: all,
    args: { pin: TOKEN },
  }]);
  await db.transaction(async (tx) => {
    await engine.enqueue(pay, args, { database: tx });
  });
  await nowhere(db);

  const [job] = await stored(db);
  assert.ok(job !== undefined);
  const { [SEALED_KEY]: part, ...clear } = job.args;
  assert.deepEqual(clear, { customer: "ada", card: { month: 12 } });
  const { key, fields, v } = part as Record<string, unknown>;
  assert.deepEqual({ key, fields, v }, {
    key: "2026-11",
    fields: ["card.number"],
    v: 1,
  });
  assert.deepEqual(job.meta, { by: "me", [REDACTED_KEY]: ["token"] });

  seen.length = 0;
  await drain({ database: db, workers: [pay, all], encryption: BOTH_KEYS });
  const { token: _, ...left } = args;
  assert.equal(seen.length, 4);
  for (const each of seen) {
    const whole = Object.hasOwn(each as object, "pin") ? { pin: TOKEN } : left;
    assert.deepEqual(each, whole);
  }
  await nowhere(db);
});

Deno.test("an operator's retry runs the job with the same args", async () => {
  await using db = await testDb();
  const once = { ...pay, maxAttempts: 1 };
  const result = await engineOf(db).enqueue(once, args);
  assert.ok(result.status === "inserted");
  seen.length = 0;
  const world = { database: db, workers: [pay], encryption: BOTH_KEYS };
  await drain(world);
  assert.ok(
    await retryJob(db, { jobId: result.job.id, principal: "ada" }) !== null,
  );
  await drain(world);

  assert.equal(seen.length, 2);
  assert.deepEqual(seen[0], seen[1]);
  await nowhere(db);
});

Deno.test("the same job is the same by all of its args, and what replaces it is hidden too", async () => {
  await using db = await testDb();
  const engine = engineOf(db);
  const unique = {
    keys: ["customer", "token"],
    onConflict: { replace: ["args"] },
  } as const;
  await engine.enqueue(pay, { ...args, token: "another" }, { unique });
  await engine.enqueue(pay, args, { unique });
  const changed = { ...args, card: { number: "5500", month: 1 } };
  const third = await engine.enqueue(pay, changed, { unique });

  assert.equal(third.status, "conflict");
  const jobs = await stored(db);
  assert.equal(jobs.length, 2);
  await nowhere(db);
  assert.deepEqual(await tablesWith(db, "5500"), []);
  assert.deepEqual(jobs.map(({ meta }) => meta), [
    { [REDACTED_KEY]: ["token"] },
    { [REDACTED_KEY]: ["token"] },
  ]);
  seen.length = 0;
  await drain({ database: db, workers: [pay], encryption: BOTH_KEYS });
  // Which of the two is decrypted first is left to the runtime.
  const cards = seen.map((each) => (each as typeof changed).card);
  assert.deepEqual(new Set(cards), new Set([args.card, changed.card]));
});

Deno.test("every mode of uniqueness and every receipt leaves the secrets out", async () => {
  await using db = await testDb();
  const engine = engineOf(db);
  const modes = [
    "reject",
    "throttle",
    "keep_last",
    { debounce: { delayMs: 1_000 } },
  ] as const;
  for (const [index, onConflict] of modes.entries()) {
    const customer = `customer-${index}`;
    const unique = { keys: ["customer"], onConflict };
    await engine.enqueue(pay, { ...args, customer }, { unique });
    const again = await engine.enqueue(
      pay,
      { ...args, customer, token: `${TOKEN}-2` },
      { unique },
    );
    assert.equal(again.status, "conflict");
  }
  await engine.enqueue(pay, args, { idempotent: true });
  const same = await engine.enqueue(pay, args, { idempotent: true });
  assert.notEqual(same.status, "inserted");
  const other = { ...args, token: "another" };
  const different = await engine.enqueue(pay, other, { idempotent: true });
  assert.equal(different.status, "inserted");

  await nowhere(db);
  for (const { args, meta } of await stored(db)) {
    assert.ok(Object.hasOwn(args, SEALED_KEY));
    assert.deepEqual(meta, { [REDACTED_KEY]: ["token"] });
  }
});

Deno.test("a job of a key that this executor does not know waits for one that does", async () => {
  await using db = await testDb();
  await engineOf(db, NEW_KEYS).enqueue(all, { pin: "1" });
  seen.length = 0;
  const events: YardmasterEvent[] = [];
  await drain({
    database: db,
    workers: [all],
    encryption: OLD_KEYS,
    onEvent: (event) => events.push(event),
  });

  assert.deepEqual(seen, []);
  const [event] = events.filter(({ type }) => type === "args_key_unknown");
  assert.ok(event?.type === "args_key_unknown");
  assert.equal(event.key, "2026-11");
  const [told] = await db.query(sql`
    select event.kind::text, message, scheduled.attempt as burnt
    from yardmaster.attempt_events as event
    join yardmaster.scheduled using (job_id)
  `);
  assert.deepEqual(told, {
    kind: "given_back",
    message: "Its args are encrypted with key 2026-11, which this executor " +
      "does not know",
    burnt: 0,
  });

  db.advanceMs(10_000);
  await drain({ database: db, workers: [all], encryption: BOTH_KEYS });
  assert.deepEqual(seen, [{ pin: "1" }]);
});

Deno.test("args that somebody changed fail the attempt, and the error names only the key", async () => {
  await using db = await testDb();
  const engine = engineOf(db);
  await engine.enqueue(all, { pin: "1" });
  await engine.enqueue(all, { pin: "2" });
  await db.query(sql`
    update yardmaster.jobs
    set args = jsonb_set(args, '{__encrypted__,data}', '"AAAA"')
    where id = (select min(id) from yardmaster.jobs)
  `);
  await db.query(sql`
    update yardmaster.jobs set args = '{"__encrypted__": 1}'
    where id = (select max(id) from yardmaster.jobs)
  `);
  seen.length = 0;
  await drain({ database: db, workers: [all], encryption: BOTH_KEYS });

  assert.deepEqual(seen, []);
  const errors = await db.query<{ message: string }>(
    sql`select message from yardmaster.attempt_events order by job_id`,
  );
  assert.deepEqual(errors.map(({ message }) => message), [
    "DecryptionError: Cannot decrypt: it was changed since key 2026-11 " +
    "encrypted it, or the key is another one of that name",
    "DecryptionError: Cannot decrypt: it is not in the shape in which it was " +
    "encrypted",
  ]);
});

Deno.test("what a schema says of encrypted args when they run is stored nowhere", async () => {
  await using db = await testDb();
  const paths = [["card", NUMBER], ["card", "number", 0, TOKEN], ["card"], []];
  for (const encrypt of [true, ["card.number"]] as const) {
    for (const path of [...paths, ["customer"]]) {
      const says = {
        message: path[0] === "customer" ? "is gone" : `received ${NUMBER}`,
        path: path[1] === NUMBER ? ["card", "number", NUMBER] : path,
      };
      const schema: StandardSchema = {
        "~standard": {
          version: 1,
          vendor: "test",
          validate: () => ({ issues: [says] }),
        },
      };
      const common = { name: "changed", encrypt, perform: () => {} };
      const engine = engineOf(db);
      const once = { maxAttempts: 1 };
      await engine.enqueue(defineWorker(common), { card: args.card }, once);
      await drain({
        database: db,
        workers: [defineWorker({ ...common, args: schema })],
        encryption: BOTH_KEYS,
      });
    }
  }
  await nowhere(db);
  const told = await db.query<{ message: string }>(sql`
    select message from yardmaster.attempt_events where kind = 'failed'
    order by id
  `);
  const all = "does not match its schema, which is all that is told";
  assert.deepEqual(
    told.map(({ message }) => message.replace(/ of what is .*$/, "")),
    [
      ...Array(5).fill(`args: ${all}`),
      `args.card.number: ${all}`,
      `args.card.number: ${all}`,
      `args.card: ${all}`,
      `args: ${all}`,
      "args.customer: is gone",
    ].map((each) => `InvalidArgsError: Cannot run the job: ${each}`),
  );
});

Deno.test("a worker that no longer encrypts still runs what it encrypted", async () => {
  await using db = await testDb();
  await engineOf(db).enqueue(all, { pin: "1" });
  const plain = defineWorker({
    name: "all",
    perform: (args: object) => void seen.push(args),
  });
  seen.length = 0;
  await drain({ database: db, workers: [plain], encryption: BOTH_KEYS });
  assert.deepEqual(seen, [{ pin: "1" }]);
});

Deno.test("a worker that does many jobs in one call has their secrets treated the same", async () => {
  await using db = await testDb();
  const many = defineChunkWorker({
    name: "many",
    chunk: { size: 10, by: ["customer"] },
    redact: ["token"],
    encrypt: ["pin"],
    recordOutput: false,
    perform(jobs: readonly { args: object }[]) {
      for (const job of jobs) seen.push(job.args);
    },
  });
  const engine = engineOf(db);
  for (const pin of [NUMBER, `${NUMBER}-2`]) {
    await engine.enqueue(many, { customer: "ada", token: TOKEN, pin });
  }
  await nowhere(db);
  seen.length = 0;
  await drain({ database: db, workers: [many], encryption: BOTH_KEYS });
  assert.deepEqual(seen, [
    { customer: "ada", pin: NUMBER },
    { customer: "ada", pin: `${NUMBER}-2` },
  ]);
});

Deno.test("upgrades get args that were decrypted", async () => {
  await using db = await testDb();
  await engineOf(db).enqueue(all, { pin: "1" });
  const next = defineWorker({
    name: "all",
    version: 2,
    upgrade: { 1: (args) => ({ code: args.pin }) },
    encrypt: true,
    perform: (args: { code: string }) => void seen.push(args),
  });
  seen.length = 0;
  await drain({ database: db, workers: [next], encryption: BOTH_KEYS });
  assert.deepEqual(seen, [{ code: "1" }]);
});

Deno.test("enqueue() refuses args that could not be stored or read again", async () => {
  await using db = await testDb();
  const engine = engineOf(db);
  const reserved = await engine.enqueue(all, { [SEALED_KEY]: 1 } as never);
  const without = await createEngine({ database: db }).enqueue(all, {
    pin: "",
  });
  const tooLarge = await engine.enqueue(all, { pin: "x".repeat(900_000) });
  const changing = defineWorker({
    name: "changing",
    args: z.object({ token: z.string(), at: z.coerce.date() }),
    redact: ["token"],
    perform: () => {},
  });
  const changed = await engine.enqueue(changing, {
    token: "",
    at: "2026-01-01",
  });
  const refined = defineWorker({
    name: "refined",
    args: z.object({ token: z.string().optional() })
      .refine(({ token }) => token === "x", "is not x"),
    redact: ["token"],
    perform: () => {},
  });
  const unreadable = await engine.enqueue(refined, { token: "x" });

  const answers = [reserved, without, tooLarge, changed, unreadable];
  assert.deepEqual(
    answers.map((answer) =>
      answer.status === "invalid" ? answer.issues[0]?.path : answer.status
    ),
    [`args.${SEALED_KEY}`, "encryption", "args", "args", "args"],
  );
  assert.deepEqual(await stored(db), []);
});
