/** The real clock, and time that passes when the test says so. */
import { type Clock, systemClock } from "../../src/engine/clock.ts";

/**
 * For what ends at the end of a time, once something has begun: a machine that
 * is slow may need all of a short time to begin. Timers that run are not moved.
 */
export interface JumpingClock extends Clock {
  jump(ms: number): void;
}

export function jumpingClock(): JumpingClock {
  let jumpedMs = 0;
  return {
    monotonicMs: () => systemClock.monotonicMs() + jumpedMs,
    after: (ms, callBack) => systemClock.after(ms, callBack),
    jump(ms) {
      jumpedMs += ms;
    },
  };
}
