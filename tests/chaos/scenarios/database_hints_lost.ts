import { sql } from "../../../src/db/sql.ts";
import { createEngine } from "../../../src/engine/engine.ts";
import type { Scenario } from "../scenario.ts";
import { stepWorker } from "../step.ts";
import type { ChaosWorld } from "../world.ts";

const worker = stepWorker(() => {});
const POLL_MS = 500;
/** After so long without work a process looks no more often than that. */
const CALM_MS = 4 * POLL_MS;
/** So long that whoever runs a job sooner was told of it. */
const POLL_MS_RARE = 60_000;

/** Nothing is heard of new jobs; and whoever listens is cut off again and again. */
export const databaseHintsLost: Scenario = {
  name: "database-hints-lost",
  about:
    "hints that are lost cost no more than the poll, and whoever listens " +
    "again looks at once",
  async run(world) {
    await pollWithoutHints(world);
    await world.endWorkers();
    await catchUp(world, "postgres.js");
    await world.endWorkers();
    await catchUp(world, "node-postgres");
  },
};

async function pollWithoutHints(world: ChaosWorld): Promise<void> {
  await Promise.all([
    world.spawnWorker({ name: "polls", pollMs: POLL_MS }),
    world.spawnWorker({
      name: "polls-too",
      pollMs: POLL_MS,
      driver: "node-postgres",
    }),
  ]);
  const rounds = world.scale({ short: 1, long: 15 });
  for (let round = 0; round < rounds; round++) {
    await new Promise((resolve) => setTimeout(resolve, CALM_MS));
    const sinceMs = performance.now();
    await enqueueSilently(world);
    await world.measureRecovery(
      "they were found without a hint",
      async () => await world.ended() === world.jobIds.size,
      { sinceMs },
    );
  }
}

/** What was sent while nobody listened is found when somebody does again. */
async function catchUp(
  world: ChaosWorld,
  driver: "postgres.js" | "node-postgres",
): Promise<void> {
  await world.spawnWorker({
    name: `rare-${driver}`,
    pollMs: POLL_MS_RARE,
    driver,
  });
  const rounds = world.scale({ short: 1, long: 10 });
  for (let round = 0; round < rounds; round++) {
    // It has looked after it began to listen, and finds nothing for a while.
    await world.until("it listens", () => isHeard(world));
    await world.enqueue(1, () => ({ ms: 1 }));
    await world.untilAllEnded();
    await enqueueSilently(world);
    await deafen(world);
    const sinceMs = performance.now();
    await world.measureRecovery(
      "it listens again, and looks",
      async () => await world.ended() === world.jobIds.size,
      { sinceMs, limitMs: POLL_MS_RARE / 2 },
    );
  }
}

/** As if every hint about them was lost. */
async function enqueueSilently(world: ChaosWorld): Promise<void> {
  const engine = createEngine({ database: world.db, notify: false });
  for (let count = 0; count < 5; count++) {
    const answer = await engine.enqueue(worker, { ms: 1 });
    if (answer.status === "inserted") world.jobIds.add(answer.job.id);
    world.countFault();
  }
}

async function isHeard({ db }: ChaosWorld): Promise<boolean> {
  return (await db.query(sql`
    select from pg_stat_activity
    where datname = current_database() and query ilike 'listen%'
  `)).length > 0;
}

/** Ends every connection that listens. */
async function deafen(world: ChaosWorld): Promise<void> {
  const ended = await world.db.query(sql`
    select pg_terminate_backend(pid) from pg_stat_activity
    where datname = current_database() and query ilike 'listen%'
  `);
  world.faults += ended.length;
}
