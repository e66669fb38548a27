/**
 * The npm package: what `deno pack` makes, and what it has no words for.
 *
 * `deno run -A tests/support/pack.ts` writes `yardmaster.tgz`.
 */
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import process from "node:process";

const ROOT = join(import.meta.dirname ?? ".", "../..");

/** A host has the driver that it uses, and is not made to install the others. */
const DRIVERS = ["@electric-sql/pglite", "pg", "postgres"];

interface PackageJson {
  readonly description: string;
  readonly engines: Readonly<Record<string, string>>;
  readonly dependencies: Readonly<Record<string, string>>;
}

/** Packs this checkout into `target`, as npm installs it. */
export async function packTarball(target: string): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "yardmaster-pack-"));
  try {
    const packed = join(folder, "packed.tgz");
    await run(
      [Deno.execPath(), "pack", "--allow-dirty", "--output", packed],
      ROOT,
    );
    await run(["tar", "-xzf", packed], folder);
    const path = join(folder, "package/package.json");
    const ours = await readJson(join(ROOT, "package.json"));
    const made = await readJson(path);
    await writeFile(path, JSON.stringify(complete(made, ours), null, 2));
    await run(["tar", "-czf", target, "package"], folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function complete(made: PackageJson, ours: PackageJson): object {
  const { dependencies, ...rest } = made;
  return {
    ...rest,
    description: ours.description,
    engines: ours.engines,
    bin: { yardmaster: "./src/cli/main.js" },
    dependencies: Object.fromEntries(
      Object.entries(dependencies).filter(([name]) => !DRIVERS.includes(name)),
    ),
    peerDependencies: Object.fromEntries(
      DRIVERS.map((name) => [name, `^${ours.dependencies[name]}`]),
    ),
    peerDependenciesMeta: Object.fromEntries(
      DRIVERS.map((name) => [name, { optional: true }]),
    ),
  };
}

async function readJson(path: string): Promise<PackageJson> {
  return JSON.parse(await readFile(path, "utf8")) as PackageJson;
}

async function run(command: readonly string[], cwd: string): Promise<void> {
  const [program = "", ...args] = command;
  const { success, stderr } = await new Deno.Command(program, { args, cwd })
    .output();
  if (success) return;
  const said = new TextDecoder().decode(stderr).trim();
  throw new Error(`Cannot pack: ${command.join(" ")}: ${said.slice(-2_000)}`);
}

if (import.meta.main) {
  await packTarball(resolve(process.argv[2] ?? "yardmaster.tgz"));
}
