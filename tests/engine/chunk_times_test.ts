/** Chunks and time: what is given up, given back or kept apart, and when. */
import assert from "node:assert/strict";
import type { AbortReason } from "../../src/engine/abort_reason.ts";
import {
  type ChunkContext,
  type ChunkJob,
  defineChunkWorker,
} from "../../src/engine/chunk_worker.ts";
import { takesChunks } from "../../src/engine/chunk.ts";
import type { ChunkOptions } from "../../src/engine/chunk_rule.ts";
import { type AnyWorker, defineWorker } from "../../src/engine/worker.ts";
import type { ClaimedJob } from "../../src/store/leases.ts";
import { claimed, executorWorld } from "../support/executor_world.ts";

/** A call that is under way until the test ends it. */
interface Call {
  readonly jobs: readonly ChunkJob[];
  readonly chunk: ChunkContext;
  readonly end: (error?: Error) => void;
}

/** An executor whose calls the test ends. */
function heldWorld(
  options: {
    readonly chunk?: ChunkOptions;
    readonly timeoutMs?: number;
    readonly limit?: number;
    readonly others?: readonly AnyWorker[];
  } = {},
) {
  const { chunk = { size: 3, waitMs: 500 }, limit = 10, others = [] } = options;
  const calls: Call[] = [];
  const worker = defineChunkWorker({
    name: "work",
    chunk,
    ...(options.timeoutMs !== undefined && { timeoutMs: options.timeoutMs }),
    perform: (jobs, chunk) =>
      new Promise<void>((resolve, reject) => {
        const end = (error?: Error) => error ? reject(error) : resolve();
        calls.push({ jobs, chunk, end });
      }),
  });
  const world = executorWorld(worker, { limit, others });
  /** What became of each job, in the order in which it did. */
  const outcomes = () =>
    world.results.map(({ jobId, to, event }) =>
      `${jobId} ${event?.kind ?? to}`
    );
  return { ...world, worker, calls, outcomes };
}

function jobs(first: number, count: number, more: Partial<ClaimedJob> = {}) {
  return Array.from({ length: count }, (_, n): ClaimedJob => ({
    ...claimed,
    jobId: `${BigInt(first + n)}`,
    ...more,
  }));
}

async function settle(): Promise<void> {
  for (let turn = 0; turn < 100; turn++) await null;
}

Deno.test("the timeout is of the call: jobs without an answer have failed, and its slot stays taken", async () => {
  const { executor, calls, clock, outcomes } = heldWorld({
    timeoutMs: 200,
    limit: 1,
  });
  executor.accept(jobs(1, 3));
  await settle();
  const [call] = calls;
  call?.chunk.complete(call.jobs[1] as ChunkJob);
  await clock.advanceMs(200);
  assert.deepEqual(outcomes(), ["2 completed", "1 timed_out", "3 timed_out"]);
  const { kind } = call?.chunk.signal.reason as AbortReason;
  assert.equal(kind, "timeout");
  assert.equal(executor.queues.get("default")?.running.size, 1);
  assert.ok(executor.isIdle);
  executor.accept(jobs(4, 3));
  await settle();
  assert.equal(calls.length, 1);
  call?.chunk.complete(call.jobs[0] as ChunkJob);
  call?.end();
  await settle();
  assert.equal(calls.length, 2);
  calls[1]?.end();
  await executor.idle();
  assert.equal(executor.runs.size, 0);
  assert.equal(outcomes().length, 6);
});

Deno.test("a call that answered for all of its jobs and goes on is told when it takes too long, and nobody waits for it", async () => {
  const { executor, clock, calls, outcomes } = heldWorld({
    chunk: { size: 2 },
    timeoutMs: 100,
  });
  executor.accept(jobs(1, 2));
  await settle();
  const [call] = calls;
  for (const job of call?.jobs ?? []) call?.chunk.complete(job);
  assert.deepEqual(outcomes(), ["1 completed", "2 completed"]);
  assert.ok(!executor.isIdle);
  await clock.advanceMs(100);
  const reason = call?.chunk.signal.reason as AbortReason;
  assert.equal(reason.kind, "timeout");
  assert.ok(executor.isIdle);
  assert.equal(outcomes().length, 2);
  call?.end();
  await settle();
  assert.equal(executor.runs.size, 0);
  assert.ok(executor.isIdle);
});

Deno.test("no run is waited for after what runs was given back, also of a call that answered for all", async () => {
  const { executor, calls, outcomes } = heldWorld({ chunk: { size: 2 } });
  executor.accept(jobs(1, 2));
  await settle();
  const [call] = calls;
  for (const job of call?.jobs ?? []) call?.chunk.complete(job);
  executor.abort("shutdown");
  assert.equal((call?.chunk.signal.reason as AbortReason).kind, "shutdown");
  executor.giveBackRuns();
  assert.ok(executor.isIdle);
  call?.end();
  await settle();
  assert.ok(executor.isIdle);
  assert.deepEqual(outcomes(), ["1 completed", "2 completed"]);
});

