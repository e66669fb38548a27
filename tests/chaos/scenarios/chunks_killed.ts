import { enqueueForChunks } from "../chunk_work.ts";
import type { Scenario } from "../scenario.ts";
import type { ChaosWorld } from "../world.ts";

/** A process dies with jobs that gather, and with calls that are half way. */
export const chunksKilled: Scenario = {
  name: "chunks-killed",
  about: "kill -9 of processes with chunks that gather or run loses no job, " +
    "and each of them has one outcome",
  async run(world) {
    await enqueueForChunks(world, world.scale({ short: 200, long: 5_000 }));
    await Promise.all([0, 1, 2].map((number) => startWorker(world, number)));
    const rounds = world.scale({ short: 2, long: 12 });
    for (let round = 1; round <= rounds; round++) {
      await killSome(world, { round, share: 0.5 / rounds });
    }
    await world.untilAllEnded();
  },
};

async function startWorker(world: ChaosWorld, number: number): Promise<void> {
  await world.spawnWorker({
    name: `worker-${number}`,
    notify: number % 2 === 0,
    limit: 2,
    chunks: true,
  });
}

async function killSome(
  world: ChaosWorld,
  { round, share }: { readonly round: number; readonly share: number },
): Promise<void> {
  await world.untilMoreEnded(Math.ceil(world.jobIds.size * share));
  const alive = world.workers.filter((worker) => !worker.hasEnded);
  const some = alive.filter(() => world.random.next() < 0.6);
  const victims = some.length === 0 ? alive.slice(0, 1) : some;
  for (const victim of victims) {
    victim.signal("SIGKILL");
    world.countFault();
  }
  const sinceMs = performance.now();
  const held = await world.heldBy(victims);
  await Promise.all(victims.map((_, n) => startWorker(world, 10 * round + n)));
  await world.measureRecovery(
    "what the killed ones held has begun again or ended",
    () => world.haveMovedOn(held),
    { sinceMs },
  );
}
