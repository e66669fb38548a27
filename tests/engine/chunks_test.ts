/** Chunks without a database: which jobs share a call, and what it answers. */
import assert from "node:assert/strict";
import { z } from "zod";
import type { AbortReason } from "../../src/engine/abort_reason.ts";
import {
  type ChunkContext,
  type ChunkJob,
  type ChunkWorkerDefinition,
  defineChunkWorker,
} from "../../src/engine/chunk_worker.ts";
import { cancel, discard, snooze } from "../../src/engine/verdict.ts";
import { defineWorker, type Worker } from "../../src/engine/worker.ts";
import type { ClaimedJob } from "../../src/store/leases.ts";
import { createTestClock } from "../../src/testing/testing.ts";
import { claimed, executorWorld } from "../support/executor_world.ts";

type Args = { readonly tenant?: unknown; readonly id?: string };
type Definition = ChunkWorkerDefinition<Args, Args, unknown>;
type Perform = Definition["perform"];

const chunk = { size: 3, waitMs: 500 };

function worker(
  perform: Perform,
  rest: Partial<Definition> = {},
): Worker<Args, unknown> {
  return defineChunkWorker<Args>({ name: "work", chunk, ...rest, perform });
}

/** Jobs with the ids 1, 2, 3, … */
function jobs(
  count: number,
  more: (n: number) => Partial<ClaimedJob> = () => ({}),
): ClaimedJob[] {
  return Array.from({ length: count }, (_, n) => ({
    ...claimed,
    jobId: idOf(n + 1),
    args: {},
    ...more(n + 1),
  }));
}

function idOf(n: number): ClaimedJob["jobId"] {
  return `${BigInt(n)}`;
}

/** A worker that says which jobs came together. */
function recording(rest: Partial<Definition> = {}) {
  const calls: string[][] = [];
  const made = worker((jobs) => {
    calls.push(jobs.map(({ jobId }) => jobId));
  }, rest);
  return { calls, made };
}

async function settle(): Promise<void> {
  for (let turn = 0; turn < 100; turn++) await null;
}

Deno.test("a chunk begins when it is full, and the rest when the first of it has waited", async () => {
  const { calls, made } = recording();
  const { executor, clock, results } = executorWorld(made);
  executor.accept(jobs(4));
  await settle();
  assert.deepEqual(calls, [["1", "2", "3"]]);
  await clock.advanceMs(499);
  assert.equal(calls.length, 1);
  await clock.advanceMs(1);
  assert.deepEqual(calls, [["1", "2", "3"], ["4"]]);
  assert.deepEqual(results.map(({ jobId, to }) => [jobId, to]), [
    ["1", "completed"],
    ["2", "completed"],
    ["3", "completed"],
    ["4", "completed"],
  ]);
  assert.ok(executor.isIdle);
  assert.equal(executor.runs.size, 0);
});

Deno.test("without waitMs a call takes along what is there", async () => {
  const { calls, made } = recording({ chunk: { size: 3 } });
  const { executor } = executorWorld(made);
  executor.accept(jobs(5));
  await executor.idle();
  assert.deepEqual(calls, [["1", "2", "3"], ["4", "5"]]);
});

Deno.test("jobs of one call have the same values at its paths, and none is not null", async () => {
  const { calls, made } = recording({
    chunk: { size: 3, by: ["tenant", "place.city"] },
  });
  const { executor } = executorWorld(made);
  const args = [
    { tenant: "a", place: { city: 1 } },
    { tenant: "b", place: { city: 1 } },
    { tenant: "a", place: { city: 1 } },
    { tenant: "a", place: { city: "1" } },
    { tenant: "a" },
    { tenant: "a", place: {} },
    { tenant: "a", place: { city: null } },
  ];
  executor.accept(jobs(args.length, (n) => ({ args: args[n - 1] ?? {} })));
  await executor.idle();
  assert.deepEqual(calls, [["1", "3"], ["2"], ["4"], ["5", "6"], ["7"]]);
});

