/** The short form of `deno task chaos`: every scenario, with few jobs. */
import assert from "node:assert/strict";
import { startPostgres } from "../support/postgres_server.ts";
import { DURABLE } from "./durable.ts";
import { type Findings, runScenario, type Scenario } from "./scenario.ts";
import { SCENARIOS } from "./scenarios.ts";

/** Of CI: the same choices every time. `deno task chaos` makes others. */
const SEED = 20_261_121;
/**
 * So many scenarios at a time, since each waits most of its time. Each lane has
 * a server of its own: some stop theirs, or fill its disk.
 */
const LANES = 2;

// Pools that reconnect to a server which is down leave timers of their own.
Deno.test.sanitizer({ ops: false, resources: false });

/** What a scenario found, or why it could not be run here, once it is known. */
type Answer = PromiseSettledResult<Findings | string>;
const answers = new Map(
  SCENARIOS.map((scenario) => [scenario, Promise.withResolvers<Answer>()]),
);
const queue = [...SCENARIOS];
let lanes: Promise<unknown> = Promise.resolve();
Deno.test.beforeAll(() => {
  lanes = Promise.all(Array.from({ length: LANES }, runLane));
  // Each test waits for them, and fails when they did.
  lanes.catch(() => {});
});
Deno.test.afterAll(async () => {
  queue.length = 0;
  await lanes;
});

for (const [scenario, { promise }] of answers) {
  Deno.test(scenario.about, async (t) => {
    const answer = await Promise.race([promise, lanes.then(() => promise)]);
    if (answer.status === "rejected") throw answer.reason;
    if (typeof answer.value === "string") {
      console.log(`${t.name}: not here: ${answer.value}`);
      return;
    }
    const found = answer.value;
    assert.deepEqual(found.broken, []);
    assert.equal(found.lost, 0);
    assert.equal(found.doubleOutcomes, 0);
    assert.ok(found.faults > 0 && found.executions >= found.jobs);
  });
}

async function runLane(): Promise<void> {
  await using server = await startPostgres({ settings: DURABLE });
  async function run(scenario: Scenario): Promise<Findings | string> {
    const why = await scenario.unavailable?.() ?? null;
    return why ??
      await runScenario(scenario, {
        server,
        seed: SEED,
        size: "short",
        minutes: 0,
      });
  }
  for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
    const [answer] = await Promise.allSettled([run(next)]);
    answers.get(next)?.resolve(answer);
  }
}
