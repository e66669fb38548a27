import { assert } from "../assert.ts";
import type { Database } from "../db/database.ts";
import { isName, isWhole } from "../domain/job.ts";
import type { OnEvent } from "../events.ts";
import type { Clock } from "./clock.ts";
import type { QueueOptions } from "./executor_options.ts";
import type { Fingerprints } from "./fingerprints.ts";
import { areMiddleware, type Middleware } from "./middleware.ts";
import type { Sealer } from "./sealer.ts";
import type { Service } from "./service.ts";
import type { AnyWorker } from "./worker.ts";

/** What an engine is made of. */
export interface EngineOptions {
  readonly database: Database;
  readonly workers?: readonly AnyWorker[];
  /** Around every run, outside of what its worker has; 20 at most. */
  readonly middleware?: readonly Middleware[];
  /** The queues that this process runs; of others it may still enqueue. */
  readonly queues?: Readonly<Record<string, QueueOptions>>;
  /** Services that run beside the engine's own, such as the cron scheduler. */
  readonly services?: readonly Service[];
  /** How this process is called on the pages; 1 to 128 characters. */
  readonly name?: string;
  /** Sends and hears hints about new work; on by default. */
  readonly notify?: boolean;
  /** Single enqueues that come at once share a statement; off by default. */
  readonly coalesce?: boolean;
  /** With the host's key; without one by default. */
  readonly fingerprints?: Fingerprints;
  /** Encrypts args and outputs and decrypts them; without keys when left out. */
  readonly sealer?: Sealer;
  /** Between two looks for work when nothing is to be found; 1 s. */
  readonly pollMs?: number;
  /** Between two signs of life; 15 s. */
  readonly heartbeatMs?: number;
  /** Without one for so long, pages say "late"; 45 s. */
  readonly heartbeatLateMs?: number;
  /** Without one for so long, others take the jobs over; 120 s. */
  readonly heartbeatMissingMs?: number;
  /** How long ended jobs stay; 7 days. */
  readonly retentionMs?: number;
  /** So long a statement is waited for, or what a transaction does next; 30 s. */
  readonly statementMs?: number;
  readonly onEvent?: OnEvent;
  /** Durations and timers; a test brings its own. */
  readonly clock?: Clock;
  /** From 0 up to 1; a test brings its own. */
  readonly random?: () => number;
}

const DAY_MS = 24 * 60 * 60 * 1_000;

/** Durations in milliseconds, where nobody says otherwise. */
export const ENGINE_DEFAULTS = {
  pollMs: 1_000,
  heartbeatMs: 15_000,
  heartbeatLateMs: 45_000,
  heartbeatMissingMs: 120_000,
  retentionMs: 7 * DAY_MS,
  // Well below the time after which an executor counts as missing.
  statementMs: 30_000,
} as const;

const QUEUE_LIMIT_MAX = 10_000;

/**
 * Checks what a program made of the options.
 *
 * @throws {TypeError} At the first that can not be right. The host's own options
 * were checked before, all at once and in more words.
 */
export function checkEngineOptions(options: EngineOptions): void {
  const { workers = [], sealer } = options;
  const names = workers.map((worker) => worker.name);
  assert(new Set(names).size === names.length, "workers have different names");
  const encrypting = workers.find(({ recordOutput }) => recordOutput?.encrypt);
  assert(
    encrypting === undefined || sealer?.hasKeys === true,
    `worker ${encrypting?.name} encrypts its output, and there are no keys: ` +
      `the option "encryption" is missing`,
  );
  assert(
    areMiddleware(options.middleware ?? []),
    "middleware is a list of at most 20 functions",
  );
  for (const [name, { limit }] of Object.entries(options.queues ?? {})) {
    assert(isName(name), "a queue's name has 1 to 128 characters");
    assert(
      isWhole(limit, { least: 1, most: QUEUE_LIMIT_MAX }),
      `the limit of queue ${name} is 1 to 10,000`,
    );
  }
  const set = { ...ENGINE_DEFAULTS, ...options };
  for (const key of Object.keys(ENGINE_DEFAULTS)) {
    const value = set[key as keyof typeof ENGINE_DEFAULTS];
    assert(
      isWhole(value, { least: 10, most: 400 * DAY_MS }),
      `${key} is whole milliseconds from 10`,
    );
  }
  assert(
    set.heartbeatMs < set.heartbeatLateMs &&
      set.heartbeatLateMs < set.heartbeatMissingMs,
    "heartbeatMs is below heartbeatLateMs, and that below heartbeatMissingMs",
  );
}

/** What the runtime says of itself, such as `Deno/2.9.6`. */
export function runtimeName(): string {
  const { navigator } = globalThis as {
    navigator?: { readonly userAgent?: string };
  };
  return (navigator?.userAgent ?? "JavaScript").slice(0, 128);
}
