import postgres from "postgres";
import { postgresJs } from "../../../src/db/postgres_js.ts";
import { cloneTemplate, dropDatabase } from "../../support/postgres.ts";
import { freezeAt, listFreezePoints } from "../faults/frozen_statements.ts";
import type { Scenario } from "../scenario.ts";

const DRIVERS = ["postgres.js", "node-postgres"] as const;

/**
 * In a database of its own: much of what is done there ends no job. The short
 * form is in `tests/contract/frozen_transaction_test.ts`, and this one takes
 * some more.
 */
export const frozenStatement: Scenario = {
  name: "frozen-statement",
  about:
    "a process that freezes after any statement of any transaction holds " +
    "nobody up for longer than Postgres leaves a transaction open",
  limitMs: { short: 60_000, long: 1_200_000 },
  async run(world) {
    const url = await cloneTemplate(world.server.url);
    const pool = postgres(url, {
      max: 4,
      fetch_types: false,
      onnotice: () => {},
    });
    try {
      const well = postgresJs(pool);
      const { points, unbounded } = await listFreezePoints(well);
      if (unbounded.length > 0) throw new Error(unbounded.join("\n"));
      const chosen = world.size === "long"
        ? points
        : [world.random.pick(points)];
      const drivers = world.scale({ short: 1, long: DRIVERS.length });
      for (const [index, point] of chosen.entries()) {
        for (let turn = 0; turn < drivers; turn++) {
          const driver = DRIVERS[(index + turn) % DRIVERS.length] ?? DRIVERS[0];
          const stalls = await freezeAt(point, { url, well, driver });
          world.countFault();
          for (const { tookMs } of stalls) {
            world.recoveryMsMax = Math.max(world.recoveryMsMax, tookMs);
          }
        }
      }
      world.measured["statements"] = chosen.length;
    } finally {
      await pool.end({ timeout: 1 });
      await dropDatabase(url);
    }
  },
};
