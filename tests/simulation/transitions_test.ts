/**
 * Everything that can happen to jobs, in any order: after each step every job
 * stands in one place, and nothing that lost its lease has changed anything.
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import { sql } from "../../src/db/sql.ts";
import type { JobId } from "../../src/domain/job.ts";
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
import { replaceJob } from "../../src/store/unique_keys.ts";
import { type TestDb, usePGlite } from "../support/pglite.ts";

const testDb = usePGlite();

const ENDS = [
  "completed",
  "cancelled",
  "discarded",
  "retryable",
  "scheduled",
  "available",
] as const satisfies readonly RunResult["to"][];

type Step =
  | {
    readonly do: "insert";
    readonly delayMs: number | null;
    readonly key: number;
  }
  | { readonly do: "claim"; readonly most: number }
  | {
    readonly do: "end";
    readonly which: number;
    readonly to: typeof ENDS[number];
  }
  | {
    readonly do: "cancel" | "discard" | "retry" | "replace";
    readonly which: number;
  }
  | { readonly do: "stage" | "die" }
  | { readonly do: "wait"; readonly ms: number };

const index = fc.nat({ max: 999 });
const anyStep: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant("insert" as const),
      delayMs: fc.option(fc.constant(1_000)),
      key: fc.nat({ max: 6 }),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant("claim" as const),
      most: fc.integer({ min: 1, max: 4 }),
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant("end" as const),
      which: index,
      to: fc.constantFrom(...ENDS),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constantFrom(
        "cancel" as const,
        "discard" as const,
        "retry" as const,
        "replace" as const,
      ),
      which: index,
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constantFrom("stage" as const, "die" as const),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant("wait" as const),
      ms: fc.constantFrom(1, 1_000, 5_000),
    }),
  },
);

/** A world of jobs, and the runs that were ever begun in it. */
class World {
  readonly #db: TestDb;
  readonly #jobs: JobId[] = [];
  readonly #runs: ClaimedJob[] = [];
  #executorId = 0;

  constructor(db: TestDb) {
    this.#db = db;
  }

  async begin(): Promise<void> {
    this.#executorId = await startExecutor(this.#db, {
      name: "a",
      runtime: "Deno",
      queues: ["default"],
      workers: ["work"],
      lateAfterMs: 1_000,
      missingAfterMs: 2_000,
    });
  }

  async take(step: Step): Promise<void> {
    const db = this.#db;
    switch (step.do) {
      case "insert":
        return await this.#insert(step);
      case "claim":
        return await this.#claim(step.most);
      case "end":
        return await this.#end(step);
      case "stage":
        return void await stageJobs(db, { limit: 3 });
      case "wait":
        return db.advanceMs(step.ms);
      case "die":
        return await this.#die();
      default:
        return await this.#operate(step);
    }
  }

  async #insert(
    step: { readonly delayMs: number | null; readonly key: number },
  ): Promise<void> {
    const states = [
      "available",
      "scheduled",
      "retryable",
      "executing",
    ] as const;
    const [answer] = await insertJobs(this.#db, [{
      queue: "default",
      worker: "work",
      args: {},
      priority: 0,
      maxAttempts: 2,
      delayMs: step.delayMs,
      unique: step.key === 0
        ? null
        : { key: `k${step.key}`, states, periodMs: null },
    }]);
    assert.ok(answer);
    if (answer.status === "inserted") this.#jobs.push(answer.jobId);
    else assert.ok(this.#jobs.includes(answer.jobId));
  }

  async #claim(most: number): Promise<void> {
    const queue = { queue: "default", declaredLimit: 9, held: 0, prefetch: 0 };
    const executorId = this.#executorId;
    const runs = await claimJobs(this.#db, {
      executorId,
      workers: ["work"],
      queues: [{ ...queue, most }],
    });
    this.#runs.push(...runs);
  }

  /** Of any run there ever was: most of them have lost their lease by then. */
  async #end(
    step: { readonly which: number; readonly to: RunResult["to"] },
  ): Promise<void> {
    const run = this.#runs[step.which % Math.max(this.#runs.length, 1)];
    if (run === undefined) return;
    const { leaseId, jobId, attempt } = run;
    const before = await this.#standing(jobId);
    const [answer] = await acknowledge(this.#db, this.#executorId, [
      { leaseId, jobId, attempt, to: step.to, tookMs: 1, delayMs: 500 },
    ]);
    const held = before?.leaseId === leaseId;
    // Told twice, the same end of the same attempt is no loss.
    const told = !held && answer === "applied" && before?.state === step.to;
    assert.equal(answer, held || told ? "applied" : "lost");
    const after = await this.#standing(jobId);
    assert.equal(after?.state, held ? step.to : before?.state);
  }

  async #operate(
    step: { readonly do: string; readonly which: number },
  ): Promise<void> {
    const jobId = this.#jobs[step.which % Math.max(this.#jobs.length, 1)];
    if (jobId === undefined) return;
    const transition = { jobId, principal: "ann" };
    const before = (await this.#standing(jobId))?.state;
    if (step.do === "replace") {
      const insert = { queue: "default", worker: "work", args: { n: 2 } };
      await replaceJob(this.#db, {
        jobId,
        fields: ["args", "runAt"],
        insert: { ...insert, priority: 0, maxAttempts: 2, delayMs: 100 },
      });
      return;
    }
    const act = { cancel: cancelJob, discard: discardJob, retry: retryJob };
    const moved = await act[step.do as keyof typeof act](this.#db, transition);
    const after = (await this.#standing(jobId))?.state;
    assert.equal(moved?.before ?? before, before);
    assert.equal(moved?.after ?? before, after);
  }

  /** The executor is found missing, and its work goes to the next. */
  async #die(): Promise<void> {
    this.#db.advanceMs(2_000);
    await markMissingExecutors(this.#db);
    await rescueLeases(this.#db, { limit: 10 });
    await this.begin();
  }

  async #standing(jobId: JobId) {
    const rows = await this.#db.query<
      { state: string; leaseId: string | null }
    >(sql`
      select state::text, lease_id::text as "leaseId"
      from yardmaster.job_states where job_id = ${jobId}::bigint
    `);
    assert.equal(rows.length, 1);
    return rows[0];
  }

  /** Every job stands in one place, and no place holds anything else. */
  async check(): Promise<void> {
    const rows = await this.#db.query<{ id: JobId; places: number }>(sql`
      select coalesce(jobs.id, job_states.job_id)::text as id,
        count(job_states.job_id) filter (where jobs.id is not null)::integer
          as places
      from yardmaster.jobs
      full join yardmaster.job_states on job_states.job_id = jobs.id
      group by 1 order by 1
    `);
    assert.deepEqual(
      rows,
      this.#jobs.toSorted().map((id) => ({ id, places: 1 })),
    );
  }
}

Deno.test("any order of steps leaves every job in one place, and a lost lease changes nothing", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(anyStep, { minLength: 20, maxLength: 60 }),
      async (steps) => {
        await using db = await testDb();
        const world = new World(db);
        await world.begin();
        for (const step of steps) {
          await world.take(step);
          await world.check();
        }
      },
    ),
    { numRuns: 12 },
  );
});