Deno.test("a job whose args are of an older version goes alone where args part the chunks", async () => {
  const { calls, made } = recording({
    chunk: { size: 3, by: ["tenant"] },
    version: 2,
    upgrade: { 1: (args) => ({ ...args, tenant: "x" }) },
  });
  const { executor } = executorWorld(made);
  const newer = { __args_version__: 2 };
  executor.accept(jobs(5, (n) => n > 2 ? { meta: newer } : {}));
  await executor.idle();
  assert.deepEqual(calls.toSorted(), [["1"], ["2"], ["3", "4", "5"]]);
});

Deno.test("calls take slots, in the order of their best job, and jobs go in by priority and age", async () => {
  const open: (() => void)[] = [];
  const calls: string[][] = [];
  const made = worker(async (jobs) => {
    calls.push(jobs.map(({ jobId }) => jobId));
    await new Promise<void>((resolve) => open.push(resolve));
  }, { chunk: { size: 2 } });
  const plain = defineWorker({
    name: "plain",
    perform: (_args, { jobId }) => void calls.push([jobId]),
  });
  const { executor } = executorWorld(made, { limit: 1, others: [plain] });
  executor.accept(jobs(1, () => ({ jobId: "10" })));
  await settle();
  executor.accept([
    ...jobs(2, (n) => ({ jobId: idOf(30 + n), priority: 1 })),
    ...jobs(1, () => ({ jobId: "20", worker: "plain" })),
    ...jobs(2, (n) => ({ jobId: idOf(10 + n), priority: 2 - n })),
  ]);
  await settle();
  assert.equal(executor.queues.get("default")?.running.size, 1);
  for (let n = 0; n < 3; n++) {
    open.shift()?.();
    await settle();
  }
  assert.deepEqual(calls, [["10"], ["12", "11"], ["20"], ["31", "32"]]);
});

Deno.test("each job has the answer that it was given, and the others that of the call", async () => {
  const answers: Record<string, (job: ChunkJob, chunk: ChunkContext) => void> =
    {
      1: (job, chunk) => chunk.complete(job, { indexed: 1 }),
      2: (job, chunk) => chunk.fail(job, new Error("no such document")),
      3: (job, chunk) => chunk.decide(job, snooze(9_000)),
      4: (job, chunk) => chunk.decide(job, cancel("not wanted")),
      5: (job, chunk) => chunk.decide(job, discard("never works")),
      6: ({ jobId }, chunk) => chunk.complete({ jobId }),
    };
  const made = worker((jobs, chunk) => {
    for (const job of jobs) answers[job.jobId]?.(job, chunk);
  }, { chunk: { size: 100 }, recordOutput: true });
  const { executor, results, events } = executorWorld(made);
  executor.accept(jobs(7, (n) => n === 7 ? { attempt: 3 } : { attempt: 2 }));
  await executor.idle();
  const seen = results.map(({ jobId, to, delayMs, event, output, attempt }) =>
    [jobId, to, attempt, delayMs ?? event?.message, output?.text] as const
  );
  assert.deepEqual(seen.map((each) => each.slice(0, 3)), [
    ["1", "completed", 2],
    ["2", "retryable", 2],
    ["3", "scheduled", 2],
    ["4", "cancelled", 2],
    ["5", "discarded", 2],
    ["6", "completed", 2],
    ["7", "completed", 3],
  ]);
  assert.equal(seen[0]?.[4], '{"indexed":1}');
  assert.ok(Number(seen[1]?.[3]) > 0);
  assert.deepEqual(seen.slice(2, 5).map((each) => each[3]), [
    9_000,
    "not wanted",
    "never works",
  ]);
  assert.deepEqual(events.filter(({ type }) => type === "chunk_ended"), [{
    type: "chunk_ended",
    worker: "work",
    queue: "default",
    jobs: 7,
    tookMs: 0,
  }]);
});

Deno.test("what a call throws fails the jobs that it gave no answer, each by its own attempts", async () => {
  const made = worker((jobs, chunk) => {
    chunk.complete(jobs[0] as ChunkJob);
    throw new Error("the index is closed");
  });
  const { executor, results } = executorWorld(made);
  executor.accept(jobs(3, (n) => ({ attempt: n })));
  await executor.idle();
  assert.deepEqual(
    results.map(({ jobId, to, event }) => [jobId, to, event?.kind]),
    [
      ["1", "completed", undefined],
      ["2", "retryable", "failed"],
      ["3", "discarded", "failed"],
    ],
  );
  assert.match(String(results[1]?.event?.message), /index is closed/);
});

