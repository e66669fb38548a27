/** What stands around every run of a process, and how long a run may take. */
import assert from "node:assert/strict";
import { z } from "zod";
import { isPlain } from "../../src/engine/attempt.ts";
import { createEngine } from "../../src/engine/engine.ts";
import { wrappedWorkers } from "../../src/engine/engine_middleware.ts";
import type { Middleware, Next } from "../../src/engine/middleware.ts";
import { defineWorker } from "../../src/engine/worker.ts";
import { OptionsError } from "../../src/errors.ts";
import type { YardmasterEvent } from "../../src/events.ts";
import { parseOptions } from "../../src/options.ts";
import {
  createTestClock,
  type RunOutcome,
  runWorker,
} from "../../src/testing/testing.ts";
import { claimed, executorWorld } from "../support/executor_world.ts";
import { usePGlite } from "../support/pglite.ts";

const testDb = usePGlite();

function named(name: string, said: string[]): Middleware {
  return async (run, next) => {
    said.push(`${name} in ${run.worker}`);
    const value = await next();
    said.push(`${name} out`);
    return value;
  };
}

Deno.test("createEngine({ middleware }) stands around every run, outside of the worker's own", async () => {
  await using db = await testDb();
  const said: string[] = [];
  const plain = defineWorker({
    name: "plain",
    perform: () => void said.push("plain"),
  });
  const wrapped = defineWorker({
    name: "wrapped",
    middleware: [named("own", said)],
    onStart: () => said.push("onStart"),
    perform: () => void said.push("wrapped"),
  });
  const engine = createEngine({
    database: db,
    workers: [plain, wrapped],
    middleware: [named("first", said), named("second", said)],
    queues: { default: { limit: 1 } },
    notify: false,
  });
  await engine.enqueue(plain, {});
  await engine.enqueue(wrapped, {});
  await engine.tick({ budgetMs: 60_000 });
  assert.deepEqual(said, [
    "first in plain",
    "second in plain",
    "plain",
    "second out",
    "first out",
    "onStart",
    "first in wrapped",
    "second in wrapped",
    "own in wrapped",
    "wrapped",
    "own out",
    "second out",
    "first out",
  ]);
});

Deno.test("what the engine's middleware throws fails the attempt of any worker, and its values stand in the run", async () => {
  const given: unknown[] = [];
  const worker = defineWorker({
    name: "work",
    perform: (_args, { values }) => {
      given.push(values);
      return "done";
    },
  });
  const tenant = (_run: unknown, next: Next<{ tenant: string }>) =>
    next({ tenant: "ada" });
  const done = await runWorker(worker, { args: {}, middleware: [tenant] });
  assert.deepEqual(done, { kind: "completed", value: "done" });
  assert.deepEqual(given, [{ tenant: "ada" }]);

  const closed: Middleware = () => {
    throw new Error("closed");
  };
  const failed = await runWorker(worker, { args: {}, middleware: [closed] });
  assert.equal(errorOf(failed), "Error: closed");
  assert.equal(given.length, 1);
});

Deno.test("a host without middleware of its own keeps the workers that it has, and their short way", () => {
  const workers = [defineWorker({ name: "work", perform: () => {} })];
  assert.equal(wrappedWorkers(workers, []), workers);
  assert.ok(workers.every(isPlain));
  const around = wrappedWorkers(workers, [(_run, next) => next()]);
  assert.ok(!around.some(isPlain));
});

Deno.test("createYardmaster() refuses middleware that is no list of at most 20 functions", () => {
  const database = { query() {}, transaction() {}, schema: "yardmaster" };
  const long = Array.from({ length: 21 }, () => () => 1);
  for (const middleware of ["log", [1], long, null]) {
    const options = { database, middleware } as never;
    assert.throws(() => parseOptions(options), (error) => {
      assert.ok(error instanceof OptionsError);
      assert.deepEqual(error.problems.map(({ key }) => key), ["middleware"]);
      assert.match(error.message, /must be a list of at most 20 functions/);
      return true;
    });
  }
});

