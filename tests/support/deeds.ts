/** Everything that a process does to the database in more than one statement. */
import { reencrypt } from "../../src/control/encryption.ts";
import { type OperatorApi, operatorApi } from "../../src/control/operator.ts";
import type { Database } from "../../src/db/database.ts";
import { migrate } from "../../src/db/migrate.ts";
import { sql } from "../../src/db/sql.ts";
import type { CronOverlap } from "../../src/domain/cron_entry.ts";
import type { JobId } from "../../src/domain/job.ts";
import { KeyRing } from "../../src/domain/key_ring.ts";
import { defineLimiter } from "../../src/domain/limiter.ts";
import type { UniqueOptions } from "../../src/domain/unique_key.ts";
import { createEngine, type Engine } from "../../src/engine/engine.ts";
import type { EnqueueOptions } from "../../src/engine/enqueue_options.ts";
import { LimiterKeeper } from "../../src/engine/limiter_keeper.ts";
import { limiterApi } from "../../src/engine/limiter_api.ts";
import { Pruner } from "../../src/engine/pruner.ts";
import { randomBytes, Sealer } from "../../src/engine/sealer.ts";
import { defineWorker } from "../../src/engine/worker.ts";
import { removeCronEntry, upsertCronEntry } from "../../src/store/cron_sync.ts";
import { markMissingExecutors } from "../../src/store/executors.ts";
import { rescueLeases } from "../../src/store/leases.ts";
import { trimHistories } from "../../src/store/long_histories.ts";
import { dropOutputs } from "../../src/store/output_retention.ts";
import {
  createPartition,
  dropDay,
  listMissingPartitions,
  type Partition,
} from "../../src/store/partitions.ts";
import { stageJobs } from "../../src/store/scheduled.ts";
import { readMigrations } from "./build.ts";
import { controlOf, OPERATOR } from "./control_world.ts";
import { define, scheduler } from "./cron_world.ts";
import { BOTH_KEYS, OLD_KEYS } from "./secrets.ts";

const RING = new KeyRing(BOTH_KEYS, randomBytes);
const DAY_MS = 24 * 60 * 60 * 1_000;

/** Something that a process does. */
export interface Deed {
  readonly name: string;
  /** What must be there, by somebody who is well; what it returns is handed on. */
  given?(db: Database): Promise<string>;
  /** May be done again and again, by several at once. */
  run(db: Database, given: string): Promise<unknown>;
}

const atATime = defineLimiter({
  name: "at_a_time",
  concurrency: 5,
  partitionBy: "n",
});
const gate = defineLimiter({
  name: "gate",
  at: "enqueue",
  rate: { capacity: 1_000_000, perMs: 1_000 },
});
const plain = defineWorker({
  name: "plain",
  perform: (_args: { readonly n: number }) => {},
});
const limited = defineWorker({
  name: "limited",
  limiters: [atATime],
  perform: (_args: { readonly n: number }) => {},
});
const gated = defineWorker({
  name: "gated",
  limiters: [gate],
  perform: (_args: { readonly n: number }) => {},
});
const secret = defineWorker({
  name: "secret",
  encrypt: ["n"],
  perform: (_args: { readonly n: number }) => {},
});

function engineOf(db: Database, sealer = new Sealer(BOTH_KEYS)): Engine {
  return createEngine({
    database: db,
    workers: [plain, limited, gated, secret],
    queues: { default: { limit: 20 } },
    notify: false,
    sealer,
    onEvent(event) {
      if (event.type !== "service_failed") return;
      failures.push({ db, error: event.error });
    },
  });
}

const failures: { readonly db: Database; readonly error: unknown }[] = [];

/** What services of a process told since it was asked last. */
export function takeFailures(of: Database): unknown[] {
  return failures.splice(0).filter(({ db }) => db === of)
    .map(({ error }) => error);
}

let made = 0;
const fresh = (name: string) => `${name}_${made += 1}`;

const UNIQUE: Readonly<Record<string, UniqueOptions>> = {
  reject: { states: "incomplete", periodMs: null },
  replace: {
    states: "incomplete",
    periodMs: null,
    onConflict: { replace: ["args", "priority"] },
  },
  debounce: { onConflict: { debounce: { delayMs: 60_000 } } },
  throttle: { onConflict: "throttle", periodMs: 3_600_000 },
  keep_last: { onConflict: "keep_last" },
};