Deno.test("a verdict that a call returns is for all jobs without an answer", async () => {
  const made = worker((jobs, chunk) => {
    chunk.complete(jobs[1] as ChunkJob);
    return snooze(1_000);
  });
  const { executor, results } = executorWorld(made);
  executor.accept(jobs(3));
  await executor.idle();
  assert.deepEqual(
    results.map(({ jobId, to }) => [jobId, to]),
    [["2", "completed"], ["1", "scheduled"], ["3", "scheduled"]],
  );
});

Deno.test("an answer that could be misread fails the jobs it was meant for, and says what to write", async () => {
  const wrong: readonly Perform[] = [
    (jobs) => jobs.map(() => "done") as never,
    (jobs, chunk) => {
      chunk.complete(jobs[0] as ChunkJob);
      chunk.complete(jobs[0] as ChunkJob);
    },
    (_jobs, chunk) => chunk.complete({ jobId: "99" }),
    (jobs, chunk) => chunk.decide(jobs[0] as ChunkJob, {} as never),
    (jobs, chunk) => {
      const failing = Promise.reject(new Error("its own work failed"));
      chunk.complete(jobs[0] as ChunkJob, failing);
    },
  ];
  const said: string[] = [];
  for (const perform of wrong) {
    const { executor, results } = executorWorld(worker(perform));
    executor.accept(jobs(3));
    await executor.idle();
    assert.equal(results.length, 3);
    assert.ok(results.some(({ to }) => to === "retryable"));
    said.push(String(results.at(-1)?.event?.message));
  }
  assert.match(said[0] ?? "", /returned something.*complete\(\)/);
  assert.match(said[1] ?? "", /1 has its answer already/);
  assert.match(said[2] ?? "", /99 is no job of this call/);
  assert.match(said[3] ?? "", /snooze\(\), cancel\(\) or discard\(\)/);
  assert.match(said[4] ?? "", /the output is a promise.*await it first/);
});

Deno.test("a job whose args do not parse fails alone, and one of newer code waits alone", async () => {
  const seen: unknown[] = [];
  const strict = defineChunkWorker({
    name: "work",
    args: z.object({ id: z.string().transform((id) => id.toUpperCase()) }),
    chunk: { size: 10 },
    perform: (jobs) => void seen.push(...jobs.map(({ args }) => args.id)),
  });
  const { executor, results } = executorWorld(strict);
  const meta = { __args_version__: 2 };
  executor.accept(
    jobs(4, (n) => ({
      args: { id: n === 2 ? 5 : `id${n}` },
      ...(n === 3 && { meta }),
    })),
  );
  await executor.idle();
  assert.deepEqual(seen, ["ID1", "ID4"]);
  const to = new Map(results.map((result) => [result.jobId, result]));
  assert.match(String(to.get("2")?.event?.message), /args\.id/);
  assert.deepEqual([to.get("2")?.to, to.get("3")?.to], [
    "retryable",
    "scheduled",
  ]);
});

Deno.test("hooks are told of each job, onStart of all before the call and without its time", async () => {
  const clock = createTestClock();
  const told: string[] = [];
  const tell = (hook: string) => ({ jobId }: { readonly jobId: string }) =>
    void told.push(`${hook} ${jobId}`);
  const made = worker((jobs, chunk) => {
    told.push("perform");
    chunk.fail(jobs[1] as ChunkJob, new Error("no"));
    chunk.decide(jobs[2] as ChunkJob, discard("no use"));
  }, {
    timeoutMs: 50,
    async onStart(run) {
      tell("onStart")(run);
      await new Promise<void>((resolve) => clock.after(100, resolve));
    },
    onSuccess: tell("onSuccess"),
    onFailure: tell("onFailure"),
    onDiscard: tell("onDiscard"),
  });
  const { executor, results } = executorWorld(made, { clock });
  executor.accept(jobs(3, () => ({ deadlineInMs: 60 })));
  await clock.advanceMs(100);
  await executor.idle();
  await executor.hooks.idle();
  assert.deepEqual(told, [
    "onStart 1",
    "onStart 2",
    "onStart 3",
    "perform",
    "onFailure 2",
    "onDiscard 3",
    "onSuccess 1",
  ]);
  assert.deepEqual(results.map(({ tookMs }) => tookMs), [0, 0, 0]);
});

