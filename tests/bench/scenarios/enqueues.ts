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
  systems.OURS_UNNAMED,
  systems.OURS_COALESCING,
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
        const forMs = { smoke: 200, quick: 1_000, full: 3_000 }[size.mode];
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

/** Calls a command that hands jobs in, and says how fast that was. */
export async function handIn(
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
const LAST_MS = 5_000;

const WARM_UP_SAMPLES = 30;
const SAMPLES = { smoke: 30, quick: 150, full: 300 };

/** From the call that enqueues to the start of the run, in another process. */
export const latency: Scenario = {
  name: "pick-up latency",
  run: (lab: Lab, size: Size) =>
    interleave(lab, {
      systems: [
        systems.OURS,
        systems.GRAPHILE_PLAIN,
        systems.GRAPHILE,
        systems.BOSS_NOTIFY,
      ],
      rounds: size.rounds,
      processes: 2,
      warmUp: async (bench) => {
        await pickUp({ ...bench, round: 0 }, idle(WARM_UP_SAMPLES));
      },
      measure: (bench) =>
        pickUp(bench, idle(Math.max(SAMPLES[size.mode], WARM_UP_SAMPLES))),
    }),
};

const LOADED_SAMPLES = { smoke: 50, quick: 750, full: 2_000 };
const SLOTS = 10;
const JOB_MS = 20;
/** What the slots could run, and half of it is what they get. */
const CAPACITY_PER_S = SLOTS * 1_000 / JOB_MS;

/**
 * The same where half of the slots are taken. All get the same load, and as many
 * slots: jobs of 20 ms fill ten slots at 500 a second, and 250 come.
 */
export const latencyUnderLoad: Scenario = {
  name: "pick-up latency under load",
  run: (lab: Lab, size: Size) =>
    interleave(lab, {
      systems: [
        { ...systems.OURS, settings: { limit: SLOTS } },
        systems.GRAPHILE_PLAIN,
        systems.BOSS_NOTIFY_10,
      ],
      rounds: size.rounds,
      processes: 2,
      warmUp: async (bench) => {
        await pickUp({ ...bench, round: 0 }, loaded(WARM_UP_SAMPLES));
      },
      measure: (bench) => pickUp(bench, loaded(LOADED_SAMPLES[size.mode])),
    }),
};

/** Jobs that are on their way to somebody who waits for them. */
interface Post {
  readonly scenario: string;
  readonly command: string;
  readonly samples: number;
  readonly load?: { readonly perSecond: number; readonly sleepMs: number };
}

function idle(samples: number): Post {
  return { scenario: "pick-up latency, idle", command: "pace", samples };
}

function loaded(samples: number): Post {
  const load = { perSecond: CAPACITY_PER_S / 2, sleepMs: JOB_MS };
  const scenario = "pick-up latency, half of the slots taken";
  return { scenario, command: "pour", samples, load };
}

async function pickUp(
  { station, system }: Bench,
  { scenario, command, samples, load }: Post,
): Promise<Sample[]> {
  const [runner, sender] = station.children;
  if (!runner || !sender) throw new TypeError("it takes two processes");
  await runner.call("listen");
  await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
  const { cost } = await station.cost(() =>
    sender.call(command, { samples, ...load })
  );
  let heard: readonly number[] = [];
  for (let waited = 0; waited < LAST_MS; waited += 50) {
    heard = (await runner.call<number[]>("heard")).value;
    if (heard.length >= samples) break;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  await runner.call("stop");
  // A peer may leave jobs lying for longer: told, and not a fault of the run.
  if (heard.length !== samples && !(system.isPeer && heard.length > 0)) {
    throw new Error(`${system.name}: ${heard.length} of ${samples} arrived`);
  }
  return [{
    scenario,
    system: system.name,
    value: quantile(heard, 0.5),
    unit: "ms",
    jobs: samples,
    cost,
    facts: {
      p95Ms: quantile(heard, 0.95),
      p99Ms: quantile(heard, 0.99),
      slowestMs: Math.max(...heard),
      ...(heard.length < samples && { neverCame: samples - heard.length }),
    },
  }];
}
