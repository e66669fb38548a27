/** What we aim to reach beside the others in the same run. */
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

/** As it is by default. What else a host may choose is in the rows. */
const OURS = "yardmaster";
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
  beside("enqueue 32 in flight", "graphile-worker", [GRAPHILE, 6]),
  beside("enqueue 1,000 per call", "graphile-worker", [GRAPHILE, 1.7]),
  beside("enqueue 1,000 per call", "pg-boss", [BOSS, 2]),
  ...["completed", "waiting", "scheduled"].map((pile) =>
    besideItself(
      `drain 20k beside 1M ${pile}`,
      "drain 20k of empty tables",
      0.85,
    )
  ),
  besideItself("drain 50k, 4 processes", "drain 50k, 1 process", 1),
  besideItself("flow while a snapshot is held", "flow before", 0.7),
];

/** Ratios of what was measured; scenarios that did not run have none. */
export function toRatios(rows: readonly ResultRow[]): Ratio[] {
  return [
    ...TARGETS.flatMap((target) => ratioOf(target, rows)),
    ...coalesced(rows),
    ...walPerJob(rows),
    ...latencies(rows),
    ...mixed(rows),
    ...recoveries(rows),
    ...faults(rows),
    ...limited(rows),
  ];
}

function ratioOf(target: Target, rows: readonly ResultRow[]): Ratio[] {
  const { scenario, systems } = target.theirs;
  const ours = find(rows, target.ours, OURS);
  // Beside itself it is the same system on both sides.
  const theirs = best(rows, {
    scenario,
    systems: systems.length === 0 ? [OURS] : systems,
  });
  if (ours === null || theirs === null) return [];
  return [{
    scenario: target.scenario,
    against: target.against,
    value: rounded(ours.median / theirs.median),
    target: target.target,
    atLeast: target.atLeast ?? true,
  }];
}

function best(
  rows: readonly ResultRow[],
  { scenario, systems }: Side,
): ResultRow | null {
  const own = rows.filter((row) =>
    row.scenario === scenario && systems.includes(row.system)
  );
  // The higher rate; the shorter wait.
  const sign = own[0]?.unit.startsWith("jobs") ? -1 : 1;
  return own.sort((a, b) => sign * (a.median - b.median))[0] ?? null;
}

function find(
  rows: readonly ResultRow[],
  scenario: string,
  system: string,
): ResultRow | null {
  return best(rows, { scenario, systems: [system] });
}

/** Only beside the others where a host asked for it. */
function coalesced(rows: readonly ResultRow[]): Ratio[] {
  const scenario = "enqueue 32 in flight";
  const ours = find(rows, scenario, "yardmaster, coalescing");
  const theirs = best(rows, { scenario, systems: GRAPHILE });
  if (ours === null || theirs === null) return [];
  return [{
    scenario: `${scenario} (coalescing)`,
    against: "graphile-worker",
    value: rounded(ours.median / theirs.median),
    target: 20,
    atLeast: true,
  }];
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
  const ours = find(rows, scenario, OURS);
  if (ours === null) return [];
  const peers = {
    "graphile-worker, the better setting": [
      "graphile-worker",
      "graphile-worker, unbatched",
    ],
    "pg-boss with notify": ["pg-boss, notify"],
  };
  const beside = Object.entries(peers).flatMap(([against, systems]) => {
    const theirs = best(rows, { scenario, systems });
    if (theirs === null) return [];
    const value = rounded(ours.median / theirs.median);
    return [{ scenario, against, value, target: 0.9, atLeast: false }];
  });
  const { p99Ms = 0, slowestMs = 0 } = ours.facts;
  return [...beside, {
    scenario: `${scenario}: the slowest`,
    against: "its own p99",
    value: rounded(slowestMs / p99Ms),
    target: 3,
    atLeast: false,
  }];
}

function mixed(rows: readonly ResultRow[]): Ratio[] {
  return bounded(rows, {
    row: "mixed durations",
    against: "the time that the work itself needs",
    target: 1.15,
  });
}

function recoveries(rows: readonly ResultRow[]): Ratio[] {
  return bounded(rows, {
    row: "back to 0.9 of the flow after the snapshot",
    against: "a bound in seconds",
    target: 10,
  });
}

/** What stands in a row is what is aimed for. */
function bounded(
  rows: readonly ResultRow[],
  { row, against, target }: {
    readonly row: string;
    readonly against: string;
    readonly target: number;
  },
): Ratio[] {
  const value = find(rows, row, OURS)?.median;
  if (value === undefined) return [];
  return [{ scenario: row, against, value, target, atLeast: false }];
}

/** Whoever was told of a deadlock, or could not be serialized, rolled back. */
function faults(rows: readonly ResultRow[]): Ratio[] {
  const scenario = "drain 50k, 4 processes";
  const facts = find(rows, scenario, OURS)?.facts;
  if (facts === undefined) return [];
  const { deadlocks = 0, rolledBack = 0 } = facts;
  return [{
    scenario: `${scenario}: deadlocks and rollbacks`,
    against: "a bound",
    value: deadlocks + rolledBack,
    target: 0,
    atLeast: false,
  }];
}

/** What each limiter leaves of the rate without one. */
const LIMITED: readonly (readonly [system: string, target: number])[] = [
  ["one rate for all", 0.7],
  ["one concurrency for all", 0.7],
  ["1,000 keys, a rate each", 0.45],
  ["1,000 keys, a concurrency each", 0.45],
];

function limited(rows: readonly ResultRow[]): Ratio[] {
  const scenario = "drain 50k with limiters";
  const against = "no limiter";
  const base = find(rows, scenario, against);
  return LIMITED.flatMap(([system, target]) => {
    const row = find(rows, scenario, system);
    if (base === null || row === null) return [];
    const value = rounded(row.median / base.median);
    const name = `${scenario}: ${system}`;
    return [{ scenario: name, against, value, target, atLeast: true }];
  });
}
