import { sql } from "../../../src/db/sql.ts";
import type { Scenario } from "../scenario.ts";
import type { WorkerProcess } from "../worker_process.ts";
import type { Moment } from "../worker_settings.ts";
import type { ChaosWorld } from "../world.ts";

/** What it still wants to do when it wakes up differs. */
const MOMENTS: readonly Moment[] = [
  "after_claim",
  "during_perform",
  "before_ack",
  "during_ack",
];

/** SIGSTOP, then the leases are taken, then SIGCONT. */
export const frozenProcess: Scenario = {
  name: "frozen-process",
  about:
    "a process that was frozen until others took its jobs changes nothing when it wakes up, and works on as another",
  async run(world) {
    const rounds = world.scale({ short: 1, long: 5 });
    await world.spawnWorker({ name: "awake", limit: 2 });
    for (let round = 1; round <= rounds; round++) await freeze(world, round);
  },
};

async function freeze(world: ChaosWorld, round: number): Promise<void> {
  const frozen = await Promise.all(MOMENTS.map((moment) =>
    world.spawnWorker({
      name: `frozen-${moment}-${round}`,
      stop: {
        moment,
        time: world.random.between(1, 4),
        how: "freeze",
        laterMs: world.random.between(0, 3),
      },
    })
  ));
  await world.enqueue(150, () => ({ ms: world.random.between(40, 80) }));
  await Promise.all(frozen.map((worker) => worker.line("stops")));
  for (const _ of frozen) world.countFault();
  const sinceMs = performance.now();
  const held = await world.heldBy(frozen);
  await world.until(
    "their jobs were taken from them",
    async () =>
      await running(world, frozen) === 0 &&
      (await world.heldBy(frozen)).length === 0,
  );
  // Some wake up while others run what was theirs, some when all is over.
  const early = frozen.filter(() => world.random.next() < 0.5);
  await wake(world, early);
  await world.measureRecovery(
    "what they held has begun again or ended",
    () => world.haveMovedOn(held),
    { sinceMs },
  );
  await world.untilAllEnded();
  await wake(world, frozen.filter((worker) => !early.includes(worker)));
  await world.until(
    "late results were refused",
    async () => await world.events("lost") > 0,
  );
  await assertWorking(world, frozen);
}

async function wake(
  world: ChaosWorld,
  workers: readonly WorkerProcess[],
): Promise<void> {
  for (const worker of workers) worker.signal("SIGCONT");
  await world.until(
    "each works as another",
    async () => await running(world, workers) === workers.length,
  );
}

async function assertWorking(
  world: ChaosWorld,
  workers: readonly WorkerProcess[],
): Promise<void> {
  await world.enqueue(50, () => ({ ms: 5 }));
  await world.untilAllEnded();
  for (const worker of workers) {
    const code = await worker.end("SIGTERM");
    if (code !== 0) throw new Error(`${worker.name} ended with ${code}`);
  }
}

/** How many of these processes are known as alive. */
async function running(
  world: ChaosWorld,
  workers: readonly WorkerProcess[],
): Promise<number> {
  const rows = await world.db.query(sql`
    select from yardmaster.executors
    where stopped_at is null
      and name = any (${workers.map(({ name }) => name)}::text[])
  `);
  return rows.length;
}
