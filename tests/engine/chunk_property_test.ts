/** Chunks under anything that may happen, in any order. */
import assert from "node:assert/strict";
import fc from "fast-check";
import {
  type ChunkContext,
  type ChunkJob,
  defineChunkWorker,
} from "../../src/engine/chunk_worker.ts";
import { discard, snooze } from "../../src/engine/verdict.ts";
import { claimed, executorWorld } from "../support/executor_world.ts";

/** What a call does with one of its jobs before it ends. */
const ANSWERS = ["complete", "fail", "snooze", "discard", "none"] as const;
const ENDS = ["return", "throw", "cancel", "nonsense"] as const;

const steps = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant("arrive" as const),
      jobs: fc.array(
        fc.record({
          tenant: fc.integer({ min: 0, max: 3 }),
          priority: fc.integer({ min: 0, max: 2 }),
          deadlineInMs: fc.option(fc.integer({ min: -1, max: 300 })),
          bad: fc.boolean(),
        }),
        { maxLength: 12 },
      ),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant("end" as const),
      call: fc.nat(),
      answers: fc.array(fc.constantFrom(...ANSWERS), { maxLength: 8 }),
      by: fc.constantFrom(...ENDS),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant("pass" as const),
      ms: fc.integer({ min: 0, max: 250 }),
    }),
  },
  fc.record({
    kind: fc.constantFrom("cancel" as const, "return" as const),
    job: fc.nat(),
  }),
  fc.record({ kind: fc.constant("ripen" as const) }),
  fc.record({
    kind: fc.constant("limit" as const),
    limit: fc.integer({ min: 1, max: 4 }),
  }),
);

type Step = typeof steps extends fc.Arbitrary<infer T> ? T : never;

interface Call {
  readonly jobs: readonly ChunkJob[];
  readonly chunk: ChunkContext;
  readonly resolve: (answer?: unknown) => void;
  readonly reject: (error: Error) => void;
}

interface World {
  readonly size: number;
  readonly waitMs: number;
  readonly limit: number;
  readonly parted: boolean;
}

/** A worker that checks each call, and leaves its end to the test. */
function checkedWorker(
  { size, waitMs, parted }: World,
  { open, wrong }: { readonly open: Set<Call>; readonly wrong: string[] },
) {
  return defineChunkWorker({
    name: "work",
    chunk: { size, waitMs, by: parted ? ["tenant"] : [] },
    timeoutMs: 400,
    upgrade: {},
    args: {
      "~standard": {
        version: 1,
        vendor: "test",
        validate: (value: unknown) =>
          (value as { bad: boolean }).bad
            ? { issues: [{ message: "is bad" }] }
            : { value: value as { tenant: number } },
      },
    },
    perform(jobs, chunk) {
      // What is thrown here is an outcome, and fails no test.
      const tenants = new Set(jobs.map(({ args }) => args.tenant));
      if (jobs.length < 1 || jobs.length > size) wrong.push("size");
      if (parted && tenants.size !== 1) wrong.push("partitions");
      return new Promise<never>((resolve, reject) => {
        const settle = resolve as (answer?: unknown) => void;
        open.add({ jobs, chunk, resolve: settle, reject });
      });
    },
  });
}

function checkedWorld(options: World) {
  const { limit } = options;
  const open = new Set<Call>();
  const state = { limit, arrived: 0, wrong: [] as string[] };
  const worker = checkedWorker(options, { open, wrong: state.wrong });
  const world = executorWorld(worker, { limit });
  const slots = world.executor.queues.get("default");

  function arrive(jobs: (Step & { kind: "arrive" })["jobs"]): void {
    world.executor.accept(jobs.map(({ tenant, bad, ...job }) => {
      state.arrived += 1;
      const jobId = `${BigInt(state.arrived)}` as const;
      return { ...claimed, ...job, jobId, args: { tenant, bad } };
    }));
  }

  function end({ call, answers, by }: Step & { kind: "end" }): void {
    const chosen = [...open][call % Math.max(open.size, 1)];
    if (chosen === undefined) return;
    open.delete(chosen);
    const { jobs, chunk, resolve, reject } = chosen;
    for (const [n, job] of jobs.entries()) {
      const answer = answers[n % Math.max(answers.length, 1)];
      if (answer === "complete") chunk.complete(job, n);
      if (answer === "fail") chunk.fail(job, new Error("one"));
      if (answer === "snooze") chunk.decide(job, snooze(5));
      if (answer === "discard") chunk.decide(job, discard("no"));
    }
    if (by === "throw") reject(new Error("all"));
    else if (by === "nonsense") resolve([1]);
    else resolve(by === "cancel" ? snooze(1) : undefined);
  }

  async function step(one: Step): Promise<void> {
    const { executor, clock } = world;
    if (one.kind === "arrive") arrive(one.jobs);
    else if (one.kind === "end") end(one);
    else if (one.kind === "pass") await clock.advanceMs(one.ms);
    else if (one.kind === "ripen") executor.ripenChunks();
    else if (one.kind === "limit") {
      slots?.adopt({ chosenLimit: one.limit, paused: false });
      state.limit = Math.max(one.limit, slots?.running.size ?? 0);
      executor.beginRuns();
    } else if (one.kind === "cancel") {
      [...executor.runs][one.job % Math.max(executor.runs.size, 1)]
        ?.abort("cancelled");
    } else executor.giveBackOld(clock.monotonicMs() - 100);
    await clock.advanceMs(0);
    const calls = slots?.running.size ?? 0;
    assert.ok(calls <= Math.max(state.limit, limit), "slots are kept");
  }

  return { ...world, open, state, step };
}

Deno.test("every job of any chunks is settled exactly once, and nothing is left behind", async () => {
  const worlds = fc.record({
    size: fc.integer({ min: 1, max: 5 }),
    waitMs: fc.constantFrom(0, 50, 500),
    limit: fc.integer({ min: 1, max: 3 }),
    parted: fc.boolean(),
  });
  await fc.assert(
    fc.asyncProperty(
      worlds,
      fc.array(steps, { maxLength: 40 }),
      async (options, all) => {
        const world = checkedWorld(options);
        const { executor, clock, results, state, open } = world;
        for (const one of all) await world.step(one);
        // Whatever is left ends: calls by their timeout, the rest in turn.
        for (let n = 0; n < 400 && executor.runs.size > 0; n++) {
          executor.ripenChunks();
          for (const { resolve } of open) resolve();
          open.clear();
          await clock.advanceMs(500);
        }
        assert.deepEqual(state.wrong, []);
        assert.equal(executor.runs.size, 0);
        assert.ok(executor.isIdle);
        // No slot is kept any more for those that went back.
        await clock.advanceMs(2_000);
        assert.equal(executor.queues.get("default")?.running.size, 0);
        assert.equal(executor.queues.get("default")?.held, 0);
        const settled = results.map(({ jobId }) => Number(jobId))
          .sort((a, b) => a - b);
        const every = Array.from({ length: state.arrived }, (_, n) => n + 1);
        assert.deepEqual(settled, every);
      },
    ),
    { numRuns: 300 },
  );
});
