/**
 * Makes `docs/operations/benchmark.md` from the results of a run:
 * `deno run -A tests/bench/page.ts FILE.json`.
 */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { isMet, ratioTable, rowTables } from "./report.ts";
import type { Results } from "./results.ts";

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

export function toPage({ meta: facts, rows, ratios }: Results): string {
  const meta = facts as unknown as Meta;
  const missed = ratios.filter((ratio) => !isMet(ratio));
  return `# Benchmark

Made by \`tests/bench/page.ts\` from one run; do not edit. To repeat it:

\`\`\`sh
${meta.command} --json results.json
deno run -A tests/bench/page.ts results.json
\`\`\`

${conditions(meta)}

${
    missed.length === 0
      ? "Every target below was met."
      : `Of ${ratios.length} targets ${missed.length} were missed; they are ` +
        "in the first table."
  }

${ratioTable(ratios)}
## Method

Each system runs in a process of its own, in a database of its own on one
server, and is measured in turns: each round begins with another one, so the
noise of the machine meets all. What is not measured is stopped. Before each
measurement the tables are vacuumed and a checkpoint is made.

- A rate counts from the first run to the moment when the tables say that
  nothing is left; nobody pays for starting.
- Ours keeps the history of every job and fences every write. graphile-worker
  deletes what has ended; pg-boss keeps it.
- WAL is what \`pg_current_wal_lsn()\` moved by. CPU is that of all threads of the
  contender, and of all processes of the server.
- Ratios compare medians. Where a peer has two settings, ours is compared with
  its better one; ours is as it is by default, and once more "(prepared)".

| system | on | settings |
| --- | --- | --- |
${
    meta.systems.map(({ name, runtime, how }) =>
      `| ${name} | ${runtime} | ${how} |\n`
    ).join("")
  }
## Results

${rowTables(rows)}`;
}

function conditions(meta: Meta): string {
  const { cpus, model, memoryGiB, kernel, syncsPerSecond } = meta.machine;
  const versions = Object.entries(meta.versions)
    .map(([name, version]) => `${name} ${version}`).join(", ");
  const settings = Object.entries(meta.server.settings)
    .map(([name, value]) => `\`${name} = ${value}\``).join(", ");
  return [
    `${meta.at.slice(0, 16).replace("T", " ")} UTC, \`--${meta.mode}\`, ` +
    `${meta.rounds} rounds. ${cpus} CPUs (${model}), ${memoryGiB} GiB, Linux ` +
    `${kernel}, ${syncsPerSecond} fdatasync a second; clients and server on ` +
    "the same machine.",
    meta.loadBefore > LOAD_MAX
      ? `**The machine was not idle** (load ${meta.loadBefore.toFixed(1)} ` +
        "before the run): rates are too low, and ratios are rough."
      : `Nothing else was running (load ${meta.loadBefore.toFixed(2)}).`,
    `${meta.server.version}, defaults but for ${settings}.`,
    `${versions}.`,
    ...meta.faults.map((fault) => `**Did not finish:** ${fault}`),
  ].join("\n\n");
}

if (import.meta.main) {
  const [file = "results.json"] = Deno.args;
  const results: Results = JSON.parse(await readFile(file, "utf8"));
  await writeFile(PAGE, toPage(results));
  await new Deno.Command(Deno.execPath(), { args: ["fmt", "--quiet", PAGE] })
    .output();
}
