/**
 * The way of a job against a model of it in memory: after each step, whatever
 * the order, the tables say of every job what the model says.
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import { sql } from "../../src/db/sql.ts";
import type { JobId, JobState } from "../../src/domain/job.ts";
import { CANCEL_FROM, RETRY_FROM } from "../../src/domain/job.ts";
import {
  markMissingExecutors,
  startExecutor,
} from "../../src/store/executors.ts";
import { insertJobs } from "../../src/store/jobs.ts";
import {
  type ClaimedJob,
  claimJobs,
  rescueLeases,
} from "../../src/store/leases.ts";
import { acknowledge, type RunResult } from "../../src/store/outcomes.ts";
import { stageJobs } from "../../src/store/scheduled.ts";
import {
  cancelJob,
  discardJob,
  retryJob,
} from "../../src/store/transitions.ts";
import { type TestDb, usePGlite } from "../support/pglite.ts";

const testDb = usePGlite();

interface ModelJob {
  state: JobState;
  attempt: number;
  readonly maxAttempts: number;
  runAtMs: number | null;
  leaseId: string | null;
  executorId: number | null;
}

interface ModelRun extends ClaimedJob {
  readonly executorId: number;
}

interface Model {
  readonly jobs: Map<JobId, ModelJob>;
  readonly runs: ModelRun[];
}

interface Real {
  readonly db: TestDb;
  executorId: number;
}

type Command = fc.AsyncCommand<Model, Real>;

/** A step, which checks everything afterwards. */
function step(
  name: string,
  take: (model: Model, real: Real) => Promise<void>,
): Command {
  return {
    check: () => true,
    async run(model, real) {
      await take(model, real);
      await compare(model, real);
    },
    toString: () => name,
  };
}

async function compare(model: Model, { db }: Real): Promise<void> {
  const rows = await db.query<
    { id: JobId; state: string; attempt: number; runAt: Date | null }
  >(sql`
    select jobs.id, coalesce(state::text, 'nowhere') as state,
      attempt, run_at as "runAt"
    from yardmaster.jobs
    left join yardmaster.job_states on job_states.job_id = jobs.id
    order by jobs.id
  `);
  const real = rows.map(({ id, state, attempt, runAt }) => [
    id,
    { state, attempt, runAtMs: runAt?.getTime() ?? null },
  ]);
  const expected = inOrder(model).map(([id, { state, attempt, runAtMs }]) => [
    id,
    { state, attempt, runAtMs },
  ]);
  assert.deepEqual(real, expected);
}

function inOrder({ jobs }: Model): [JobId, ModelJob][] {
  return [...jobs].sort(([left], [right]) =>
    BigInt(left) < BigInt(right) ? -1 : 1
  );
}

/** Moves a job in the model; what a place does not know is forgotten. */
function move(job: ModelJob, change: Partial<ModelJob>): void {
  Object.assign(job, { runAtMs: null, leaseId: null }, change);
}

function insert(delayMs: number | null, maxAttempts: number): Command {
  return step(`insert ${delayMs} ${maxAttempts}`, async (model, { db }) => {
    const job = { queue: "default", worker: "work", args: {}, priority: 0 };
    const [answer] = await insertJobs(db, [{ ...job, maxAttempts, delayMs }]);
    assert.equal(answer?.status, "inserted");
    model.jobs.set(answer.jobId, {
      state: delayMs === null ? "available" : "scheduled",
      attempt: 0,
      maxAttempts,
      runAtMs: delayMs === null ? null : db.nowAt().getTime() + delayMs,
      leaseId: null,
      executorId: null,
    });
  });
}

function claim(most: number): Command {
  return step(`claim ${most}`, async (model, { db, executorId }) => {
    const queue = { queue: "default", declaredLimit: 99, held: 0, prefetch: 0 };
    const runs = await claimJobs(db, {
      executorId,
      workers: ["work"],
      queues: [{ ...queue, most }],
    });
    const due = inOrder(model)
      .filter(([, { state }]) => state === "available")
      .slice(0, most);
    assert.deepEqual(
      runs.map(({ jobId, attempt }) => [jobId, attempt]),
      due.map(([id, { attempt }]) => [id, attempt + 1]),
    );
    for (const run of runs) {
      model.runs.push({ ...run, executorId });
      const job = model.jobs.get(run.jobId);
      assert(job);
      const { leaseId, attempt } = run;
      move(job, { state: "executing", attempt, leaseId, executorId });
    }
  });
}

const DELAY_MS = 500;

