/**
 * `deno task chaos`: breaks what can break, and checks that nothing is lost. It
 * brings its own Postgres, prints its seed, and says one line for each scenario.
 */
import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { startPostgres } from "../support/postgres_server.ts";
import { DURABLE } from "./durable.ts";
import type { Results } from "./results.ts";
import { type Findings, runScenario } from "./scenario.ts";
import { SCENARIOS } from "./scenarios.ts";
import type { Size } from "./world.ts";

const { values } = parseArgs({
  options: {
    seed: { type: "string" },
    only: { type: "string" },
    short: { type: "boolean", default: false },
    json: { type: "string" },
    minutes: { type: "string", default: "5" },
  },
});
const seed = Number(values.seed ?? Math.floor(Math.random() * 2 ** 31));
const only = values.only?.split(",");
const chosen = SCENARIOS.filter(({ name }) => only?.includes(name) ?? true);
const unknown = only?.filter((name) =>
  !SCENARIOS.some((each) => each.name === name)
);
if (unknown !== undefined && unknown.length > 0) {
  console.error(`No scenario is called ${unknown.join(", ")}. There are:`);
  for (const { name, about } of SCENARIOS) console.error(`  ${name}: ${about}`);
  Deno.exit(2);
}

const scenarios: Findings[] = [];
await using server = await startPostgres({ settings: DURABLE });
console.log(`${server.version}, seed ${seed}`);
for (const scenario of chosen) {
  const why = await scenario.unavailable?.() ?? null;
  if (why !== null) {
    console.log(`${scenario.name}: not here: ${why}`);
    continue;
  }
  const found = await runScenario(scenario, {
    server,
    seed,
    size: sizeOf(values.short),
    minutes: Number(values.minutes),
  });
  scenarios.push(found);
  console.log(lineOf(found));
  for (const line of found.broken) console.log(`  BROKEN ${line}`);
  // After each, so that what was found is kept when somebody ends this.
  if (values.json !== undefined) keep(values.json);
}
const broken = scenarios.filter((each) => each.broken.length > 0);
console.log(
  `${scenarios.length} scenarios, ${broken.length} broken; again with ` +
    `--seed ${seed}`,
);
if (broken.length > 0 || scenarios.length === 0) Deno.exitCode = 1;

function keep(file: string): void {
  const results: Results = {
    seed,
    server: server.version,
    on: new Date().toISOString().slice(0, "2026-11-21".length),
    size: sizeOf(values.short),
    scenarios,
  };
  writeFileSync(file, `${JSON.stringify(results, null, 2)}\n`);
}

function sizeOf(short: boolean): Size {
  return short ? "short" : "long";
}

function lineOf(found: Findings): string {
  const measured = Object.entries(found.measured)
    .map(([name, value]) => `, ${name} ${value}`).join("");
  return `${found.name}: ${found.jobs} jobs, ${found.faults} faults, ` +
    `${found.executions} executions, ${found.fenced} fenced, ` +
    `${found.lost} lost, ${found.doubleOutcomes} double outcomes, ` +
    `longest recovery ${found.recoveryMsMax} ms, ` +
    `took ${found.tookMs} ms${measured}`;
}
