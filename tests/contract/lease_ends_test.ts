/** Completing jobs by their place in a lease, against others that take from it. */
import assert from "node:assert/strict";
import type { Database } from "../../src/db/database.ts";
import { sql } from "../../src/db/sql.ts";
import { startExecutor, stopExecutor } from "../../src/store/executors.ts";
import { insertJobs } from "../../src/store/jobs.ts";
import { completeInLeases, type LeaseEnd } from "../../src/store/lease_ends.ts";
import {
  type ClaimedJob,
  claimJobs,
  rescueLeases,
} from "../../src/store/leases.ts";
import { acknowledge } from "../../src/store/outcomes.ts";
import { cancelJob } from "../../src/store/transitions.ts";
import { type TestPostgres, usePostgres } from "../support/postgres.ts";
import { until } from "../support/until.ts";

const testPostgres = usePostgres();

/** Claims so many jobs, as one lease. */
async function lease(
  db: Database,
  count: number,
): Promise<{ readonly jobs: ClaimedJob[]; readonly executorId: number }> {
  await insertJobs(
    db,
    Array.from({ length: count }, (_, n) => ({
      queue: "default",
      worker: "work",
      args: { n },
      // A lease is in the order of ids, a claim in that of priority.
      priority: n % 3,
      maxAttempts: 3,
      delayMs: null,
    })),
  );
  const executorId = await startExecutor(db, {
    name: "a",
    runtime: "Deno",
    queues: ["default"],
    workers: ["work"],
    lateAfterMs: 1_000,
    missingAfterMs: 2_000,
  });
  const demand = { queue: "default", declaredLimit: 1_000, held: 0 };
  const jobs = await claimJobs(db, {
    executorId,
    workers: ["work"],
    queues: [{ ...demand, prefetch: 0, most: count }],
  });
  jobs.sort((a, b) => BigInt(a.jobId) < BigInt(b.jobId) ? -1 : 1);
  return { jobs, executorId };
}

/** What is told of a lease that holds these jobs, in the order of their ids. */
function end(
  jobs: readonly ClaimedJob[],
  tookMs: readonly (number | null)[],
): LeaseEnd {
  const [first, last] = [jobs[0]!, jobs.at(-1)!];
  return {
    leaseId: first.leaseId,
    outermost: [first.jobId, last.jobId],
    tookMs,
  };
}

/** Somebody in another connection waits for a lock. */
async function someoneWaits({ db }: TestPostgres): Promise<void> {
  await until("it waits for the lock", async () => {
    // Inside of a transaction, the first look would be the only one.
    const rows = await db.query(sql`
      select from pg_stat_activity
      where datname = current_database() and wait_event_type = 'Lock'
    `);
    return rows.length > 0;
  });
}

/** Where the jobs are now, with what their runs took. */
async function standing({ db }: TestPostgres) {
  const rows = await db.query<{ jobId: string; at: string }>(sql`
    select job_id::text as "jobId",
      state::text || case when state = 'completed' then ' ' || took_ms else '' end
        as at
    from yardmaster.job_states
    order by job_id
  `);
  return rows.map((row) => row.at);
}

Deno.test("completeInLeases() ends what has a duration, keeps the rest, and ends the lease with the last", async () => {
  await using world = await testPostgres();
  const { jobs } = await lease(world.db, 5);
  const leaseId = jobs[0]!.leaseId;

  const first = end(jobs, [10, null, 12.4, null, -1]);
  assert.deepEqual(await completeInLeases(world.db, [first]), [leaseId]);
  assert.deepEqual(await standing(world), [
    "completed 10",
    "executing",
    "completed 12",
    "executing",
    "completed 0",
  ]);

  const second = end([jobs[1]!, jobs[3]!], [null, 13]);
  assert.deepEqual(await completeInLeases(world.db, [second]), [leaseId]);
  const third = end([jobs[1]!], [11]);
  assert.deepEqual(await completeInLeases(world.db, [third]), [leaseId]);
  assert.deepEqual(await standing(world), [
    "completed 10",
    "completed 11",
    "completed 12",
    "completed 13",
    "completed 0",
  ]);
  const left = await world.db.query(sql`select from yardmaster.leases`);
  assert.equal(left.length, 0);
  assert.deepEqual(await completeInLeases(world.db, [third]), []);
});

