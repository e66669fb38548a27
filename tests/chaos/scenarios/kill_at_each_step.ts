import type { Scenario } from "../scenario.ts";
import { type Moment, MOMENTS } from "../worker_settings.ts";
import type { ChaosWorld } from "../world.ts";

/** One process dies at each step of a job's way, all about at once. */
export const killAtEachStep: Scenario = {
  name: "kill-at-each-step",
  about:
    "kill -9 before, during and after the claim, the run and the acknowledgement loses no job",
  async run(world) {
    const rounds = world.scale({ short: 1, long: 5 });
    for (let round = 1; round <= rounds; round++) {
      await world.enqueue(500, () => ({ ms: world.random.between(1, 10) }));
      await dieEverywhere(world, round);
    }
    await world.spawnWorker({ name: "survivor" });
    await world.untilAllEnded();
  },
};

async function dieEverywhere(world: ChaosWorld, round: number): Promise<void> {
  const victims = await Promise.all(MOMENTS.map((moment) =>
    world.spawnWorker({
      name: `dies-${moment}-${round}`,
      stop: {
        moment,
        time: timeOf(moment, world),
        how: "kill",
        laterMs: world.random.between(0, 3),
      },
    }, { mayEnd: true })
  ));
  await world.until(
    "each has died at its moment",
    () => victims.every((victim) => victim.hasEnded),
  );
  for (const victim of victims) {
    await victim.line("stops");
    world.countFault();
  }
  const sinceMs = performance.now();
  const held = await world.heldBy(victims);
  const finder = await world.spawnWorker({ name: `finds-${round}` });
  await world.measureRecovery(
    "what they held has begun again or ended",
    () => world.haveMovedOn(held),
    { sinceMs },
  );
  // The next ones need jobs that nobody else is quick to take.
  await finder.end("SIGTERM");
}

/** Statements are few, runs are many. */
function timeOf(moment: Moment, { random }: ChaosWorld): number {
  return random.between(1, moment.endsWith("perform") ? 15 : 3);
}
