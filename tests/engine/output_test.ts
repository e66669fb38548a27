/** What is kept of what a run returned, how much of it, and what is read back. */
import assert from "node:assert/strict";
import type { Database } from "../../src/db/database.ts";
import { sql } from "../../src/db/sql.ts";
import { createEngine } from "../../src/engine/engine.ts";
import {
  type JobOutput,
  type OutputOf,
  outputReader,
} from "../../src/engine/job_output.ts";
import { storableOutput } from "../../src/engine/kept_output.ts";
import { type AnyWorker, defineWorker } from "../../src/engine/worker.ts";
import type { JsonOf } from "../../src/domain/output.ts";
import type { YardmasterEvent } from "../../src/events.ts";
import { retryJob } from "../../src/store/transitions.ts";
import { usePGlite } from "../support/pglite.ts";

const testDb = usePGlite();

function kept(value: unknown, limitBytes = 65_536) {
  const events: YardmasterEvent[] = [];
  const left = storableOutput(value, {
    worker: "work",
    rule: { limitBytes, keepMs: 60_000, encrypt: false },
    onEvent: (event) => events.push(event),
  });
  const output = left !== null && "output" in left ? left.output : null;
  return { text: output?.text, bytes: output?.bytes, events };
}

/** Runs a job of the worker, and reads what it left. */
async function leave(db: Database, worker: AnyWorker): Promise<JobOutput> {
  const engine = createEngine({
    database: db,
    workers: [worker],
    queues: { default: { limit: 1 } },
  });
  const enqueued = await engine.enqueue(worker as never, {} as never);
  assert.ok(enqueued.status === "inserted");
  await engine.tick({ budgetMs: 60_000 });
  await engine.stop();
  return await outputReader(db)(enqueued.job);
}

Deno.test("storableOutput() keeps any JSON value: scalars, lists, null, dates as ISO text and bigint as digits", () => {
  const at = new Date("2026-01-15T12:00:00Z");
  assert.equal(kept(null).text, "null");
  assert.equal(kept(0).text, "0");
  assert.equal(kept("").text, '""');
  assert.equal(kept(false).text, "false");
  assert.equal(kept([1, [undefined]]).text, "[1,[null]]");
  assert.equal(kept({ at, gone: undefined }).text, `{"at":"${at.toJSON()}"}`);
  assert.equal(kept(2n ** 64n).text, '"18446744073709551616"');
  assert.equal(
    kept({ at, ids: [7n] }).text,
    `{"at":"${at.toJSON()}","ids":["7"]}`,
  );
});

Deno.test("storableOutput() says nothing of undefined, and tells of what is no JSON", () => {
  assert.deepEqual(kept(undefined), {
    text: undefined,
    bytes: undefined,
    events: [],
  });
  const circular: Record<string, unknown> = { id: 1n };
  circular.self = circular;
  const broken = {
    toJSON() {
      throw new Error("no");
    },
  };
  for (const value of [circular, broken, () => {}, Symbol(), "\0", "\ud800"]) {
    assert.deepEqual(kept(value), {
      text: undefined,
      bytes: undefined,
      events: [{
        type: "output_dropped",
        worker: "work",
        why: "not_json",
        bytes: null,
        limitBytes: 65_536,
      }],
    });
  }
});

Deno.test("storableOutput() counts bytes of UTF-8, takes the last one, and never cuts", () => {
  assert.equal(kept("é".repeat(4), 10).bytes, 10);
  assert.deepEqual(kept("é".repeat(4) + "x", 10), {
    text: undefined,
    bytes: undefined,
    events: [{
      type: "output_dropped",
      worker: "work",
      why: "too_large",
      bytes: 11,
      limitBytes: 10,
    }],
  });
});

Deno.test("defineWorker() refuses a recordOutput that is out of bounds, and fills in what is left out", () => {
  const perform = () => 1;
  const ruleOf = (recordOutput: never) =>
    defineWorker({ name: "work", recordOutput, perform }).recordOutput;
  const DAY_MS = 86_400_000;
  const good: [unknown, object | null][] = [
    [false, null],
    [true, { limitBytes: 65_536, keepMs: 7 * DAY_MS }],
    [{}, { limitBytes: 65_536, keepMs: 7 * DAY_MS }],
    [{ encrypt: false }, { limitBytes: 65_536, keepMs: 7 * DAY_MS }],
    [
      { encrypt: true },
      { limitBytes: 65_536, keepMs: 7 * DAY_MS, encrypt: true },
    ],
    [{ keep: "ephemeral" }, { limitBytes: 65_536, keepMs: DAY_MS / 4 }],
    [{ keep: "extended" }, { limitBytes: 65_536, keepMs: 30 * DAY_MS }],
    [{ limitBytes: 1, keep: 60_000 }, { limitBytes: 1, keepMs: 60_000 }],
    [
      { limitBytes: 1_048_576, keep: 400 * DAY_MS },
      { limitBytes: 1_048_576, keepMs: 400 * DAY_MS },
    ],
  ];
  for (const [option, rule] of good) {
    const whole = rule === null ? null : { encrypt: false, ...rule };
    assert.deepEqual(ruleOf(option as never), whole);
  }
  const bad = [
    "yes",
    1,
    null,
    { limitBytes: 0 },
    { limitBytes: 1_048_577 },
    { limitBytes: 1.5 },
    { keep: "for ever" },
    { keep: "toString" },
    { keep: 59_999 },
    { keep: 401 * DAY_MS },
    { limit: 5 },
    { encrypt: ["pin"] },
    { encrypt: "yes" },
    { encrypt: 1 },
    { encrypt: null },
  ];
  for (const option of bad) {
    assert.throws(
      () => ruleOf(option as never),
      /TypeError.*recordOutput of work/s,
      JSON.stringify(option),
    );
  }
});

