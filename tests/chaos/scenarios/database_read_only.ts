import { Enqueuer } from "../faults/enqueuer.ts";
import { untilRecovered } from "../faults/recovery.ts";
import type { Scenario } from "../scenario.ts";
import type { ChaosWorld } from "../world.ts";

/** Reading works and writing does not, as on a server that became a replica. */
export const databaseReadOnly: Scenario = {
  name: "database-read-only",
  about:
    "a database that takes no writes for a while loses nothing, and what " +
    "ended meanwhile is written afterwards",
  async run(world) {
    await world.enqueue(
      world.scale({ short: 300, long: 3_000 }),
      () => ({ ms: world.random.between(5, 40) }),
    );
    await Promise.all([
      world.spawnWorker({ name: "postgres-js" }),
      world.spawnWorker({ name: "node-postgres", driver: "node-postgres" }),
    ]);
    const enqueuer = new Enqueuer(world, { name: "a" });
    enqueuer.start();
    const rounds = world.scale({ short: 1, long: 10 });
    for (let round = 0; round < rounds; round++) {
      await world.untilMoreEnded(20);
      // Also longer than after which an executor counts as missing.
      const ms = round % 2 === 0 ? 1_600 : 400;
      await readOnlyFor(world, ms);
      await untilRecovered(world, { sinceMs: performance.now() });
    }
    await enqueuer.settle();
    await world.untilAllEnded();
  },
};

async function readOnlyFor(world: ChaosWorld, ms: number): Promise<void> {
  await alter(world, "set default_transaction_read_only = on");
  world.countFault();
  try {
    await new Promise((resolve) => setTimeout(resolve, ms));
  } finally {
    await alter(world, "reset default_transaction_read_only");
  }
}

/** For all sessions at once, also those that are open. */
async function alter(world: ChaosWorld, what: string): Promise<void> {
  await world.db.script(`alter system ${what}`);
  await world.db.script("select pg_reload_conf()");
}
