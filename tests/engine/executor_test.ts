/** Runs without a database: what the executor hands to the acknowledger. */
import assert from "node:assert/strict";
import { z } from "zod";
import type { AbortReason } from "../../src/engine/abort_reason.ts";
import { Executor } from "../../src/engine/executor.ts";
import { Sealer } from "../../src/engine/sealer.ts";
import { cancel, discard, snooze } from "../../src/engine/verdict.ts";
import { type AnyWorker, defineWorker } from "../../src/engine/worker.ts";
import type { YardmasterEvent } from "../../src/events.ts";
import type { ClaimedJob } from "../../src/store/leases.ts";
import type { RunResult } from "../../src/store/outcomes.ts";
import { createTestClock } from "../../src/testing/testing.ts";

const claimed: ClaimedJob = {
  leaseId: "1",
  jobId: "7",
  attempt: 1,
  queue: "default",
  worker: "work",
  args: {},
  meta: {},
  tags: [],
  priority: 0,
  maxAttempts: 3,
  deadlineInMs: null,
};

function world(
  worker: AnyWorker,
  { limit = 10, onHungry = (): boolean => false } = {},
) {
  const clock = createTestClock();
  const results: RunResult[] = [];
  const events: YardmasterEvent[] = [];
  const executor = new Executor({
    workers: new Map([["work", worker]]),
    queues: { default: { limit } },
    clock,
    sealer: new Sealer(),
    random: () => 0,
    onEvent: (event) => events.push(event),
    onResult: (result) => results.push(result),
    isFull: () => false,
    onHungry,
  });
  return { clock, executor, results, events };
}

/** What one run comes to. */
async function resultOf(
  worker: AnyWorker,
  job: Partial<ClaimedJob> = {},
): Promise<RunResult> {
  const { executor, results } = world(worker);
  executor.accept([{ ...claimed, ...job }]);
  await executor.idle();
  assert.equal(results.length, 1);
  return results[0] as RunResult;
}

function worker(
  perform: () => unknown,
  rest: Partial<Parameters<typeof defineWorker>[0]> = {},
): AnyWorker {
  return defineWorker({ name: "work", ...rest, perform });
}

Deno.test("a run that returns completes its job, whatever nonsense it returns", async () => {
  const values = [undefined, null, 5, { kind: "snooze" }, [], Symbol("s")];
  for (const value of values) {
    const result = await resultOf(worker(() => value));
    assert.equal(result.to, "completed");
    assert.equal(result.event, undefined);
    assert.equal(result.output, undefined);
  }
});

Deno.test("a run decides by verdict, and gives its reason", async () => {
  const snoozed = await resultOf(worker(() => snooze(5_000)));
  assert.deepEqual([snoozed.to, snoozed.delayMs], ["scheduled", 5_000]);
  const cancelled = await resultOf(worker(() => cancel("no longer wanted")));
  assert.equal(cancelled.to, "cancelled");
  assert.deepEqual(cancelled.event, {
    kind: "cancelled",
    message: "no longer wanted",
  });
  const discarded = await resultOf(worker(() => discard("no such customer")));
  assert.equal(discarded.to, "discarded");
});

Deno.test("snooze() of no number of milliseconds is a failed attempt", async () => {
  for (const delayMs of [NaN, -1, Infinity, "5" as never]) {
    const result = await resultOf(worker(() => snooze(delayMs)));
    assert.equal(result.to, "retryable");
    assert.match(String(result.event?.message), /Cannot snooze/);
  }
});

Deno.test("a run that throws is tried again after its backoff, and discarded after its last attempt", async () => {
  const failing = worker(() => {
    throw new Error("Customer 42 not found");
  });
  const first = await resultOf(failing);
  assert.deepEqual([first.to, first.delayMs], ["retryable", 17_000]);
  assert.equal(first.event?.kind, "failed");
  assert.equal(first.event?.template, "Error: Customer <number> not found");
  const last = await resultOf(failing, { attempt: 3 });
  assert.equal(last.to, "discarded");

  const own = worker(() => Promise.reject(new Error("no")), {
    backoff: ({ attempt }) => attempt * 100,
  });
  assert.equal((await resultOf(own, { attempt: 2 })).delayMs, 200);
});

Deno.test("args that do not match the schema at run are a failed attempt", async () => {
  const typed = defineWorker({
    name: "work",
    args: z.object({ customer: z.number(), region: z.string().default("eu") }),
    recordOutput: true,
    perform: (args) => args,
  });
  const bad = await resultOf(typed, { args: { customer: "7" } });
  assert.equal(bad.to, "retryable");
  assert.match(String(bad.event?.message), /args\.customer/);
  const good = await resultOf(typed, { args: { customer: 7 } });
  assert.equal(good.output?.text, '{"customer":7,"region":"eu"}');
});

Deno.test("an output that can not be kept is dropped, and the job completes", async () => {
  const circular: Record<string, unknown> = {};
  circular.self = circular;
  const outputs = [circular, "\0", "\ud800", "x".repeat(65_535)];
  for (const output of outputs) {
    const result = await resultOf(
      worker(() => output, { recordOutput: true }),
    );
    assert.equal(result.to, "completed");
    assert.equal(result.output, undefined);
  }
});

