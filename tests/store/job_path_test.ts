/** The way of a job through the tables, one statement at a time. */
import assert from "node:assert/strict";
import { sql } from "../../src/db/sql.ts";
import type { JobId } from "../../src/domain/job.ts";
import {
  beatExecutor,
  markMissingExecutors,
  resumeExecutor,
  startExecutor,
  stopExecutor,
} from "../../src/store/executors.ts";
import { insertJobs, type JobInsert } from "../../src/store/jobs.ts";
import {
  type ClaimedJob,
  claimJobs,
  listHeldJobs,
  rescueLeases,
} from "../../src/store/leases.ts";
import { acknowledge, type RunResult } from "../../src/store/outcomes.ts";
import {
  ensureQueues,
  listQueues,
  pauseQueue,
  resumeQueue,
  scaleQueue,
} from "../../src/store/queues.ts";
import { findExecutorEvidence } from "../../src/store/queue_evidence.ts";
import { stageJobs } from "../../src/store/scheduled.ts";
import {
  cancelJob,
  discardJob,
  lockJob,
  retryJob,
} from "../../src/store/transitions.ts";
import { type TestDb, usePGlite } from "../support/pglite.ts";
import { outputOf } from "../support/outputs.ts";

const testDb = usePGlite();

async function enqueue(
  db: TestDb,
  insert: Partial<JobInsert> = {},
): Promise<JobId> {
  const [answer] = await insertJobs(db, [{
    queue: "default",
    worker: "work",
    args: {},
    priority: 0,
    maxAttempts: 3,
    ...insert,
  }]);
  assert.equal(answer?.status, "inserted");
  return answer.jobId;
}

function executor(db: TestDb, missingAfterMs = 120_000): Promise<number> {
  return startExecutor(db, {
    name: "a",
    runtime: "Deno",
    queues: ["default"],
    workers: ["work"],
    lateAfterMs: missingAfterMs / 2,
    missingAfterMs,
  });
}

interface Claim {
  readonly executorId: number;
  readonly queues?: readonly string[];
  readonly most?: number;
  readonly limit?: number;
}

function claim(db: TestDb, { executorId, most = 10, ...rest }: Claim) {
  const { queues = ["default"], limit = 100 } = rest;
  return claimJobs(db, {
    executorId,
    workers: ["work"],
    queues: queues.map((queue) => ({
      queue,
      declaredLimit: limit,
      held: 0,
      prefetch: 0,
      most,
    })),
  });
}

function end(
  run: ClaimedJob | undefined,
  rest: Partial<RunResult> = {},
): RunResult {
  assert.ok(run);
  const { leaseId, jobId, attempt } = run;
  return { leaseId, jobId, attempt, to: "completed", tookMs: 40, ...rest };
}

async function standing(db: TestDb): Promise<Record<string, string>> {
  const rows = await db.query<{ id: string; state: string }>(
    sql`select job_id::text as id, state::text from yardmaster.job_states`,
  );
  return Object.fromEntries(rows.map(({ id, state }) => [id, state]));
}

async function events(db: TestDb): Promise<string[]> {
  const rows = await db.query<{ kind: string }>(
    sql`select kind::text from yardmaster.attempt_events order by id`,
  );
  return rows.map(({ kind }) => kind);
}

Deno.test("insertJobs() puts due work into ready and the rest into scheduled", async () => {
  await using db = await testDb();
  const base = { queue: "default", worker: "work", args: {} };
  const answers = await insertJobs(db, [
    { ...base, priority: 0, maxAttempts: 1 },
    { ...base, priority: 0, maxAttempts: 1, delayMs: 5_000 },
    { ...base, priority: 0, maxAttempts: 1, runAt: new Date(0) },
  ]);
  assert.deepEqual(
    answers.map((answer) => answer.status === "inserted" && answer.state),
    ["available", "scheduled", "available"],
  );
  assert.deepEqual(Object.values(await standing(db)).sort(), [
    "available",
    "available",
    "scheduled",
  ]);
  assert.deepEqual(await insertJobs(db, []), []);
});

Deno.test("claimJobs() takes the most urgent first, then the oldest, of workers it knows", async () => {
  await using db = await testDb();
  const executorId = await executor(db);
  const late = await enqueue(db, { priority: 5 });
  const old = await enqueue(db);
  const young = await enqueue(db);
  const strange = await enqueue(db, { worker: "another" });
  const runs = await claim(db, { executorId, most: 2 });
  assert.deepEqual(runs.map((run) => run.jobId), [old, young]);
  assert.deepEqual(new Set(runs.map((run) => run.leaseId)).size, 1);
  const rest = await claim(db, { executorId });
  assert.deepEqual(rest.map((run) => run.jobId), [late]);
  assert.equal((await standing(db))[strange], "available");
});

