import { untilRecovered } from "../faults/recovery.ts";
import type { Scenario } from "../scenario.ts";
import type { WorkerProcess } from "../worker_process.ts";

/** Longer than after which an executor counts as missing. */
const HOLD_MS = 1_500;

/** The host shares its pool with us, and keeps all of it to itself for a while. */
export const databasePoolExhausted: Scenario = {
  name: "database-pool-exhausted",
  about:
    "processes that find no free connection for seconds, or have only one, " +
    "lose nothing and go on",
  async run(world) {
    await world.enqueue(
      world.scale({ short: 300, long: 4_000 }),
      () => ({ ms: world.random.between(5, 40) }),
    );
    const holds = { holdMs: HOLD_MS };
    const workers = await Promise.all([
      world.spawnWorker({ ...holds, name: "one-connection", connections: 1 }),
      world.spawnWorker({
        ...holds,
        name: "node-postgres",
        driver: "node-postgres",
        connections: 2,
      }),
      world.spawnWorker({ ...holds, name: "three", connections: 3 }),
    ]);
    const rounds = world.scale({ short: 1, long: 12 });
    for (let round = 0; round < rounds; round++) {
      await world.untilMoreEnded(20);
      // All of them at once, in every other round.
      const victims = round % 2 === 0 ? workers : [world.random.pick(workers)];
      await Promise.all(victims.map((victim) => hold(world, victim)));
      await untilRecovered(world, { sinceMs: performance.now() });
    }
    await world.untilAllEnded();
  },
};

async function hold(
  world: Parameters<Scenario["run"]>[0],
  worker: WorkerProcess,
): Promise<void> {
  const said = () => worker.lines.filter((line) => line === "let go").length;
  const before = said();
  worker.signal("SIGUSR1");
  world.countFault();
  await world.until(`${worker.name} lets go`, () => said() > before);
}
