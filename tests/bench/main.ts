/**
 * Yardmaster beside graphile-worker, pg-boss and raw SQL, on one machine in one
 * run: `deno task bench [--quick|--full] [--only SCENARIO] [--json FILE]`.
 */
import process from "node:process";
import { writeFile } from "node:fs/promises";
import { killAll } from "./child.ts";
import type { Scenario, Size } from "./interleave.ts";
import { Lab } from "./lab.ts";
import { describeRun, load1 } from "./machine.ts";
import { fetchPeers } from "./peers.ts";
import { printTables } from "./report.ts";
import { type Results, type Sample, toRows } from "./results.ts";
import {
  drain200k,
  drain20k,
  drain50k,
  processes,
} from "./scenarios/drains.ts";
import { enqueues, latency, latencyUnderLoad } from "./scenarios/enqueues.ts";
import { growth, queues, snapshot } from "./scenarios/growth.ts";
import { limiters } from "./scenarios/limiters.ts";
import { receipts } from "./scenarios/receipts.ts";
import { inProcess, mixed, runtimes } from "./scenarios/mixes.ts";
import { toRatios } from "./targets.ts";

const SCENARIOS: readonly Scenario[] = [
  drain50k,
  enqueues,
  receipts,
  limiters,
  latency,
  latencyUnderLoad,
  mixed,
  inProcess,
  drain20k,
  drain200k,
  growth,
  queues,
  processes,
  snapshot,
  runtimes,
];

const SIZES = {
  /** Only to see that everything works: its figures mean nothing. */
  smoke: { mode: "smoke", rounds: 1, jobs: (of) => Math.ceil(of / 50) },
  quick: { mode: "quick", rounds: 3, jobs: (of) => of },
  full: { mode: "full", rounds: 5, jobs: (of) => of },
} as const satisfies Record<string, Size>;

const USAGE = "deno task bench [--quick|--full|--smoke] [--rounds N] " +
  "[--only SCENARIO] … [--json FILE]\nScenarios: " +
  SCENARIOS.map(({ name }) => name).join(", ");

interface Command {
  readonly size: Size;
  readonly scenarios: readonly Scenario[];
  readonly file: string | null;
}

function parse(args: readonly string[]): Command {
  let size: Size = SIZES.quick;
  let rounds: number | null = null;
  let file: string | null = null;
  const only: string[] = [];
  const rest = [...args];
  for (let arg = rest.shift(); arg !== undefined; arg = rest.shift()) {
    if (arg === "--quick" || arg === "--full" || arg === "--smoke") {
      size = SIZES[arg.slice(2) as keyof typeof SIZES];
    } else if (arg === "--rounds") rounds = Number(rest.shift());
    else if (arg === "--only") only.push(rest.shift() ?? "");
    else if (arg === "--json") file = rest.shift() ?? null;
    else throw new TypeError(`Cannot read ${arg}\n${USAGE}`);
  }
  const scenarios = SCENARIOS.filter(({ name, onlyFull = false }) =>
    only.length > 0 ? only.includes(name) : size.mode !== "quick" || !onlyFull
  );
  if (scenarios.length === 0 || only.length > scenarios.length) {
    throw new TypeError(`Cannot find ${only.join(", ")}\n${USAGE}`);
  }
  return { size: rounds ? { ...size, rounds } : size, scenarios, file };
}

async function main(): Promise<void> {
  const { size, scenarios, file } = parse(Deno.args);
  await fetchPeers();
  const samples: Sample[] = [];
  const faults: string[] = [];
  const loadBefore = load1();
  const beganMs = performance.now();
  let meta: Readonly<Record<string, unknown>> = {};
  function together(): Results {
    const tookSeconds = Math.round((performance.now() - beganMs) / 1_000);
    const rows = toRows(samples);
    const ratios = toRatios(rows);
    return { meta: { ...meta, tookSeconds, loadBefore, faults }, rows, ratios };
  }
  {
    await using lab = await Lab.open();
    for (const signal of ["SIGINT", "SIGTERM"] as const) {
      process.once(signal, async () => {
        killAll();
        await lab[Symbol.asyncDispose]();
        process.exit(130);
      });
    }
    meta = await describeRun(lab, size);
    for (const scenario of scenarios) {
      const seconds = Math.round((performance.now() - beganMs) / 1_000);
      console.error(`[${seconds} s] ${scenario.name}`);
      try {
        samples.push(...await scenario.run(lab, size));
      } catch (error) {
        // What was measured before is not lost; the run does not pass.
        faults.push(`${scenario.name}: ${error}`);
        console.error(error);
      }
      // Also what an end that nobody planned would take.
      if (file !== null) await keep(file, together());
    }
  }
  printTables(together());
  if (faults.length > 0) process.exitCode = 1;
}

async function keep(file: string, results: Results): Promise<void> {
  await writeFile(file, JSON.stringify(results, null, 2));
}

if (import.meta.main) await main();
