/** What hooks are told, when, and that nothing they do reaches the job. */
import assert from "node:assert/strict";
import { z } from "zod";
import type { Acknowledger } from "../../src/engine/acknowledger.ts";
import { HOOK_MS_MAX } from "../../src/engine/hook_calls.ts";
import { cancel, discard, snooze } from "../../src/engine/verdict.ts";
import { windDown } from "../../src/engine/wind_down.ts";
import { defineWorker } from "../../src/engine/worker.ts";
import type { HookName } from "../../src/events.ts";
import type { ClaimedJob } from "../../src/store/leases.ts";
import { claimed, executorWorld as world } from "../support/executor_world.ts";

/** A worker that writes down what happens. */
function telling(perform: () => unknown) {
  const told: string[] = [];
  const events: unknown[] = [];
  const hook = (name: HookName) => (_run: unknown, event?: unknown) => {
    told.push(name);
    if (event !== undefined) events.push(event);
  };
  const worker = defineWorker({
    name: "work",
    perform: () => {
      told.push("perform");
      return perform();
    },
    onStart: hook("onStart"),
    onSuccess: hook("onSuccess"),
    onFailure: hook("onFailure"),
    onDiscard: hook("onDiscard"),
  });
  return { worker, told, events };
}

async function told(
  perform: () => unknown,
  job: Partial<ClaimedJob> = {},
) {
  const telltale = telling(perform);
  const { executor, clock } = world(telltale.worker);
  executor.accept([{ ...claimed, ...job }]);
  await clock.advanceMs(0);
  return telltale;
}

const no = new Error("no");
const failing = () => Promise.reject(no);

Deno.test("a hook is told of the start, and one of how the attempt ended", async () => {
  const success = await told(() => ({ sent: 7 }));
  assert.deepEqual(success.told, ["onStart", "perform", "onSuccess"]);
  assert.deepEqual(success.events, [{ state: "success", value: { sent: 7 } }]);

  const failure = await told(failing);
  assert.deepEqual(failure.told, ["onStart", "perform", "onFailure"]);
  assert.deepEqual(failure.events, [{
    state: "failure",
    terminal: false,
    kind: "failed",
    error: no,
    retryInMs: 17_000,
  }]);

  const last = await told(failing, { attempt: 3 });
  assert.deepEqual(last.told, ["onStart", "perform", "onDiscard"]);
  assert.deepEqual(last.events, [
    { state: "discard", terminal: true, kind: "failed", error: no },
  ]);

  const own = await told(() => discard("no such customer"));
  assert.deepEqual(own.told, ["onStart", "perform", "onDiscard"]);
  assert.deepEqual(own.events, [{
    state: "discard",
    terminal: true,
    kind: "discarded",
    reason: "no such customer",
  }]);
});

Deno.test("a cancelled and a snoozed run have only a start", async () => {
  for (const verdict of [cancel("not wanted"), snooze(1_000)]) {
    const { told: names } = await told(() => verdict);
    assert.deepEqual(names, ["onStart", "perform"]);
  }
});

Deno.test("a run whose args can not be read has no hook, nor has one whose deadline has passed", async () => {
  const names: string[] = [];
  const worker = defineWorker({
    name: "work",
    args: z.object({ customer: z.string() }),
    perform: () => {},
    onStart: () => names.push("onStart"),
    onFailure: () => names.push("onFailure"),
    onDiscard: () => names.push("onDiscard"),
  });
  const { executor, clock, results } = world(worker);
  executor.accept([claimed, { ...claimed, attempt: 3 }]);
  executor.accept([{ ...claimed, deadlineInMs: -1 }]);
  await clock.advanceMs(0);
  const ends = results.map(({ to }) => to).sort();
  assert.deepEqual(ends, ["cancelled", "discarded", "retryable"]);
  assert.deepEqual(names, []);
});

Deno.test("hooks see the args as the schema reads them, and the run", async () => {
  const seen: unknown[] = [];
  const worker = defineWorker({
    name: "work",
    args: z.object({ customer: z.number(), region: z.string().default("eu") }),
    perform: ({ customer }) => customer,
    onStart: (run) => seen.push(run.args.region, run.attempt),
    onSuccess: (run, { value }) => seen.push(run.args.customer, value + 1),
  });
  const { executor, clock } = world(worker);
  executor.accept([claimed]);
  await clock.advanceMs(0);
  assert.deepEqual(seen, ["eu", 1, 7, 8]);
});

