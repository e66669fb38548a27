/** The short form of `deno task chaos`: every scenario, with few jobs. */
import assert from "node:assert/strict";
import {
  type PostgresServer,
  startPostgres,
} from "../support/postgres_server.ts";
import { DURABLE } from "./durable.ts";
import { runScenario } from "./scenario.ts";
import { SCENARIOS } from "./scenarios.ts";

/** Of CI: the same choices every time. `deno task chaos` makes others. */
const SEED = 20_261_121;

// Pools that reconnect to a server which is down leave timers of their own.
Deno.test.sanitizer({ ops: false, resources: false });

let server: PostgresServer;
Deno.test.beforeAll(async () => {
  server = await startPostgres({ settings: DURABLE });
});
Deno.test.afterAll(async () => await server[Symbol.asyncDispose]());

for (const scenario of SCENARIOS) {
  Deno.test(scenario.about, async (t) => {
    const why = await scenario.unavailable?.() ?? null;
    if (why !== null) {
      console.log(`${t.name}: not here: ${why}`);
      return;
    }
    const found = await runScenario(scenario, {
      server,
      seed: SEED,
      size: "short",
      minutes: 0,
    });
    assert.deepEqual(found.broken, []);
    assert.equal(found.lost, 0);
    assert.equal(found.doubleOutcomes, 0);
    assert.ok(found.faults > 0 && found.executions >= found.jobs);
  });
}
