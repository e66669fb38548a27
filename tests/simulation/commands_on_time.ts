/** What passes and what ends: clocks, processes, days and what was kept. */
import assert from "node:assert/strict";
import fc from "fast-check";
import {
  beatExecutor,
  markMissingExecutors,
  startExecutor,
  stopExecutor,
} from "../../src/store/executors.ts";
import {
  dropOutputs,
  emptyOutputs,
  pruneEmptyOutputs,
} from "../../src/store/output_retention.ts";
import {
  createPartition,
  dropDay,
  listMissingPartitions,
  listOldDays,
} from "../../src/store/partitions.ts";
import {
  pruneDefaultPartitions,
  pruneExecutors,
  pruneOldEvents,
} from "../../src/store/retention.ts";
import {
  forgetClaimsOfGoneJobs,
  pruneUniqueKeys,
} from "../../src/store/unique_keys.ts";
import { until } from "../support/until.ts";
import { rescueSome } from "./commands_on_jobs.ts";
import { type Command, pick, type Step, step, turn } from "./step.ts";
import { dayOf, MISSING_MS } from "./model_retention.ts";

const DAY_MS = 86_400_000;
const KEEP_MS = 7 * DAY_MS;
const LIMIT = 1_000;

/** Also backwards: ids, and what is due, must not mind. */
const wait = fc.constantFrom(
  1,
  500,
  // Late, and not missing.
  1_500,
  1_500,
  5_000,
  5_000,
  -700,
  DAY_MS,
  8 * DAY_MS,
  8 * DAY_MS,
).map((ms) =>
  step(`wait ${ms}`, 0, ({ model, real }) => {
    model.nowMs += ms;
    real.setNow(new Date(model.nowMs));
    return Promise.resolve();
  })
);

/** Makes a process known that may run jobs. */
export async function begin({ model, db }: Omit<Step, "real">): Promise<void> {
  const id = await startExecutor(db, {
    name: "a",
    runtime: "Deno",
    queues: ["mail"],
    workers: ["send"],
    lateAfterMs: MISSING_MS / 2,
    missingAfterMs: MISSING_MS,
  });
  model.start(id, { beatAt: model.nowMs, stoppedAt: null });
}

const start = turn.map((on) => step("start", on, begin));

const beat = fc.tuple(fc.nat({ max: 99 }), turn).map(([which, on]) =>
  step(`beat ${which}`, on, async ({ model, db }) => {
    const id = pick([...model.executors.keys()], which);
    const executor = id && model.executors.get(id);
    if (!id || !executor) return;
    const lives = executor.stoppedAt === null;
    assert.equal(await beatExecutor(db, id), lives);
    if (lives) executor.beatAt = model.nowMs;
  })
);

/** It stops by itself, also with jobs in its hands: the process is ending. */
const stop = fc.tuple(fc.nat({ max: 99 }), turn).map(([which, on]) =>
  step(`stop ${which}`, on, async ({ model, db }) => {
    const id = pick([...model.executors.keys()], which);
    if (id !== undefined) await stopOne({ model, db }, id);
  })
);

async function stopOne(
  { model, db }: Omit<Step, "real">,
  id: number,
): Promise<void> {
  const executor = model.executors.get(id);
  await stopExecutor(db, id);
  if (!executor || executor.stoppedAt !== null) return;
  executor.beatAt = Math.max(executor.beatAt, model.nowMs);
  executor.stoppedAt = executor.beatAt;
}

/** Somebody looks who has not beaten for long; another process takes over. */
const findMissing = turn.map((on) =>
  step("find missing", on, async ({ model, db }) => {
    const found = await markMissingExecutors(db);
    assert.deepEqual(
      found.toSorted((a, b) => a - b),
      model.markMissing().toSorted((a, b) => a - b),
    );
    if (found.length > 0) await begin({ model, db });
  })
);

/** A process is gone, and another takes its place and its jobs. */
const die = fc.tuple(fc.nat({ max: 99 }), turn).map(([which, on]) =>
  step(`die ${which}`, on, async ({ model, db }) => {
    const holding = [...model.jobs.values()].flatMap(({ at }) =>
      at.state === "executing" && at.executorId !== null ? [at.executorId] : []
    );
    const id = pick(holding, which);
    if (id === undefined) return;
    await stopOne({ model, db }, id);
    await rescueSome({ model, db }, LIMIT);
    await begin({ model, db });
  })
);

/** Gives the day its partitions, where it has none. */
export async function makeDay(
  { model, db }: Omit<Step, "real">,
): Promise<void> {
  for (const each of await listMissingPartitions(db, { daysAhead: 0 })) {
    // Autovacuum may be at the table: then it is for later.
    await until(`${each.table} is free`, () => createPartition(db, each));
  }
  model.days.add(dayOf(new Date(model.nowMs)));
}

const makeToday = turn.map((on) => step("make partitions", on, makeDay));

const dropDays = turn.map((on) =>
  step("drop days", on, async ({ model, db }) => {
    const days = await listOldDays(db, { olderThanMs: KEEP_MS });
    assert.deepEqual(days, model.oldDays(KEEP_MS));
    for (const day of days) {
      await until(
        `${day} is free`,
        () => dropDay(db, { day, keepMs: KEEP_MS }),
      );
      model.dropDay(day, KEEP_MS);
    }
    const tables = ["outputs"] as const;
    for (const day of await listOldDays(db, { olderThanMs: KEEP_MS, tables })) {
      // It may stay: what can still be read is never lost.
      await dropOutputs(db, day);
    }
  })
);

const prune = turn.map((on) =>
  step("prune", on, async ({ model, db }) => {
    await emptyOutputs(db, { limit: LIMIT });
    await pruneEmptyOutputs(db, { limit: LIMIT });
    const pruning = { keepMs: KEEP_MS, limit: LIMIT };
    const claims = { goneBeforeMs: KEEP_MS, limit: LIMIT };
    assert.deepEqual(
      [
        await pruneDefaultPartitions(db, pruning),
        await pruneOldEvents(db, pruning),
        await pruneUniqueKeys(db, { limit: LIMIT }) +
        (await forgetClaimsOfGoneJobs(db, claims)).forgotten,
        await pruneExecutors(db, pruning),
      ],
      [
        model.pruneJobs(KEEP_MS),
        model.pruneEvents(KEEP_MS),
        model.pruneClaims(KEEP_MS),
        model.pruneExecutors(KEEP_MS),
      ],
    );
  })
);

export const ON_TIME: readonly fc.Arbitrary<Command>[] = [
  wait,
  wait,
  wait,
  wait,
  start,
  beat,
  stop,
  findMissing,
  findMissing,
  findMissing,
  die,
  die,
  makeToday,
  dropDays,
  dropDays,
  prune,
  prune,
];
