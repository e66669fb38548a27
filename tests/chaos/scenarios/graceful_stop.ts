import { sql } from "../../../src/db/sql.ts";
import type { JobId } from "../../../src/domain/job.ts";
import type { Scenario } from "../scenario.ts";
import type { WorkerProcess } from "../worker_process.ts";
import type { ChaosWorld } from "../world.ts";

const GRACE_MS = 300;
/** More than the grace and the second after it, however late we are. */
const LONG_MS = 8_000;
/** A hang: who waited for the end of a long run gave nothing back. */
const EXIT_MS = 30_000;

/** SIGTERM in the middle of work, again and again, as a deployment does it. */
export const gracefulStop: Scenario = {
  name: "graceful-stop",
  about:
    "SIGTERM lets runs end within the grace, gives the others back, and burns no attempt",
  async run(world) {
    const rounds = world.scale({ short: 1, long: 8 });
    let running = await startRelease(world, 0);
    for (let round = 1; round <= rounds; round++) {
      const next = startRelease(world, round);
      await stopInTheMiddle(world, running);
      running = await next;
    }
    await world.untilAllEnded();
    await assertNothingBurnt(world);
  },
};

async function startRelease(
  world: ChaosWorld,
  round: number,
): Promise<WorkerProcess[]> {
  return await Promise.all([1, 2].map((number) =>
    world.spawnWorker({
      name: `release-${round}-${number}`,
      graceMs: GRACE_MS,
      // Patient: a stall of the machine must not look like a death.
      heartbeatMs: 500,
    })
  ));
}

async function stopInTheMiddle(
  world: ChaosWorld,
  old: readonly WorkerProcess[],
): Promise<void> {
  // Some take longer than the grace, and do not care.
  const isLong = (n: number) => n % 30 === 3;
  const ids = await world.enqueue(
    world.scale({ short: 120, long: 240 }),
    (n) => ({ ms: isLong(n) ? LONG_MS : world.random.between(5, 40) }),
  );
  await world.untilMoreEnded(world.random.between(1, 20));
  await untilRunning(world, ids.filter((_, n) => isLong(n)));
  const sinceMs = performance.now();
  const held = await world.heldBy(old);
  for (const worker of old) {
    worker.signal("SIGTERM");
    world.countFault();
  }
  await Promise.all(old.map(async (worker) => {
    const code = await worker.code({ limitMs: EXIT_MS });
    if (code !== 0) throw new Error(`${worker.name} ended with ${code}`);
  }));
  await world.measureRecovery(
    "what they held has ended, or has begun elsewhere",
    // The same attempt begins again.
    () => world.haveMovedOn(held.map((run) => ({ ...run, attempt: 0 }))),
    { sinceMs },
  );
}

/** Waits until one of these jobs runs, and has a while to go. */
async function untilRunning(
  world: ChaosWorld,
  jobIds: readonly JobId[],
): Promise<void> {
  const chosen = new Set(jobIds);
  await world.until("a long run is under way", () => {
    const [last] = world.ledger()
      .filter(({ jobId }) => chosen.has(jobId))
      .toReversed();
    return last?.what === "began";
  });
}

async function assertNothingBurnt(world: ChaosWorld): Promise<void> {
  const [found] = await world.db.query<{ burnt: number; back: number }>(sql`
    select
      (select count(*)::integer from yardmaster.outcomes where attempt > 1)
        as "burnt",
      (select count(*)::integer from yardmaster.attempt_events
        where kind = 'given_back') as "back"
  `);
  if (found?.burnt !== 0) {
    throw new Error(`${found?.burnt} attempts were burnt`);
  }
  if (found.back === 0) throw new Error("Nothing was given back");
}
