import type { Scenario } from "../scenario.ts";
import type { WorkerProcess } from "../worker_process.ts";
import type { ChaosWorld } from "../world.ts";

/** Processes die with `kill -9` at any moment, and others take their place. */
export const killAtRandom: Scenario = {
  name: "kill-at-random",
  about:
    "kill -9 of workers at any moment, one, some or all of them, loses no job",
  async run(world) {
    await world.enqueue(
      world.scale({ short: 150, long: 4_000 }),
      (n) => ({ ms: world.random.between(1, 30), fails: n % 50 === 0 ? 1 : 0 }),
      // Some are not due, and must be staged by whoever lives.
      (n) => n % 10 === 5 ? 10 * n : 0,
    );
    const rounds = world.scale({ short: 2, long: 12 });
    await Promise.all([0, 1, 2].map((number) => startWorker(world, number)));
    for (let round = 1; round <= rounds; round++) await killSome(world, round);
    await world.untilAllEnded();
  },
};

async function startWorker(world: ChaosWorld, number: number): Promise<void> {
  await world.spawnWorker({
    name: `worker-${number}`,
    // Half of them hear no hints.
    notify: number % 2 === 0,
  });
}

async function killSome(world: ChaosWorld, round: number): Promise<void> {
  const share = world.jobIds.size / 20;
  await world.untilMoreEnded(Math.ceil(share * (1 + world.random.next())));
  const victims = chooseVictims(world);
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

function chooseVictims({ workers, random }: ChaosWorld): WorkerProcess[] {
  const alive = workers.filter((worker) => !worker.hasEnded);
  if (random.next() < 0.25) return alive;
  const victims = alive.filter(() => random.next() < 0.4);
  return victims.length === 0 ? [random.pick(alive)] : victims;
}
