/**
 * The statements of the engine among 100,000 jobs, a million receipts and a
 * million unique keys: none of them reads a table that grows from end to end, also
 * when Postgres plans once for all values.
 */
import assert from "node:assert/strict";
import type { Database } from "../../src/db/database.ts";
import { sql } from "../../src/db/sql.ts";
import type { JobId } from "../../src/domain/job.ts";
import { startExecutor } from "../../src/store/executors.ts";
import { findJobDetail } from "../../src/store/job_detail.ts";
import { insertJobs, type JobInsert } from "../../src/store/jobs.ts";
import { completeInLeases } from "../../src/store/lease_ends.ts";
import {
  type ClaimedJob,
  claimJobs,
  rescueLeases,
} from "../../src/store/leases.ts";
import {
  acknowledge,
  listEnded,
  type RunResult,
} from "../../src/store/outcomes.ts";
import {
  createPartition,
  listMissingPartitions,
} from "../../src/store/partitions.ts";
import {
  forgetReceipt,
  type JobReceipt,
  pruneReceipts,
  takeBackReceipts,
} from "../../src/store/receipts.ts";
import { stageJobs } from "../../src/store/scheduled.ts";
import { replaceJobs } from "../../src/store/replacements.ts";
import { lockUniqueHolder } from "../../src/store/unique_holders.ts";
import { cancelJob, lockJob, retryJob } from "../../src/store/transitions.ts";
import { generalPlan, greedy } from "../support/plans.ts";
import { usePostgres } from "../support/postgres.ts";

const testPostgres = usePostgres();

const RECEIPTS = 1_000_000;

/** From the first of them on; past the last, there is none. */
function receipts(first: number, count: number): JobReceipt[] {
  return Array.from({ length: count }, (_, place) => ({
    fingerprint: (first + place).toString(16).padStart(64, "0"),
    argsDigest: null,
    keepMs: 1_000,
  }));
}

async function fill(db: Database): Promise<void> {
  for (const each of await listMissingPartitions(db, { daysAhead: 2 })) {
    await createPartition(db, each);
  }
  await db.script(`
    insert into yardmaster.jobs (
      id, queue, worker, args, meta, tags, priority, max_attempts
    )
    select yardmaster.next_job_id(statement_timestamp()), 'q' || n % 3, 'work',
      '{}', '{}', '{}', n % 4, 3
    from generate_series(1, 100000) as n;
    insert into yardmaster.ready
    select id, queue, worker, priority, 0 from yardmaster.jobs
    order by id limit 30000;
    insert into yardmaster.outcomes
    select id, 'completed', 1, 1, 0, statement_timestamp()
    from yardmaster.jobs order by id offset 30000 limit 30000;
    insert into yardmaster.scheduled
    select id, queue, worker, priority, 'scheduled',
      statement_timestamp() + n * interval '1 min', 0
    from (
      select *, row_number() over () - 300 as n from yardmaster.jobs
      order by id offset 60000
    ) as rest;
    insert into yardmaster.unique_keys
    select id::text, id, '{available}', null from yardmaster.jobs;
    -- A million in all, most of them of jobs that are gone.
    insert into yardmaster.unique_keys
    select 'gone ' || n, n, '{available}', null
    from generate_series(1, 900000) as n;
    insert into yardmaster.receipts
    select decode(lpad(to_hex(n), 64, '0'), 'hex'), n, null,
      statement_timestamp() + (n - 300) * interval '1 min'
    from generate_series(1, ${RECEIPTS}) as n;
    analyze;
  `);
}

const insert: JobInsert = {
  queue: "q0",
  worker: "work",
  args: {},
  priority: 0,
  maxAttempts: 3,
};

function ends(
  runs: readonly ClaimedJob[],
  to: RunResult["to"],
): RunResult[] {
  return runs.map(({ leaseId, jobId, attempt }) => ({
    leaseId,
    jobId,
    attempt,
    to,
    tookMs: 1,
    ...(to !== "completed" && { event: { kind: "failed" as const } }),
  }));
}

