import { Enqueuer } from "../faults/enqueuer.ts";
import { SmallDisk, whyNoMount } from "../faults/full_disk.ts";
import { untilRecovered } from "../faults/recovery.ts";
import { ServerLog } from "../faults/server_log.ts";
import type { Scenario } from "../scenario.ts";
import type { ChaosWorld } from "../world.ts";

/** The disk of the tables is full; that of the log of transactions is not. */
export const databaseDiskFull: Scenario = {
  name: "database-disk-full",
  about: "a disk that is full for a while loses nothing, and what ended " +
    "meanwhile is written once there is room",
  unavailable: whyNoMount,
  async run(world) {
    const log = new ServerLog(world.server);
    await using disk = await SmallDisk.open(world);
    await world.enqueue(
      world.scale({ short: 200, long: 2_000 }),
      () => ({ ms: world.random.between(5, 30) }),
    );
    const workers = await Promise.all([
      world.spawnWorker({ name: "postgres-js" }),
      world.spawnWorker({ name: "node-postgres", driver: "node-postgres" }),
    ]);
    const enqueuer = new Enqueuer(world, { name: "a" });
    enqueuer.start();
    const rounds = world.scale({ short: 1, long: 6 });
    for (let round = 0; round < rounds; round++) {
      await world.untilMoreEnded(20);
      await beFull(world, { disk, log });
      await untilRecovered(world, { sinceMs: performance.now(), workers });
    }
    await enqueuer.settle();
    await world.untilAllEnded();
    await Promise.all(workers.map((worker) => worker.end("SIGTERM")));
  },
};

/** Until statements have failed of it for a while. */
async function beFull(world: ChaosWorld, { disk, log }: {
  readonly disk: SmallDisk;
  readonly log: ServerLog;
}): Promise<void> {
  const words = "No space left on device";
  await disk.fill();
  const before = log.lines(words).length;
  try {
    await world.until(
      "statements fail for want of room",
      () => log.lines(words).length >= before + 10,
    );
    const ms = world.scale({ short: 300, long: 1_000 });
    await new Promise((resolve) => setTimeout(resolve, ms));
  } finally {
    world.faults += log.lines(words).length - before;
    await disk.empty();
  }
}
