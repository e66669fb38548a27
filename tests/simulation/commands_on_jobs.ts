/** What hosts, operators and services do to jobs. */
import assert from "node:assert/strict";
import fc from "fast-check";
import type { JobId } from "../../src/domain/job.ts";
import { insertJobs } from "../../src/store/jobs.ts";
import { rescueLeases } from "../../src/store/leases.ts";
import { pauseQueue, resumeQueue, scaleQueue } from "../../src/store/queues.ts";
import { stageJobs } from "../../src/store/scheduled.ts";
import {
  cancelJob,
  discardJob,
  lockJob,
  retryJob,
} from "../../src/store/transitions.ts";
import { replaceJobs } from "../../src/store/replacements.ts";
import type { ModelInsert } from "./model_types.ts";
import {
  type Command,
  inOrder,
  pick,
  rarely,
  type Step,
  step,
  turn,
  which,
} from "./step.ts";

const few = fc.integer({ min: 1, max: 3 });
const QUEUES = ["mail", "mail", "pictures"] as const;
const WORKERS = ["send", "send", "shrink"] as const;
const ALL_STATES = [
  "available",
  "scheduled",
  "retryable",
  "executing",
] as const;

const anyInsert: fc.Arbitrary<ModelInsert> = fc.record({
  queue: fc.constantFrom(...QUEUES),
  worker: fc.constantFrom(...WORKERS),
  priority: fc.constantFrom(0, 0, 5),
  maxAttempts: few,
  delayMs: rarely(4, fc.constantFrom(0, 1_000, 600_000)),
  deadlineMs: rarely(6, fc.constant(2_000)),
  unique: rarely(
    2,
    fc.record({
      key: fc.constantFrom("a", "b"),
      states: fc.constantFrom(
        [...ALL_STATES],
        [...ALL_STATES, "completed" as const],
        ["scheduled" as const],
      ),
      periodMs: fc.constantFrom(null, 2_000, 2_000),
    }),
  ),
});

const insert = fc.tuple(
  fc.array(anyInsert, { minLength: 1, maxLength: 3 }),
  turn,
)
  .map(([inserts, on]) =>
    step(`insert ${fc.stringify(inserts)}`, on, async ({ model, db }) => {
      const rows = inserts.map((each) => ({ ...each, args: {} }));
      const answers = await insertJobs(db, rows);
      assert.deepEqual(answers, model.insert(inserts, answers));
    })
  );

const operate = fc.record({
  which,
  /** One of those that it is meant for, who may be few: or any. */
  isMeant: fc.boolean(),
  what: fc.constantFrom("cancel", "discard", "retry"),
  on: turn,
}).map(({ which, isMeant, what, on }) =>
  step(`${what} ${which} ${isMeant}`, on, async ({ model, db }) => {
    const jobs = inOrder(model);
    const meant = jobs.filter(({ at }) =>
      what === "retry" ? at.finishedAt !== null : at.state === "executing"
    );
    const jobId = pick(isMeant ? meant : jobs, which)?.id;
    if (jobId === undefined) return;
    const principal = "ann";
    if (what === "retry") {
      const moved = await retryJob(db, { jobId, principal });
      return assert.deepEqual(moved, model.retry(jobId, principal));
    }
    const state = what === "cancel" ? "cancelled" : "discarded";
    const act = what === "cancel" ? cancelJob : discardJob;
    const moved = await act(db, { jobId, principal });
    assert.deepEqual(moved, model.end(jobId, { state, principal }));
  })
);

const modes = fc.oneof(
  fc.record({
    mode: fc.constant("replace" as const),
    fields: fc.uniqueArray(
      fc.constantFrom(
        "priority" as const,
        "maxAttempts" as const,
        "runAt" as const,
      ),
    ),
  }),
  fc.record({
    mode: fc.constant("debounce" as const),
    maxWaitMs: fc.constantFrom(null, 1_500),
  }),
  fc.record({ mode: fc.constant("keep_last" as const) }),
);

