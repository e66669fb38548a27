/** How results are put into statements. */
import assert from "node:assert/strict";
import type { Database } from "../../src/db/database.ts";
import { type Sql, sql } from "../../src/db/sql.ts";
import { Acknowledger } from "../../src/engine/acknowledger.ts";
import { systemClock } from "../../src/engine/clock.ts";
import { HeldLeases } from "../../src/engine/held_leases.ts";
import { until } from "../support/until.ts";
import type { RunResult } from "../../src/store/outcomes.ts";
import { outputOf } from "../support/outputs.ts";

/** A database that takes every statement which `fault` lets through. */
function taking(fault: (statement: Sql) => Error | null): Database {
  return {
    schema: "yardmaster",
    now: sql`now()`,
    query<R>(statement: Sql): Promise<R[]> {
      const error = fault(statement);
      return error === null ? Promise.resolve([]) : Promise.reject(error);
    },
    transaction: () => Promise.reject(new Error("not asked for")),
    script: () => Promise.reject(new Error("not asked for")),
  };
}

/** Acknowledges results, and answers with how many went together. */
async function batches(
  database: Database,
  results: readonly RunResult[],
): Promise<number[]> {
  const written: number[] = [];
  const acknowledger = new Acknowledger({
    database,
    leases: new HeldLeases(),
    clock: systemClock,
    executorId: () => 1,
    onFlushed: () => {},
    onEvent(event) {
      if (event.type === "jobs_acknowledged") written.push(event.jobs);
    },
  });
  for (const result of results) acknowledger.add(result);
  await acknowledger.flushed();
  return written;
}

function completed(index: number, length: number): RunResult {
  return {
    leaseId: "1",
    jobId: `${BigInt(index + 1)}`,
    attempt: 1,
    to: "completed",
    tookMs: 1,
    output: { ...outputOf(index), bytes: length },
  };
}

Deno.test("Acknowledger puts no more outputs into one statement than Postgres can read", async () => {
  const large = Array.from({ length: 40 }, (_, n) => completed(n, 1_048_576));
  assert.deepEqual(await batches(taking(() => null), large), [16, 16, 8]);

  const small = Array.from({ length: 2_500 }, (_, n) => completed(n, 100));
  assert.deepEqual(await batches(taking(() => null), small), [2_000, 500]);

  const huge = [completed(0, 2 ** 30), completed(1, 1)];
  assert.deepEqual(await batches(taking(() => null), huge), [1, 1]);
});

Deno.test("Acknowledger halves what is too much for Postgres, rather than try it for ever", async () => {
  const tooMuch = Object.assign(new Error("too much"), { code: "54000" });
  const database = taking((statement) => {
    const [jobs] = statement.render("yardmaster").values.slice(1);
    return Array.isArray(jobs) && jobs.length > 2 ? tooMuch : null;
  });
  const results = Array.from({ length: 8 }, (_, n) => completed(n, 1));
  assert.deepEqual(await batches(database, results), [2, 2, 2, 2]);
});

Deno.test("Acknowledger tells of each result once, after it was written", async () => {
  const tooMuch = Object.assign(new Error("too much"), { code: "54000" });
  const statements: number[] = [];
  const database = taking((statement) => {
    const [jobs] = statement.render("yardmaster").values.slice(1);
    const isTooMuch = Array.isArray(jobs) && jobs.length > 1;
    if (!isTooMuch) statements.push(1);
    return isTooMuch ? tooMuch : null;
  });
  const told: string[] = [];
  await batches(
    database,
    Array.from({ length: 3 }, (_, n) => ({
      ...completed(n, 1),
      onAnswer: (answer: string) =>
        told.push(`${n} ${answer} after ${statements.length}`),
    })),
  );
  assert.deepEqual(told, [
    "0 applied after 1",
    "1 applied after 2",
    "2 applied after 3",
  ]);
});

Deno.test("Acknowledger says lost of what it can not write before it is told to give up", async () => {
  const told: string[] = [];
  const acknowledger = new Acknowledger({
    database: taking(() => new Error("no connection")),
    leases: new HeldLeases(),
    clock: systemClock,
    executorId: () => 1,
    onFlushed: () => {},
    onEvent: (event) =>
      event.type === "acknowledgement_failed" && acknowledger.abandon(),
  });
  for (const index of [0, 1]) {
    acknowledger.add({
      ...completed(index, 1),
      onAnswer: (answer) => told.push(`${index} ${answer}`),
    });
  }
  await acknowledger.flushed();
  assert.deepEqual(told, ["0 lost", "1 lost"]);
});

Deno.test("Acknowledger that waits after an outage goes on as soon as it is told that the database answers", async () => {
  let isDown = true;
  let waits = 0;
  const acknowledger = new Acknowledger({
    database: taking(() => isDown ? new Error("connection refused") : null),
    leases: new HeldLeases(),
    // No time passes here.
    clock: {
      monotonicMs: () => 0,
      after() {
        waits += 1;
        return () => {};
      },
    },
    executorId: () => 1,
    onFlushed: () => {},
    onEvent: () => {},
  });
  acknowledger.add(completed(0, 1));
  await until("it waits", () => Promise.resolve(waits === 1));
  isDown = false;
  acknowledger.retry();
  await acknowledger.flushed();
  assert.equal(acknowledger.unacknowledged, 0);
});
