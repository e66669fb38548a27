/**
 * Every way into the engine, and all that a worker may declare: the table of
 * `docs/concepts.md`, cell by cell.
 */
import assert from "node:assert/strict";
import { z } from "zod";
import { sql } from "../../src/db/sql.ts";
import { argsVersionOf } from "../../src/domain/args_version.ts";
import { defineLimiter } from "../../src/domain/limiter.ts";
import { redactedFieldsOf } from "../../src/domain/redaction.ts";
import { SEALED_KEY } from "../../src/domain/sealed_args.ts";
import type { AnyWorker } from "../../src/engine/worker.ts";
import { defineWorker, type JsonObject } from "../../src/engine/worker.ts";
import { runCronEntryNow } from "../../src/store/cron.ts";
import { listCronSlots } from "../../src/store/cron_slots.ts";
import { createYardmaster } from "../../src/yardmaster.ts";
import { scheduler } from "../support/cron_world.ts";
import { type TestDb, usePGlite } from "../support/pglite.ts";
import { BOTH_KEYS, tablesWith } from "../support/secrets.ts";

const testDb = usePGlite();
const DAY_MS = 86_400_000;

/** One try to get a job in. */
type Told = "inserted" | "conflict" | "blocked" | "invalid";

function yardOf(db: TestDb, worker: AnyWorker) {
  return createYardmaster({
    database: db,
    workers: [worker],
    queues: {},
    encryption: BOTH_KEYS,
    fingerprintKey: "sixteen bytes or more",
    notify: false,
  });
}

interface World {
  readonly db: TestDb;
  readonly worker: AnyWorker;
  readonly args: JsonObject;
}

type Way = (world: World) => Promise<Told>;

/** A daily entry, and something that fires it; then what its slot says. */
function byCron(fire: (db: TestDb) => Promise<unknown>): Way {
  return async ({ db, worker, args }) => {
    const yard = yardOf(db, worker);
    // Writes the limiters down, as a process that runs jobs does.
    await yard.tick({ budgetMs: 1 });
    const set = await yard.cron.set({
      name: "daily",
      expression: "0 12 * * *",
      worker,
      args,
      overlap: "allow",
    });
    if (set.status === "invalid") return "invalid";
    await fire(db);
    const slots = await listCronSlots(db, { name: "daily", limit: 1 });
    const [slot] = slots;
    if (slot?.state === "claimed") return "inserted";
    return slot?.reason === "limited" ? "blocked" : "conflict";
  };
}

const WAYS: Readonly<Record<string, Way>> = {
  "enqueue": async ({ db, worker, args }) =>
    (await yardOf(db, worker).enqueue(worker as never, args as never)).status,
  "enqueueMany": async ({ db, worker, args }) => {
    const [result] = await yardOf(db, worker).enqueueMany(
      [{ worker, args: args as never }],
    );
    return result?.status ?? "invalid";
  },
  "a transaction of the host": async ({ db, worker, args }) =>
    await db.transaction(async (database) =>
      (await yardOf(db, worker).enqueue(worker as never, args as never, {
        database,
      })).status
    ),
  "a slot in time": byCron(async (db) => {
    db.advanceMs(DAY_MS);
    await scheduler(db).runOnce();
  }),
  "a slot that is caught up": byCron(async (db) => {
    db.advanceMs(DAY_MS + 3_600_000);
    await scheduler(db).runOnce();
  }),
  "a run by an operator": byCron((db) =>
    runCronEntryNow(db, { name: "daily", principal: "ops" })
  ),
};

const CALLS = Object.keys(WAYS).slice(0, 3);

interface Row {
  readonly id: string;
  readonly queue: string;
  readonly priority: number;
  readonly args: JsonObject;
  readonly meta: JsonObject;
  readonly deadlineInMs: number | null;
  readonly isLimited: boolean;
}

async function rowsOf(db: TestDb): Promise<Row[]> {
  return await db.query<Row>(sql`
    select id::text as id, queue, priority, args, meta,
      extract(epoch from deadline_at - ${db.now})::float8 * 1000
        as "deadlineInMs",
      exists (select from yardmaster.limited where job_id = id) as "isLimited"
    from yardmaster.jobs
    order by id
  `);
}

