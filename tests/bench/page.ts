/**
 * Makes `docs/operations/benchmark.md` from the results of one run or several:
 * `deno run -A tests/bench/page.ts FILE.json …`. Of a scenario that was run
 * twice the last file counts. Ratios are always of one run.
 */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { overview, whatItCosts, whereTheyRun } from "./page_parts.ts";
import { isMet, ratioTable, rowTables } from "./report.ts";
import type { Ratio, ResultRow, Results } from "./results.ts";

const PAGE = join(
  import.meta.dirname ?? ".",
  "../../docs/operations/benchmark.md",
);

/** What a run says of itself; see `machine.ts`. */
interface Meta {
  readonly at: string;
  readonly command: string;
  readonly mode: string;
  readonly rounds: number;
  readonly tookSeconds: number;
  readonly loadBefore: number;
  readonly faults: readonly string[];
  readonly machine: Readonly<Record<string, string | number>>;
  readonly server: {
    readonly version: string;
    readonly settings: Readonly<Record<string, string | number>>;
  };
  readonly versions: Readonly<Record<string, string>>;
  readonly systems: readonly {
    readonly name: string;
    readonly runtime: string;
    readonly how: string;
  }[];
}

/** Above it, other work was going on, and only ratios mean something. */
const LOAD_MAX = 0.5;

export function toPage(runs: readonly Results[]): string {
  const metas = runs.map(({ meta }) => meta as unknown as Meta);
  const last = metas.at(-1);
  if (last === undefined) throw new TypeError("there is a run");
  const rows = lastOf(
    runs.flatMap((run) => run.rows),
    ({ scenario, system }: ResultRow) => `${scenario}\n${system}`,
  );
  const ratios = lastOf(
    runs.flatMap((run) => run.ratios),
    ({ scenario, against }: Ratio) => `${scenario}\n${against}`,
  );
  return `# Benchmark

Yardmaster beside graphile-worker, pg-boss, and the least that raw SQL could do
with the same tables: what they do in a second, on one machine, in the same run.
The losses are here too.

${overview(rows)}
Medians; min and max, and what each costs, are [below](#all-results). Yardmaster
keeps the history of every job and fences every write. graphile-worker deletes
what has ended; pg-boss keeps it.

## What we aim for

${verdict(ratios)}${withoutAim(rows)}

${ratioTable(ratios)}
Ratios compare medians of one run. Where a peer has two settings, ours is
compared with its better one; ours is as it is by default.

${whatItCosts(ratios.filter((ratio) => !isMet(ratio)), rows)}
## Repeat it

\`\`\`sh
${metas.map(command).join("\n")}
deno run -A tests/bench/page.ts ${metas.map((_, n) => file(n)).join(" ")}
\`\`\`

It starts a Postgres of its own, and fetches it and the peers from npm.

${metas.map(conditions).join("\n\n")}

${last.server.version}, defaults but for ${settings(last)}.

${versions(last)}.

${method(metas, rows)}
## All results

${rowTables(rows)}`;
}

function method(metas: readonly Meta[], rows: readonly ResultRow[]): string {
  // A system that came later than the other runs is in one of them only.
  const systems = lastOf(
    metas.flatMap((meta) => meta.systems),
    ({ name }) => name,
  );
  return `## Method

Each system runs in a process of its own, in a database of its own on one
server, and is measured in turns: each round begins with another one, so the
noise of the machine meets all. What is not measured is stopped. Before each
measurement the tables are vacuumed and a checkpoint is made.

- A rate counts from the first run to the moment when the tables say that
  nothing is left; nobody pays for starting.
- WAL is what \`pg_current_wal_lsn()\` moved by. CPU is that of all threads of the
  contender, and of all processes of the server.
- Pick-up is from the call that enqueues, in one process, to the start of the
  run in another. Under load, jobs of 20 ms come at 250 a second, each at a
  moment of its own, to ten slots (of pg-boss: ten workers of one job each):
  half of what ten slots can run, and the same for all.
- Mixed durations are 0 to 50 ms; one in a hundred takes 500 ms, one in a
  hundred fails. The time needed is what the jobs slept, shared by 50 slots.
- While a snapshot is held, a process enqueues and runs at once, with 3,000 jobs
  waiting. What is compared are the last ten of its sixty seconds.
- What limiters cost is measured with 1,000 jobs at a time and limiters that
  never block: every job is still asked about, counted and put in its turn. The
  thousand keys come in turn, so each call enqueues one job of each.
- Deadlocks and rollbacks are those that the server counted, whoever was told.

${whereTheyRun(rows)}

| system | on | settings |
| --- | --- | --- |
${
    systems.map(({ name, runtime, how }) =>
      `| ${name} | ${runtime} | ${how} |\n`
    ).join("")
  }
`;
}

function lastOf<T>(all: readonly T[], key: (one: T) => string): T[] {
  return [...new Map(all.map((one) => [key(one), one])).values()];
}

function verdict(ratios: readonly Ratio[]): string {
  const missed = ratios.filter((ratio) => !isMet(ratio));
  return missed.length === 0
    ? `All ${ratios.length} were met.`
    : `Of ${ratios.length}, ${ratios.length - missed.length} were met and ` +
      `${missed.length} missed.`;
}

function withoutAim(rows: readonly ResultRow[]): string {
  return rows.some(({ scenario }) => scenario.includes("with a receipt"))
    ? " What receipts cost is told, with no aim."
    : "";
}

function file(run: number): string {
  return run === 0 ? "results.json" : `results-${run + 1}.json`;
}

function command(meta: Meta, run: number): string {
  const plain = meta.command.replace(/ --json \S+/, "");
  return `${plain} --json ${file(run)}`;
}

function conditions(meta: Meta): string {
  const { cpus, model, memoryGiB, kernel, syncsPerSecond } = meta.machine;
  const minutes = Math.round(meta.tookSeconds / 60);
  return [
    `${meta.at.slice(0, 16).replace("T", " ")} UTC, \`${
      meta.command.replace(/ --json \S+/, "")
    }\`, commit ${
      meta.versions.commit ?? "unknown"
    }, rounds: ${meta.rounds}, ` +
    `in ${minutes} min. ${cpus} CPUs (${model}), ` +
    `${memoryGiB} GiB, Linux ${kernel}, ${syncsPerSecond} fdatasync a second; ` +
    "clients and server on the same machine. " +
    (meta.loadBefore > LOAD_MAX
      ? `**The machine had not been idle** (load ${
        meta.loadBefore.toFixed(1)
      } before the run): rates may be too low.`
      : `Nothing else was running (load ${meta.loadBefore.toFixed(2)}).`),
    ...(meta.mode === "smoke"
      ? ["**This only shows that all works: its figures mean nothing.**"]
      : []),
    ...meta.faults.map((fault) => `**Did not finish:** ${fault}`),
  ].join("\n\n");
}

function settings({ server }: Meta): string {
  return Object.entries(server.settings)
    .map(([name, value]) => `\`${name} = ${value}\``).join(", ");
}

function versions({ versions }: Meta): string {
  return Object.entries(versions)
    // Each run says its own.
    .filter(([name]) => name !== "commit")
    .map(([name, version]) => `${name} ${version}`).join(", ");
}

if (import.meta.main) {
  const files = Deno.args.length === 0 ? ["results.json"] : Deno.args;
  const runs: Results[] = [];
  for (const each of files) runs.push(JSON.parse(await readFile(each, "utf8")));
  await writeFile(PAGE, toPage(runs));
  await new Deno.Command(Deno.execPath(), { args: ["fmt", "--quiet", PAGE] })
    .output();
}