Deno.test("a job whose deadline has passed does not go into the call, and one whose deadline passes leaves it", async () => {
  const { executor, calls, clock, outcomes } = heldWorld({
    chunk: { size: 10, waitMs: 500 },
  });
  executor.accept([
    // Of newer code, which need not be waited for any more.
    ...jobs(1, 1, { deadlineInMs: -1, meta: { __args_version__: 2 } }),
    ...jobs(2, 1, { deadlineInMs: 900 }),
    ...jobs(3, 1),
  ]);
  await settle();
  // The first could not wait, so none of them did.
  assert.deepEqual(calls[0]?.jobs.map(({ jobId }) => jobId), ["2", "3"]);
  assert.deepEqual(outcomes(), ["1 expired"]);
  const leaving = calls[0]?.jobs[0]?.signal;
  assert.equal(leaving?.aborted, false);
  await clock.advanceMs(900);
  assert.equal((leaving?.reason as AbortReason).kind, "deadline");
  assert.equal(calls[0]?.chunk.signal.aborted, false);
  assert.ok(!executor.isIdle);
  calls[0]?.end();
  await executor.idle();
  assert.deepEqual(outcomes(), ["1 expired", "2 expired", "3 completed"]);
});

Deno.test("a job whose deadline would pass while it gathers does not wait", async () => {
  const { executor, calls, clock } = heldWorld();
  executor.accept(jobs(1, 1, { deadlineInMs: 501 }));
  await settle();
  assert.equal(calls.length, 0);
  executor.accept(jobs(2, 1, { deadlineInMs: 500 }));
  await clock.advanceMs(0);
  assert.equal(calls[0]?.jobs.length, 2);
});

Deno.test("one cancelled job of a call goes back, and what the call throws is no failure of it", async () => {
  const { executor, calls, outcomes } = heldWorld();
  executor.accept(jobs(1, 3));
  await settle();
  [...executor.runs][1]?.abort("cancelled");
  calls[0]?.end(new Error("stopped half way"));
  await executor.idle();
  assert.deepEqual(outcomes(), ["1 failed", "2 given_back", "3 failed"]);
});

Deno.test("jobs that gather go back at once and without an event, those of a call when it was told", async () => {
  const { executor, calls, clock, outcomes, results } = heldWorld();
  executor.accept(jobs(1, 5));
  await settle();
  executor.giveBackBuffered(() => true);
  assert.deepEqual(outcomes(), ["4 available", "5 available"]);
  assert.equal(executor.runs.size, 3);
  await clock.advanceMs(500);
  assert.equal(calls.length, 1);

  calls[0]?.chunk.complete(calls[0].jobs[0] as ChunkJob);
  executor.abort("shutdown");
  const { kind } = calls[0]?.chunk.signal.reason as AbortReason;
  assert.equal(kind, "shutdown");
  assert.ok(!executor.isIdle);
  executor.giveBackRuns();
  assert.ok(executor.isIdle);
  assert.deepEqual(outcomes().slice(2), [
    "1 completed",
    "2 given_back",
    "3 given_back",
  ]);
  assert.equal(executor.givenBack, 4);
  assert.ok(results.every(({ attempt }) => attempt === 1));
  calls[0]?.end();
  await settle();
  assert.equal(results.length, 5);
  assert.equal(executor.runs.size, 0);
});

Deno.test("jobs that gather are dropped when others hold them by now", async () => {
  const { executor, calls, clock, results } = heldWorld();
  executor.accept(jobs(1, 2));
  executor.abort("lease_lost");
  executor.dropBuffered();
  await clock.advanceMs(1_000);
  assert.deepEqual([calls.length, results.length, executor.runs.size], [
    0,
    0,
    0,
  ]);
  assert.ok(executor.isIdle);
});

Deno.test("a tick lets chunks begin as they are", async () => {
  const { executor, calls } = heldWorld();
  executor.accept(jobs(1, 2));
  await settle();
  assert.ok(executor.gathers);
  executor.ripenChunks();
  await settle();
  assert.deepEqual([calls.length, executor.gathers], [1, false]);
  calls[0]?.end();
  await executor.idle();
});

