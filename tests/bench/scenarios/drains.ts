/** Filling a queue with no-ops and running them; both are measured. */
import type { Drain } from "../commands.ts";
import type { Lab, Station } from "../lab.ts";
import {
  type Bench,
  interleave,
  type Scenario,
  type Size,
} from "../interleave.ts";
import type { Sample } from "../results.ts";
import * as systems from "../systems.ts";
import type { System } from "../systems.ts";

const PER_CALL = 1_000;
const WARM_UP_JOBS = 5_000;
/** The server tells its statistics to the tables about once a second. */
const STATISTICS_MS = 1_200;

export const drain20k: Scenario = {
  name: "drain 20k",
  onlyFull: true,
  run: (lab, size) =>
    drains(lab, {
      name: "drain 20k",
      jobs: size.jobs(20_000),
      rounds: size.rounds,
      systems: DRAINED,
    }),
};

export const drain50k: Scenario = {
  name: "drain 50k",
  run: (lab, size) =>
    drains(lab, {
      name: "drain 50k",
      jobs: size.jobs(50_000),
      rounds: size.rounds,
      systems: size.mode === "quick" ? DRAINED_QUICKLY : DRAINED,
    }),
};

export const drain200k: Scenario = {
  name: "drain 200k",
  onlyFull: true,
  run: (lab, size) =>
    drains(lab, {
      name: "drain 200k",
      jobs: size.jobs(200_000),
      rounds: Math.min(size.rounds, 3),
      systems: DRAINED,
    }),
};

const DRAINED_QUICKLY = [
  systems.OURS,
  systems.OURS_UNNAMED,
  systems.GRAPHILE,
  systems.BOSS,
  systems.FLOOR,
];
const DRAINED = [
  ...DRAINED_QUICKLY,
  systems.GRAPHILE_DOCUMENTED,
  systems.BOSS_UNORDERED,
];

/** One drain after another. */
export interface Drains {
  readonly name: string;
  readonly jobs: number;
  readonly rounds: number;
  readonly systems: readonly System[];
  /** What filling is called. */
  readonly fill?: string;
}

export async function drains(
  lab: Lab,
  { name, jobs, rounds, systems, fill = "enqueue 1,000 per call" }: Drains,
): Promise<Sample[]> {
  return await interleave(lab, {
    systems,
    rounds,
    warmUp: ({ station }) => warmUp(station, Math.min(jobs, WARM_UP_JOBS)),
    measure: (bench) => fillAndDrain(bench, { name, jobs, fill }),
  });
}

export async function warmUp(station: Station, jobs: number): Promise<void> {
  await station.child.call("fill", { jobs, perCall: PER_CALL });
  await station.child.call("drain", { jobs });
}

/** Fills, lets the server look at the tables, and drains. */
export async function fillAndDrain(
  { system, station }: Bench,
  { name, jobs, fill }: {
    readonly name: string;
    readonly jobs: number;
    readonly fill: string;
  },
): Promise<Sample[]> {
  const { child } = station;
  const before = await station.storage();
  const filled = await station.cost(() =>
    child.call<number>("fill", { jobs, perCall: PER_CALL })
  );
  await station.sql`analyze`;
  const drained = await station.cost(() =>
    child.call<Drain>("drain", { jobs })
  );
  const { ran, firstMs, drainedMs } = drained.value.value;
  if (ran !== jobs || firstMs === null) {
    throw new Error(`${system.name}: ${ran} of ${jobs} were run`);
  }
  await settle();
  const after = await station.storage();
  const common = { system: system.name, unit: "jobs/s", jobs };
  return [{
    ...common,
    scenario: fill,
    value: jobs / filled.value.value * 1_000,
    cost: filled.cost,
  }, {
    ...common,
    scenario: name,
    value: jobs / (drainedMs - firstMs) * 1_000,
    cost: drained.cost,
    facts: {
      deadTuples: after.deadTuples,
      tableGrowthBytesPerJob: (after.tableBytes - before.tableBytes) / jobs,
      indexGrowthBytesPerJob: (after.indexBytes - before.indexBytes) / jobs,
    },
  }];
}

function settle(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, STATISTICS_MS));
}

/** The same number of jobs by one, two and four processes. */
export const processes: Scenario = {
  name: "processes",
  async run(lab: Lab, size: Size) {
    const jobs = size.jobs(50_000);
    const samples: Sample[] = [];
    for (const count of [1, 2, 4]) {
      samples.push(
        ...await interleave(lab, {
          systems: [systems.OURS, systems.GRAPHILE],
          rounds: Math.min(size.rounds, 3),
          processes: count,
          warmUp: ({ station }) =>
            warmUpAll(station, { jobs: Math.min(jobs, WARM_UP_JOBS) * count }),
          measure: (bench) => drainTogether(bench, { jobs, count }),
        }),
      );
    }
    return samples;
  },
};

/** Every process is warm, or only the first one's code would be compiled. */
async function warmUpAll(
  station: Station,
  { jobs }: { readonly jobs: number },
): Promise<void> {
  await station.child.call("fill", { jobs, perCall: PER_CALL });
  await Promise.all(
    station.children.map((child) => child.call("drain", { jobs: -1 })),
  );
}

async function drainTogether(
  { system, station }: Bench,
  { jobs, count }: { readonly jobs: number; readonly count: number },
): Promise<Sample[]> {
  await station.child.call("fill", { jobs, perCall: PER_CALL });
  await station.sql`analyze`;
  const before = await station.faults();
  const { value, cost } = await station.cost(() =>
    Promise.all(
      // Nobody knows how many it will get; the tables say when it is over.
      station.children.map((child) => child.call<Drain>("drain", { jobs: -1 })),
    )
  );
  const parts = value.map((answer) => answer.value);
  const ran = parts.reduce((total, part) => total + part.ran, 0);
  if (ran !== jobs) {
    throw new Error(`${system.name}: ${ran} runs of ${jobs} jobs`);
  }
  await settle();
  const after = await station.faults();
  const first = Math.min(...parts.flatMap(({ firstMs }) => firstMs ?? []));
  const last = Math.max(...parts.map(({ lastMs }) => lastMs));
  return [{
    scenario: `drain 50k, ${count} process${count === 1 ? "" : "es"}`,
    system: system.name,
    value: jobs / (last - first) * 1_000,
    unit: "jobs/s",
    jobs,
    cost,
    facts: {
      fewestRuns: Math.min(...parts.map((part) => part.ran)),
      deadlocks: after.deadlocks - before.deadlocks,
      rolledBack: after.rolledBack - before.rolledBack,
    },
  }];
}
