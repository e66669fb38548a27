import {
  killDuring,
  slowDown,
  type Victim,
  VICTIMS,
} from "../faults/connection_killer.ts";
import { Enqueuer } from "../faults/enqueuer.ts";
import { untilRecovered } from "../faults/recovery.ts";
import type { Scenario } from "../scenario.ts";
import type { ChaosWorld } from "../world.ts";

const KINDS = Object.keys(VICTIMS) as Victim[];

/** `pg_terminate_backend` while a statement of a chosen kind runs. */
export const databaseConnectionsKilled: Scenario = {
  name: "database-connections-killed",
  about: "connections that end in the middle of claims, results, beats and " +
    "enqueues lose nothing",
  async run(world) {
    await world.enqueue(
      world.scale({ short: 200, long: 3_000 }),
      () => ({ ms: world.random.between(1, 20) }),
    );
    await slowDown(world);
    await Promise.all([
      world.spawnWorker({ name: "postgres-js" }),
      world.spawnWorker({ name: "node-postgres", driver: "node-postgres" }),
    ]);
    const enqueuers = ["a", "b"].map((name) => new Enqueuer(world, { name }));
    for (const enqueuer of enqueuers) enqueuer.start();
    const rounds = world.scale({ short: 3, long: 60 });
    for (let round = 0; round < rounds; round++) {
      for (const kind of KINDS) await kill(world, kind);
      if (round % 5 === 0) {
        await untilRecovered(world, { sinceMs: performance.now() });
      }
    }
    for (const enqueuer of enqueuers) await enqueuer.settle();
    await world.untilAllEnded();
    if (world.faults === 0) throw new Error("No connection was ended");
  },
};

async function kill(world: ChaosWorld, kind: Victim): Promise<void> {
  if (!await killDuring(world, kind)) return;
  world.countFault();
  world.measured[kind] = (world.measured[kind] ?? 0) + 1;
}
