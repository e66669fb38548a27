import { assert } from "../assert.ts";
import { unawaited } from "../unawaited.ts";
import { parseDelayMs } from "./job.ts";

/** A run whose attempt failed, as a worker's own backoff sees it. */
export interface FailedRun {
  /** The attempt that just failed; the first is 1. */
  readonly attempt: number;
  /** How many the job has in all; there is one left at least. */
  readonly maxAttempts: number;
  /** What `perform` threw, as it is; of a timeout an error that says so. */
  readonly error: unknown;
}

/** How long to wait after a failed run, in milliseconds. */
export type Backoff = (run: FailedRun) => number;

const BASE_SECONDS = 15;
const STEPS_MAX = 20;
const JITTER = 0.1;

/**
 * How long a job waits after a failed attempt, in whole milliseconds.
 *
 * Seconds double with each attempt above a floor of 15, and up to a tenth is
 * added, so that jobs which failed together do not come back together. A job
 * with more than 20 attempts spreads them over the same 20 steps: the longest
 * wait is about 12 days.
 *
 * @param random From 0 up to 1; passed in, because this is a rule and not a
 * dice.
 */
export function backoffMs(
  run: { readonly attempt: number; readonly maxAttempts: number },
  random: () => number,
): number {
  assert(Number.isInteger(run.attempt), "attempt is an integer");
  assert(run.attempt >= 1, "attempt starts at 1");

  const step = run.maxAttempts > STEPS_MAX
    ? Math.round(run.attempt / run.maxAttempts * STEPS_MAX)
    : run.attempt;
  const seconds = BASE_SECONDS + 2 ** Math.min(step, STEPS_MAX);
  return Math.round(seconds * 1_000 * (1 + JITTER * random()));
}

/**
 * Asks a worker's own backoff. When it throws, or answers with something that
 * is no wait, the default decides: a bug in a backoff must not lose a job.
 */
export function chooseBackoffMs(
  run: FailedRun,
  { backoff, random }: {
    readonly backoff: Backoff | undefined;
    readonly random: () => number;
  },
): number {
  if (backoff === undefined) return backoffMs(run, random);
  try {
    const answer: unknown = backoff(run);
    unawaited(answer);
    return parseDelayMs(answer) ?? backoffMs(run, random);
  } catch {
    return backoffMs(run, random);
  }
}