Deno.test("completeInLeases() ends several leases at once, and leaves alone those of which it knows another number of jobs", async () => {
  await using world = await testPostgres();
  const [a, b, c] = [
    await lease(world.db, 2),
    await lease(world.db, 3),
    await lease(world.db, 1),
  ];
  const idOf = ({ jobs }: typeof a) => jobs[0]!.leaseId;
  await cancelJob(world.db, { jobId: b.jobs[1]!.jobId, principal: "ann" });

  const applied = await completeInLeases(world.db, [
    end(a.jobs, [1, 2]),
    end(b.jobs, [3, 4, 5]),
    end(c.jobs, [6]),
    { ...end(c.jobs, [7]), leaseId: "999999" },
  ]);

  assert.deepEqual(applied.sort(), [idOf(a), idOf(c)].sort());
  assert.deepEqual(await standing(world), [
    "completed 1",
    "completed 2",
    "executing",
    "cancelled",
    "executing",
    "completed 6",
  ]);
});

Deno.test("completeInLeases() that waited for a cancellation sees what it took, and applies to nothing", async () => {
  await using world = await testPostgres();
  const { jobs, executorId } = await lease(world.db, 3);
  const leaseId = jobs[0]!.leaseId;
  const other = await world.connect();
  let answer: Promise<string[]> | null = null;

  await other.transaction(async (tx) => {
    await cancelJob(tx, { jobId: jobs[2]!.jobId, principal: "ann" });
    answer = completeInLeases(world.db, [end(jobs, [1, 2, 3])]);
    await someoneWaits(world);
  });

  assert.deepEqual(await answer, []);
  // Named one by one, the two that are still ours end.
  const answers = await acknowledge(
    world.db,
    executorId,
    jobs.map(({ jobId, attempt }) => ({
      leaseId,
      jobId,
      attempt,
      to: "completed",
      tookMs: 1,
    })),
  );
  assert.deepEqual(answers, ["applied", "applied", "lost"]);
});

Deno.test("completeInLeases() after a rescue applies to nothing: the jobs are with others", async () => {
  await using world = await testPostgres();
  const { jobs, executorId } = await lease(world.db, 2);
  await stopExecutor(world.db, executorId);
  await rescueLeases(world.db, { limit: 10 });

  const ends = [end(jobs, [1, 2])];
  assert.deepEqual(await completeInLeases(world.db, ends), []);
  assert.deepEqual(await standing(world), ["available", "available"]);
});

Deno.test("completeInLeases() applies to nothing where the id of a lease came again after a failover that lost it", async () => {
  await using world = await testPostgres();
  const { jobs, executorId } = await lease(world.db, 2);
  await stopExecutor(world.db, executorId);
  await rescueLeases(world.db, { limit: 10 });
  const leaseId = jobs[0]!.leaseId;
  await world.db.script(
    `alter table yardmaster.leases alter column id restart with ${leaseId};
    delete from yardmaster.ready`,
  );
  const { jobs: others } = await lease(world.db, 2);
  assert.equal(others[0]!.leaseId, leaseId);

  assert.deepEqual(await completeInLeases(world.db, [end(jobs, [1, 2])]), []);
  assert.deepEqual(await standing(world), ["executing", "executing"]);
});

Deno.test("acknowledge() that waited for a first try, whose answer was not, says that it was applied", async () => {
  await using world = await testPostgres();
  const { jobs, executorId } = await lease(world.db, 2);
  const other = await world.connect();
  let answers: Promise<string[]> | null = null;

  // Given up by its deadline while its commit is on its way to a slow disk.
  await other.transaction(async (tx) => {
    await completeInLeases(tx, [end(jobs, [1, 2])]);
    answers = acknowledge(
      world.db,
      executorId,
      jobs.map(({ leaseId, jobId, attempt }) => {
        return { leaseId, jobId, attempt, to: "completed", tookMs: 3 };
      }),
    );
    await someoneWaits(world);
  });

  assert.deepEqual(await answers, ["applied", "applied"]);
  assert.deepEqual(await standing(world), ["completed 1", "completed 2"]);
  const told = await world.db.query(sql`
    select from yardmaster.attempt_events where kind = 'lost'
  `);
  assert.equal(told.length, 0);
});
