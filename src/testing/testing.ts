/**
 * For the tests of a host: run what was enqueued, run a worker without a
 * database, and move the clock instead of sleeping.
 *
 * @module
 */
import type { Database } from "../db/database.ts";
import { type Sql, sql } from "../db/sql.ts";
import type { EncryptionKeys } from "../domain/key_ring.ts";
import type { OnEvent } from "../events.ts";
import type { Clock } from "../engine/clock.ts";
import { createEngine } from "../engine/engine.ts";
import { Sealer } from "../engine/sealer.ts";
import type { Middleware } from "../engine/middleware.ts";
import type { TickReport } from "../engine/tick.ts";
import type { AnyWorker } from "../engine/worker.ts";

export { assertEnqueued, listEnqueued, refuteEnqueued } from "./enqueued.ts";
export type { EnqueuedQuery, FoundJob } from "./enqueued.ts";
export { runChunk } from "./run_chunk.ts";
export type { ChunkJobOptions, RunChunkOptions } from "./run_chunk.ts";
export { runWorker } from "./run_worker.ts";
export type { RunWorkerOptions } from "./run_worker.ts";
export type { RunOutcome } from "./told_job.ts";

/** What {@linkcode drain} runs. */
export interface DrainOptions {
  readonly database: Database;
  readonly workers: readonly AnyWorker[];
  /** What the host puts around every run. */
  readonly middleware?: readonly Middleware[];
  /** The queues to run; those of the workers by default. */
  readonly queues?: readonly string[];
  /** Jobs to run at most; 1,000. */
  readonly maxJobs?: number;
  /** As the host hands it in: for jobs whose args are encrypted. */
  readonly encryption?: EncryptionKeys;
  readonly clock?: Clock;
  readonly onEvent?: OnEvent;
}

const DRAIN_BUDGET_MS = 60_000;
const DRAIN_JOBS_MAX = 1_000;
const DRAIN_LIMIT = 10;

/**
 * Runs the jobs that are due, and those that they enqueue, until none is left.
 * What waits for its time stays: move the clock, and drain again.
 */
export async function drain(options: DrainOptions): Promise<TickReport> {
  const { database, workers, maxJobs = DRAIN_JOBS_MAX } = options;
  const queues = options.queues ?? workers.map(({ queue }) => queue);
  const engine = createEngine({
    database,
    workers,
    queues: Object.fromEntries(
      queues.map((queue) => [queue, { limit: DRAIN_LIMIT }]),
    ),
    ...(options.middleware && { middleware: options.middleware }),
    name: "drain",
    notify: false,
    ...(options.encryption && { sealer: new Sealer(options.encryption) }),
    ...(options.clock && { clock: options.clock }),
    ...(options.onEvent && { onEvent: options.onEvent }),
  });
  return await engine.tick({ budgetMs: DRAIN_BUDGET_MS, maxJobs });
}

/** A clock that only the test moves: for the database, and for timers. */
export interface TestClock extends Clock {
  /** Hand it to an adapter: `pglite(db, { now: clock.now })`. */
  readonly now: () => Sql;
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
