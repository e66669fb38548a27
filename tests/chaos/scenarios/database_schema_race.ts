import type { Database } from "../../../src/db/database.ts";
import { migrate } from "../../../src/db/migrate.ts";
import { sql } from "../../../src/db/sql.ts";
import type { JobId } from "../../../src/domain/job.ts";
import { operatorApi } from "../../../src/control/operator.ts";
import { createEngine } from "../../../src/engine/engine.ts";
import { Partitioner } from "../../../src/engine/partitioner.ts";
import { Pruner } from "../../../src/engine/pruner.ts";
import { markMissingExecutors } from "../../../src/store/executors.ts";
import { insertJobs } from "../../../src/store/jobs.ts";
import { rescueLeases } from "../../../src/store/leases.ts";
import {
  createPartition,
  listMissingPartitions,
} from "../../../src/store/partitions.ts";
import { stageJobs } from "../../../src/store/scheduled.ts";
import {
  controlOf,
  givenCronEntry,
  OPERATOR,
} from "../../support/control_world.ts";
import { race, type Racer } from "../faults/racers.ts";
import { ServerLog } from "../faults/server_log.ts";
import type { Scenario } from "../scenario.ts";
import { stepWorker } from "../step.ts";
import type { ChaosWorld } from "../world.ts";

const DAY_MS = 24 * 60 * 60 * 1_000;
const ENTRY = "nightly";
const worker = stepWorker(() => {});

/** Everything that writes, at the same time, with the deadlock detector on. */
export const databaseSchemaRace: Scenario = {
  name: "database-schema-race",
  about: "whatever happens at the same time, nothing locks anything else out",
  async run(world) {
    const log = new ServerLog(world.server);
    const name = new URL(world.url).pathname.slice(1);
    // Who makes and drops partitions waits half as long and then gives way: a
    // busy machine takes some milliseconds to wake it up.
    await world.db.script(
      `alter database ${name} set deadlock_timeout = '100ms'`,
    );
    await givenCronEntry(world.db, {
      name: ENTRY,
      expression: "0 0 1 1 *",
      worker: "step",
      args: { ms: 5, fails: 1 },
      overlap: "cancel_previous",
    });
    await world.enqueue(
      world.scale({ short: 300, long: 3_000 }),
      (n) => ({ ms: world.random.between(0, 20), fails: n % 5 === 0 ? 2 : 0 }),
    );
    await Promise.all(
      [1, 2, 3].map((number) =>
        world.spawnWorker({ name: `worker-${number}`, limit: 20 })
      ),
    );
    const ms = world.scale({ short: 2_000, long: 30_000 });
    const { done, faults } = await race(racers(world), { url: world.url, ms });
    Object.assign(world.measured, done);

    world.faults += Object.values(done).reduce((sum, times) => sum + times, 0);

    await letGo(world);
    await world.untilAllEnded();
    const seen = [...faults, ...log.deadlocks()];
    if (seen.length > 0) throw new Error(`${seen.length}: ${seen[0]}`);
  },
};

function racers(world: ChaosWorld): Racer[] {
  const waitingMax = world.scale({ short: 200, long: 500 });
  return [
    ...operators(world),
    { name: "enqueued", once: (db) => enqueueSome(db, { world, waitingMax }) },
    { name: "enqueued", once: (db) => enqueueSome(db, { world, waitingMax }) },
    { name: "staged", once: (db) => stageJobs(db, { limit: 100 }) },
    { name: "partitioned", once: (db) => partition(db, world) },
    { name: "pruned", once: (db) => prune(db) },
    { name: "migrated", once: (db) => migrate(db) },
    {
      name: "rescued",
      async once(db) {
        await markMissingExecutors(db);
        await rescueLeases(db, { limit: 20 });
      },
    },
  ];
}