function enqueueing(name: string, options: EnqueueOptions): Deed[] {
  return [
    {
      name: `enqueue one, ${name}`,
      run: (db) => engineOf(db).enqueue(plain, { n: 1 }, options),
    },
    {
      name: `enqueue many, ${name}`,
      run: (db) =>
        engineOf(db).enqueueMany(
          [1, 2, 3].map((n) => ({ worker: plain, args: { n }, options })),
        ),
    },
  ];
}

async function givenJob(db: Database): Promise<JobId> {
  const answer = await engineOf(db).enqueue(plain, { n: 1 }, { queue: "away" });
  if (answer.status !== "inserted") throw new Error(answer.status);
  return answer.job.id;
}

function acting(
  name: string,
  act: (operator: OperatorApi, given: string) => Promise<{ ok: boolean }>,
  given?: Deed["given"],
): Deed {
  return {
    name: `operator: ${name}`,
    ...(given && { given }),
    run: (db, thing) => act(operatorApi(controlOf(db)), thing),
  };
}

const who = { actor: OPERATOR, reason: "To see who waits for whom" };
const queue = { ...who, name: "default" };
const limiter = { ...who, name: "at_a_time" };

async function givenLimited(db: Database): Promise<string> {
  const engine = engineOf(db);
  const args = [1, 2, 3].map((n) => ({ worker: limited, args: { n } }));
  await engine.enqueueMany(args);
  return "at_a_time";
}

/** Two entries whose time has come, hours ago. */
function firing(overlap: CronOverlap): Deed {
  return {
    name: `cron: ${overlap}`,
    async given(db) {
      const name = fresh("entry");
      const past = atDaysAgo(db, 0.1);
      for (const each of [name, `${name}_too`]) {
        await upsertCronEntry(
          past,
          define({ name: each, worker: "plain", args: { n: 1 }, overlap }),
        );
      }
      return name;
    },
    run: (db) => scheduler(db).runOnce(),
  };
}

function atDaysAgo(db: Database, days: number): Database {
  return {
    ...db,
    get now() {
      return sql`(statement_timestamp() - ${days}::float8 * interval '1 day')`;
    },
  };
}

/** A day that no other deed has: of the past, or of the future. */
async function aDay(db: Database, sign: 1 | -1): Promise<Partition[]> {
  const days = 30 + (made += 1);
  const missing = await listMissingPartitions(atDaysAgo(db, -sign * days), {
    daysAhead: 0,
  });
  return missing.map((each) => ({ ...each, begun: sign < 0 }));
}

async function makeDay(db: Database, sign: 1 | -1): Promise<string> {
  const days = await aDay(db, sign);
  for (const each of days) await createPartition(db, each);
  return days[0]?.day ?? "";
}

const keeping = { onEvent: () => {}, keepMs: 7 * DAY_MS };

const SERVICES: readonly Deed[] = [
  {
    name: "tick",
    given: givenLimited,
    run: (db) => engineOf(db).tick({ budgetMs: 2_000 }),
  },
  {
    name: "start and stop",
    async run(db) {
      const engine = engineOf(db);
      await engine.start();
      await engine.stop({ graceMs: 0 });
    },
  },
  { name: "stage", run: (db) => stageJobs(db, { limit: 100 }) },
  {
    name: "rescue",
    async run(db) {
      await markMissingExecutors(db);
      await rescueLeases(db, { limit: 20 });
    },
  },
  {
    name: "prune",
    run: (db) => new Pruner({ database: db, ...keeping }).runOnce(),
  },
  {
    name: "keep limiters",
    run: (db) =>
      new LimiterKeeper({ database: db, ...keeping, onReady: () => {} })
        .runOnce(),
  },
  {
    name: "trim histories",
    given: givenJob,
    run: (db, id) => trimHistories(db, { jobIds: [id as JobId], limit: 1_000 }),
  },
  { name: "make a coming day", run: (db) => makeDay(db, 1) },
  { name: "make a past day", run: (db) => makeDay(db, -1) },
  {
    name: "drop a day",
    given: (db) => makeDay(db, -1),
    run: (db, day) => dropDay(db, { day, keepMs: DAY_MS }),
  },
  {
    name: "drop a day of outputs",
    given: (db) => makeDay(db, -1),
    run: (db, day) => dropOutputs(db, day),
  },
  {
    name: "encrypt again",
    async given(db) {
      await engineOf(db, new Sealer(OLD_KEYS)).enqueue(secret, { n: 1 });
      return "";
    },
    run: (db) => reencrypt(db, { ring: RING }),
  },
  ...(["allow", "queue_one", "skip", "cancel_previous"] as const).map(firing),
];

