import type { Database } from "../db/database.ts";
import { sql } from "../db/sql.ts";
import type { EncryptionKeys } from "../domain/key_ring.ts";
import { isWhole } from "../domain/job.ts";
import { assert } from "../assert.ts";
import type { Clock } from "../engine/clock.ts";
import { createEngine, type Engine } from "../engine/engine.ts";
import type { Middleware } from "../engine/middleware.ts";
import { Sealer } from "../engine/sealer.ts";
import type { TickReport } from "../engine/tick.ts";
import type { AnyWorker } from "../engine/worker.ts";
import type { OnEvent, RunEnd, YardmasterEvent } from "../events.ts";

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
  /** As the host hands it in: for jobs whose args are encrypted. */
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

const DRAIN_BUDGET_MS = 60_000;
const DRAIN_JOBS_MAX = 1_000;
const DRAIN_LIMIT = 10;

/**
 * Runs the jobs that are due, and those that they enqueue, until none is left.
 * What waits for its time stays: move the clock and drain again, or ask for it
 * with `scheduled`.
 */
export async function drain(options: DrainOptions): Promise<DrainReport> {
  const { workers, maxJobs = DRAIN_JOBS_MAX, scheduled = false } = options;
  const most = { least: 1, most: 1_000_000 };
  assert(isWhole(maxJobs, most), "maxJobs is 1 to 1,000,000");
  const queues = options.queues ?? workers.map(({ queue }) => queue);
  const ends: Partial<Record<RunEnd, number>> = {};
  const engine = drainingEngine({ ...options, queues }, (event) => {
    if (event.type === "run_ended") {
      ends[event.end] = (ends[event.end] ?? 0) + 1;
    }
    options.onEvent?.(event);
  });
  let report = await pass(engine, maxJobs);
  // Each pass runs a job at least, or is the last one.
  while (scheduled !== false && report.claimed < maxJobs) {
    const until = scheduled === true ? null : scheduled;
    const due = await makeDue(options.database, { queues, until });
    if (due === 0) break;
    const next = await pass(engine, maxJobs - report.claimed);
    report = added(report, next);
    if (next.claimed === 0) break;
  }
  return { ...report, ends };
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
  { queues, until }: {
    readonly queues: readonly string[];
    readonly until: Date | null;
  },
): Promise<number> {
  const rows = await database.query(sql`
    update yardmaster.scheduled
    set run_at = least(run_at, ${database.now})
    where queue = any (${[...queues]}::text[])
      and run_at <= coalesce(${until}::timestamptz, 'infinity')
    returning job_id
  `);
  return rows.length;
}