Deno.test("readOutput() finds what a run left, until it expires", async () => {
  await using db = await testDb();
  const worker = defineWorker({
    name: "work",
    recordOutput: { keep: "ephemeral" },
    perform: () => ({ rows: 3, note: "é" }),
  });
  const found = await leave(db, worker);
  assert.deepEqual(found, {
    status: "found",
    output: { rows: 3, note: "é" },
    attempt: 1,
    bytes: 22,
    recordedAt: db.nowAt(),
    expiresAt: new Date(db.nowAt().getTime() + 6 * 60 * 60 * 1_000),
  });
});

Deno.test("readOutput() finds null, false and zero, which are outputs", async () => {
  await using db = await testDb();
  for (const value of [null, false, 0, "", []]) {
    const perform = () => value;
    const worker = defineWorker({ name: "work", recordOutput: true, perform });
    const found = await leave(db, worker);
    assert.ok(found.status === "found");
    assert.deepEqual(found.output, value);
  }
});

Deno.test("readOutput() tells why there is none", async () => {
  await using db = await testDb();
  const read = outputReader(db);
  const why = (output: JobOutput) =>
    output.status === "none" ? output.why : output.status;
  const silent = defineWorker({ name: "silent", perform: () => 1 });
  const recording = defineWorker({
    name: "recording",
    recordOutput: { limitBytes: 4, keep: 60_000 },
    perform: () => "much too long",
  });
  const empty = defineWorker({
    name: "empty",
    recordOutput: true,
    perform: () => {},
  });
  for (const worker of [silent, recording, empty]) {
    assert.equal(why(await leave(db, worker)), "not_recorded");
  }
  const engine = createEngine({ database: db });
  const waiting = await engine.enqueue(silent, {});
  assert.ok(waiting.status === "inserted");
  assert.equal(why(await read(waiting.job.id)), "not_ended");
  assert.equal(why(await read(silent, waiting.job)), "not_ended");
  assert.equal(why(await read(recording, waiting.job)), "unknown_job");
  assert.equal(why(await read("9223372036854775807")), "unknown_job");
  assert.equal(why(await read("no id" as never)), "unknown_job");
  assert.equal(why(await read(undefined as never)), "unknown_job");
});

Deno.test("readOutput() finds the output of the last attempt that left one, after an operator's retry", async () => {
  await using db = await testDb();
  let answer: unknown = { keep: "first" };
  const worker = defineWorker({
    name: "work",
    recordOutput: true,
    perform: () => answer,
  });
  const engine = createEngine({
    database: db,
    workers: [worker],
    queues: { default: { limit: 1 } },
  });
  const enqueued = await engine.enqueue(worker, {});
  assert.ok(enqueued.status === "inserted");
  const jobId = enqueued.job.id;
  const read = async () => {
    const found = await outputReader(db)(jobId);
    return found.status === "found" ? [found.attempt, found.output] : found;
  };
  await engine.tick({ budgetMs: 60_000 });
  assert.deepEqual(await read(), [1, { keep: "first" }]);

  await retryJob(db, { jobId, principal: "ann" });
  assert.deepEqual(await read(), [1, { keep: "first" }]);
  answer = { keep: "second" };
  db.advanceMs(1_000);
  await engine.tick({ budgetMs: 60_000 });
  assert.deepEqual(await read(), [2, { keep: "second" }]);
  const [row] = await db.query<{ recordedAt: Date }>(sql`
    select recorded_at as "recordedAt" from yardmaster.outputs
  `);
  assert.deepEqual(row?.recordedAt, db.nowAt());
});

Deno.test("OutputOf is what comes back of what perform returns", () => {
  const worker = defineWorker({
    name: "work",
    recordOutput: true,
    perform: () =>
      Promise.resolve({ at: new Date(), id: 7n, list: [undefined, 1], f() {} }),
  });
  type Is = OutputOf<typeof worker>;
  const is: Is = { at: "2026", id: "7", list: [null, 1] };
  // @ts-expect-error: a date comes back as text
  const bad: Is = { ...is, at: new Date() };
  const optional: JsonOf<{ a?: string | undefined; b: Map<string, 1> }> = {
    b: {} as never,
  };
  const nothing: JsonOf<unknown> = "anything";
  assert.ok(is && bad && optional && nothing);
});
