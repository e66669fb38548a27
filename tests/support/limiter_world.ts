/** Limiters, jobs that wait for them, and a process that claims. */
import assert from "node:assert/strict";
import type { Database } from "../../src/db/database.ts";
import { sql } from "../../src/db/sql.ts";
import type { JobId } from "../../src/domain/job.ts";
import { defineLimiter, type Limiter } from "../../src/domain/limiter.ts";
import { startExecutor } from "../../src/store/executors.ts";
import { insertJobs, type JobInsert } from "../../src/store/jobs.ts";
import { lookAtLanes, releaseGrants } from "../../src/store/lanes.ts";
import type { ClaimedJob } from "../../src/store/leases.ts";
import { claimLimitedJobs } from "../../src/store/limited_claims.ts";
import { declareLimiters } from "../../src/store/limiter_declarations.ts";
import { acknowledge } from "../../src/store/outcomes.ts";

/** A bucket of five that refills one in a second. */
export const API: Limiter = defineLimiter({
  name: "api",
  rate: { capacity: 5, perMs: 5_000 },
});
/** Two at a time for each customer. */
export const PER_CUSTOMER: Limiter = defineLimiter({
  name: "per_customer",
  concurrency: 2,
  partitionBy: "customer",
});

/** Declares limiters, named by the worker `work`. */
export async function givenLimits(
  db: Database,
  limiters: readonly Limiter[],
): Promise<boolean> {
  return await declareLimiters(db, {
    limiters,
    workers: [{ name: "work", limiters }],
  });
}

/** Enqueues jobs of the worker `work`, one for each args. */
export async function givenWork(
  db: Database,
  args: readonly Readonly<Record<string, unknown>>[],
  rest: Partial<JobInsert> = {},
): Promise<JobId[]> {
  const answers = await insertJobs(
    db,
    args.map((each) => {
      const insert = { queue: "default", worker: "work", priority: 0 };
      return { ...insert, maxAttempts: 3, args: each, limited: true, ...rest };
    }),
  );
  return answers.map((answer) => {
    assert.equal(answer.status, "inserted");
    return answer.jobId;
  });
}

/** A process that runs `work`. */
export async function givenExecutor(db: Database): Promise<number> {
  return await startExecutor(db, {
    name: "a",
    runtime: "Deno",
    queues: ["default"],
    workers: ["work"],
    lateAfterMs: 60_000,
    missingAfterMs: 120_000,
  });
}

/** Looks and claims, as the engine does. */
export async function claimLimited(
  db: Database,
  executorId: number,
  { most = 100, ended = [] }: {
    readonly most?: number;
    readonly ended?: readonly JobId[];
  } = {},
): Promise<readonly ClaimedJob[]> {
  const workers = ["work"];
  const { freed } = await releaseGrants(db, ended);
  await lookAtLanes(db, { queues: ["default"], workers, freed });
  const queue = { queue: "default", declaredLimit: 1_000, held: 0 };
  const { jobs } = await claimLimitedJobs(db, {
    executorId,
    workers,
    queues: [{ ...queue, prefetch: 0, most }],
  });
  return jobs;
}

/** Ends runs as completed. */
export async function complete(
  db: Database,
  executorId: number,
  jobs: readonly ClaimedJob[],
): Promise<JobId[]> {
  await acknowledge(
    db,
    executorId,
    jobs.map(({ leaseId, jobId, attempt }) => {
      return { leaseId, jobId, attempt, to: "completed", tookMs: 1 };
    }),
  );
  return jobs.map(({ jobId }) => jobId);
}

/** How many rows a table holds. */
export async function count(db: Database, table: string): Promise<number> {
  const tables = {
    ready: sql`yardmaster.ready`,
    limited: sql`yardmaster.limited`,
    lanes: sql`yardmaster.lanes`,
    lane_arrivals: sql`yardmaster.lane_arrivals`,
    limiter_grants: sql`yardmaster.limiter_grants`,
    limiter_partitions: sql`yardmaster.limiter_partitions`,
    limiter_facts: sql`yardmaster.limiter_facts`,
  } as const;
  const from = tables[table as keyof typeof tables];
  const [row] = await db.query<{ count: number }>(
    sql`select count(*)::integer as count from ${from}`,
  );
  return row?.count ?? -1;
}
