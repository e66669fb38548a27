import { unawaited } from "../unawaited.ts";
import { parseArgs } from "./args.ts";
import type { Clock } from "./clock.ts";
import type { HookCalls } from "./hook_calls.ts";
import { type Middleware, runThrough } from "./middleware.ts";
import type { Run } from "./run.ts";
import type { Sealer } from "./sealer.ts";
import { isTimeoutMs } from "./timeout.ts";
import type { AnyWorker } from "./worker.ts";

/** What {@linkcode performRun} goes through. */
export interface AttemptOptions {
  readonly worker: AnyWorker;
  readonly hooks: HookCalls;
  readonly clock: Clock;
  readonly sealer: Sealer;
  /** Sets the timers again: they do not run while `onStart` does. */
  readonly restartTimers: () => void;
}

/** Whether `perform` can be called with what is stored, and nothing around it. */
export function isPlain(worker: AnyWorker): boolean {
  return worker.args === null && worker.hooks === null &&
    worker.middleware === null && worker.version === 1 &&
    typeof worker.timeoutMs !== "function";
}

/**
 * One attempt: reads its args, tells `onStart`, and performs it inside its
 * middleware. Until its args were read there are no hooks: nothing has begun.
 */
export async function performRun(
  run: Run,
  { worker, hooks, clock, sealer, restartTimers }: AttemptOptions,
): Promise<unknown> {
  const { args, meta } = run.job;
  run.args = await parseArgs(worker, { args, meta, sealer });
  if (run.aborted !== null) throw run.signal.reason;
  if (typeof worker.timeoutMs === "function") {
    run.timeoutMs = chosenTimeoutMs(run, worker);
    run.stopTimers();
    restartTimers();
    if (run.aborted !== null) throw run.signal.reason;
  }
  run.hooks = worker.hooks;
  const started = hooks.start(run);
  if (started !== null) {
    run.stopTimers();
    const sinceMs = clock.monotonicMs();
    await started;
    run.pausedMs += clock.monotonicMs() - sinceMs;
    if (!run.settled) restartTimers();
    if (run.aborted !== null) throw run.signal.reason;
  }
  const perform = () => worker.perform(run.args as never, run as never);
  if (worker.middleware === null) return await perform();
  const middleware = worker.middleware as readonly Middleware[];
  return await runThrough(run, { middleware, perform });
}

/** What happens when time is up. */
export interface TimersOptions {
  readonly worker: AnyWorker;
  readonly clock: Clock;
  readonly onExpired: () => void;
  readonly onTimedOut: () => void;
}

/**
 * Sets the timers of a run, or sets them again after a pause.
 *
 * @returns Whether the deadline has passed already.
 */
export function setTimers(
  run: Run,
  { worker, clock, onExpired, onTimedOut }: TimersOptions,
): "expired" | "running" {
  if (setDeadline(run, { clock, onExpired }) === "expired") return "expired";
  const timeoutMs = timeoutMsOf(run, worker);
  if (timeoutMs !== null) {
    const nowMs = clock.monotonicMs() - run.pausedMs;
    const leftMs = timeoutMs - (nowMs - (run.startedMs ?? nowMs));
    run.addTimer(clock.after(leftMs, onTimedOut));
  }
  return "running";
}

/**
 * Sets the timer of a run's deadline, if it has one.
 *
 * @returns Whether that has passed already.
 */
export function setDeadline(
  run: Run,
  { clock, onExpired }: Pick<TimersOptions, "clock" | "onExpired">,
): "expired" | "running" {
  const { deadlineInMs } = run.job;
  if (deadlineInMs === null) return "running";
  const nowMs = clock.monotonicMs() - run.pausedMs;
  const leftMs = deadlineInMs - (nowMs - run.claimedMs);
  if (leftMs < 0) return "expired";
  run.addTimer(clock.after(leftMs, onExpired));
  return "running";
}

/** What an attempt failed with that took too long. */
export function timeoutError(run: Run, worker: AnyWorker): Error {
  const timeoutMs = timeoutMsOf(run, worker);
  const error = new Error(`The attempt took longer than ${timeoutMs} ms`);
  error.name = "TimeoutError";
  error.stack = "";
  return error;
}

/** What a worker says of all its runs, or what it chose for this one. */
function timeoutMsOf(run: Run, { timeoutMs }: AnyWorker): number | null {
  return typeof timeoutMs === "function" ? run.timeoutMs : timeoutMs;
}

/**
 * Asks a worker how long this run may take.
 *
 * @throws What the worker's function throws, and if it answers nonsense: a run
 * that lost its bound would be worse than an attempt that fails and says why.
 */
function chosenTimeoutMs(
  run: Run,
  { name, timeoutMs }: AnyWorker,
): number | null {
  if (typeof timeoutMs !== "function") return timeoutMs;
  const chosen: unknown = timeoutMs(run as never);
  if (chosen === null || isTimeoutMs(chosen)) return chosen;
  unawaited(chosen);
  const is = typeof chosen === "number" ? String(chosen) : typeof chosen;
  const error = new TypeError(
    `timeoutMs of ${name} answered ${is}; it is whole milliseconds from 1, ` +
      `or null for no limit`,
  );
  // The frames are ours, and say nothing of the host's function.
  error.stack = "";
  throw error;
}