Deno.test("claimJobs() leaves future work until it was staged, and staging until its time has come", async () => {
  await using db = await testDb();
  const executorId = await executor(db);
  await enqueue(db, { delayMs: 60_000 });
  assert.equal((await stageJobs(db, { limit: 10 })).nextInMs, 60_000);
  assert.deepEqual(await claim(db, { executorId }), []);
  db.advanceMs(60_000);
  assert.deepEqual(await claim(db, { executorId }), []);
  const pass = await stageJobs(db, { limit: 10 });
  assert.deepEqual(pass, { staged: 1, queues: ["default"], nextInMs: null });
  assert.equal((await claim(db, { executorId })).length, 1);
});

Deno.test("claimJobs() obeys pauses and limits from the moment they are written", async () => {
  await using db = await testDb();
  const executorId = await executor(db);
  const declared = [{ name: "default", limit: 5 }, { name: "other", limit: 5 }];
  await ensureQueues(db, declared);
  for (let count = 0; count < 3; count++) {
    await enqueue(db);
    await enqueue(db, { queue: "other" });
  }
  await pauseQueue(db, { name: "default", principal: "ann" });
  assert.equal(
    await pauseQueue(db, { name: "default", principal: "bob" }),
    null,
  );
  await scaleQueue(db, { name: "other", limit: 1 });
  const queues = ["default", "other"];
  const runs = await claim(db, { executorId, queues, limit: 5 });
  assert.deepEqual(runs.map((run) => run.queue), ["other"]);
  await resumeQueue(db, { name: "default" });
  assert.equal((await claim(db, { executorId })).length, 3);
  await ensureQueues(db, [{ name: "other", limit: 9 }]);
  const [, other] = await listQueues(db);
  assert.deepEqual([other?.declaredLimit, other?.chosenLimit], [9, 1]);
});

Deno.test("acknowledge() answers lost and writes nothing for a job that the lease gave up", async () => {
  await using db = await testDb();
  const executorId = await executor(db);
  const taken = await enqueue(db);
  const held = await enqueue(db);
  const [first, second] = await claim(db, { executorId });
  await cancelJob(db, { jobId: taken, principal: "ann" });

  const answers = await acknowledge(db, executorId, [
    end(first),
    end(second),
    end({ ...first as ClaimedJob, leaseId: "999" }),
  ]);

  assert.deepEqual(answers, ["lost", "applied", "lost"]);
  assert.deepEqual(await standing(db), {
    [taken]: "cancelled",
    [held]: "completed",
  });
  assert.deepEqual(await events(db), ["cancelled", "lost", "lost"]);
  assert.deepEqual(await listHeldJobs(db, executorId), []);
});

Deno.test("acknowledge() moves each job where its run sent it, and trims the lease to what still runs", async () => {
  await using db = await testDb();
  const executorId = await executor(db);
  for (let count = 0; count < 6; count++) await enqueue(db);
  const runs = await claim(db, { executorId });
  const [done, failed, asleep, returned, dropped, running] = runs;

  await acknowledge(db, executorId, [
    end(done, { output: outputOf(null), tookMs: NaN }),
    end(failed, {
      to: "retryable",
      delayMs: 1_000,
      event: { kind: "failed", message: "no", fingerprint: "f" },
    }),
    end(asleep, { to: "scheduled", delayMs: 5, event: { kind: "snoozed" } }),
    end(returned, { to: "available" }),
    end(dropped, { to: "discarded", event: { kind: "discarded" } }),
  ]);

  const states = await standing(db);
  assert.deepEqual(runs.map((run) => states[run.jobId]), [
    "completed",
    "retryable",
    "scheduled",
    "available",
    "discarded",
    "executing",
  ]);
  const [lease] = await listHeldJobs(db, executorId);
  assert.deepEqual(lease?.jobIds, [running?.jobId]);
  const waiting = await db.query(
    sql`select attempt from yardmaster.scheduled order by run_at`,
  );
  assert.deepEqual(waiting, [{ attempt: 0 }, { attempt: 1 }]);
  assert.deepEqual(
    await db.query(sql`select attempt from yardmaster.ready`),
    [{ attempt: 0 }],
  );
  assert.deepEqual(
    await db.query(sql`select output from yardmaster.outputs`),
    [{ output: null }],
  );
});

