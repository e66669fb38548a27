import { assert } from "../assert.ts";
import { type Clock, systemClock } from "../engine/clock.ts";
import type { AnyWorker } from "../engine/worker.ts";
import {
  admitAll,
  type TestAdmission,
  type TestLimiter,
} from "./test_limiter.ts";
import type { RunOutcome } from "./told_job.ts";

/** Limiters that a run in a test asks first. */
export interface LimitedRun {
  readonly args: unknown;
  readonly limiters?: readonly TestLimiter[];
  readonly waitMs?: number;
  readonly clock?: Clock;
}

/** Runs once the limiters let it, and tells them when the run has ended. */
export async function runLimited<Output>(
  worker: AnyWorker,
  { args, limiters = [], waitMs = 0, clock = systemClock, run }:
    & LimitedRun
    & { readonly run: () => Promise<RunOutcome<Output>> },
): Promise<RunOutcome<Output>> {
  if (limiters.length === 0) return await run();
  for (const { limiter } of limiters) {
    assert(
      worker.limiters.some(({ name }) => name === limiter.name),
      `${worker.name} names limiter ${limiter.name}`,
    );
  }
  const stored = JSON.parse(JSON.stringify(args)) as object;
  const ask = () => admitAll(limiters, stored);
  const admission = await untilAdmitted(ask, { clock, waitMs });
  if (!admission.admitted) {
    const { blockers, reason, eligibleAt } = admission;
    return { kind: "blocked", blockers, reason, eligibleAt };
  }
  try {
    return await run();
  } finally {
    admission.release();
  }
}

/** Between two looks, when what runs has to end. */
const LOOK_MS = 10;

/** Asks again until the answer is yes, or the time is over. */
async function untilAdmitted(
  ask: () => TestAdmission & { readonly nowMs: number },
  { clock, waitMs }: { readonly clock: Clock; readonly waitMs: number },
): Promise<TestAdmission> {
  const untilMs = clock.monotonicMs() + waitMs;
  for (;;) {
    const admission = ask();
    const leftMs = untilMs - clock.monotonicMs();
    if (admission.admitted || leftMs <= 0) return admission;
    const { eligibleAt, nowMs } = admission;
    const inMs = (eligibleAt?.getTime() ?? nowMs) - nowMs;
    const pauseMs = Math.min(Math.max(inMs, LOOK_MS), leftMs);
    await new Promise<void>((resolve) => clock.after(pauseMs, resolve));
  }
}
