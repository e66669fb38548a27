/** Handing jobs in while nobody runs them, and the way of a single one. */
import type { Handed } from "../commands.ts";
import {
  type Bench,
  interleave,
  type Scenario,
  type Size,
} from "../interleave.ts";
import type { Lab } from "../lab.ts";
import { quantile, type Sample } from "../results.ts";
import * as systems from "../systems.ts";
import { warmUp } from "./drains.ts";

const SYSTEMS = [
  systems.OURS,
  systems.OURS_PREPARED,
  systems.GRAPHILE,
  systems.BOSS,
  systems.FLOOR,
];

/** One by one and 32 at a time, and inside a transaction of the host. */
export const enqueues: Scenario = {
  name: "enqueue",
  run: (lab: Lab, size: Size) =>
    interleave(lab, {
      systems: SYSTEMS,
      rounds: size.rounds,
      async warmUp({ station }) {
        await warmUp(station, 1_000);
        await station.child.call("enqueue", { forMs: 300, width: 1 });
      },
      async measure(bench) {
        const forMs = { smoke: 200, quick: 1_200, full: 3_000 }[size.mode];
        const command = "enqueue";
        return [
          await handIn(bench, "enqueue one by one", {
            command,
            params: { forMs, width: 1 },
          }),
          await handIn(bench, "enqueue 32 in flight", {
            command,
            params: { forMs, width: 32 },
          }),
          await handIn(bench, "enqueue inside a host's transaction", {
            command: "enqueueInTransactions",
            params: { forMs },
          }),
        ];
      },
    }),
};

async function handIn(
  { station, system }: Bench,
  scenario: string,
  { command, params }: { readonly command: string; readonly params: unknown },
): Promise<Sample> {
  const { value: { value: { jobs, tookMs } }, cost } = await station.cost(() =>
    station.child.call<Handed>(command, params)
  );
  const value = jobs / tookMs * 1_000;
  const unit = "jobs/s";
  return { scenario, system: system.name, value, unit, jobs, cost };
}

const SETTLE_MS = 500;
/** The last job is on its way for so long at most. */
const LAST_MS = 3_000;

/** From the call that enqueues to the start of the run, in another process. */
export const latency: Scenario = {
  name: "pick-up latency",
  run: (lab: Lab, size: Size) =>
    interleave(lab, {
      systems: [
        systems.OURS,
        systems.OURS_PREPARED,
        systems.GRAPHILE_PLAIN,
        { ...systems.GRAPHILE, name: "graphile-worker, batching" },
        systems.BOSS_NOTIFY,
      ],
      rounds: size.rounds,
      processes: 2,
      warmUp: async (bench) => {
        await pickUp({ ...bench, round: 0 }, 30);
      },
      measure: (bench) => pickUp(bench, Math.max(size.jobs(300), 30)),
    }),
};

async function pickUp(
  { station, system }: Bench,
  samples: number,
): Promise<Sample[]> {
  const [runner, sender] = station.children;
  if (!runner || !sender) throw new TypeError("it takes two processes");
  await runner.call("listen");
  await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
  const { cost } = await station.cost(() => sender.call("pace", { samples }));
  let heard: readonly number[] = [];
  for (let waited = 0; waited < LAST_MS; waited += 50) {
    heard = (await runner.call<number[]>("heard")).value;
    if (heard.length >= samples) break;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  await runner.call("stop");
  if (heard.length !== samples) {
    throw new Error(`${system.name}: ${heard.length} of ${samples} arrived`);
  }
  return [{
    scenario: "pick-up latency, idle",
    system: system.name,
    value: quantile(heard, 0.5),
    unit: "ms",
    jobs: samples,
    cost,
    facts: {
      p95Ms: quantile(heard, 0.95),
      p99Ms: quantile(heard, 0.99),
      slowestMs: Math.max(...heard),
    },
  }];
}
