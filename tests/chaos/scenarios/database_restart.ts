import { sql } from "../../../src/db/sql.ts";
import type { JobId } from "../../../src/domain/job.ts";
import { Enqueuer } from "../faults/enqueuer.ts";
import { untilRecovered } from "../faults/recovery.ts";
import type { Scenario } from "../scenario.ts";
import type { ChaosWorld } from "../world.ts";

/** Connections end with a word, and new ones are refused for a moment. */
export const databaseRestart: Scenario = {
  name: "database-restart",
  about: "a restart of Postgres under load loses nothing, and all go on by " +
    "themselves",
  run: (world) =>
    restart(world, { how: "fast", times: world.scale({ short: 1, long: 12 }) }),
};

/** Claims, results and jobs are cut off in the middle of being written. */
export const databaseCrash: Scenario = {
  name: "database-crash",
  about: "a crash of Postgres in the middle of claims, results and enqueues " +
    "loses nothing that was answered, and makes nothing twice",
  run: (world) =>
    restart(world, {
      how: "immediate",
      times: world.scale({ short: 1, long: 12 }),
    }),
};

/** Longer than after which an executor counts as missing, now and then. */
const AWAY_MS_MAX = 1_500;

async function restart(world: ChaosWorld, { how, times }: {
  readonly how: "fast" | "immediate";
  readonly times: number;
}): Promise<void> {
  await world.enqueue(
    world.scale({ short: 300, long: 4_000 }),
    (n) => ({ ms: world.random.between(1, 30), fails: n % 20 === 0 ? 1 : 0 }),
  );
  await Promise.all([
    world.spawnWorker({ name: "postgres-js" }),
    world.spawnWorker({ name: "without-hints", notify: false }),
    world.spawnWorker({ name: "node-postgres", driver: "node-postgres" }),
  ]);
  const enqueuers = ["a", "b"].map((name) => new Enqueuer(world, { name }));
  for (const enqueuer of enqueuers) enqueuer.start();
  for (let time = 1; time <= times; time++) {
    await world.untilMoreEnded(world.random.between(20, 60));
    const ended = await readEnded(world);
    await world.server.stop(how);
    world.countFault();
    try {
      if (time % 3 === 0) await pause(world.random.between(0, AWAY_MS_MAX));
    } finally {
      await world.server.start();
    }
    await untilRecovered(world, { sinceMs: performance.now() });
    await mustStillBeThere(world, ended);
  }
  for (const enqueuer of enqueuers) await enqueuer.settle();
  await world.untilAllEnded();
}

async function readEnded({ db }: ChaosWorld): Promise<JobId[]> {
  const rows = await db.query<{ jobId: JobId }>(sql`
    select job_id::text as "jobId" from yardmaster.outcomes
  `);
  return rows.map(({ jobId }) => jobId);
}

/** What is committed outlives a crash. */
async function mustStillBeThere(
  world: ChaosWorld,
  before: readonly JobId[],
): Promise<void> {
  const now = new Set(await readEnded(world));
  const gone = before.filter((jobId) => !now.has(jobId));
  if (gone.length > 0) throw new Error(`${gone.length} outcomes are gone`);
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
