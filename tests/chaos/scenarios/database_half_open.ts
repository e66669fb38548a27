import { Enqueuer } from "../faults/enqueuer.ts";
import { untilMissing, untilRecovered } from "../faults/recovery.ts";
import { openProxy, type TcpProxy } from "../faults/tcp_proxy.ts";
import type { Scenario } from "../scenario.ts";
import type { WorkerSettings } from "../worker_settings.ts";
import type { WorkerProcess } from "../worker_process.ts";
import type { ChaosWorld, HeldRun } from "../world.ts";

/** Where a process of a host would wait for 30 s. */
const STATEMENT_MS = 1_500;

/**
 * Connections that are dead, and neither side was told: a firewall forgot them.
 * New ones can be made. Nothing ever arrives on the old ones, so whoever waits
 * for that waits for ever.
 */
export const databaseConnectionsForgotten: Scenario = {
  name: "database-connections-forgotten",
  about: "processes whose connections are dead without a word come back by " +
    "themselves on new ones, and what they held runs on",
  async run(world) {
    await using proxy = openProxy(world.url);
    const { distant, enqueuer } = await start(world, { proxy });
    const rounds = world.scale({ short: 1, long: 6 });
    for (let round = 0; round < rounds; round++) {
      await world.untilMoreEnded(20);
      proxy.forget();
      world.countFault();
      const sinceMs = performance.now();
      await goneOn(world, { distant, sinceMs });
      await untilRecovered(world, { sinceMs });
    }
    await enqueuer.settle();
    await world.untilAllEnded();
  },
};

/** Nothing arrives and nothing is refused, until the wire is whole again, or cut. */
export const databaseWireHeld: Scenario = {
  name: "database-wire-held",
  about:
    "processes that a dead network holds up are missed, and go on when it " +
    "passes again, is cut, or refuses for a while",
  async run(world) {
    await using proxy = openProxy(world.url);
    const { distant, enqueuer } = await start(world, { proxy });
    const rounds = world.scale({ short: 1, long: 8 });
    for (let round = 0; round < rounds; round++) {
      await world.untilMoreEnded(20);
      proxy.delay(world.random.between(0, 3));
      proxy.set("hold");
      world.countFault();
      const sinceMs = performance.now();
      const held = await world.heldBy(distant);
      await untilMissing(world, distant);
      await goneOn(world, { distant, sinceMs, held });
      if (round % 3 === 1) proxy.cut();
      if (round % 3 === 2) {
        proxy.set("refuse");
        proxy.cut();
        await world.untilMoreEnded(5);
      }
      proxy.set("pass");
      await untilRecovered(world, { sinceMs: performance.now() });
    }
    await enqueuer.settle();
    await world.untilAllEnded();
  },
};

/** Two processes at the far end of the wire, one by each driver, and one here. */
async function start(world: ChaosWorld, { proxy }: {
  readonly proxy: TcpProxy;
}) {
  await world.enqueue(
    world.scale({ short: 400, long: 5_000 }),
    () => ({ ms: world.random.between(10, 60) }),
  );
  const url = proxy.through(world.url);
  const far: Partial<WorkerSettings> = { url, statementMs: STATEMENT_MS };
  const distant = await Promise.all([
    world.spawnWorker({
      ...far,
      name: "postgres-js",
      silenceMs: STATEMENT_MS,
    }),
    world.spawnWorker({
      ...far,
      name: "node-postgres",
      driver: "node-postgres",
    }),
  ]);
  await world.spawnWorker({ name: "near" });
  const enqueuer = new Enqueuer(world, {
    name: "far",
    url,
    silenceMs: STATEMENT_MS,
  });
  enqueuer.start();
  return { distant, enqueuer };
}

/**
 * What they held runs on: at others, who find them missing, or at themselves, if
 * a beat found a new connection before that.
 */
async function goneOn(world: ChaosWorld, { distant, sinceMs, held }: {
  readonly distant: readonly WorkerProcess[];
  readonly sinceMs: number;
  readonly held?: readonly HeldRun[];
}): Promise<void> {
  const runs = held ?? await world.heldBy(distant);
  await world.until(
    "what they held has begun again, or ended",
    () => world.haveMovedOn(runs),
  );
  world.measured["goneOnMsMax"] = Math.round(
    Math.max(world.measured["goneOnMsMax"] ?? 0, performance.now() - sinceMs),
  );
}
