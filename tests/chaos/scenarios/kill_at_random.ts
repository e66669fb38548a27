import type { Scenario } from "../scenario.ts";
import type { ChaosWorld } from "../world.ts";

/** Processes die with `kill -9` at any moment, and others take their place. */
export const killAtRandom: Scenario = {
  name: "kill-at-random",
  about: "kill -9 of workers at any moment, some of them at once, loses no job",
  async run(world) {
    await world.enqueue(
      world.scale({ short: 250, long: 3_000 }),
      (n) => ({ ms: world.random.between(1, 30), fails: n % 50 === 0 ? 1 : 0 }),
    );
    const kills = world.scale({ short: 3, long: 15 });
    await Promise.all([0, 1, 2].map((number) => startWorker(world, number)));
    for (let kill = 1; kill <= kills; kill++) await killSome(world, kill);
    await world.untilAllEnded();
  },
};

async function startWorker(world: ChaosWorld, number: number): Promise<void> {
  await world.spawnWorker({
    name: `worker-${number}`,
    // Hints are only ever hints.
    notify: number % 2 === 0,
  });
}

async function killSome(world: ChaosWorld, kill: number): Promise<void> {
  const alive = world.workers.filter((worker) => !worker.hasEnded);
  const target = world.jobIds.size * world.random.next() / 20;
  const before = await world.ended();
  await world.until(
    "some more jobs have ended",
    async () =>
      await world.ended() >= Math.min(before + target, world.jobIds.size),
  );
  const victims = alive.filter(() => world.random.next() < 0.5);
  if (victims.length === 0) victims.push(world.random.pick(alive));
  for (const victim of victims) {
    victim.signal("SIGKILL");
    world.countFault();
  }
  const held = await world.heldBy(victims);
  await Promise.all(victims.map((_, n) => startWorker(world, 10 * kill + n)));
  await world.measureRecovery(
    "what the victims held has begun again or ended",
    () => world.haveMovedOn(held),
  );
}
