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

const noNames = { limit: 100 };

export const OURS: System = {
  name: "yardmaster",
  module: "yardmaster",
  runtime: "deno",
  settings: noNames,
  how: "Deno, postgres.js; limit 100; everything else as it is by default",
};

export const OURS_PREPARED: System = {
  ...OURS,
  name: "yardmaster, prepared",
  settings: { limit: 100, prepare: true },
  how: "the same with `postgresJs(sql, { prepare: true })`",
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

export const GRAPHILE_PLAIN: System = {
  ...GRAPHILE,
  name: "graphile-worker",
  settings: { concurrentJobs: 10 },
  how: "concurrency 10, no batching: its quickest pick-up",
};

/** The same contender on another runtime. */
export function on(system: System, runtime: Runtime): System {
  return { ...system, runtime, name: `${system.name} on ${runtime}` };
}
