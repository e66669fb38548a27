/**
 * Random worlds on a real Postgres: what is said of each waiting job against what
 * the next claims do with it, and what is said of a queue against its jobs.
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import type { Database } from "../../src/db/database.ts";
import { sql } from "../../src/db/sql.ts";
import type { JobDiagnosis } from "../../src/domain/diagnosis.ts";
import { explainJob } from "../../src/domain/explain.ts";
import { explainQueue } from "../../src/domain/explain_queue.ts";
import type { JobId } from "../../src/domain/job.ts";
import { findExplainFacts } from "../../src/store/explain.ts";
import {
  listBusyQueueFacts,
  readQueueFacts,
} from "../../src/store/explain_queue.ts";
import { claimJobs } from "../../src/store/leases.ts";
import { stageJobs } from "../../src/store/scheduled.ts";
import { givenExecutor, givenJob, givenQueue } from "../support/job_world.ts";
import { usePostgres } from "../support/postgres.ts";
import { type StillDb, stillDb } from "../support/still_db.ts";

const testPostgres = usePostgres();

const QUEUES = ["mail", "sync"] as const;
const WORKERS = ["a", "b", "c"] as const;
const BEAT_AGO_MS = { healthy: 0, late: 60_000, missing: 600_000 } as const;

const queue = fc.record({
  limit: fc.integer({ min: 1, max: 3 }),
  paused: fc.nat({ max: 4 }).map((dice) => dice === 0),
});
const executor = fc.record({
  queues: fc.subarray([...QUEUES], { minLength: 1 }),
  workers: fc.subarray([...WORKERS], { minLength: 1 }),
  health: fc.constantFrom("healthy", "healthy", "late", "missing"),
  stopped: fc.nat({ max: 5 }).map((dice) => dice === 0),
  held: fc.array(fc.nat({ max: 1 }), { maxLength: 3 }),
}).map(({ held, ...each }) => ({
  ...each,
  // What it holds it has claimed, so it is of its own queues.
  held: held.map((index) => each.queues[index % each.queues.length] ?? ""),
}));
const job = fc.record({
  queue: fc.constantFrom(...QUEUES),
  worker: fc.constantFrom(...WORKERS),
  state: fc.constantFrom("available", "available", "scheduled", "retryable"),
  priority: fc.nat({ max: 2 }),
  dueInMs: fc.constantFrom(-90_000, -1_000, 60_000),
  deadlineInMs: fc.constantFrom(null, null, null, -1_000, 30_000),
});
const anyWorld = fc.record({
  queues: fc.tuple(queue, queue),
  executors: fc.array(executor, { maxLength: 4 }),
  jobs: fc.array(job, { minLength: 1, maxLength: 10 }),
  backwards: fc.boolean(),
});
type AnyWorld = typeof anyWorld extends fc.Arbitrary<infer World> ? World
  : never;

const OPEN = { limit: 3, paused: false };
const TWO_OPEN: AnyWorld["queues"] = [OPEN, OPEN];
const SERVES: AnyWorld["executors"][number] = {
  queues: ["mail"],
  workers: ["a"],
  health: "healthy",
  stopped: false,
  held: [],
};
const WAITS: AnyWorld["jobs"][number] = {
  queue: "mail",
  worker: "a",
  state: "available",
  priority: 1,
  dueInMs: -1_000,
  deadlineInMs: null,
};

/** Together they have every reason; what chance adds is looked at after them. */
const FIRST_WORLDS: readonly AnyWorld[] = [
  // More than there is room for, one that is due, and three that are not.
  {
    queues: TWO_OPEN,
    executors: [SERVES],
    jobs: [
      ...[WAITS, WAITS, WAITS, WAITS],
      { ...WAITS, state: "scheduled" },
      { ...WAITS, state: "scheduled", dueInMs: 60_000 },
      { ...WAITS, state: "retryable", dueInMs: 60_000 },
      {
        ...WAITS,
        state: "scheduled",
        dueInMs: 60_000,
        deadlineInMs: 30_000,
      },
      // No process knows its worker; no process serves its queue.
      { ...WAITS, worker: "c" },
      { ...WAITS, queue: "sync" },
    ],
    backwards: false,
  },
  {
    queues: [{ ...OPEN, paused: true }, OPEN],
    executors: [SERVES],
    jobs: [WAITS],
    backwards: false,
  },
  {
    queues: [{ ...OPEN, limit: 1 }, OPEN],
    executors: [{ ...SERVES, held: ["mail"] }],
    jobs: [WAITS, WAITS],
    backwards: true,
  },
];
const EXAMPLES = FIRST_WORLDS.map((world): [AnyWorld] => [world]);

/** Of a world that was built: who ticks. */
interface Executor {
  readonly id: number;
  readonly queues: readonly string[];
  readonly workers: readonly string[];
  readonly health: keyof typeof BEAT_AGO_MS;
  readonly held: readonly string[];
}

async function build(db: StillDb, world: AnyWorld) {
  for (const [index, name] of QUEUES.entries()) {
    const { limit = 1, paused = false } = world.queues[index] ?? {};
    await givenQueue(db, { name, limit, pausedBy: paused ? "ops" : null });
  }
  const alive: Executor[] = [];
  for (const each of world.executors) {
    const beatAgoMs = BEAT_AGO_MS[each.health];
    const id = await givenExecutor(db, { ...each, beatAgoMs });
    for (const queue of each.held) {
      const state = "executing";
      await givenJob(db, { state, queue, executorId: id, attempt: 1 });
    }
    if (each.stopped) {
      await db.query(sql`
        update yardmaster.executors set stopped_at = ${db.now}
        where id = ${id}
      `);
    } else if (each.health !== "missing") alive.push({ ...each, id });
  }
  const jobs: JobId[] = [];
  for (const { deadlineInMs, ...each } of world.jobs) {
    const deadlineAt = deadlineInMs === null
      ? null
      : new Date(db.nowAt().getTime() + deadlineInMs);
    jobs.push(await givenJob(db, { ...each, deadlineAt, attempt: 1 }));
  }
  return { alive, jobs };
}

