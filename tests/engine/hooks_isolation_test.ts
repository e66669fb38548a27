/** Whatever hooks do, jobs are as if there were none. */
import assert from "node:assert/strict";
import fc from "fast-check";
import type { EndedRun } from "../../src/engine/ended_run.ts";
import { HOOK_MS_MAX } from "../../src/engine/hook_calls.ts";
import { cancel, discard, snooze } from "../../src/engine/verdict.ts";
import { defineWorker } from "../../src/engine/worker.ts";
import type { HookName } from "../../src/events.ts";
import { createTestClock, type TestClock } from "../../src/testing/testing.ts";
import { claimed, executorWorld } from "../support/executor_world.ts";

const HOOKS = ["onStart", "onSuccess", "onFailure", "onDiscard"] as const;

/** Everything that a hook might do, and that must not matter. */
const MISDEEDS: Record<string, (clock: TestClock) => unknown> = {
  nothing: () => {},
  "returns a verdict": () => discard("by a hook"),
  "throws an error": () => {
    throw new Error("by a hook");
  },
  "throws nothing": () => {
    throw undefined;
  },
  rejects: () => Promise.reject(new Error("by a hook")),
  hangs: () => new Promise(() => {}),
  "rejects late": (clock) =>
    new Promise((_resolve, reject) => {
      clock.after(2 * HOOK_MS_MAX, () => reject(new Error("late")));
    }),
  "resolves late": (clock) =>
    new Promise<void>((resolve) => {
      clock.after(2 * HOOK_MS_MAX, () => resolve());
    }),
  "takes a while": (clock) =>
    new Promise<void>((resolve) => {
      clock.after(900, () => resolve());
    }),
  "answers a thenable that throws": () => ({
    get then(): never {
      throw new Error("by a hook");
    },
  }),
  "answers a thenable that never calls back": () => ({ then() {} }),
};

/** What `perform` may come to; it takes 800 ms of its timeout of 1,000. */
const WORKS: Record<string, () => unknown> = {
  value: () => ({ sent: 7 }),
  error: () => {
    throw new Error("Customer 42 not found");
  },
  snooze: () => snooze(5_000),
  cancel: () => cancel("not wanted"),
  discard: () => discard("no such customer"),
};

interface Misdeeds {
  readonly deeds: Readonly<Record<HookName, string>>;
  readonly work: string;
  readonly attempt: number;
  readonly deadlineInMs: number | null;
}

async function resultWith(
  { deeds, work, attempt, deadlineInMs }: Misdeeds,
  hooked: boolean,
): Promise<unknown> {
  const clock = createTestClock();
  const hooks = Object.fromEntries(HOOKS.map((name) => {
    return [name, () => MISDEEDS[deeds[name]]?.(clock)];
  }));
  const worker = defineWorker({
    name: "work",
    timeoutMs: 1_000,
    recordOutput: true,
    perform: async () => {
      await new Promise<void>((resolve) => clock.after(800, () => resolve()));
      return WORKS[work]?.();
    },
    ...(hooked ? hooks : {}),
  });
  const { executor, results } = executorWorld(worker, { clock });
  executor.accept([{ ...claimed, attempt, deadlineInMs }]);
  await clock.advanceMs(10 * HOOK_MS_MAX);
  assert.equal(results.length, 1);
  assert.equal(executor.isIdle && executor.hooks.isIdle, true);
  const { onAnswer: _, ...result } = results[0] as EndedRun;
  // Where it was thrown is not about the hooks.
  return { ...result, event: { ...result.event, stack: null, topFrame: null } };
}

Deno.test("whatever hooks do, the result of the run is the same", async () => {
  const deed = fc.constantFrom(...Object.keys(MISDEEDS));
  await fc.assert(
    fc.asyncProperty(
      fc.record({
        deeds: fc.record({
          onStart: deed,
          onSuccess: deed,
          onFailure: deed,
          onDiscard: deed,
        }),
        work: fc.constantFrom(...Object.keys(WORKS)),
        attempt: fc.integer({ min: 1, max: 3 }),
        // Enough for the work, or not; never for the work and a hook that hangs.
        deadlineInMs: fc.constantFrom(null, 500, 1_200),
      }),
      async (misdeeds) => {
        assert.deepEqual(
          await resultWith(misdeeds, true),
          await resultWith(misdeeds, false),
        );
      },
    ),
    { numRuns: 300 },
  );
});