Deno.test("a chunk says what is wrong with it where it is defined", () => {
  const define = (rest: object) => () =>
    defineChunkWorker({
      name: "work",
      chunk: { size: 10 },
      perform: () => {},
      ...rest,
    } as never);
  const wrong: readonly [object, RegExp][] = [
    [{ chunk: undefined }, /chunk of work is an object/],
    [{ chunk: { size: 0 } }, /chunk\.size of work/],
    [{ chunk: { size: 1_001 } }, /chunk\.size of work/],
    [{ chunk: { size: 1.5 } }, /chunk\.size of work/],
    [{ chunk: { size: 9, waitMs: 60_001 } }, /chunk\.waitMs of work/],
    [{ chunk: { size: 9, waitMs: -1 } }, /chunk\.waitMs of work/],
    [{ chunk: { size: 9, wait: 5 } }, /chunk\.wait of work is not known/],
    [{ chunk: { size: 9, by: "tenant" } }, /chunk\.by of work/],
    [{ chunk: { size: 9, by: ["a", "a"] } }, /different paths/],
    [{ chunk: { size: 9, by: ["a."] } }, /chunk\.by of work/],
    [{ chunk: { size: 9, by: [..."abcdef"] } }, /at most 5/],
    [{ middleware: [] }, /middleware is around one/],
    [{ timeoutMs: () => 5 }, /timeoutMs of work is a number/],
    [{ timeoutMs: 0 }, /timeoutMs of work/],
    [{ perform: 5 }, /perform of work is a function/],
    [
      { chunk: { size: 9, by: ["a"] }, encrypt: true },
      /encrypt of work hides a/,
    ],
    [
      { chunk: { size: 9, by: ["a.b"] }, redact: ["a"] },
      /redact of work hides a\.b/,
    ],
  ];
  for (const [rest, message] of wrong) {
    assert.throws(define(rest), message, JSON.stringify(rest));
  }
  assert.doesNotThrow(
    define({ chunk: { size: 1_000, waitMs: 60_000, by: ["a.b"] } }),
  );
});

Deno.test("the types of a chunk are those of its schema and of its output", () => {
  const typed = defineChunkWorker({
    name: "typed",
    args: z.object({ at: z.string().transform((text) => new Date(text)) }),
    chunk: { size: 10 },
    perform(jobs, chunk: ChunkContext<{ year: number }>) {
      for (const job of jobs) {
        chunk.complete(job, { year: job.args.at.getFullYear() });
        // @ts-expect-error: it is an object with a year
        chunk.complete(job, 5);
      }
    },
    onSuccess: (_run, { value }) => void value.year,
  });
  const same: Worker<{ at: string }, { year: number }> = typed;
  assert.equal(same.name, "typed");
  // @ts-expect-error: a chunk returns nothing or a verdict
  defineChunkWorker({ name: "x", chunk: { size: 2 }, perform: () => [1, 2] });
});

Deno.test("the signal of a call and that of a job are two, and have their reasons", async () => {
  let seen: { chunk: AbortSignal; jobs: readonly AbortSignal[] } | null = null;
  const made = worker((jobs, { signal }) => {
    seen = { chunk: signal, jobs: jobs.map((job) => job.signal) };
    return new Promise<void>((resolve) => {
      signal.addEventListener("abort", () => resolve());
    });
  });
  const { executor } = executorWorld(made);
  executor.accept(jobs(3));
  await settle();
  const [first, second, third] = [...executor.runs];
  first?.abort("cancelled");
  const states = () => seen?.jobs.map(({ aborted }) => aborted);
  assert.deepEqual(states(), [true, false, false]);
  second?.abort("cancelled");
  assert.equal(seen!.chunk.aborted, false);
  third?.abort("lease_lost");
  const { kind } = seen!.chunk.reason as AbortReason;
  assert.deepEqual([states(), kind], [[true, true, true], "lease_lost"]);
  await executor.idle();
});
