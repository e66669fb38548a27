/** What is done to jobs with limiters, and to the limiters. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { admitInserted } from "../../src/store/enqueue_gate.ts";
import { insertJobs } from "../../src/store/jobs.ts";
import {
  clearLimiterCooldown,
  coolDownLimiter,
} from "../../src/store/limiter_cooldowns.ts";
import { declareLimiters } from "../../src/store/limiter_declarations.ts";
import {
  pruneLimiterGrants,
  pruneLimiterPartitions,
} from "../../src/store/limiter_retention.ts";
import { pruneStaleLanes, replaceMisplaced } from "../../src/store/limited.ts";
import { scaleLimiter } from "../../src/store/limiters.ts";
import { sql } from "../../src/db/sql.ts";
import { claimLimitedFor, noneIsDead } from "./limited_claim.ts";
import {
  GATED,
  type LimitedArgs,
  type LimitedModel,
  LIMITERS,
  WORKER_LIMITS,
} from "./model_limits.ts";
import type { Model } from "./model.ts";
import type { ModelInsert } from "./model_types.ts";
import { type Command, pick, rarely, type Step, step, turn } from "./step.ts";
import { which } from "./step.ts";

const anyArgs: fc.Arbitrary<LimitedArgs> = fc.record({
  key: fc.constantFrom("a", "a", "b"),
  weight: fc.constantFrom(1, 1, 2, 2.9, 3),
}, { requiredKeys: [], noNullPrototype: true });

const anyLimited = fc.record({
  worker: fc.constantFrom("call", "fetch", "page"),
  queue: fc.constantFrom("mail", "mail", "pictures"),
  priority: fc.constantFrom(0, 0, 5),
  maxAttempts: fc.integer({ min: 1, max: 3 }),
  delayMs: rarely(6, fc.constant(1_000)),
  args: anyArgs,
});

/** The model of a run that has limiters. */
export function limitsOf(model: Model): LimitedModel {
  return model as LimitedModel;
}

const insert = fc.tuple(
  fc.array(anyLimited, { minLength: 1, maxLength: 6 }),
  turn,
).map(([inserts, on]) =>
  step(`insert limited ${fc.stringify(inserts)}`, on, async (step) => {
    const model = limitsOf(step.model);
    const rows = inserts.map((each) => ({ ...each, limited: true }));
    const answers = await insertJobs(step.db, rows);
    const plain: ModelInsert[] = inserts.map(({ args: _, ...each }) => {
      return { ...each, deadlineMs: null, unique: null };
    });
    assert.deepEqual(answers, model.insert(plain, answers));
    for (const [place, { jobId }] of answers.entries()) {
      model.args.set(jobId, inserts[place]?.args ?? {});
    }
  })
);

/** Jobs are inserted, and those that are refused were never there. */
const enqueueGated = fc.tuple(
  fc.array(anyArgs, { minLength: 1, maxLength: 4 }),
  turn,
).map(([all, on]) =>
  step(`enqueue gated ${fc.stringify(all)}`, on, async ({ model, db }) => {
    const limits = limitsOf(model);
    const insert = { queue: "mail", worker: "post", priority: 0 };
    const { answers, refused } = await db.transaction(async (tx) => {
      const answers = await insertJobs(
        tx,
        all.map((args) => ({ ...insert, maxAttempts: 1, args })),
      );
      const ids = answers.map(({ jobId }) => jobId);
      return { answers, refused: await admitInserted(tx, ids) };
    });
    const plain = { ...insert, maxAttempts: 1, delayMs: null };
    model.insert(
      all.map(() => ({ ...plain, deadlineMs: null, unique: null })),
      answers,
    );
    for (const [place, { jobId }] of answers.entries()) {
      limits.args.set(jobId, all[place] ?? {});
      limits.look(limits.sharesOf({ id: jobId, worker: "post" }));
    }
    for (const { jobId } of answers) {
      const shares = limits.sharesOf({ id: jobId, worker: "post" });
      const blocks = limits.blocksOf(shares);
      assert.deepEqual(
        (refused.get(jobId) ?? []).map((each) => [
          each.limiter,
          each.key,
          each.code,
          each.eligibleAt?.getTime() ?? null,
          each.weight,
          each.capacity,
        ]),
        blocks.map(({ share, code, eligibleAt }) => [
          share.limiter,
          share.key,
          code,
          eligibleAt,
          share.weight,
          limits.capacityOf(share.limiter),
        ]),
      );
      if (blocks.length > 0) model.jobs.delete(jobId);
      else limits.take(shares);
    }
  })
);