/** What a worker declares, the args of its jobs, and what must be seen of it. */
interface Rule {
  readonly worker: AnyWorker;
  readonly args?: JsonObject;
  /** What the first try is told; `inserted` when left out. */
  readonly first?: (way: string) => Told;
  /** What a second one is told; it is not made when left out. */
  readonly second?: (way: string) => Told;
  readonly holds?: (job: Row, db: TestDb) => unknown;
}

const isCall = (way: string) => CALLS.includes(way);
const define = (more: object) =>
  defineWorker({ name: "work", perform: () => {}, ...more }) as AnyWorker;
const limiter = (more: object) =>
  defineLimiter({
    name: "few",
    rate: { capacity: 1, perMs: 30 * DAY_MS },
    ...more,
  });

const RULES: Readonly<Record<string, Rule>> = {
  // What a slot hands over fails where it runs: a plan is not stopped.
  "the schema of its args": {
    worker: define({ args: z.object({ customer: z.int() }) }),
    args: { customer: "seven" },
    first: (way) => isCall(way) ? "invalid" : "inserted",
  },
  "the version of its args": {
    worker: define({ version: 2, upgrade: { 1: (args: object) => args } }),
    holds: ({ meta }) => assert.equal(argsVersionOf(meta), 2),
  },
  "redact": {
    worker: define({ redact: ["token"] }),
    args: { token: "t0ken", customer: 7 },
    holds: async ({ args, meta }, db) => {
      assert.deepEqual(args, { customer: 7 });
      assert.deepEqual(redactedFieldsOf(meta), ["token"]);
      assert.deepEqual(await tablesWith(db, "t0ken"), []);
    },
  },
  "encrypt": {
    worker: define({ encrypt: ["token"] }),
    args: { token: "t0ken", customer: 7 },
    holds: async ({ args }, db) => {
      assert.deepEqual(Object.keys(args).sort(), [SEALED_KEY, "customer"]);
      assert.deepEqual(await tablesWith(db, "t0ken"), []);
    },
  },
  "unique": {
    worker: define({ unique: true }),
    second: () => "conflict",
  },
  "idempotent": {
    worker: define({ idempotent: true }),
    // A slot is its own receipt.
    second: (way) => isCall(way) ? "conflict" : "inserted",
  },
  "a limiter at enqueue": {
    worker: define({ limiters: [limiter({ at: "enqueue" })] }),
    second: () => "blocked",
  },
  "a limiter at dispatch": {
    worker: define({ limiters: [limiter({})] }),
    second: () => "inserted",
    holds: ({ isLimited }) => assert(isLimited),
  },
  "a weight above the capacity": {
    worker: define({ limiters: [limiter({ weight: "size" })] }),
    args: { size: 2 },
    first: () => "invalid",
  },
  "deadlineMs": {
    worker: define({ deadlineMs: 5_000 }),
    holds: ({ deadlineInMs }) => assert.equal(deadlineInMs, 5_000),
  },
  "priority": {
    worker: define({ priority: 4 }),
    holds: ({ priority }) => assert.equal(priority, 4),
  },
  "queue": {
    worker: define({ queue: "own" }),
    holds: ({ queue }) => assert.equal(queue, "own"),
  },
};

for (const [way, go] of Object.entries(WAYS)) {
  Deno.test(`${way}: all that a worker declares holds, or is refused`, async (t) => {
    for (const [name, rule] of Object.entries(RULES)) {
      await t.step(name, async () => {
        await using db = await testDb();
        const { worker, args = { customer: 7 }, holds } = rule;
        const world = { db, worker, args };
        assert.equal(await go(world), rule.first?.(way) ?? "inserted");
        const [job] = await rowsOf(db);
        if (holds !== undefined) {
          assert(job);
          await holds(job, db);
        }
        if (rule.second === undefined) return;
        // A schedule of its own makes the second instant; a run is one more.
        assert.equal(await go(world), rule.second(way));
      });
    }
  });
}
