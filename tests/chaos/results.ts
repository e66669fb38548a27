/** What the long form found when it was last kept, as rows of a page. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Findings } from "./scenario.ts";
import type { Size } from "./world.ts";

/** `deno task chaos --json tests/chaos/results.json` writes it anew. */
const FILE = join(import.meta.dirname ?? ".", "results.json");

/** What `--json` writes. */
export interface Results {
  readonly seed: number;
  /** Such as `postgres (PostgreSQL) 18.4`. */
  readonly server: string;
  /** Such as `2026-11-21`. */
  readonly on: string;
  readonly size: Size;
  readonly scenarios: readonly Findings[];
}

export function readResults(): Results {
  return JSON.parse(readFileSync(FILE, "utf8")) as Results;
}

/** A head, and a row for each scenario. */
export function chaosRows(): string[][] {
  const number = (value: number) => value.toLocaleString("en");
  return [
    [
      "scenario",
      "jobs",
      "faults",
      "runs",
      "fenced",
      "lost",
      "ended twice",
      "longest recovery",
      "measured beside",
    ],
    ...readResults().scenarios.map((found) => [
      `\`${found.name}\``,
      ...[found.jobs, found.faults, found.executions, found.fenced].map(number),
      ...[found.lost, found.doubleOutcomes].map(number),
      `${number(found.recoveryMsMax)} ms`,
      Object.entries(found.measured)
        .map(([name, value]) => `${name} ${number(value)}`).join(", "),
    ]),
  ];
}