Deno.test("timeoutMs() is asked once the args are read, and its null is no limit", async () => {
  const clock = createTestClock();
  const worker = defineWorker({
    name: "work",
    args: z.object({ pages: z.int() }),
    timeoutMs: ({ args }) => args.pages === 0 ? null : args.pages * 100,
    perform: ({ pages }) =>
      new Promise<number>((resolve) =>
        clock.after(1_000, () => resolve(pages))
      ),
  });
  const run = (pages: number) => runWorker(worker, { args: { pages }, clock });
  const ended = Promise.all([run(3), run(20), run(0)]);
  await clock.advanceMs(1_000);
  const [short, long, never] = await ended;
  assert.match(errorOf(short), /took longer than 300 ms/);
  assert.deepEqual(long, { kind: "completed", value: 20 });
  assert.deepEqual(never, { kind: "completed", value: 0 });
});

Deno.test("a run of an executor ends at the timeout that was chosen for it", async () => {
  const worker = defineWorker({
    name: "work",
    timeoutMs: (run) => (run.args as { customer: number }).customer * 100,
    perform: (_args, { signal }) =>
      new Promise((_, reject) =>
        signal.addEventListener("abort", () => reject(signal.reason))
      ),
  });
  const { clock, executor, results, events } = executorWorld(worker);
  executor.accept([claimed]);
  await clock.advanceMs(699);
  assert.equal(results.length, 0);
  await clock.advanceMs(1);
  assert.equal(results[0]?.event?.kind, "timed_out");
  const message = String(results[0]?.event?.message);
  assert.match(message, /The attempt took longer than 700 ms/);
  assert.deepEqual(endsOf(events), ["timed_out"]);
});

Deno.test("a timeoutMs() that throws or answers nonsense fails the attempt and says why, and nothing is performed", async () => {
  let performed = 0;
  const outcome = (timeoutMs: () => unknown) =>
    runWorker(
      defineWorker({
        name: "work",
        timeoutMs: timeoutMs as () => number,
        perform: () => performed += 1,
      }),
      { args: {} },
    );
  for (const nonsense of [0, -1, 1.5, NaN, Infinity, 1e15]) {
    assert.match(
      errorOf(await outcome(() => nonsense)),
      new RegExp(`timeoutMs of work answered ${nonsense.toString()}`),
    );
  }
  // A promise that rejects later than anybody looks must bring nothing down.
  const rejected = () => Promise.reject(new Error("nobody waits for it"));
  for (const nonsense of [() => "infinity", () => undefined, rejected]) {
    assert.match(errorOf(await outcome(nonsense)), /timeoutMs of work/);
  }
  const throwing = await outcome(() => {
    throw new Error("no table of pages");
  });
  assert.equal(errorOf(throwing), "Error: no table of pages");
  assert.equal(performed, 0);
});

Deno.test("a worker's own backoff sees what was raised, and the timeout", async () => {
  const seen: unknown[] = [];
  const raised = new Error("no", { cause: "the API" });
  const clock = createTestClock();
  const worker = defineWorker({
    name: "work",
    timeoutMs: 500,
    backoff: ({ error, attempt, maxAttempts }) => {
      seen.push(error, attempt, maxAttempts);
      return 1_234;
    },
    onFailure: (_run, { retryInMs }) => seen.push(retryInMs),
    perform: ({ hangs }: { hangs: boolean }) => {
      if (!hangs) throw raised;
      return new Promise(() => {});
    },
  });
  await runWorker(worker, { args: { hangs: false }, clock });
  assert.deepEqual(seen.splice(0), [raised, 1, 20, 1_234]);

  const ended = runWorker(worker, { args: { hangs: true }, clock });
  await clock.advanceMs(500);
  await ended;
  assert.match(String(seen[0]), /TimeoutError: .* 500 ms/);
});

function errorOf(outcome: RunOutcome<unknown>): string {
  return outcome.kind === "failed" ? String(outcome.error) : outcome.kind;
}

function endsOf(events: readonly YardmasterEvent[]): string[] {
  return events.flatMap((event) =>
    event.type === "run_ended" ? [event.end] : []
  );
}