const replace = fc.record({
  which,
  /** Whoever holds the key, or any job. */
  isHolder: rarely(4, fc.constant(true)).map((any) => any === null),
  key: fc.constantFrom("a", "b"),
  overwrites: modes,
  delayMs: fc.constantFrom(0, 1_000),
  on: turn,
}).map(({ which, isHolder, key, overwrites, delayMs, on }) =>
  step(
    `replace ${fc.stringify(overwrites)} of ${isHolder ? key : which}`,
    on,
    async ({ model, db }) => {
      const jobId = isHolder
        ? model.claims.get(key)?.jobId
        : pick(inOrder(model), which)?.id;
      if (jobId === undefined) return;
      const given = { priority: 3, maxAttempts: 9, delayMs };
      const newest = { queue: "mail", worker: "send", ...given };
      const insert = { ...newest, args: {} };
      assert.deepEqual(
        await replaceJobs(db, [{ key, jobId, overwrites, insert }]),
        [model.replace({ key, jobId, overwrites, insert: newest })],
      );
    },
  )
);

/** What a page or a preview sees. */
const look = fc.tuple(which, turn).map(([which, on]) =>
  step(`look ${which}`, on, async ({ model, db }) => {
    const job = pick(inOrder(model), which);
    if (job === undefined) return;
    const seen = await db.transaction((tx) => lockJob(tx, job.id));
    const { state, attempt, leaseId } = job.at;
    assert.equal(seen?.state, state);
    assert.equal(seen.attempt, attempt);
    assert.equal(seen.leaseId, leaseId);
  })
);

const stage = fc.tuple(fc.integer({ min: 1, max: 5 }), turn).map((
  [limit, on],
) => step(`stage ${limit}`, on, (step) => stageSome(step, limit)));

/** What is due comes where it can be claimed. */
export async function stageSome(
  { model, db }: Omit<Step, "real">,
  limit: number,
): Promise<void> {
  const { staged, queues, nextInMs } = await stageJobs(db, { limit });
  const expected = model.stage(limit);
  assert.equal(staged, expected.length);
  assert.deepEqual([...queues].sort(), [...new Set(expected)].sort());
  const waits = [...model.jobs.values()].flatMap(({ at }) =>
    at.runAt !== null && at.runAt > model.nowMs ? [at.runAt] : []
  );
  const next = waits.length === 0 ? null : Math.min(...waits) - model.nowMs;
  assert.equal(nextInMs, next);
}

const rescue = fc.tuple(few, turn).map(([limit, on]) =>
  step(`rescue ${limit}`, on, (step) => rescueSome(step, limit))
);

/** Takes the leases of those that are gone apart. */
export async function rescueSome(
  { model, db }: Omit<Step, "real">,
  limit: number,
): Promise<void> {
  const found = await rescueLeases(db, { limit });
  const { rescued, discarded } = model.rescue(limit);
  assert.deepEqual(found, {
    rescued: rescued.length,
    discarded: discarded.length,
    queues: [...new Set(rescued.map(({ queue }) => queue))].sort(),
    discardedIds: discarded.map(({ id }) => id).sort(byId),
  });
}

const steer = fc.record({
  what: fc.constantFrom("pause", "resume", "resume", "scale"),
  limit: fc.option(few, { freq: 2 }),
  on: turn,
}).map(({ what, limit, on }) =>
  step(`${what} ${limit}`, on, async ({ model, db }) => {
    const name = "mail";
    if (what === "pause") {
      const paused = await pauseQueue(db, { name, principal: "ann" });
      assert.equal(paused === null, model.paused.has(name));
      model.paused.add(name);
    } else if (what === "resume") {
      const resumed = await resumeQueue(db, { name });
      assert.equal(resumed !== null, model.paused.delete(name));
    } else {
      await scaleQueue(db, { name, limit });
      if (limit === null) model.chosenLimits.delete(name);
      else model.chosenLimits.set(name, limit);
    }
  })
);

/** What happens often, more than once. */
export const ON_JOBS: readonly fc.Arbitrary<Command>[] = [
  insert,
  insert,
  insert,
  insert,
  insert,
  operate,
  operate,
  replace,
  look,
  stage,
  stage,
  rescue,
  steer,
];

function byId(left: JobId, right: JobId): number {
  return Number(BigInt(left) - BigInt(right));
}