/** Ends a run: mostly one that has lost its lease long ago. */
function end(which: number, to: RunResult["to"]): Command {
  return step(`end ${which} as ${to}`, async (model, { db }) => {
    const run = model.runs[which % Math.max(model.runs.length, 1)];
    const job = run && model.jobs.get(run.jobId);
    if (run === undefined || job === undefined) return;
    const { leaseId, jobId, attempt, executorId } = run;
    const held = job.state === "executing" && job.leaseId === leaseId;
    // Told twice, the same end of the same attempt is no loss.
    const again = ["completed", "cancelled", "discarded"].includes(to) &&
      job.state === to && job.attempt === attempt &&
      job.executorId === executorId;
    const answers = await acknowledge(db, executorId, [
      { leaseId, jobId, attempt, to, tookMs: 1, delayMs: DELAY_MS },
    ]);
    assert.deepEqual(answers, [held || again ? "applied" : "lost"]);
    if (!held) return;
    const waits = to === "retryable" || to === "scheduled";
    const isUnburnt = to === "scheduled" || to === "available";
    move(job, {
      state: to,
      attempt: isUnburnt ? attempt - 1 : attempt,
      runAtMs: waits ? db.nowAt().getTime() + DELAY_MS : null,
    });
  });
}

const OPERATIONS = {
  cancel: { from: CANCEL_FROM, to: "cancelled", act: cancelJob },
  discard: { from: CANCEL_FROM, to: "discarded", act: discardJob },
  retry: { from: RETRY_FROM, to: "available", act: retryJob },
} as const;

function operate(which: number, name: keyof typeof OPERATIONS): Command {
  return step(`${name} ${which}`, async (model, { db }) => {
    const [jobId, job] = inOrder(model)[which % Math.max(model.jobs.size, 1)] ??
      [];
    if (jobId === undefined || job === undefined) return;
    const { from, to, act } = OPERATIONS[name];
    const moved = await act(db, { jobId, principal: "ann" });
    const legal = from.includes(job.state);
    assert.equal(moved?.before, legal ? job.state : undefined);
    if (!legal) return;
    const executorId = job.state === "executing" ? job.executorId : null;
    move(job, { state: to, executorId });
  });
}

function stage(limit: number): Command {
  return step(`stage ${limit}`, async (model, { db }) => {
    const nowMs = db.nowAt().getTime();
    const due = inOrder(model)
      .map(([, job]) => job)
      .filter(({ runAtMs }) => runAtMs !== null && runAtMs <= nowMs)
      .sort((left, right) => (left.runAtMs ?? 0) - (right.runAtMs ?? 0))
      .slice(0, limit);
    assert.equal((await stageJobs(db, { limit })).staged, due.length);
    for (const job of due) move(job, { state: "available" });
  });
}

/** The executor is found missing, its jobs come back, another one starts. */
function die(): Command {
  return step("die", async (model, real) => {
    // Far: the clock may have stepped back since it last beat.
    real.db.advanceMs(100 * MISSING_MS);
    await markMissingExecutors(real.db);
    await rescueLeases(real.db, { limit: 100 });
    for (const job of model.jobs.values()) {
      if (job.state !== "executing") continue;
      const isLast = job.attempt >= job.maxAttempts;
      move(job, { state: isLast ? "discarded" : "available" });
    }
    real.executorId = await executor(real.db);
  });
}

const MISSING_MS = 2_000;

function executor(db: TestDb): Promise<number> {
  return startExecutor(db, {
    name: "a",
    runtime: "Deno",
    queues: ["default"],
    workers: ["work"],
    lateAfterMs: 1_000,
    missingAfterMs: MISSING_MS,
  });
}

/** Also backwards: ids, and what is due, must not mind. */
function wait(ms: number): Command {
  return step(`wait ${ms}`, (_model, { db }) => {
    db.advanceMs(ms);
    return Promise.resolve();
  });
}

const which = fc.nat({ max: 99 });
const ANY_COMMAND = [
  fc.tuple(fc.option(fc.constantFrom(1, 1_000)), fc.integer({ min: 1, max: 3 }))
    .map(([delayMs, maxAttempts]) => insert(delayMs, maxAttempts)),
  fc.integer({ min: 1, max: 4 }).map(claim),
  fc.tuple(
    which,
    fc.constantFrom<RunResult["to"]>(
      "completed",
      "cancelled",
      "discarded",
      "retryable",
      "scheduled",
      "available",
    ),
  ).map(([index, to]) => end(index, to)),
  fc.tuple(which, fc.constantFrom("cancel", "discard", "retry"))
    .map(([index, name]) => operate(index, name as keyof typeof OPERATIONS)),
  fc.integer({ min: 1, max: 5 }).map(stage),
  fc.constantFrom(1, 500, 5_000, -700).map(wait),
  fc.constant(null).map(die),
];

Deno.test("the tables say of every job what a model of it says, after any steps", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.commands(ANY_COMMAND, { maxCommands: 80, size: "max" }),
      async (commands) => {
        await using db = await testDb();
        const executorId = await executor(db);
        await fc.asyncModelRun(
          () => ({
            model: { jobs: new Map(), runs: [] },
            real: { db, executorId },
          }),
          commands,
        );
      },
    ),
    { numRuns: 25, interruptAfterTimeLimit: 25_000 },
  );
});
