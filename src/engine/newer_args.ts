import { argsVersionOf } from "../domain/args_version.ts";
import type { Clock } from "./clock.ts";
import type { Run } from "./run.ts";
import { type ResultContext, type Settlement, tooNew } from "./run_result.ts";
import type { AnyWorker } from "./worker.ts";

/** Whether the args of a run are newer than the code that should perform it. */
export function isNewer(run: Run, { version }: AnyWorker): boolean {
  return argsVersionOf(run.job.meta) > version;
}

/** The first wait for newer code; it grows while that does not come. */
const WAIT_LEAST_MS = 5_000;
const WAIT_MOST_MS = 5 * 60_000;
const JITTER = 0.2;

/**
 * How long jobs wait that this process can not run and another one can.
 *
 * A deploy is over in minutes, so at first they come back soon. After a rollback
 * nobody may know them for days, and they must not be claimed and turned away
 * all the time.
 */
export class GrowingWait {
  readonly #clock: Clock;
  /** Of each cause: when this process first met one. */
  readonly #sinceMs = new Map<string, number>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** @param random From 0 up to 1: they must not come back together. */
  nextMs(cause: string, random: number): number {
    const nowMs = this.#clock.monotonicMs();
    const sinceMs = this.#sinceMs.get(cause) ?? nowMs;
    this.#sinceMs.set(cause, sinceMs);
    const waitMs = Math.max(nowMs - sinceMs, WAIT_LEAST_MS);
    return Math.round(Math.min(waitMs, WAIT_MOST_MS) * (1 + JITTER * random));
  }
}

/**
 * Turns jobs away whose args are newer than the code of this process: newer code
 * enqueued them, and newer code will know what to do with them.
 */
export class NewerArgs {
  readonly #wait: GrowingWait;

  constructor(clock: Clock) {
    this.#wait = new GrowingWait(clock);
  }

  /** What becomes of a run whose args are newer. */
  settle(
    run: Run,
    { worker, tookMs, random, onEvent }: ResultContext & {
      readonly worker: AnyWorker;
    },
  ): Settlement {
    const version = argsVersionOf(run.job.meta);
    const known = worker.version;
    const delayMs = this.#wait.nextMs(worker.name, random());
    onEvent({
      type: "args_too_new",
      worker: worker.name,
      version,
      known,
      delayMs,
    });
    return tooNew(run, { tookMs, version, known, delayMs });
  }
}