Deno.test("an attempt that takes longer than its timeout has failed then, and keeps its slot until it settles", async () => {
  let finish = () => {};
  let reason: unknown;
  const slow = defineWorker({
    name: "work",
    timeoutMs: 1_000,
    perform: (_args, { signal }) => {
      signal.addEventListener("abort", () => reason = signal.reason);
      return new Promise<void>((resolve) => finish = resolve);
    },
  });
  const { clock, executor, results } = world(slow, { limit: 1 });
  executor.accept([claimed, { ...claimed, jobId: "8" }]);

  await clock.advanceMs(999);
  assert.equal(results.length, 0);
  await clock.advanceMs(1);
  assert.equal((reason as AbortReason).kind, "timeout");
  assert.equal(results[0]?.event?.kind, "timed_out");
  assert.equal(results[0]?.to, "retryable");
  assert.equal(executor.queues.get("default")?.running.size, 1);
  assert.equal(executor.queues.get("default")?.buffered, 1);

  finish();
  await clock.advanceMs(0);
  assert.equal(results.length, 1);
  assert.equal(executor.queues.get("default")?.buffered, 0);
  finish();
  await executor.idle();
});

Deno.test("a deadline cancels a job before its run and while it runs", async () => {
  const late = await resultOf(worker(() => 1), { deadlineInMs: -1 });
  assert.deepEqual([late.to, late.event], ["cancelled", { kind: "expired" }]);

  const kinds: string[] = [];
  const heeding = defineWorker({
    name: "work",
    perform: (_args, { signal }) =>
      new Promise((_resolve, reject) =>
        signal.addEventListener("abort", () => {
          kinds.push((signal.reason as AbortReason).kind);
          reject(signal.reason);
        })
      ),
  });
  const { clock, executor, results } = world(heeding);
  executor.accept([{ ...claimed, deadlineInMs: 500 }]);
  await clock.advanceMs(500);
  assert.deepEqual(kinds, ["deadline"]);
  assert.equal(results[0]?.to, "cancelled");
  assert.equal(results.length, 1);
});

Deno.test("an interrupted run goes back and burns no attempt, unless it finished all the same", async () => {
  const stubborn = worker(() => new Promise<void>((resolve) => go = resolve));
  let go = () => {};
  const first = world(stubborn);
  first.executor.accept([claimed]);
  await first.clock.advanceMs(0);
  first.executor.abort("shutdown");
  go();
  await first.executor.idle();
  assert.equal(first.results[0]?.to, "completed");

  const heeding = defineWorker({
    name: "work",
    perform: async (_args, { signal }) => {
      await new Promise((_resolve, reject) =>
        signal.addEventListener("abort", () => reject(new Error("stopped")))
      );
    },
  });
  const second = world(heeding);
  second.executor.accept([claimed]);
  await second.clock.advanceMs(0);
  second.executor.abort("shutdown");
  await second.executor.idle();
  assert.equal(second.results[0]?.to, "available");
  assert.deepEqual(second.results[0]?.event, { kind: "given_back" });
});

Deno.test("a job that waits for a slot goes back without an event", async () => {
  let finish = () => {};
  const one = worker(() => new Promise<void>((resolve) => finish = resolve));
  const { clock, executor, results } = world(one, { limit: 1 });
  executor.accept([claimed, { ...claimed, jobId: "8" }]);
  executor.giveBackBuffered(() => true);
  assert.deepEqual(results, [{
    leaseId: "1",
    jobId: "8",
    attempt: 1,
    to: "available",
    tookMs: 0,
  }]);
  await clock.advanceMs(0);
  finish();
  await executor.idle();
});

Deno.test("a run sees one signal, whenever it asks for it", async () => {
  const seen: unknown[] = [];
  const asking = defineWorker({
    name: "work",
    perform: async (_args, context) => {
      await new Promise<void>((resolve) => go = resolve);
      seen.push(context.signal.aborted, context.signal === context.signal);
      seen.push((context.signal.reason as AbortReason).kind);
    },
  });
  let go = () => {};
  const { clock, executor } = world(asking);
  executor.accept([claimed]);
  await clock.advanceMs(0);
  executor.abort("lease_lost");
  executor.abort("shutdown");
  go();
  await executor.idle();
  assert.deepEqual(seen, [true, true, "lease_lost"]);
});

Deno.test("demand() asks ahead for fast work only", async () => {
  const { clock, executor } = world(worker(() => 1), { limit: 10 });
  assert.equal(executor.demand(1_000)[0]?.most, 10);
  assert.equal(executor.demand(4)[0]?.most, 4);
  executor.accept(
    Array.from(
      { length: 100 },
      (_, id) => ({ ...claimed, jobId: `${BigInt(id + 1)}` }),
    ),
  );
  await executor.idle();
  await clock.advanceMs(10);
  const [fast] = executor.demand(1_000);
  assert.ok(fast && fast.prefetch > 100 && fast.prefetch <= 500);
  await clock.advanceMs(1_000);
  assert.equal(executor.demand(1_000)[0]?.prefetch, 0);
});

Deno.test("runs that never wait let the next claim reach its socket before the last of them begin", async () => {
  let claimsLeft = 0;
  const { clock, executor, results } = world(worker(() => {}), {
    limit: 1,
    onHungry: () => claimsLeft-- > 0,
  });
  const jobs = (count: number) => Array.from({ length: count }, () => claimed);
  executor.accept(jobs(100));
  await executor.idle();
  await clock.advanceMs(10);
  executor.demand(1_000);

  const { lowMark = 0 } = executor.queues.get("default") ?? {};
  assert.ok(lowMark > 100);

  claimsLeft = 1;
  executor.accept(jobs(400));
  for (let turn = 0; turn < 10_000; turn++) await null;
  assert.equal(results.length, 100 + 400 - lowMark);

  await executor.idle();
  assert.equal(results.length, 100 + 400);
});
