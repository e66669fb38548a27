import type { Acknowledger } from "./acknowledger.ts";
import type { Clock } from "./clock.ts";
import type { Executor } from "./executor.ts";
import { HOOK_MS_MAX } from "./hook_calls.ts";

/** What stops, and how long it may take. */
export interface WindDownOptions {
  readonly executor: Executor;
  readonly acknowledger: Acknowledger;
  readonly clock: Clock;
  readonly graceMs: number;
}

/** A run that heeds its signal has so long to end by itself. */
const HEED_MS = 1_000;
/** For the last results, when the database can not be reached. */
const WRITE_MS = 10_000;

/**
 * Ends what runs. Jobs that wait for a slot go back at once; runs may end within
 * the grace; then they are told, and what still runs goes back as well. None of
 * that burns an attempt. Hooks of what has ended are called before it returns.
 *
 * @returns How many jobs went back.
 */
export async function windDown(
  { executor, acknowledger, clock, graceMs }: WindDownOptions,
): Promise<number> {
  const before = executor.givenBack;
  executor.giveBackBuffered(() => true);
  if (!await within(executor.idle(), { clock, ms: graceMs })) {
    executor.abort("shutdown");
    await within(executor.idle(), { clock, ms: HEED_MS });
    executor.giveBackRuns();
  }
  if (!await within(acknowledger.flushed(), { clock, ms: WRITE_MS })) {
    acknowledger.abandon();
    await acknowledger.flushed();
  }
  const { hooks } = executor;
  if (!await within(hooks.idle(), { clock, ms: HOOK_MS_MAX })) hooks.drop();
  return executor.givenBack - before;
}

/** Whether it resolved within so many milliseconds. It is not stopped. */
export async function within(
  promise: Promise<unknown>,
  { clock, ms }: { readonly clock: Clock; readonly ms: number },
): Promise<boolean> {
  let stop = () => {};
  const limit = new Promise<false>((resolve) => {
    stop = clock.after(ms, () => resolve(false));
  });
  const done = promise.then(() => true);
  try {
    return await Promise.race([done, limit]);
  } finally {
    stop();
  }
}
