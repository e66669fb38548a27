import {
  findExcess,
  untilAllFull,
  watchAdmissions,
  whileNoneIsOverfull,
} from "../admissions.ts";
import { enqueueLimited, manyArgs } from "../limited_work.ts";
import type { Scenario } from "../scenario.ts";
import type { WorkerProcess } from "../worker_process.ts";
import type { WorkerSettings } from "../worker_settings.ts";
import type { ChaosWorld } from "../world.ts";

/** What runs is counted from leases, and leases outlive their processes. */
export const limitedKilled: Scenario = {
  name: "limited-killed",
  about: "kill -9 of processes whose jobs run under limits of concurrency: " +
    "never more at once than may, and every key is used to the full afterwards",
  async run(world) {
    await watchAdmissions(world);
    const jobs = world.scale({ short: 120, long: 3_000 });
    await enqueueLimited(world, "held", manyArgs(world, { jobs, msMax: 60 }));
    const rounds = world.scale({ short: 2, long: 12 });
    await whileNoneIsOverfull(world, async () => {
      await startWorkers(world, [0, 1, 2]);
      for (let round = 1; round <= rounds; round++) {
        await killLimited(world, { round, share: 0.25 / rounds });
      }
      await world.untilAllEnded();
      await untilAllFull(world);
    });
    await mustAddUp(world);
  },
};

/** A start that nobody lived to make has used its part of the allowance. */
export const limitedRatesKilled: Scenario = {
  name: "limited-rates-killed",
  about:
    "kill -9 of processes whose jobs start by a bucket or by windows, also " +
    "between claim and run: what is given is what the rate allows, to the job",
  async run(world) {
    await watchAdmissions(world);
    const jobs = world.scale({ short: 30, long: 600 });
    await enqueueLimited(world, "bucket", manyArgs(world, { jobs, msMax: 20 }));
    await enqueueLimited(world, "window", manyArgs(world, { jobs, msMax: 20 }));
    await startWorkers(world, [0, 1, 2]);
    const rounds = world.scale({ short: 2, long: 12 });
    for (let round = 1; round <= rounds; round++) {
      await dieWithClaims(world, round);
      await killLimited(world, { round, share: 0.25 / rounds });
    }
    await world.untilAllEnded();
    await mustAddUp(world);
  },
};

/** One dies with its claim in its hands, and one while it claims. */
async function dieWithClaims(world: ChaosWorld, round: number): Promise<void> {
  const moments = ["before_perform", "after_claim"] as const;
  const victims = await Promise.all(moments.map((moment) =>
    world.spawnWorker({
      name: `dies-${moment}-${round}`,
      limited: true,
      stop: { moment, time: 1, how: "kill" },
    }, { mayEnd: true })
  ));
  await world.until(
    "each has died, or nothing is left to claim",
    async () =>
      victims.every((victim) => victim.hasEnded) ||
      await world.ended() === world.jobIds.size,
  );
  for (const _ of victims) world.countFault();
}

/** Starts processes that work on jobs with limiters. */
export async function startWorkers(
  world: ChaosWorld,
  numbers: readonly number[],
  settings: Partial<WorkerSettings> = {},
): Promise<WorkerProcess[]> {
  return await Promise.all(numbers.map((number) =>
    world.spawnWorker({
      name: `worker-${number}`,
      notify: number % 2 === 0,
      limited: true,
      ...settings,
    })
  ));
}

/** Some that work die after a share of the jobs, and others take their place. */
export async function killLimited(
  world: ChaosWorld,
  { round, share }: { readonly round: number; readonly share: number },
): Promise<void> {
  await world.untilMoreEnded(Math.ceil(world.jobIds.size * share));
  const alive = world.workers.filter((worker) => !worker.hasEnded);
  const some = alive.filter(() => world.random.next() < 0.6);
  const victims = some.length === 0 ? alive.slice(0, 1) : some;
  // Most of the time they wait for their turn: then nothing dies with them.
  await world.until(
    "they run something, or nothing is left",
    async () =>
      (await world.heldBy(victims)).length > 0 ||
      await world.ended() === world.jobIds.size,
  );
  for (const victim of victims) {
    victim.signal("SIGKILL");
    world.countFault();
  }
  const sinceMs = performance.now();
  const held = await world.heldBy(victims);
  await startWorkers(world, victims.map((_, n) => 10 * round + n));
  await world.measureRecovery(
    "what the killed ones held has begun again or ended",
    () => world.haveMovedOn(held),
    { sinceMs },
  );
}

/** What the database kept of all admissions. */
export async function mustAddUp(world: ChaosWorld): Promise<void> {
  const excess = await findExcess(world);
  if (excess.length > 0) throw new Error(excess.join("; "));
}
