/** Tables of results, for a terminal and for a page: both are Markdown. */
import type { Ratio, ResultRow, Results } from "./results.ts";

export function printTables({ meta, rows, ratios }: Results): void {
  console.log(rowTables(rows));
  console.log(`### Targets\n\n${ratioTable(ratios)}`);
  console.log(JSON.stringify(meta, null, 2));
}

/** One table for each scenario, the best first. */
export function rowTables(rows: readonly ResultRow[]): string {
  const scenarios = [...new Set(rows.map(({ scenario }) => scenario))];
  return scenarios.map((scenario) => {
    const own = rows.filter((row) => row.scenario === scenario);
    const unit = own[0]?.unit ?? "";
    const sign = unit.startsWith("jobs") ? -1 : 1;
    const sorted = [...own].sort((a, b) => sign * (a.median - b.median));
    return `### ${scenario}\n\n` + table(
      [
        unit,
        "median",
        "min … max",
        "WAL B/job",
        "client CPU µs",
        "server CPU µs",
        "beside",
      ],
      sorted.map((row) => [
        row.system,
        number(row.median),
        `${number(row.min)} … ${number(row.max)}`,
        number(row.walPerJob),
        number(row.cpuClientUs),
        number(row.cpuServerUs),
        facts(row),
      ]),
    );
  }).join("\n");
}

export function ratioTable(ratios: readonly Ratio[]): string {
  return table(
    ["scenario", "against", "value", "target", ""],
    ratios.map((ratio) => [
      ratio.scenario,
      ratio.against,
      besideTarget(ratio),
      `${ratio.atLeast ? "at least" : "at most"} ${number(ratio.target)}`,
      isMet(ratio) ? "met" : "**missed**",
    ]),
  );
}

/** With a digit more where rounding would hide on which side it stands. */
function besideTarget({ value, target }: Ratio): string {
  const rounded = number(value);
  return rounded === number(target) && value !== target
    ? value.toPrecision(3)
    : rounded;
}

export function isMet({ value, target, atLeast }: Ratio): boolean {
  return atLeast ? value >= target : value <= target;
}

function facts({ facts }: ResultRow): string {
  return Object.entries(facts)
    .map(([name, value]) => `${words(name)} ${number(value)}`)
    .join(", ");
}

function words(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
}

export function number(value: number | null): string {
  if (value === null) return "–";
  if (Number.isInteger(value) && Math.abs(value) < 1_000) return String(value);
  const digits = Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2;
  return value.toLocaleString("en", {
    maximumFractionDigits: digits,
    minimumFractionDigits: digits,
  });
}

export function table(
  head: readonly string[],
  rows: readonly (readonly string[])[],
): string {
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |\n`;
  return line(head) + line(head.map(() => "---")) + rows.map(line).join("");
}
