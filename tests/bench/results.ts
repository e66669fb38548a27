/** What is measured, and what is made of it. */
import type { Cost } from "./lab.ts";

/** One run of one system in one scenario. */
export interface Sample {
  readonly scenario: string;
  readonly system: string;
  readonly value: number;
  readonly unit: string;
  /** Jobs that the cost is shared by. */
  readonly jobs?: number;
  readonly cost?: Cost;
  /** Other facts, such as dead tuples, each in a unit that its name ends in. */
  readonly facts?: Readonly<Record<string, number>>;
}

/** Runs of one system in one scenario together. */
export interface ResultRow {
  readonly scenario: string;
  readonly system: string;
  readonly median: number;
  readonly min: number;
  readonly max: number;
  readonly unit: string;
  readonly runs: number;
  readonly walPerJob: number | null;
  readonly cpuClientUs: number | null;
  readonly cpuServerUs: number | null;
  readonly facts: Readonly<Record<string, number>>;
}

/** An aim for two rows of one run, met or not. */
export interface Ratio {
  readonly scenario: string;
  readonly against: string;
  readonly value: number;
  readonly target: number;
  readonly atLeast: boolean;
}

/** Everything that a run leaves behind. */
export interface Results {
  readonly meta: Readonly<Record<string, unknown>>;
  readonly rows: readonly ResultRow[];
  readonly ratios: readonly Ratio[];
}

export function toRows(samples: readonly Sample[]): ResultRow[] {
  const groups = new Map<string, Sample[]>();
  for (const sample of samples) {
    const key = `${sample.scenario}\n${sample.system}`;
    groups.set(key, [...groups.get(key) ?? [], sample]);
  }
  return [...groups.values()].map(toRow);
}

function toRow(samples: readonly Sample[]): ResultRow {
  const [first] = samples;
  if (first === undefined) throw new TypeError("a row has samples");
  const values = samples.map(({ value }) => value);
  const perJob = (of: (cost: Cost) => number) => {
    const shares = samples.flatMap(({ cost, jobs }) =>
      cost && jobs ? [of(cost) / jobs] : []
    );
    return shares.length === 0 ? null : rounded(median(shares));
  };
  const names = [
    ...new Set(samples.flatMap((s) => Object.keys(s.facts ?? {}))),
  ];
  return {
    scenario: first.scenario,
    system: first.system,
    median: rounded(median(values)),
    min: rounded(Math.min(...values)),
    max: rounded(Math.max(...values)),
    unit: first.unit,
    runs: samples.length,
    walPerJob: perJob((cost) => cost.walBytes),
    cpuClientUs: perJob((cost) => cost.clientUs),
    cpuServerUs: perJob((cost) => cost.serverUs),
    facts: Object.fromEntries(
      names.map((name) => [
        name,
        rounded(median(samples.map((s) => s.facts?.[name] ?? 0))),
      ]),
    ),
  };
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((left, right) => left - right);
  const middle = sorted.length / 2;
  const upper = sorted[Math.floor(middle)] ?? 0;
  return sorted.length % 2 === 1
    ? upper
    : ((sorted[middle - 1] ?? 0) + upper) / 2;
}

/** Of sorted or unsorted values, 0 to 1. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((left, right) => left - right);
  return sorted[
    Math.min(Math.ceil(sorted.length * share), sorted.length) - 1
  ] ??
    0;
}

/** Three digits are more than any of this is worth. */
export function rounded(value: number): number {
  return value === 0 ? 0 : Number(value.toPrecision(4));
}