Deno.test("rescueLeases() brings back the work of a missing executor, and discards after the last attempt", async () => {
  await using db = await testDb();
  const dead = await executor(db);
  const alive = await executor(db);
  const again = await enqueue(db);
  const last = await enqueue(db, { maxAttempts: 1 });
  const runs = await claim(db, { executorId: dead });
  db.advanceMs(119_999);
  assert.ok(await beatExecutor(db, alive));
  assert.deepEqual(await markMissingExecutors(db), []);
  assert.equal((await rescueLeases(db, { limit: 10 })).rescued, 0);

  db.advanceMs(1);
  assert.deepEqual(await markMissingExecutors(db), [dead]);
  const rescue = await rescueLeases(db, { limit: 10 });

  assert.deepEqual(rescue, {
    rescued: 1,
    discarded: 1,
    queues: ["default"],
    discardedIds: [last],
  });
  assert.deepEqual(await standing(db), {
    [again]: "available",
    [last]: "discarded",
  });
  assert.deepEqual(await claim(db, { executorId: dead }), []);
  assert.equal(await beatExecutor(db, dead), false);
  assert.equal(await resumeExecutor(db, dead), false);
  const answers = await acknowledge(db, dead, runs.map((run) => end(run)));
  assert.deepEqual(answers, ["lost", "lost"]);
  const [run] = await claim(db, { executorId: alive });
  assert.equal(run?.attempt, 2);
  assert.equal((await findExecutorEvidence(db, alive))?.health, "healthy");
  assert.equal((await findExecutorEvidence(db, dead))?.health, "missing");
});

Deno.test("stopExecutor() is no loss, and resumeExecutor() takes the same one up", async () => {
  await using db = await testDb();
  const executorId = await executor(db);
  db.advanceMs(1_000);
  await stopExecutor(db, executorId);
  db.advanceMs(86_400_000);
  assert.deepEqual(await markMissingExecutors(db), []);
  assert.equal((await findExecutorEvidence(db, executorId))?.health, "stopped");
  assert.ok(await resumeExecutor(db, executorId));
  assert.equal((await findExecutorEvidence(db, executorId))?.health, "healthy");
});

Deno.test("beatExecutor() follows a clock that was set back, so that its death is found in time", async () => {
  await using db = await testDb();
  const executorId = await executor(db);
  db.advanceMs(60_000);
  assert.ok(await beatExecutor(db, executorId));
  db.advanceMs(-3_600_000);
  assert.ok(await beatExecutor(db, executorId));
  assert.deepEqual(await markMissingExecutors(db), []);
  db.advanceMs(120_000);
  assert.deepEqual(await markMissingExecutors(db), [executorId]);
});

Deno.test("retryJob() takes an ended job back, keeps its attempts and allows one more", async () => {
  await using db = await testDb();
  const executorId = await executor(db);
  const jobId = await enqueue(db, { maxAttempts: 1 });
  const [run] = await claim(db, { executorId });
  const transition = { jobId, principal: "ann" };
  assert.equal(await retryJob(db, transition), null);
  await acknowledge(db, executorId, [end(run, { to: "discarded" })]);
  assert.deepEqual(await retryJob(db, transition), {
    before: "discarded",
    after: "available",
    queue: "default",
  });
  assert.equal(await retryJob(db, transition), null);
  assert.equal((await claim(db, { executorId }))[0]?.attempt, 2);
});

Deno.test("cancelJob() and discardJob() end a job once, wherever it stands", async () => {
  await using db = await testDb();
  const executorId = await executor(db);
  const running = await enqueue(db);
  await claim(db, { executorId });
  const waiting = await enqueue(db);
  const planned = await enqueue(db, { delayMs: 60_000 });
  for (const jobId of [running, waiting, planned]) {
    const before = (await lockJob(db, jobId))?.state;
    const moved = await discardJob(db, { jobId, principal: null });
    assert.deepEqual([moved?.before, moved?.after], [before, "discarded"]);
    assert.equal((await lockJob(db, jobId))?.state, "discarded");
    assert.equal(await cancelJob(db, { jobId, principal: null }), null);
  }
  assert.equal(await lockJob(db, "1"), null);
  assert.deepEqual(await listHeldJobs(db, executorId), []);
});

Deno.test("acknowledge() answers applied again when its first answer was lost on the way", async () => {
  await using db = await testDb();
  const executorId = await executor(db);
  await enqueue(db);
  const [run] = await claim(db, { executorId });
  assert.deepEqual(await acknowledge(db, executorId, [end(run)]), ["applied"]);
  assert.deepEqual(await acknowledge(db, executorId, [end(run)]), ["applied"]);
  // Found missing in between, it is known as another by now.
  assert.deepEqual(await acknowledge(db, 999, [end(run)]), ["applied"]);
  const other = end(run, { to: "discarded" });
  assert.deepEqual(await acknowledge(db, executorId, [other]), ["lost"]);
  const later = { ...end(run), attempt: 2 };
  assert.deepEqual(await acknowledge(db, executorId, [later]), ["lost"]);
});