/** What operators do on the pages, and the scheduler for them. */
function operators(world: ChaosWorld): Racer[] {
  const act = (db: Database) => operatorApi(controlOf(db));
  const who = { actor: OPERATOR, reason: "It is part of the race" };
  const queue = { ...who, name: "default" };
  return [
    {
      name: "cancelled",
      async once(db) {
        const jobId = await findJob(db, world);
        if (jobId !== null) await act(db).cancelJob({ ...who, jobId });
      },
    },
    {
      name: "retried",
      async once(db) {
        const jobId = await findJob(db, world);
        if (jobId !== null) await act(db).retryJob({ ...who, jobId });
      },
    },
    {
      name: "paused",
      async once(db) {
        await act(db).pauseQueue(queue);
        await act(db).resumeQueue(queue);
      },
    },
    {
      name: "scaled",
      once: (db) =>
        act(db).scaleQueue({ ...queue, limit: world.random.between(5, 30) }),
    },
    {
      name: "fired",
      async once(db) {
        await insertCronJobs(db, world);
        await act(db).runCronEntry({ ...who, name: ENTRY });
      },
    },
  ];
}

/** A job that stands somewhere, of those that were touched last. */
async function findJob(
  db: Database,
  { random }: ChaosWorld,
): Promise<JobId | null> {
  const [row] = await db.query<{ id: JobId }>(sql`
    select id::text from yardmaster.jobs
    order by id desc
    offset ${random.between(0, 300)}
    limit 1
  `);
  return row?.id ?? null;
}

/** Some plain ones, some with keys that others claim too, and replace. */
async function enqueueSome(db: Database, { world, waitingMax }: {
  readonly world: ChaosWorld;
  readonly waitingMax: number;
}): Promise<void> {
  const { random } = world;
  const waiting = await db.query(sql`select from yardmaster.ready`);
  if (waiting.length > waitingMax) return await pause(20);
  const engine = createEngine({ database: db });
  await engine.enqueueMany(
    Array.from({ length: random.between(1, 10) }, () => ({
      worker,
      args: { ms: random.between(0, 20), fails: random.between(0, 2) },
    })),
  );
  await engine.enqueueMany(
    Array.from({ length: random.between(1, 5) }, () => ({
      worker,
      args: { ms: random.between(1, 8) },
      options: {
        delayMs: random.between(0, 200),
        unique: {
          periodMs: 1_000,
          onConflict: { replace: ["priority", "runAt"] as const },
        },
      },
    })),
  );
  await engine.stop();
}

/** Active jobs of one entry, spread over many leases by their failures. */
async function insertCronJobs(
  db: Database,
  { random }: ChaosWorld,
): Promise<void> {
  await insertJobs(
    db,
    Array.from({ length: 12 }, () => ({
      queue: "default",
      worker: "step",
      args: { ms: random.between(1, 10), fails: random.between(0, 4) },
      priority: random.between(0, 2),
      maxAttempts: 1_000,
      cronEntry: ENTRY,
    })),
  );
  await pause(random.between(50, 250));
}

/** Partitions of coming days are made, and of past days made and dropped. */
async function partition(db: Database, { random }: ChaosWorld): Promise<void> {
  const past: Database = {
    ...db,
    get now() {
      return sql`(statement_timestamp() - interval '9 days')`;
    },
  };
  const missing = [
    ...await listMissingPartitions(past, { daysAhead: 0 }),
    ...await listMissingPartitions(db, { daysAhead: random.between(1, 9) }),
  ];
  for (const each of missing) await createPartition(db, each);
  await new Partitioner({ database: db, ...KEEPING }).runOnce();
}

const KEEPING = { onEvent: () => {}, keepMs: 7 * DAY_MS };

async function prune(db: Database): Promise<void> {
  await new Pruner({ database: db, ...KEEPING }).runOnce();
}

/** What the race left held up goes on, and all its jobs count. */
async function letGo(world: ChaosWorld): Promise<void> {
  const queue = { actor: OPERATOR, reason: null, name: "default" };
  await operatorApi(controlOf(world.db)).resumeQueue(queue);
  const jobs = await world.db.query<{ id: JobId }>(sql`
    select id::text from yardmaster.jobs
  `);
  for (const { id } of jobs) world.jobIds.add(id);
  await world.untilAllEnded();
  // A job that was retried after its end ends twice, and that is right.
  await world.db.script(`
    delete from public.outcome_marks where job_id in (
      select job_id from yardmaster.attempt_events where kind = 'retried'
    )
  `);
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