const claim = fc.record({
  executor: which,
  workers: fc.constantFrom(
    ["call", "fetch", "page"],
    ["fetch", "page", "call"],
    [
      "call",
    ],
  ),
  queues: fc.constantFrom(["mail", "pictures"], ["pictures", "mail"], ["mail"]),
  most: fc.integer({ min: 1, max: 6 }),
  held: fc.constantFrom(0, 0, 0, 2, 9),
  fromDead: rarely(8, fc.constant(true)),
  releases: fc.boolean(),
  on: turn,
}).map(({ executor, workers, queues, most, held, fromDead, releases, on }) =>
  step(
    `claim limited ${most} of ${queues} ${releases}`,
    on,
    async ({ model, db }) => {
      const ids = [...model.executors].flatMap(([id, { stoppedAt }]) =>
        (stoppedAt !== null) === (fromDead ?? false) ? [id] : []
      );
      const executorId = pick(ids, executor);
      if (executorId === undefined) return;
      const queue = { declaredLimit: 5, prefetch: 1, held, most };
      await claimLimitedFor({ model: limitsOf(model), db }, {
        executorId,
        workers,
        queues: queues.map((name) => ({ ...queue, queue: name })),
      }, { releases });
    },
  )
);

const place = fc.record({
  limiter: fc.constantFrom(...LIMITERS),
  key: fc.option(fc.constantFrom("a", "b", ""), { freq: 2 }),
  on: turn,
}).map(({ limiter, key, on }) => ({
  limiter: limiter.name,
  key: key === null || limiter.partitionBy === null ? null : key,
  on,
}));

const cool = fc.tuple(place, fc.constantFrom(500, 4_000), fc.boolean()).map(
  ([{ limiter, key, on }, forMs, extendsOnly]) =>
    step(`cool down ${limiter} ${key} ${forMs}`, on, async ({ model, db }) => {
      const untilMs = model.nowMs + forMs;
      const cooldown = { limiter, key, extendsOnly };
      const until = await coolDownLimiter(db, {
        ...cooldown,
        ...{ forMs, reason: "It said 429", by: "ann" },
      });
      const expected = limitsOf(model).coolDown({ ...cooldown, untilMs });
      assert.equal(until?.getTime(), expected);
    }),
);

const clear = place.map(({ limiter, key, on }) =>
  step(`clear ${limiter} ${key}`, on, async ({ model, db }) => {
    const cleared = await clearLimiterCooldown(db, { limiter, key, by: "ann" });
    const expected = limitsOf(model).clearCooldown(limiter, key);
    assert.equal(cleared, expected);
    if (cleared) await mustLook({ model, db }, { limiter, key });
  })
);

const scale = fc.tuple(place, fc.constantFrom(1, 2, 3, 8, null)).map((
  [{ limiter, on }, capacity],
) =>
  step(`scale ${limiter} to ${capacity}`, on, async ({ model, db }) => {
    const principal = "ann";
    const row = await scaleLimiter(db, { name: limiter, capacity, principal });
    const expected = limitsOf(model).scale(limiter, capacity);
    assert.equal(row !== null, expected);
    if (expected) await mustLook({ model, db }, { limiter, key: null });
  })
);

/** All that waited for it look again. */
async function mustLook(
  { model, db }: Omit<Step, "real">,
  { limiter, key }: { readonly limiter: string; readonly key: string | null },
): Promise<void> {
  const asleep = await db.query(sql`
    select from yardmaster.lanes
    where blocked_limiter = ${limiter}
      and (${key}::text is null or blocked_key = ${key})
      and look_at > ${new Date(model.nowMs)}
  `);
  assert.equal(asleep.length, 0, `${limiter} ${key} sleeps on`);
}

const prune = turn.map((on) =>
  step("prune limits", on, async ({ db }) => {
    await pruneStaleLanes(db);
    await pruneLimiterGrants(db, { limit: 100 });
    await pruneLimiterPartitions(db, { limit: 100 });
    await noneIsDead(db);
  })
);

/** Code comes that gives a worker other limiters than it had. */
const redeclare = fc.tuple(fc.boolean(), turn).map(([isLess, on]) =>
  step(`redeclare ${isLess}`, on, async ({ model, db }) => {
    const limits = limitsOf(model);
    const all = WORKER_LIMITS.call ?? [];
    limits.limits.set("call", isLess ? all.slice(0, 1) : all);
    await declareAll({ model, db });
    await replaceMisplaced(db, { limit: 1_000 });
  })
);

/** As a process does when it starts. */
export async function declareAll(
  { model, db }: Omit<Step, "real">,
): Promise<void> {
  const workers = [...limitsOf(model).limits, ...Object.entries(GATED)];
  await declareLimiters(db, {
    limiters: LIMITERS,
    workers: workers.map(([name, limiters]) => ({ name, limiters })),
  });
}

/** What happens often, more than once. */
export const ON_LIMITS: readonly fc.Arbitrary<Command>[] = [
  ...Array.from({ length: 6 }, () => insert),
  ...Array.from({ length: 12 }, () => claim),
  ...[enqueueGated, enqueueGated, enqueueGated, cool, cool, clear, clear],
  ...[scale, scale, prune, redeclare],
];
