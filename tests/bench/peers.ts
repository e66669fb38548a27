/** The other systems and runtimes, from npm, exactly pinned, kept apart. */
import { existsSync } from "node:fs";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";

/** Where they are; not part of this repository. */
export const CACHE = join(import.meta.dirname ?? ".", "../../.cache/bench");

const PACKAGE = {
  private: true,
  type: "module",
  dependencies: {
    "graphile-worker": "0.18.0",
    "pg-boss": "12.38.0",
    // Both peers ask for Node 22 or later.
    "node": "24.21.0",
    "bun": "1.4.5",
  },
  // What pg-boss asks for is not on every mirror of the registry.
  overrides: { "rrule-temporal": "2.2.7" },
};

/** What is installed, by name. */
export const VERSIONS: Readonly<Record<string, string>> = PACKAGE.dependencies;

/** Fetches what is not there yet. */
export async function fetchPeers(): Promise<void> {
  const wanted = JSON.stringify(PACKAGE, null, 2);
  const file = join(CACHE, "package.json");
  const there = existsSync(file) ? await readFile(file, "utf8") : "";
  const isThere = ["deno.json", "node_modules/pg-boss"]
    .every((name) => existsSync(join(CACHE, name)));
  if (there === wanted && isThere) return;
  console.error("Fetching graphile-worker, pg-boss, Node and Bun from npm …");
  await mkdir(CACHE, { recursive: true });
  await writeFile(file, wanted);
  await writeFile(
    join(CACHE, "deno.json"),
    JSON.stringify({ nodeModulesDir: "manual" }),
  );
  const { success, stderr } = await new Deno.Command("npm", {
    args: ["install", "--no-audit", "--no-fund"],
    cwd: CACHE,
  }).output();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
}

/** A runtime that a contender can be started with. */
export type Runtime = "deno" | "node" | "bun";

/**
 * The program and what stands before the file to run.
 *
 * @param isPeer Deno finds the packages of a peer by the peers' own folder.
 */
export function programOf(
  runtime: Runtime,
  { isPeer }: { readonly isPeer: boolean },
): readonly string[] {
  if (runtime === "deno") {
    const config = isPeer ? ["--config", join(CACHE, "deno.json")] : [];
    return [Deno.execPath(), "run", "-A", "--no-lock", "--quiet", ...config];
  }
  return [join(CACHE, "node_modules/.bin", runtime)];
}