Deno.test("a hook after the run waits until its end is written, and is not called when the lease was lost", async () => {
  const one = telling(() => 1);
  const later = world(one.worker, { answer: "later" });
  later.executor.accept([claimed]);
  await later.clock.advanceMs(0);
  assert.deepEqual(one.told, ["onStart", "perform"]);
  assert.equal(later.executor.isIdle, true);
  assert.equal(later.executor.hooks.isIdle, false);
  later.results[0]?.onAnswer?.("applied");
  assert.deepEqual(one.told, ["onStart", "perform", "onSuccess"]);
  assert.equal(later.executor.hooks.isIdle, true);

  const two = telling(() => 1);
  const lost = world(two.worker, { answer: "lost" });
  lost.executor.accept([claimed]);
  await lost.clock.advanceMs(0);
  assert.deepEqual(two.told, ["onStart", "perform"]);
  assert.equal(lost.executor.hooks.isIdle, true);
});

Deno.test("a timed out attempt is told like any that failed", async () => {
  const events: unknown[] = [];
  const worker = defineWorker({
    name: "work",
    timeoutMs: 1_000,
    perform: () => new Promise(() => {}),
    onFailure: (_run, { kind }) => events.push(kind),
  });
  const { executor, clock } = world(worker);
  executor.accept([claimed]);
  await clock.advanceMs(1_000);
  assert.deepEqual(events, ["timed_out"]);
});

Deno.test("telemetry is told of each hook that there is, and of no other", async () => {
  const worker = defineWorker({
    name: "work",
    perform: () => {},
    onStart: () => {
      throw no;
    },
    onSuccess: () => new Promise(() => {}),
  });
  const { executor, clock, events } = world(worker);
  executor.accept([claimed]);
  await clock.advanceMs(HOOK_MS_MAX);
  const hooks = events.flatMap((event) =>
    event.type === "hook_ran"
      ? [[event.hook, event.outcome, event.tookMs, String(event.error)]]
      : []
  );
  assert.deepEqual(hooks, [
    ["onStart", "threw", 0, "Error: no"],
    [
      "onSuccess",
      "timed_out",
      HOOK_MS_MAX,
      `TimeoutError: The hook took longer than ${HOOK_MS_MAX} ms`,
    ],
  ]);

  const bare = world(defineWorker({ name: "work", perform: () => {} }));
  bare.executor.accept([claimed]);
  await bare.clock.advanceMs(0);
  assert.deepEqual(bare.events.map(({ type }) => type), ["run_ended"]);
});

Deno.test("hooks that hang hold new runs up only when thousands are open, and let them go on after five seconds", async () => {
  const jobs = (from: number) =>
    Array.from({ length: 1_000 }, (_, index) => ({
      ...claimed,
      jobId: `${BigInt(from + index + 1)}` as const,
    }));
  const worker = defineWorker({
    name: "work",
    perform: () => {},
    onSuccess: () => new Promise(() => {}),
  });
  const { executor, clock, results } = world(worker);
  for (let lease = 0; lease < 12; lease++) executor.accept(jobs(lease * 1_000));
  for (let turn = 0; turn < 50_000; turn++) await null;
  const begun = results.length;
  assert.ok(begun >= 8_000 && begun <= 8_010, `${begun} have begun`);
  assert.deepEqual(executor.demand(1_000), []);
  await clock.advanceMs(HOOK_MS_MAX);
  for (let turn = 0; turn < 50_000; turn++) await null;
  assert.ok(results.length > begun);
  await clock.advanceMs(12 * HOOK_MS_MAX);
  for (let turn = 0; turn < 50_000; turn++) await null;
  await clock.advanceMs(12 * HOOK_MS_MAX);
  assert.equal(results.length, 12_000);
  assert.equal(executor.hooks.isIdle, true);
});

Deno.test("windDown() waits for hooks, five seconds at most, and drops those that have not begun", async () => {
  const worker = defineWorker({
    name: "work",
    perform: () => {},
    onSuccess: () => new Promise(() => {}),
  });
  const { executor, clock, results, events } = world(worker, {
    answer: "later",
  });
  const jobs = Array.from({ length: 2_001 }, () => claimed);
  executor.accept(jobs);
  for (let turn = 0; turn < 20_000; turn++) await null;
  let isOver = false;
  const acknowledger = {
    flushed: () => {
      for (const { onAnswer } of results) onAnswer?.("applied");
      return Promise.resolve();
    },
  } as Acknowledger;
  const over = windDown({ executor, acknowledger, clock, graceMs: 1_000 })
    .then(() => isOver = true);

  await clock.advanceMs(HOOK_MS_MAX - 1);
  assert.equal(isOver, false);
  await clock.advanceMs(1);
  await over;
  const outcomes = events.flatMap((event) =>
    event.type === "hook_ran" ? [event.outcome] : []
  );
  assert.deepEqual(
    ["timed_out", "dropped"].map((wanted) =>
      outcomes.filter((each) => each === wanted).length
    ),
    [1_000, 1],
  );
});

Deno.test("defineWorker() refuses a hook that is no function", () => {
  assert.throws(
    () => defineWorker({ name: "work", perform() {}, onStart: "log" as never }),
    /onStart of work is a function/,
  );
});
