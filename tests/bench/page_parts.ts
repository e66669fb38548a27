/** Parts of the page that are read first, and what they are made of. */
import { number, table } from "./report.ts";
import type { Ratio, ResultRow } from "./results.ts";

/** What a reader asks first, and of whom: a system may go by several names. */
const QUESTIONS = [
  ["run no-ops", "drain 50k"],
  ["enqueue one by one", "enqueue one by one"],
  ["enqueue, 32 in flight", "enqueue 32 in flight"],
  ["enqueue, 1,000 per call", "enqueue 1,000 per call"],
  ["pick-up when idle, ms", "pick-up latency, idle"],
  ["pick-up under load, ms", "pick-up latency, half of the slots taken"],
] as const;

const ASKED: Readonly<Record<string, readonly string[]>> = {
  "Yardmaster": ["yardmaster"],
  "graphile-worker": [
    "graphile-worker",
    "graphile-worker, as documented",
    "graphile-worker, unbatched",
  ],
  "pg-boss": ["pg-boss", "pg-boss, unordered", "pg-boss, notify"],
  "raw SQL": ["raw SQL"],
};

/** One line for each question, a column for each system at its best. */
export function overview(rows: readonly ResultRow[]): string {
  const lines = QUESTIONS.flatMap(([question, scenario]) => {
    const own = rows.filter((row) => row.scenario === scenario);
    if (own.length === 0) return [];
    const cells = Object.values(ASKED).map((names) =>
      best(own.filter(({ system }) => names.includes(system)))
    );
    const unit = own[0]?.unit.startsWith("jobs") ? ", jobs/s" : "";
    return [[`${question}${unit}`, ...cells.map(whole)]];
  });
  return table(["", ...Object.keys(ASKED)], lines);
}

/** The highest rate; the shortest wait. */
function best(rows: readonly ResultRow[]): ResultRow | null {
  const sign = rows[0]?.unit.startsWith("jobs") ? -1 : 1;
  return [...rows].sort((a, b) => sign * (a.median - b.median))[0] ?? null;
}

function whole(row: ResultRow | null): string {
  return row === null ? "–" : number(row.median);
}

const BY_RUNTIME = "drain 50k, by runtime";

/** Ours runs on Deno and the peers on Node: whether that favours anybody. */
export function whereTheyRun(rows: readonly ResultRow[]): string {
  const own = rows.filter(({ scenario }) => scenario === BY_RUNTIME);
  if (own.length === 0) {
    return "Ours runs on Deno, the peers on Node 24, which their authors write " +
      "for. Whether that favours anybody, `--only runtimes` shows.";
  }
  const usual = { "yardmaster": "deno", "graphile-worker": "node" };
  const names = Object.entries({ ...usual, "pg-boss": "node" });
  const parts = names.flatMap(([system, runtime]) => {
    const mine = own.filter((row) => row.system.startsWith(`${system} on `));
    const here = mine.find((row) => row.system === `${system} on ${runtime}`);
    const top = best(mine);
    if (!here || !top) return [];
    const rates = mine.map((row) =>
      `${number(row.median)} ${row.system.slice(system.length + 1)}`
    );
    const share = number(here.median / top.median);
    return [
      `- ${system}: ${rates.join(", ")}. It is measured on ${runtime}, ` +
      `at ${share} of its best.`,
    ];
  });
  return "Ours runs on Deno, the peers on Node 24, which their authors write " +
    `for. Jobs a second of "${BY_RUNTIME}", to see whom that favours:\n\n` +
    `${parts.join("\n")}\n\n${onTheSame(own)}`;
}

/** Beside the peers on one runtime, whatever each runs on otherwise. */
function onTheSame(rows: readonly ResultRow[]): string {
  const rate = (system: string) =>
    rows.find((row) => row.system === system)?.median ?? NaN;
  const usual = rate("yardmaster on deno");
  return ["graphile-worker", "pg-boss"].map((peer) => {
    const same = ["deno", "node", "bun"].map((runtime) => {
      const ratio = rate(`yardmaster on ${runtime}`) /
        rate(`${peer} on ${runtime}`);
      return `${number(ratio)} on ${runtime}`;
    });
    return `Ours to ${peer}: ${number(usual / rate(`${peer} on node`))} as ` +
      `each is measured; both ${same.join(", ")}.`;
  }).join(" ");
}

/** What both sides of a missed aim spend on a job, as far as it was read. */
export function whatItCosts(
  missed: readonly Ratio[],
  rows: readonly ResultRow[],
): string {
  const scenarios = [...new Set(missed.map(({ scenario }) => scenario))];
  const lines = scenarios.flatMap((scenario) => {
    const against = missed.filter((ratio) => ratio.scenario === scenario);
    const own = rows.filter((row) =>
      row.scenario === scenario && row.cpuClientUs !== null
    );
    const ours = own.find(({ system }) => system === "yardmaster");
    const theirs = against.flatMap((ratio) => {
      const name = PEERS.find((peer) => ratio.against.startsWith(peer));
      return best(
        own.filter(({ system }) => name && system.startsWith(name)),
      ) ??
        [];
    });
    if (ours === undefined || theirs.length === 0) return [];
    return [`- ${scenario}: ${[ours, ...theirs].map(spent).join("; ")}.`];
  });
  if (lines.length === 0) return "";
  return "Where an aim was missed, this is what a job costs, in " +
    "microseconds of the client's CPU, of the server's, and bytes of WAL:\n\n" +
    `${lines.join("\n")}\n`;
}

const PEERS = ["graphile-worker", "pg-boss", "raw SQL"];

function spent(row: ResultRow): string {
  const { system, cpuClientUs, cpuServerUs, walPerJob } = row;
  const figures = [cpuClientUs, cpuServerUs, walPerJob].map(number);
  return `${system} ${figures.join(" + ")} B`.replace(/ \+ (\S+ B)$/, ", $1");
}
