import { migrate } from "../../../src/db/migrate.ts";
import { sql } from "../../../src/db/sql.ts";
import { migrationsOf } from "../releases.ts";
import type { Scenario } from "../scenario.ts";
import type { WorkerProcess } from "../worker_process.ts";
import type { ChaosWorld } from "../world.ts";

const EXIT_MS = 30_000;

/**
 * Releases follow each other under load, as `docs/how-to/deploy.md` tells it.
 *
 * Old and new code are the same code with other migrations: it proves the order,
 * the refusals, the stops, and that a migration hurts nobody who works. Whether
 * the statements of two real releases fit each other's schema, it can not say.
 */
export const rollingDeploy: Scenario = {
  name: "rolling-deploy",
  about:
    "releases that are one schema step apart replace each other under load: no error is seen by who enqueues, and no attempt is burnt",
  async run(world) {
    const load = startLoad(world);
    try {
      const deploys = world.scale({ short: 1, long: 4 });
      let old = await startAll(world, { release: 0, round: 0 });
      await assertRefused(world, 2, /is at version \d+ and must be at version/);
      for (let round = 1; round <= deploys; round++) {
        // New code is there first in one half of all deployments.
        const isEarly = round % 2 === 1;
        const early = isEarly ? await startNew(world, round) : [];
        await migrateUnderLoad(world, Math.min(round, 1));
        // A process of the release before is started again by its platform.
        const again = await start(world, {
          release: round === 1 ? 0 : 1,
          name: `again-${round}`,
        });
        const late = isEarly ? [] : await startNew(world, round);
        await stopOneByOne(world, [...old, again]);
        old = [...early, ...late];
        await load.passes(world.scale({ short: 20, long: 100 }));
      }
      await migrateUnderLoad(world, 2);
      await assertRefused(world, 0, /newer code is needed/);
      await load.passes(20);
    } finally {
      await load.stop();
    }
    await world.untilAllEnded();
    await assertNothingBurnt(world);
  },
};

/** Enqueues without a break, and keeps how long that took at most. */
function startLoad(world: ChaosWorld) {
  let turns = 0;
  let isStopped = false;
  let fault: Error | null = null;
  const done = (async () => {
    while (!isStopped) {
      const sinceMs = performance.now();
      await world.enqueue(4, () => ({ ms: world.random.between(1, 30) }));
      const tookMs = Math.round(performance.now() - sinceMs);
      world.measured["enqueueMsMax"] = Math.max(
        world.measured["enqueueMsMax"] ?? 0,
        tookMs,
      );
      turns += 1;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  })().catch((error) => {
    fault = new Error(`Who enqueues was told: ${error}`);
  });
  return {
    async passes(more: number): Promise<void> {
      const enough = turns + more;
      await world.until(`${more} more enqueues`, () => {
        if (fault) throw fault;
        return turns >= enough;
      });
    },
    async stop(): Promise<void> {
      isStopped = true;
      await done;
      if (fault) throw fault;
    },
  };
}

async function start(world: ChaosWorld, { release, name }: {
  readonly release: number;
  readonly name: string;
}): Promise<WorkerProcess> {
  // Patient: a stall of the machine must not look like a death.
  return await world.spawnWorker({ name, release, heartbeatMs: 500 });
}

function startNew(world: ChaosWorld, round: number): Promise<WorkerProcess[]> {
  return startAll(world, { release: 1, round });
}

async function startAll(world: ChaosWorld, { release, round }: {
  readonly release: number;
  readonly round: number;
}): Promise<WorkerProcess[]> {
  return await Promise.all(
    [1, 2].map((number) =>
      start(world, { release, name: `release-${release}-${round}-${number}` })
    ),
  );
}

/** Two processes migrate at once, while all the others work. */
async function migrateUnderLoad(
  world: ChaosWorld,
  release: number,
): Promise<void> {
  const sinceMs = performance.now();
  const migrations = migrationsOf(release);
  const reports = await Promise.all([
    migrate(world.db, { migrations }),
    migrate(world.db, { migrations }),
  ]);
  world.countFault();
  const ran = reports.flatMap(({ applied }) => applied).length;
  if (ran > 1) throw new Error(`A migration ran ${ran} times`);
  await world.untilMoreEnded(8);
  await world.measureRecovery("jobs end again", () => true, { sinceMs });
}

/** SIGTERM, and the next one when it has ended. */
async function stopOneByOne(
  world: ChaosWorld,
  workers: readonly WorkerProcess[],
): Promise<void> {
  for (const worker of workers) {
    worker.signal("SIGTERM");
    world.countFault();
    const code = await worker.code({ limitMs: EXIT_MS });
    if (code !== 0) throw new Error(`${worker.name} ended with ${code}`);
  }
}

async function assertRefused(
  world: ChaosWorld,
  release: number,
  reason: RegExp,
): Promise<void> {
  const name = `refused-${release}`;
  const worker = await world.spawnWorker({ name, release }, { mayEnd: true });
  const code = await worker.code();
  const said = worker.lines.find((line) => line.startsWith("refused ")) ?? "";
  if (code !== 3 || !reason.test(said)) {
    throw new Error(`${name} ended with ${code} and said "${said}"`);
  }
}

async function assertNothingBurnt(world: ChaosWorld): Promise<void> {
  const burnt = await world.db.query(sql`
    select from yardmaster.outcomes where attempt > 1
  `);
  if (burnt.length > 0) throw new Error(`${burnt.length} attempts were burnt`);
  const failed = world.workers.flatMap(({ name, lines }) =>
    lines.filter((line) => /"(service|acknowledgement)_failed"/.test(line))
      .map((line) => `${name}: ${line}`)
  );
  if (failed.length > 0) throw new Error(failed.slice(0, 5).join("\n"));
}
