/**
 * For the tests of a host: run what was enqueued, run a worker without a
 * database, and move the clock instead of sleeping.
 *
 * @module
 */
import { type Sql, sql } from "../db/sql.ts";
import type { Clock } from "../engine/clock.ts";

export type { Clock } from "../engine/clock.ts";
export { drain } from "./drain.ts";
export type { DrainOptions, DrainReport } from "./drain.ts";
export {
  ANY,
  assertEnqueued,
  listEnqueued,
  refuteEnqueued,
} from "./enqueued.ts";
export type { EnqueuedQuery, FoundJob, Patience, Wild } from "./enqueued.ts";
export { runChunk } from "./run_chunk.ts";
export type { ChunkJobOptions, RunChunkOptions } from "./run_chunk.ts";
export { runWorker } from "./run_worker.ts";
export type { RunWorkerOptions } from "./run_worker.ts";
export type { RunOutcome } from "./told_job.ts";
export { createTestLimiter } from "./test_limiter.ts";
export type {
  TestAdmission,
  TestLimiter,
  TestLimiterOptions,
} from "./test_limiter.ts";

/** A clock that only the test moves: for the database, and for timers. */
export interface TestClock extends Clock {
  /** Hand it to an adapter: `pglite(db, { now: clock.now })`. */
  readonly now: () => Sql;
  /** The instant at which it stands. */
  nowAt(): Date;
  /** Moves both, and calls back the timers that are due on the way. */
  advanceMs(ms: number): Promise<void>;
}

const START_AT = new Date("2026-01-15T12:00:00Z");
/** Promises settle between one timer and the next. */
const SETTLE_MICROTASKS = 50;

interface Timer {
  readonly atMs: number;
  readonly callBack: () => void;
}

/** Makes a clock that stands at 2026-01-15T12:00:00Z until it is moved. */
export function createTestClock(startAt: Date = START_AT): TestClock {
  const timers = new Set<Timer>();
  let elapsedMs = 0;
  const nowAt = () => new Date(startAt.getTime() + elapsedMs);

  function nextTimer(untilMs: number): Timer | undefined {
    return [...timers]
      .filter((timer) => timer.atMs <= untilMs)
      .sort((left, right) => left.atMs - right.atMs)[0];
  }

  return {
    now: () => sql`${nowAt()}::timestamptz`,
    nowAt,
    monotonicMs: () => elapsedMs,
    after(ms, callBack) {
      const timer = { atMs: elapsedMs + Math.max(ms, 0), callBack };
      timers.add(timer);
      return () => timers.delete(timer);
    },
    async advanceMs(ms) {
      const untilMs = elapsedMs + ms;
      for (;;) {
        for (let turn = 0; turn < SETTLE_MICROTASKS; turn++) await null;
        const timer = nextTimer(untilMs);
        if (timer === undefined) break;
        timers.delete(timer);
        elapsedMs = Math.max(elapsedMs, timer.atMs);
        timer.callBack();
      }
      elapsedMs = untilMs;
    },
  };
}
