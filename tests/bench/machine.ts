/** On what a run was made: figures say nothing without it. */
import { open, readFile, rm } from "node:fs/promises";
import { cpus, loadavg, release, tmpdir, totalmem } from "node:os";
import { join } from "node:path";
import type { Size } from "./interleave.ts";
import { type Lab, SERVER_SETTINGS } from "./lab.ts";
import { VERSIONS } from "./peers.ts";
import * as systems from "./systems.ts";

const SYNCS = 200;

/** Of the last minute. Above half of a core, somebody else is at work. */
export function load1(): number {
  return loadavg()[0] ?? 0;
}

export async function describeRun(
  lab: Lab,
  size: Size,
): Promise<Readonly<Record<string, unknown>>> {
  const { version } = JSON.parse(await readFile("deno.json", "utf8"));
  return {
    at: new Date().toISOString(),
    command: ["deno task bench", ...Deno.args.map(quoted)].join(" "),
    mode: size.mode,
    rounds: size.rounds,
    machine: {
      cpus: cpus().length,
      model: cpus()[0]?.model ?? "unknown",
      memoryGiB: Math.round(totalmem() / 2 ** 30),
      kernel: release(),
      syncsPerSecond: await syncsPerSecond(),
    },
    server: { version: lab.version, settings: SERVER_SETTINGS },
    versions: {
      yardmaster: version,
      commit: await commit(),
      deno: Deno.version.deno,
      ...VERSIONS,
    },
    systems: systems.DESCRIBED.map(({ name, runtime, how }) => ({
      name,
      runtime,
      how,
    })),
  };
}

/** As a shell reads it back. */
function quoted(word: string): string {
  return /^[\w./-]+$/.test(word) ? word : `'${word}'`;
}

/** How often a second this disk can be told to keep what was written. */
async function syncsPerSecond(): Promise<number> {
  const path = join(tmpdir(), `yardmaster-bench-${crypto.randomUUID()}`);
  const file = await open(path, "w");
  const block = new Uint8Array(8_192);
  const beganMs = performance.now();
  for (let n = 0; n < SYNCS; n++) {
    await file.write(block, 0, block.length, (n % 16) * block.length);
    await file.datasync();
  }
  const seconds = (performance.now() - beganMs) / 1_000;
  await file.close();
  await rm(path);
  return Math.round(SYNCS / seconds);
}

async function commit(): Promise<string> {
  const { stdout, success } = await new Deno.Command("git", {
    args: ["describe", "--always", "--dirty"],
    stderr: "null",
  }).output();
  return success ? new TextDecoder().decode(stdout).trim() : "unknown";
}