/** One claim of each that is alive, for all the places that it has. */
async function claimOnce(
  db: Database,
  { alive, world }: {
    readonly alive: readonly Executor[];
    readonly world: AnyWorld;
  },
): Promise<ReadonlySet<JobId>> {
  const claimed = new Set<JobId>();
  for (const { id, queues, workers, held } of alive) {
    const demands = queues.map((queue) => {
      const { limit = 1 } = world.queues[QUEUES.indexOf(queue as never)] ?? {};
      const already = held.filter((each) => each === queue).length;
      return {
        queue,
        declaredLimit: limit,
        held: already,
        prefetch: 0,
        most: Math.max(limit - already, 0),
      };
    });
    const runs = await claimJobs(db, {
      executorId: id,
      workers,
      queues: demands,
    });
    for (const { jobId } of runs) claimed.add(jobId);
  }
  return claimed;
}

/** Codes of a job that no claim can take, whoever ticks. */
const HELD: readonly JobDiagnosis[] = [
  "job_scheduled",
  "job_retryable",
  "job_deadline_first",
  "job_queue_paused",
  "job_unserved",
  "job_worker_unknown",
  "job_queue_full",
];

class Undone extends Error {}

/** Builds a world in a transaction, looks at it, and takes it away. */
async function inWorld(
  db: StillDb,
  look: (db: StillDb) => Promise<void>,
): Promise<void> {
  try {
    await db.transaction(async (tx) => {
      await look(Object.assign(tx, {
        advanceMs: db.advanceMs,
        nowAt: db.nowAt,
      }));
      throw new Undone();
    });
  } catch (error) {
    if (!(error instanceof Undone)) throw error;
  }
}

Deno.test("a waiting job that is not claimed has a reason, and one that is called runnable is claimed", async () => {
  await using postgres = await testPostgres();
  const still = stillDb(postgres.db);
  const met = new Set<JobDiagnosis>();
  await fc.assert(
    fc.asyncProperty(anyWorld, (world) =>
      inWorld(still, async (db) => {
        const { alive, jobs } = await build(db, world);
        const said = new Map<JobId, ReturnType<typeof explainJob>>();
        for (const id of jobs) {
          const facts = await findExplainFacts(db, id);
          assert.ok(facts);
          said.set(id, explainJob(facts));
        }

        // What a tick does; the order in which they come must not matter.
        await stageJobs(db, { limit: 1_000 });
        const turns = world.backwards ? alive.toReversed() : alive;
        const claimed = await claimOnce(db, { alive: turns, world });

        for (const [id, { reasons, runnable }] of said) {
          const codes = reasons.map(({ code }) => code);
          const what = `${id}: ${codes.join()}`;
          for (const code of codes) met.add(code);
          assert.equal(runnable, codes.join() === "job_ready", what);
          assert.ok(claimed.has(id) || !runnable, `not claimed, ${what}`);
          if (codes.some((code) => HELD.includes(code))) {
            assert.ok(!claimed.has(id), `claimed all the same, ${what}`);
          }
        }
      })),
    { numRuns: 150, examples: EXAMPLES },
  );
  for (const code of [...HELD, "job_ready", "job_behind", "job_due"] as const) {
    assert.ok(met.has(code), `no world had ${code}`);
  }
});

Deno.test("a queue is explained by the reasons of its jobs, each counted", async () => {
  await using postgres = await testPostgres();
  const still = stillDb(postgres.db);
  await fc.assert(
    fc.asyncProperty(anyWorld, (world) =>
      inWorld(still, async (db) => {
        // A queue knows nothing of the deadlines of its jobs.
        const jobs = world.jobs.map((each) => ({
          ...each,
          deadlineInMs: null,
        }));
        await build(db, { ...world, jobs });
        const rows = await db.query<{ id: JobId; queue: string }>(
          sql`select id, queue from yardmaster.jobs`,
        );
        const busy = await listBusyQueueFacts(db);
        for (const name of QUEUES) {
          const counts = new Map<string, number>();
          for (const { id } of rows.filter(({ queue }) => queue === name)) {
            const facts = await findExplainFacts(db, id);
            for (const { code } of facts ? explainJob(facts).reasons : []) {
              counts.set(code, (counts.get(code) ?? 0) + 1);
            }
          }

          const facts = await readQueueFacts(db, name);
          const { code, reasons } = explainQueue(facts);

          const told = new Map<string, number>();
          for (const { reason, jobs } of reasons) {
            assert.equal(jobs.precision, "exact");
            const before = told.get(reason.code) ?? 0;
            told.set(reason.code, before + jobs.count);
          }
          assert.deepEqual(
            Object.fromEntries([...told].sort()),
            Object.fromEntries([...counts].sort()),
          );
          const other = busy.find(({ queue }) => queue.name === name);
          if (facts.ready.count > 0) {
            assert.ok(other);
            assert.equal(explainQueue(other).code, code);
          } else assert.equal(other, undefined);
        }
      })),
    { numRuns: 100, examples: EXAMPLES },
  );
});