Deno.test("chunkDemand() fills a chunk for each free slot, and a few more where args part them", async () => {
  const other = defineChunkWorker({
    name: "other",
    chunk: { size: 10, waitMs: 500 },
    perform: () => new Promise<void>(() => {}),
  });
  const { executor, calls, clock, worker } = heldWorld({
    chunk: { size: 100, waitMs: 500, by: ["customer"] },
    limit: 3,
    others: [other],
  });
  const wanted = (of: AnyWorker) => {
    assert.ok(takesChunks(of));
    return executor.chunkDemand(of, 1e4).map(({ most }) => most);
  };
  assert.deepEqual([wanted(worker), wanted(other)], [[300], [30]]);
  executor.accept(jobs(1, 150));
  await settle();
  // One call is full, and half of another gathers, of one customer.
  assert.equal(calls.length, 1);
  assert.deepEqual([wanted(worker), wanted(other)], [[200], [20]]);
  executor.accept(jobs(200, 16, { worker: "other" }));
  await settle();
  // Six gather, and one slot is left.
  assert.deepEqual([wanted(worker), wanted(other)], [[100], [4]]);
  await clock.advanceMs(500);
  assert.deepEqual([wanted(worker), wanted(other)], [[], []]);
  executor.queues.get("default")?.adopt({ chosenLimit: 20, paused: false });
  // What gathers is bounded, whatever the partitions.
  const of = (n: number) => ({ args: { customer: n } });
  executor.accept(
    Array.from({ length: 1_950 }, (_, n) => jobs(1_000 + n, 1, of(n))).flat(),
  );
  await settle();
  assert.deepEqual(wanted(worker), [50]);
  executor.queues.get("default")?.adopt({ chosenLimit: null, paused: true });
  assert.deepEqual(wanted(worker), []);
});

Deno.test("chunks take no slot from other jobs while they gather", async () => {
  const plain = defineWorker({ name: "plain", perform: () => {} });
  const { executor } = heldWorld({ limit: 3, others: [plain] });
  executor.accept(jobs(1, 2));
  await settle();
  assert.equal(executor.demand(1_000)[0]?.most, 3);
  executor.accept(jobs(3, 1));
  await settle();
  assert.equal(executor.demand(1_000)[0]?.most, 2);
});

Deno.test("the fullest chunk does not wait once no room is left for what would fill it", async () => {
  const { executor, calls } = heldWorld({
    chunk: { size: 4, waitMs: 500, by: ["customer"] },
    limit: 1,
  });
  const of = (customer: number) => ({ args: { customer } });
  executor.accept(
    Array.from({ length: 30 }, (_, n) => jobs(100 + n, 1, of(n))).flat(),
  );
  executor.accept(jobs(1, 1, of(7)));
  await settle();
  assert.equal(calls.length, 0);
  executor.accept(jobs(2, 1, of(90)));
  await settle();
  assert.deepEqual(calls[0]?.jobs.map(({ jobId }) => jobId), ["1", "107"]);
});

Deno.test("a chunk that found no slot for long has the next one, though other jobs are faster", async () => {
  const ends: (() => void)[] = [];
  const plain = defineWorker({
    name: "plain",
    perform: () => new Promise<void>((resolve) => ends.push(resolve)),
  });
  const { executor, calls, clock, outcomes } = heldWorld({
    limit: 1,
    others: [plain],
  });
  executor.accept(jobs(1, 1, { worker: "plain" }));
  executor.accept(jobs(2, 2));
  await clock.advanceMs(500);
  // It waits for others, and then for a slot: only the second counts.
  executor.giveBackOld(clock.monotonicMs() - 1);
  assert.deepEqual(outcomes(), []);
  await clock.advanceMs(2_000);
  executor.giveBackOld(clock.monotonicMs() - 1_999);
  assert.deepEqual(outcomes(), ["2 available", "3 available"]);

  ends.shift()?.();
  await settle();
  executor.accept(jobs(9, 1, { worker: "plain" }));
  await settle();
  assert.equal(ends.length, 0);
  assert.deepEqual(executor.demand(10), []);
  executor.accept(jobs(2, 2));
  await settle();
  // It has waited before, and does not again.
  assert.equal(calls.length, 1);
  calls[0]?.end();
  await settle();
  assert.equal(ends.length, 1);
});

Deno.test("a job that was cancelled while it gathered does not go into the call, and a call for none is not made", async () => {
  const { executor, calls, clock, outcomes } = heldWorld();
  executor.accept(jobs(1, 2));
  [...executor.runs][0]?.abort("cancelled");
  await clock.advanceMs(500);
  assert.deepEqual(calls[0]?.jobs.map(({ jobId }) => jobId), ["2"]);
  calls[0]?.end();
  await settle();
  executor.accept(jobs(3, 2));
  for (const run of executor.runs) run.abort("lease_lost");
  await clock.advanceMs(500);
  assert.equal(calls.length, 1);
  assert.ok(executor.isIdle);
  assert.equal(executor.queues.get("default")?.running.size, 0);
  assert.deepEqual(outcomes(), [
    "1 given_back",
    "2 completed",
    "3 given_back",
    "4 given_back",
  ]);
});
