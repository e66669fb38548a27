import type { Database } from "../db/database.ts";
import { sql } from "../db/sql.ts";
import type { EncryptionKeys } from "../domain/key_ring.ts";
import { isWhole, type JobId } from "../domain/job.ts";
import { assert } from "../assert.ts";
import type { Clock } from "../engine/clock.ts";
import { createEngine, type Engine } from "../engine/engine.ts";
import type { Middleware } from "../engine/middleware.ts";
import { Sealer } from "../engine/sealer.ts";
import type { TickReport } from "../engine/tick.ts";
import type { AnyWorker } from "../engine/worker.ts";
import type { OnEvent, RunEnd, YardmasterEvent } from "../events.ts";
import { SetAside } from "./set_aside.ts";

/** What {@linkcode drain} runs. */
export interface DrainOptions {
  /** Of one connection or many; what is enqueued there is run. */
  readonly database: Database;
  /** What can be run. Jobs of others stay. */
  readonly workers: readonly AnyWorker[];
  /** What the host puts around every run. */
  readonly middleware?: readonly Middleware[];
  /** The queues to run; those of the workers by default. */
  readonly queues?: readonly string[];
  /** Jobs to run at most; 1,000. */
  readonly maxJobs?: number;
  /**
   * Runs what waits for its time too, now: all of it, or what is due up to an
   * instant. Retries and snoozes are among it, so a job that snoozes for ever
   * runs until `maxJobs`.
   */
  readonly scheduled?: boolean | Date;
  /**
   * Runs what the jobs enqueue too; on by default. `false` runs those that wait
   * when it begins, one after the other, and leaves what they enqueue where it
   * waits. Other attempts of the same job belong to it: they come with
   * `scheduled`.
   */
  readonly recursive?: boolean;
  /**
   * Rejects with the error of the first run that fails or takes too long, and
   * runs nothing more; off by default. What became of the run is written before,
   * as ever. Jobs run one after the other.
   */
  readonly throws?: boolean;
  /** As the host hands it in: for args and outputs that are encrypted. */
  readonly encryption?: EncryptionKeys;
  /** Of the database as well: `createTestClock()`. */
  readonly clock?: Clock;
  /** Is told what a host's own `onEvent` would be. */
  readonly onEvent?: OnEvent;
}

/** What {@linkcode drain} did. */
export interface DrainReport extends TickReport {
  /** How many runs came to each end, such as `{ completed: 2, failed: 1 }`. */
  readonly ends: Partial<Record<RunEnd, number>>;
}

interface Failure {
  readonly error: unknown;
}

const DRAIN_BUDGET_MS = 60_000;
const DRAIN_JOBS_MAX = 1_000;
const DRAIN_LIMIT = 10;

/**
 * Runs the jobs that are due, and those that they enqueue, until none is left.
 * What waits for its time stays: move the clock and drain again, or ask for it
 * with `scheduled`. With `recursive: false` it leaves what the jobs enqueue.
 *
 * @throws {TypeError} If an option is out of bounds.
 * @throws With `throws`: what the first run threw that failed.
 */
export async function drain(options: DrainOptions): Promise<DrainReport> {
  const { database, workers, maxJobs = DRAIN_JOBS_MAX } = options;
  const { recursive = true, throws = false } = options;
  const most = { least: 1, most: 1_000_000 };
  assert(isWhole(maxJobs, most), "maxJobs is 1 to 1,000,000");
  const queues = options.queues ?? workers.map(({ queue }) => queue);
  const ends: Partial<Record<RunEnd, number>> = {};
  let failure: Failure | null = null;
  const engine = drainingEngine({ ...options, queues }, (event) => {
    if (event.type === "run_ended") {
      const { end, worker, error = new Error(`A run of ${worker} ${end}`) } =
        event;
      ends[end] = (ends[end] ?? 0) + 1;
      if (end === "failed" || end === "timed_out") failure ??= { error };
    }
    options.onEvent?.(event);
  });
  const aside = recursive ? null : await SetAside.begin(database, queues);
  try {
    const firstFailure = () => throws ? failure : null;
    const asked = { ...options, queues, maxJobs, aside, firstFailure };
    return { ...await drainAll(engine, asked), ends };
  } finally {
    await aside?.putBack();
  }
}

/** Runs until nothing is left, or the first failure. */
async function drainAll(
  engine: Engine,
  { database, queues, maxJobs, aside, firstFailure, ...options }:
    & DrainOptions
    & {
      readonly queues: readonly string[];
      readonly maxJobs: number;
      readonly aside: SetAside | null;
      readonly firstFailure: () => Failure | null;
    },
): Promise<TickReport> {
  // So that nothing is claimed beside a run that enqueues, or fails.
  const { scheduled = false, throws = false } = options;
  const isOneByOne = aside !== null || throws;
  const only = aside?.known ?? null;
  const until = scheduled instanceof Date ? scheduled : null;
  let report: TickReport | null = null;
  let mayBeDue = scheduled !== false;
  for (;;) {
    await aside?.takeNew();
    const left = maxJobs - (report?.claimed ?? 0);
    const next = await pass(engine, isOneByOne ? 1 : left);
    report = report === null ? next : added(report, next);
    const failure = firstFailure();
    if (failure !== null) throw failure.error;
    if (report.claimed >= maxJobs) break;
    if (next.claimed > 0) {
      mayBeDue = scheduled !== false;
      if (isOneByOne) continue;
    }
    // Each pass after this runs a job at least, or is the last one.
    if (!mayBeDue || await makeDue(database, { queues, until, only }) === 0) {
      break;
    }
    mayBeDue = false;
  }
  return report;
}

async function pass(engine: Engine, maxJobs: number): Promise<TickReport> {
  return await engine.tick({ budgetMs: DRAIN_BUDGET_MS, maxJobs });
}

function added(before: TickReport, next: TickReport): TickReport {
  return {
    claimed: before.claimed + next.claimed,
    givenBack: before.givenBack + next.givenBack,
    failed: [...new Set([...before.failed, ...next.failed])],
    done: next.done,
    tookMs: before.tookMs + next.tookMs,
  };
}

function drainingEngine(
  { database, workers, queues, middleware, encryption, clock }:
    & DrainOptions
    & { readonly queues: readonly string[] },
  onEvent: (event: YardmasterEvent) => void,
): Engine {
  return createEngine({
    database,
    workers,
    queues: Object.fromEntries(
      queues.map((queue) => [queue, { limit: DRAIN_LIMIT }]),
    ),
    ...(middleware && { middleware }),
    name: "drain",
    notify: false,
    ...(encryption && { sealer: new Sealer(encryption) }),
    ...(clock && { clock }),
    onEvent,
  });
}

/** Their time is now, in the order in which it would have come. */
async function makeDue(
  database: Database,
  { queues, until, only }: {
    readonly queues: readonly string[];
    readonly until: Date | null;
    /** `null`: any job. */
    readonly only: readonly JobId[] | null;
  },
): Promise<number> {
  const rows = await database.query(sql`
    update yardmaster.scheduled
    set run_at = least(run_at, ${database.now})
    where queue = any (${[...queues]}::text[])
      and run_at <= coalesce(${until}::timestamptz, 'infinity')
      and (
        ${only === null} or job_id = any (${[...only ?? []]}::bigint[])
      )
    returning job_id
  `);
  return rows.length;
}