Deno.test("no statement of the engine reads a table from end to end, by a plan for all values", async () => {
  await using world = await testPostgres();
  const db = await world.connect();
  await fill(db);
  const executorId = await startExecutor(db, {
    name: "a",
    runtime: "Deno",
    queues: [],
    workers: [],
    lateAfterMs: 1_000,
    missingAfterMs: 2_000,
  });
  const demand = {
    executorId,
    workers: ["work", "other"],
    queues: ["q0", "q1", "q2"].map((queue) => ({
      queue,
      declaredLimit: 500,
      held: 0,
      prefetch: 0,
      most: 200,
    })),
  };
  const runs = await claimJobs(db, demand);
  assert.equal(runs.length, 600);
  const [held] = await db.query<{ id: JobId }>(sql`
    select id::text as id from yardmaster.jobs order by id limit 1
  `);
  assert.ok(held);
  const transition = { jobId: held.id, principal: null };

  const statements: Statements = {
    claimJobs: (own) => claimJobs(own, demand),
    completeInLeases: (own) =>
      completeInLeases(own, [{
        leaseId: runs[0]!.leaseId,
        outermost: [runs[0]!.jobId, runs.at(-1)!.jobId],
        tookMs: runs.map((_, n) => n % 2 === 0 ? 1 : null),
      }]),
    acknowledge: (own) => acknowledge(own, executorId, ends(runs, "completed")),
    "acknowledge failures": (own) =>
      acknowledge(own, executorId, ends(runs.slice(0, 300), "retryable")),
    stageJobs: (own) => stageJobs(own, { limit: 200 }),
    insertJobs: (own) => insertJobs(own, [insert]),
    ...await ofUniqueKeys(db),
    ...ofReceipts(),
    findJobDetail: (own) => findJobDetail(own, held.id),
    rescueLeases: (own) => rescueLeases(own, { limit: 10 }),
    listEnded: (own) => listEnded(own, [held.id]),
    lockJob: (own) => lockJob(own, held.id),
    cancelJob: (own) => cancelJob(own, transition).catch(() => {}),
    retryJob: (own) => retryJob(own, transition),
  };
  const wrong: string[] = [];
  for (const [name, statement] of Object.entries(statements)) {
    const plan = await generalPlan(db, statement);
    wrong.push(...greedy(plan).map((each) => `${name}: ${each}`));
  }
  assert.deepEqual(wrong, []);
});

type Statements = Readonly<
  Record<string, (db: Database) => Promise<unknown>>
>;

async function ofUniqueKeys(db: Database): Promise<Statements> {
  const states = ["available"] as const;
  const some = await db.query<{ key: string; jobId: JobId }>(sql`
    select key, job_id::text as "jobId" from yardmaster.unique_keys
    where key not like 'gone%'
    order by job_id offset 1000 limit 500
  `);
  assert.equal(some.length, 500);
  const unique = some.map(({ key }) => {
    return { ...insert, unique: { key, states, periodMs: null } };
  });
  const overwrites = { mode: "keep_last" } as const;
  const replacements = some.map((each) => ({ ...each, insert, overwrites }));
  const [first] = some;
  assert.ok(first);
  return {
    "insertJobs unique": (own) => insertJobs(own, unique.slice(0, 1)),
    "insertJobs many unique": (own) => insertJobs(own, unique),
    "replaceJobs one": (own) => replaceJobs(own, replacements.slice(0, 1)),
    "replaceJobs many": (own) => replaceJobs(own, replacements),
    lockUniqueHolder: (own) => lockUniqueHolder(own, first.jobId),
  };
}

function ofReceipts(): Statements {
  return {
    "insertJobs with receipts": (own) =>
      insertJobs(
        own,
        [...receipts(200, 200), ...receipts(RECEIPTS - 99, 200)]
          .map((receipt) => ({ ...insert, receipt })),
      ),
    "insertJobs later, with receipts": (own) =>
      insertJobs(
        own,
        [...receipts(200, 200), ...receipts(RECEIPTS - 99, 200)]
          .map((receipt) => ({ ...insert, receipt, delayMs: 1 })),
      ),
    "insertJobs unique, with receipts": (own) =>
      insertJobs(
        { ...own, now: own.now, transaction: (work) => work(own) },
        receipts(RECEIPTS + 1, 500).map((receipt, place) => ({
          ...insert,
          receipt,
          unique: {
            key: `new ${place}`,
            states: ["available"],
            periodMs: null,
          },
        })),
      ),
    takeBackReceipts: (own) =>
      takeBackReceipts(
        own,
        receipts(200, 200).map(({ fingerprint }) => fingerprint),
      ),
    forgetReceipt: (own) => forgetReceipt(own, "0".repeat(64)),
    pruneReceipts: (own) => pruneReceipts(own, { limit: 1_000 }),
  };
}