const OPERATORS: readonly Deed[] = [
  acting("pause a queue", (act) => act.pauseQueue(queue)),
  acting("resume a queue", (act) => act.resumeQueue(queue), async (db) => {
    await operatorApi(controlOf(db)).pauseQueue(queue);
    return "";
  }),
  acting("scale a queue", (act) => act.scaleQueue({ ...queue, limit: 20 })),
  acting(
    "cancel a job",
    (act, id) => act.cancelJob({ ...who, jobId: id as JobId }),
    givenJob,
  ),
  acting(
    "retry a job",
    (act, id) => act.retryJob({ ...who, jobId: id as JobId }),
    async (db) => {
      const id = await givenJob(db);
      await engineOf(db).cancel(id);
      return id;
    },
  ),
  acting(
    "cool a limiter down",
    (act) => act.coolDownLimiter({ ...limiter, forMs: 1_000 }),
    givenLimited,
  ),
  acting(
    "clear a cooldown",
    (act) => act.clearLimiterCooldown(limiter),
    async (db) => {
      const cooldown = { forMs: 5_000, reason: "To be cleared" };
      await limiterApi(db).coolDown(atATime, cooldown);
      return "";
    },
  ),
  acting(
    "scale a limiter",
    (act) => act.scaleLimiter({ ...limiter, capacity: 4 }),
    givenLimited,
  ),
  ...(["pauseCronEntry", "resumeCronEntry", "runCronEntry"] as const).map(
    (action) =>
      acting(
        action,
        (act, name) => act[action]({ ...who, name }),
        firing("allow").given,
      ),
  ),
  acting("act on nothing", (act) => act.pauseCronEntry({ ...who, name: "no" })),
];

/** A migration of this release and the next, beside all that runs. */
const NEXT = {
  version: readMigrations().length + 1,
  name: "next",
  checksum: "0".repeat(64),
  compatibleFrom: 1,
  sql: "create table yardmaster.next_one (id bigint)",
};

/** All of them. */
export const DEEDS: readonly Deed[] = [
  ...enqueueing("plain", {}),
  ...Object.entries(UNIQUE).flatMap(([mode, unique]) =>
    enqueueing(mode, { unique })
  ),
  ...enqueueing("with a receipt", { idempotent: true }),
  {
    name: "enqueue one, by a key",
    run: (db) =>
      engineOf(db).enqueue(plain, { n: 1 }, { idempotencyKey: "the key" }),
  },
  { name: "enqueue with limiters", run: givenLimited },
  {
    name: "enqueue through a gate",
    run: (db) =>
      engineOf(db).enqueueMany(
        [1, 2].map((n) => ({ worker: gated, args: { n } })),
      ),
  },
  ...SERVICES,
  ...OPERATORS,
  {
    name: "code cools a limiter down",
    given: givenLimited,
    async run(db) {
      const cooldown = { forMs: 1_000, reason: "It asked for it" };
      await limiterApi(db).coolDown(atATime, cooldown);
      await limiterApi(db).clearCooldown(atATime);
    },
  },
  {
    name: "cron entries come and go",
    given: (db) => firing("allow").given?.(db) ?? Promise.resolve(""),
    run: (db, name) => removeCronEntry(db, name),
  },
  { name: "migrate", run: (db) => migrate(db) },
  {
    name: "migrate further",
    async given(db) {
      await db.script(`
        drop table if exists yardmaster.next_one;
        delete from yardmaster.schema_migrations where version = ${NEXT.version}
      `);
      return "";
    },
    run: (db) => migrate(db, { migrations: [...readMigrations(), NEXT] }),
  },
];
