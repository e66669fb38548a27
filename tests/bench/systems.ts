/** Who is measured, with what settings. Each is a way a user may run it. */
import type { Runtime } from "./peers.ts";

/** A contender with settings and a runtime. */
export interface System {
  readonly name: string;
  readonly module: string;
  readonly runtime: Runtime;
  readonly isPeer?: true;
  readonly settings: Readonly<Record<string, unknown>>;
  /** What the settings are, in a line for the page. */
  readonly how: string;
}

export const OURS: System = {
  name: "yardmaster",
  module: "yardmaster",
  runtime: "deno",
  settings: { limit: 100 },
  how:
    "postgres.js, ten connections to enqueue and four to run; limit 100; the rest by default",
};

export const OURS_UNNAMED: System = {
  ...OURS,
  name: "yardmaster, no names",
  settings: { limit: 100, prepare: false },
  how:
    "the same with `prepare: false`, as a proxy that pools transactions asks",
};

/** Beside ours and not instead of it: nobody has it who did not ask. */
export const OURS_COALESCING: System = {
  ...OURS,
  name: "yardmaster, coalescing",
  settings: { limit: 100, coalesce: true },
  how: "the same with `coalesce: true`: enqueues that meet share a statement",
};

/** Its worker is idempotent, and no two of its jobs are the same. */
export const OURS_IDEMPOTENT: System = {
  ...OURS,
  name: "yardmaster, idempotent",
  settings: { limit: 100, idempotent: true },
  how: "the same with `idempotent: true`: each job leaves a receipt",
};

/** Room for as many jobs as one claim takes, and what holds some of them back. */
function limitedBy(
  name: string,
  { limiter, how }: { readonly limiter?: string; readonly how: string },
): System {
  const settings = { limit: 1_000, ...(limiter && { limiter }) };
  return { ...OURS, name, settings, how: `limit 1,000; ${how}` };
}

/** The first is what the others are compared with. */
export const LIMITED: readonly System[] = [
  limitedBy("no limiter", { how: "no limiter" }),
  limitedBy("one rate for all", {
    limiter: "rate",
    how: "a bucket of a million a second, which never blocks",
  }),
  limitedBy("one concurrency for all", {
    limiter: "concurrency",
    how: "10,000 at a time, which never blocks",
  }),
  limitedBy("1,000 keys, a rate each", {
    limiter: "rate of keys",
    how: "a bucket of 1,000 a second for each of 1,000 keys",
  }),
  limitedBy("1,000 keys, a concurrency each", {
    limiter: "concurrency of keys",
    how: "10 at a time of each of 1,000 keys",
  }),
];

/** One process that serves a hundred queues. */
export const OURS_100_QUEUES: System = {
  ...OURS,
  settings: { limit: 100, queues: 100 },
};

export const FLOOR: System = {
  name: "raw SQL",
  module: "floor",
  runtime: "deno",
  settings: {},
  how: "the same tables; two loops of one prepared statement, 500 jobs each",
};

export const GRAPHILE: System = {
  name: "graphile-worker",
  module: "graphile_worker",
  isPeer: true,
  runtime: "node",
  settings: {
    concurrentJobs: 100,
    localQueue: { size: 1_000 },
    completeJobBatchDelay: 10,
    failJobBatchDelay: 10,
  },
  how: "concurrency 100, localQueue 1,000, batch delay 10 ms: its best here",
};

export const GRAPHILE_DOCUMENTED: System = {
  ...GRAPHILE,
  name: "graphile-worker, as documented",
  settings: {
    concurrentJobs: 24,
    localQueue: { size: 500 },
    completeJobBatchDelay: 0,
    failJobBatchDelay: 0,
  },
  how: "concurrency 24, localQueue 500, batch delay 0: its own benchmark's",
};

export const BOSS: System = {
  name: "pg-boss",
  module: "pg_boss",
  isPeer: true,
  runtime: "node",
  settings: {
    work: {
      batchSize: 1_000,
      localConcurrency: 2,
      burstWhenBatchFull: true,
      pollingIntervalSeconds: 0.5,
    },
  },
  how: "batches of 1,000, two workers, burstWhenBatchFull",
};

export const BOSS_UNORDERED: System = {
  ...BOSS,
  name: "pg-boss, unordered",
  settings: {
    work: {
      batchSize: 1_000,
      localConcurrency: 2,
      burstWhenBatchFull: true,
      pollingIntervalSeconds: 0.5,
      orderByCreatedOn: false,
      priority: false,
    },
  },
  how: "the same without any order: no priority, no age",
};

export const BOSS_NOTIFY: System = {
  ...BOSS,
  name: "pg-boss, notify",
  settings: { notify: true, work: { localConcurrency: 2 } },
  how: "useListenNotify, a queue with notify, two workers",
};

/** For jobs that take time: one slot for each of ten. */
export const BOSS_NOTIFY_10: System = {
  ...BOSS_NOTIFY,
  settings: {
    notify: true,
    work: {
      batchSize: 1,
      localConcurrency: 10,
      // What a notice does not wake, a look finds: as often as it can look.
      pollingIntervalSeconds: 0.5,
    },
  },
  how: "the same with ten workers of one job each",
};

export const GRAPHILE_PLAIN: System = {
  ...GRAPHILE,
  name: "graphile-worker, unbatched",
  settings: { concurrentJobs: 10 },
  how: "concurrency 10, no batching: its quickest pick-up",
};

/** What a reader is told of, in an order in which "the same" is clear. */
export const DESCRIBED: readonly System[] = [
  OURS,
  OURS_UNNAMED,
  OURS_COALESCING,
  OURS_IDEMPOTENT,
  FLOOR,
  GRAPHILE,
  GRAPHILE_DOCUMENTED,
  GRAPHILE_PLAIN,
  BOSS,
  BOSS_UNORDERED,
  BOSS_NOTIFY,
  ...LIMITED,
];

/** The same contender on another runtime. */
export function on(system: System, runtime: Runtime): System {
  return { ...system, runtime, name: `${system.name} on ${runtime}` };
}
