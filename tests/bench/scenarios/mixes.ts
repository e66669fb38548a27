/** Jobs that take time, other runtimes, and a database in the process. */
import {
  type Bench,
  interleave,
  type Scenario,
  type Size,
} from "../interleave.ts";
import type { Lab } from "../lab.ts";
import type { Sample } from "../results.ts";
import * as systems from "../systems.ts";
import { on } from "../systems.ts";
import { drains, fillAndDrain, warmUp } from "./drains.ts";

const CONCURRENCY = 50;
const JOBS = { smoke: 300, quick: 5_000, full: 10_000 };

export const mixed: Scenario = {
  name: "mixed durations",
  run: (lab: Lab, size: Size) =>
    interleave(lab, {
      systems: [systems.OURS, systems.GRAPHILE, systems.BOSS],
      rounds: size.mode === "quick" ? 2 : size.rounds,
      warmUp: ({ station }) => warmUp(station, 1_000),
      measure: (bench) => mix(bench, JOBS[size.mode]),
    }),
};

async function mix(
  { station, system }: Bench,
  jobs: number,
): Promise<Sample[]> {
  const { value: answer, cost } = await station.cost(() =>
    station.child.call<{ tookMs: number; neededMs: number }>("mixed", {
      jobs,
      concurrency: CONCURRENCY,
    })
  );
  const { tookMs, neededMs } = answer.value;
  return [{
    scenario: "mixed durations",
    system: system.name,
    value: tookMs / neededMs,
    unit: "times the time needed",
    jobs,
    cost,
    facts: { neededMs },
  }];
}

/** Everybody everywhere: is a peer better off on another runtime? */
export const runtimes: Scenario = {
  name: "runtimes",
  onlyFull: true,
  run: (lab, size) =>
    drains(lab, {
      name: "drain 50k, by runtime",
      fill: "enqueue 1,000 per call, by runtime",
      jobs: size.jobs(50_000),
      rounds: Math.min(size.rounds, 3),
      systems: (["deno", "node", "bun"] as const).flatMap((runtime) => [
        on(systems.OURS, runtime),
        on(systems.GRAPHILE, runtime),
        on(systems.BOSS, runtime),
      ]),
    }),
};

/** No server: PGlite in the process of the host. */
export const inProcess: Scenario = {
  name: "PGlite",
  run: (lab, size) =>
    interleave(lab, {
      systems: [{
        ...systems.OURS,
        name: "yardmaster on PGlite",
        module: "pglite",
        how: "PGlite in memory, in the same process",
      }],
      rounds: 2,
      warmUp: ({ station }) => warmUp(station, 500),
      measure: (bench) =>
        fillAndDrain(bench, {
          name: "drain 5k in process",
          jobs: Math.min(size.jobs(50_000), 5_000),
          fill: "enqueue 1,000 per call, in process",
        }),
    }),
};
