/**
 * The way of jobs with limiters against a model of it in memory, beside
 * everything else that happens to jobs; and at the end, whatever was done, all of
 * them run. As `engine_model_test.ts`, with the same options.
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import type { Database } from "../../src/db/database.ts";
import { acknowledge } from "../../src/store/outcomes.ts";
import { ensureQueues, resumeQueue } from "../../src/store/queues.ts";
import { usePGlite } from "../support/pglite.ts";
import { usePostgres } from "../support/postgres.ts";
import { ON_JOBS, stageSome } from "./commands_on_jobs.ts";
import { declareAll, ON_LIMITS } from "./commands_on_limits.ts";
import { ON_RUNS } from "./commands_on_runs.ts";
import { begin, ON_TIME } from "./commands_on_time.ts";
import { compareLimits } from "./compare_limits.ts";
import { claimLimitedFor } from "./limited_claim.ts";
import { LimitedModel, WORKER_LIMITS } from "./model_limits.ts";
import type { Command, Real } from "./step.ts";
import { BEGIN_MS, inPGlite, type Open, overTwoConnections } from "./worlds.ts";

const testDb = usePGlite();
const testPostgres = usePostgres();

const CI_LIMIT_MS = 8_000;
const LONG_LIMIT_MS = 600_000;

/** After each step, limiters are compared as well. */
function compared(command: Command): Command {
  return {
    check: (model) => command.check(model),
    async run(model, real) {
      await command.run(model, real);
      const [db] = real.connections;
      assert.ok(db);
      await compareLimits(model as LimitedModel, db);
    },
    toString: () => String(command),
  };
}

async function holds(
  open: Open,
): Promise<void> {
  const runs = Number(Deno.env.get("YARDMASTER_MODEL_RUNS") ?? 0);
  const seed = Deno.env.get("YARDMASTER_MODEL_SEED");
  const commands = fc.commands(
    [...ON_LIMITS, ...ON_JOBS, ...ON_RUNS, ...ON_TIME]
      .map((each) => each.map(compared)),
    { maxCommands: 120, size: "max" },
  );
  await fc.assert(
    fc.asyncProperty(commands, async (commands) => {
      await using real = await open();
      real.setNow(new Date(BEGIN_MS));
      const model = new LimitedModel(BEGIN_MS);
      const [db] = real.connections;
      assert.ok(db);
      await ensureQueues(db, [{ name: "mail", limit: 5 }]);
      await declareAll({ model, db });
      await begin({ model, db });
      await fc.asyncModelRun(() => ({ model, real }), commands);
      await drain({ model, db, real });
    }),
    {
      numRuns: runs || 100,
      interruptAfterTimeLimit: runs ? LONG_LIMIT_MS : CI_LIMIT_MS,
      ...(seed && { seed: Number(seed) }),
    },
  );
}

/** More jobs than this do not come together, and each takes a few seconds. */
const ROUNDS_MAX = 400;

/** Once time passes and what runs ends, nothing waits for ever. */
async function drain({ model, db, real }: {
  readonly model: LimitedModel;
  readonly db: Database;
  readonly real: Real;
}): Promise<void> {
  for (const name of model.paused) await resumeQueue(db, { name });
  model.paused.clear();
  const known = new Set(model.executors.keys());
  await begin({ model, db });
  const executorId = [...model.executors.keys()].find((id) => !known.has(id));
  assert.ok(executorId);
  const queue = { declaredLimit: 5, prefetch: 0, held: 0, most: 20 };
  for (let round = 0; round < ROUNDS_MAX; round++) {
    await endAll({ model, db });
    model.nowMs += 5_000;
    real.setNow(new Date(model.nowMs));
    await stageSome({ model, db }, 1_000);
    if (model.waiting().length === 0) return;
    await claimLimitedFor({ model, db }, {
      executorId,
      workers: Object.keys(WORKER_LIMITS),
      queues: ["mail", "pictures"].map((name) => ({ ...queue, queue: name })),
      // Nobody tells of what ended: who waits for it looks by itself.
    }, { releases: false });
    await compareLimits(model, db);
  }
  assert.fail(`${model.waiting().length} wait for ever`);
}

async function endAll({ model, db }: {
  readonly model: LimitedModel;
  readonly db: Database;
}): Promise<void> {
  const held = model.runs.filter(({ jobId, leaseId }) =>
    model.jobs.get(jobId)?.at.leaseId === leaseId
  );
  const results = held.map(({ leaseId, jobId, attempt }) => {
    return { leaseId, jobId, attempt, to: "completed" as const, tookMs: 1 };
  });
  const [first] = held;
  if (first === undefined) return;
  assert.deepEqual(
    await acknowledge(db, first.executorId, results),
    model.acknowledge(first.executorId, results),
  );
}

Deno.test("limiters give what a model gives after any steps, and at last all jobs run, in PGlite", async () => {
  await holds(inPGlite(testDb));
});

Deno.test("limiters give what a model gives after any steps, and at last all jobs run, over two connections to Postgres", async () => {
  await overTwoConnections(testPostgres, holds);
});
