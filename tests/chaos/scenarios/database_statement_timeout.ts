import { Enqueuer } from "../faults/enqueuer.ts";
import { untilRecovered } from "../faults/recovery.ts";
import { ServerLog } from "../faults/server_log.ts";
import type { Scenario } from "../scenario.ts";
import type { ChaosWorld } from "../world.ts";

const ROLE = "chaos_hurried";
/** From what a few statements need to what hardly any does. */
const TIMEOUTS_MS = [20, 5, 3, 2] as const;

/** Statements are cancelled by a `statement_timeout` that is too short for them. */
export const databaseStatementTimeout: Scenario = {
  name: "database-statement-timeout",
  about:
    "statements that the server cancels for their time lose nothing, and " +
    "are tried again",
  async run(world) {
    const log = new ServerLog(world.server);
    await world.enqueue(
      world.scale({ short: 300, long: 4_000 }),
      () => ({ ms: world.random.between(5, 30) }),
    );
    await world.db.script(`
      drop role if exists ${ROLE};
      create role ${ROLE} superuser login;
    `);
    try {
      await hurry(world);
    } finally {
      await world.db.script(`alter role ${ROLE} reset statement_timeout`);
      await endConnections(world);
    }
    await untilRecovered(world, { sinceMs: performance.now() });
    await world.untilAllEnded();
    world.faults = log.lines("due to statement timeout").length;
    if (world.faults === 0) throw new Error("No statement ran out of time");
  },
};

async function hurry(world: ChaosWorld): Promise<void> {
  const url = new URL(world.url);
  url.username = ROLE;
  await Promise.all([
    world.spawnWorker({ name: "postgres-js", url: url.href }),
    world.spawnWorker({
      name: "node-postgres",
      url: url.href,
      driver: "node-postgres",
    }),
  ]);
  const enqueuer = new Enqueuer(world, { name: "hurried", url: url.href });
  enqueuer.start();
  const ms = world.scale({ short: 350, long: 700 });
  const rounds = world.scale({ short: 1, long: 6 });
  for (let round = 0; round < rounds; round++) {
    for (const timeoutMs of TIMEOUTS_MS) {
      await world.db.script(
        `alter role ${ROLE} set statement_timeout = '${timeoutMs}ms'`,
      );
      await endConnections(world);
      await new Promise((resolve) => setTimeout(resolve, ms));
    }
  }
  await world.db.script(`alter role ${ROLE} reset statement_timeout`);
  await endConnections(world);
  await enqueuer.settle();
}

/** A role's setting counts for new connections only. */
async function endConnections(world: ChaosWorld): Promise<void> {
  await world.db.script(`
    select pg_terminate_backend(pid) from pg_stat_activity
    where usename = '${ROLE}'
  `);
}
