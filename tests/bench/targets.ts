/** What we promise to reach beside the others in the same run. */
import type { Ratio, ResultRow } from "./results.ts";
import { rounded } from "./results.ts";

/** A row by scenario and system; of several systems the best. */
interface Side {
  readonly scenario: string;
  readonly systems: readonly string[];
}

interface Target {
  readonly scenario: string;
  readonly against: string;
  readonly ours: string;
  readonly theirs: Side;
  readonly target: number;
  readonly atLeast?: boolean;
}

/** As it is by default, and where its driver may name statements. */
const OURS = ["yardmaster", "yardmaster, prepared"];
const GRAPHILE = ["graphile-worker", "graphile-worker, as documented"];
const BOSS = ["pg-boss", "pg-boss, unordered"];
const FLOOR = ["raw SQL"];

/** The same scenario on both sides. */
function beside(
  scenario: string,
  against: string,
  [theirs, target]: readonly [readonly string[], number],
): Target {
  return {
    scenario,
    against,
    target,
    ours: scenario,
    theirs: { scenario, systems: theirs },
  };
}

/** Ours beside ours, under other circumstances. */
function besideItself(
  scenario: string,
  base: string,
  target: number,
): Target {
  return {
    scenario,
    against: base,
    target,
    ours: scenario,
    theirs: { scenario: base, systems: [] },
  };
}

const TARGETS: readonly Target[] = [
  ...["drain 50k", "drain 200k"].flatMap((scenario) => [
    beside(scenario, "graphile-worker, the better setting", [GRAPHILE, 2]),
    beside(scenario, "pg-boss, the better setting", [BOSS, 3]),
    beside(scenario, "raw SQL", [FLOOR, 0.6]),
  ]),
  beside("enqueue one by one", "raw SQL", [FLOOR, 0.8]),
  beside("enqueue one by one", "graphile-worker", [GRAPHILE, 2]),
  beside("enqueue 32 in flight", "graphile-worker", [GRAPHILE, 20]),
  beside("enqueue 1,000 per call", "graphile-worker", [GRAPHILE, 1.7]),
  beside("enqueue 1,000 per call", "pg-boss", [BOSS, 2]),
  besideItself("drain 20k beside 1M completed", "drain 20k", 0.85),
  besideItself("drain 20k beside 1M waiting", "drain 20k", 0.85),
  besideItself("drain 20k beside 1M scheduled", "drain 20k", 0.85),
  besideItself("drain 50k, 4 processes", "drain 50k, 1 process", 1),
  besideItself("flow while a snapshot is held", "flow before", 0.7),
  besideItself("flow 10 s after the snapshot", "flow before", 0.9),
];

/** Ratios of what was measured; scenarios that did not run have none. */
export function toRatios(rows: readonly ResultRow[]): Ratio[] {
  return [
    ...TARGETS.flatMap((target) => ratioOf(target, rows)),
    ...walPerJob(rows),
    ...latencies(rows),
    ...mixed(rows),
  ];
}

function ratioOf(target: Target, rows: readonly ResultRow[]): Ratio[] {
  return OURS.flatMap((system) => {
    const { scenario, systems } = target.theirs;
    const ours = find(rows, target.ours, system);
    // Beside itself it is the same system on both sides.
    const theirs = best(rows, {
      scenario,
      systems: systems.length === 0 ? [system] : systems,
    });
    if (ours === null || theirs === null) return [];
    return [{
      scenario: named(target.scenario, system),
      against: target.against,
      value: rounded(ours.median / theirs.median),
      target: target.target,
      atLeast: target.atLeast ?? true,
    }];
  });
}

function named(scenario: string, system: string): string {
  return system === OURS[0] ? scenario : `${scenario} (prepared)`;
}

function best(
  rows: readonly ResultRow[],
  { scenario, systems }: Side,
): ResultRow | null {
  return rows
    .filter((row) => row.scenario === scenario && systems.includes(row.system))
    .sort((left, right) => right.median - left.median)[0] ?? null;
}

function find(
  rows: readonly ResultRow[],
  scenario: string,
  system: string,
): ResultRow | null {
  return best(rows, { scenario, systems: [system] });
}

function walPerJob(rows: readonly ResultRow[]): Ratio[] {
  const into = find(rows, "enqueue 1,000 per call", "yardmaster");
  const out = find(rows, "drain 50k", "yardmaster");
  if (!into?.walPerJob || !out?.walPerJob) return [];
  return [{
    scenario: "WAL bytes per job, enqueue and drain",
    against: "a bound",
    value: rounded(into.walPerJob + out.walPerJob),
    target: 850,
    atLeast: false,
  }];
}

function latencies(rows: readonly ResultRow[]): Ratio[] {
  const scenario = "pick-up latency, idle";
  return OURS.flatMap((system) => {
    const ours = find(rows, scenario, system);
    if (ours === null) return [];
    const name = named(scenario, system);
    const beside = ["graphile-worker", "pg-boss, notify"].flatMap((against) => {
      const theirs = find(rows, scenario, against);
      if (theirs === null) return [];
      const value = rounded(ours.median / theirs.median);
      return [{ scenario: name, against, value, target: 0.9, atLeast: false }];
    });
    const { p99Ms = 0, slowestMs = 0 } = ours.facts;
    return [...beside, {
      scenario: `${name}: the slowest`,
      against: "its own p99",
      value: rounded(slowestMs / p99Ms),
      target: 3,
      atLeast: false,
    }];
  });
}

function mixed(rows: readonly ResultRow[]): Ratio[] {
  const row = find(rows, "mixed durations", "yardmaster");
  if (row === null) return [];
  return [{
    scenario: "mixed durations",
    against: "the time that the work itself needs",
    value: row.median,
    target: 1.15,
    atLeast: false,
  }];
}
