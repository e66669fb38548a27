/** Each mode of uniqueness, called by several processes and met by runs. */
import assert from "node:assert/strict";
import type { Database } from "../../src/db/database.ts";
import { sql } from "../../src/db/sql.ts";
import type { UniqueMode, UniqueOptions } from "../../src/domain/unique_key.ts";
import { createEngine, type Engine } from "../../src/engine/engine.ts";
import type { EnqueueResult } from "../../src/engine/enqueue.ts";
import { defineWorker } from "../../src/engine/worker.ts";
import { startExecutor } from "../../src/store/executors.ts";
import { type ClaimedJob, claimJobs } from "../../src/store/leases.ts";
import { acknowledge, type RunResult } from "../../src/store/outcomes.ts";

/** What a caller is told; `replaced` is a conflict as well. */
export type Told = "inserted" | "conflict" | "replaced";

/** A mode, and what a call is told by where the holder stands. */
export interface ModeCase {
  readonly mode: UniqueMode;
  readonly unique: UniqueOptions;
  readonly meetsWaiting: Told;
  readonly meetsRunning: Told;
  readonly meetsEnded: Told;
}

const lasting = { states: "incomplete", periodMs: null } as const;

/** All modes; a debounce without a delay, so that its jobs can be claimed. */
export const MODE_CASES: readonly ModeCase[] = [
  {
    mode: "reject",
    unique: { ...lasting, onConflict: "reject" },
    meetsWaiting: "conflict",
    meetsRunning: "conflict",
    meetsEnded: "inserted",
  },
  {
    mode: "replace",
    unique: { ...lasting, onConflict: { replace: ["args"] } },
    meetsWaiting: "replaced",
    meetsRunning: "conflict",
    meetsEnded: "inserted",
  },
  {
    mode: "debounce",
    unique: { onConflict: { debounce: { delayMs: 0 } } },
    meetsWaiting: "replaced",
    meetsRunning: "inserted",
    meetsEnded: "inserted",
  },
  {
    mode: "throttle",
    unique: { onConflict: "throttle", periodMs: 3_600_000 },
    meetsWaiting: "conflict",
    meetsRunning: "conflict",
    meetsEnded: "conflict",
  },
  {
    mode: "keep_last",
    unique: { onConflict: "keep_last" },
    meetsWaiting: "replaced",
    meetsRunning: "inserted",
    meetsEnded: "inserted",
  },
];

/** A process that enqueues. */
export interface Caller {
  readonly engine: Engine;
  /** One call for a key. */
  one(key: string, n: number): Promise<Told>;
  /** One call for many. */
  many(keys: readonly string[], n: number): Promise<Told[]>;
}

/** Calls a worker whose jobs are the same when their `key` is. */
export function callerOn(database: Database, { unique }: ModeCase): Caller {
  const engine = createEngine({ database, notify: false });
  const worker = defineWorker({
    name: "work",
    unique: { keys: ["key"], ...unique },
    perform: () => {},
  });
  return {
    engine,
    one: async (key, n) => told(await engine.enqueue(worker, { key, n })),
    many: async (keys, n) => {
      const inputs = keys.map((key) => ({ worker, args: { key, n } }));
      return (await engine.enqueueMany(inputs)).map(told);
    },
  };
}

/** What a result says, in a word; a conflict always has an id. */
export function told(result: EnqueueResult): Told {
  if (result.status === "inserted") return "inserted";
  assert.equal(result.status, "conflict");
  assert.match(result.job?.id ?? "", /^\d+$/);
  return result.replaced ? "replaced" : "conflict";
}

/** The jobs of a key, in order: which call they are of, and where they stand. */
export async function jobsOf(
  db: Database,
  key: string,
): Promise<{ readonly id: string; n: number; state: string; told: number }[]> {
  return await db.query(sql`
    select jobs.id::text as id, (args ->> 'n')::integer as n,
      coalesce(job_states.state::text, 'suspended') as state,
      (
        select count(*)::integer from yardmaster.attempt_events
        where job_id = jobs.id and kind = 'replaced'
      ) as told
    from yardmaster.jobs
    left join yardmaster.job_states on job_states.job_id = jobs.id
    where args ->> 'key' = ${key}
    order by jobs.id
  `);
}

/** A process that runs what it claims. */
export interface Runner {
  claim(on?: Database): Promise<ClaimedJob[]>;
  end(
    runs: readonly ClaimedJob[],
    options?: { readonly on?: Database; readonly to?: RunResult["to"] },
  ): Promise<readonly string[]>;
}

/** Starts an executor. */
export async function runnerOn(db: Database): Promise<Runner> {
  const executorId = await startExecutor(db, {
    name: "a",
    runtime: "Deno",
    queues: ["default"],
    workers: ["work"],
    lateAfterMs: 1_000,
    missingAfterMs: 2_000,
  });
  const queue = { queue: "default", declaredLimit: 500, held: 0, prefetch: 0 };
  return {
    claim: (on = db) =>
      claimJobs(on, {
        executorId,
        workers: ["work"],
        queues: [{ ...queue, most: 500 }],
      }),
    end: (runs, { on = db, to = "completed" } = {}) =>
      acknowledge(
        on,
        executorId,
        runs.map(({ leaseId, jobId, attempt }) => ({
          leaseId,
          jobId,
          attempt,
          to,
          tookMs: 1,
          delayMs: 1_000,
          ...(to !== "completed" && { event: { kind: "failed" as const } }),
        })),
      ),
  };
}
