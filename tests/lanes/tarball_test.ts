/** What we publish is what a host installs: it mounts and answers everywhere. */
import assert from "node:assert/strict";
import { copyFile, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { MIGRATIONS } from "../../src/db/migrations.gen.ts";
import { packTarball } from "../support/pack.ts";
import { migratedSnapshot } from "../support/pglite.ts";
import { usePostgres } from "../support/postgres.ts";
import { ROOT } from "../support/sources.ts";

const testPostgres = usePostgres();
const STEP_LIMIT_MS = 180_000;

/** How each runtime is started where only Node and npm are. */
const RUNTIMES: Readonly<Record<string, readonly string[]>> = {
  "Node 20": ["npx", "-y", "node@20"],
  "Node 22": ["npx", "-y", "node@22"],
  "Node 24": ["npx", "-y", "node@24"],
  "Bun": ["npx", "-y", "bun@1.4.5"],
  "Deno": [Deno.execPath(), "run", "-A", "--node-modules-dir=manual"],
};

interface Run {
  readonly success: boolean;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a command, and ends it when it takes too long. */
async function run(command: readonly string[], cwd: string): Promise<Run> {
  const [program = "", ...args] = command;
  const child = new Deno.Command(program, {
    args,
    cwd,
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
    // Not ours: what the tests of this checkout set must not reach a host.
    env: { NO_COLOR: "1", npm_config_update_notifier: "false" },
  }).spawn();
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    child.kill("SIGKILL");
  }, STEP_LIMIT_MS);
  const { success, stdout, stderr } = await child.output();
  clearTimeout(timer);
  const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes).trim();
  return {
    success,
    stdout: decode(stdout),
    stderr: late ? `no answer in ${STEP_LIMIT_MS / 1000} s` : decode(stderr),
  };
}

/** Runs what must succeed. */
async function must(command: readonly string[], cwd: string): Promise<string> {
  const { success, stdout, stderr } = await run(command, cwd);
  assert(success, `${command.join(" ")}: ${stderr.slice(-2_000)}`);
  return stdout;
}

/** A folder of a host that installed the tarball next to Hono. */
async function installTarball(): Promise<AsyncDisposable & { path: string }> {
  const path = await mkdtemp(join(tmpdir(), "yardmaster-tarball-"));
  const tarball = join(path, "yardmaster.tgz");
  await packTarball(tarball);
  await writeFile(
    join(path, "package.json"),
    JSON.stringify({ name: "host", private: true, type: "module" }),
  );
  await must(
    [
      ...["npm", "install", "--no-audit", "--no-fund"],
      ...[tarball, "hono", "zod", "typescript@5.9.3"],
      ...["pg", "postgres", "@electric-sql/pglite@0.5.16"],
    ],
    path,
  );
  await writeFile(join(path, "snapshot.tar"), await migratedSnapshot());
  await copyFile(
    join(ROOT, "tests/lanes/tarball_host.mjs"),
    join(path, "host.mjs"),
  );
  return {
    path,
    [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }),
  };
}

/** Why a runtime can not be started, or null if it can. */
async function missing(
  command: readonly string[],
  cwd: string,
): Promise<string | null> {
  if (command[0] !== "npx") return null;
  const { success, stderr } = await run([...command, "--version"], cwd);
  return success ? null : stderr;
}

/** What a host in TypeScript writes; each expected error must be one. */
const TYPED_HOST = `
import { createYardmaster, defineWorker, SchemaVersionError } from "@yardmaster/yardmaster";
import { postgresJs } from "@yardmaster/yardmaster/postgres";
import postgres from "postgres";
import { z } from "zod";

const charge = defineWorker({
  name: "charge",
  args: z.object({ order: z.int() }),
  perform: ({ order }) => order + 1,
});
const sql = postgres("");
export const yard = createYardmaster({
  database: postgresJs(sql),
  workers: [charge],
  queues: { default: { limit: 1 } },
});
await sql.begin(async (tx) => {
  await yard.enqueue(charge, { order: 1 }, { database: postgresJs(tx) });
});
// @ts-expect-error An order is a number.
await yard.enqueue(charge, { order: "1" });
// @ts-expect-error Workers are a list.
createYardmaster({ database: postgresJs(sql), workers: charge });
export const code: "schema_version" = {} as SchemaVersionError["code"];
`;

Deno.test("the packed tarball mounts, answers and has types, on each runtime", async (t) => {
  await using world = await testPostgres();
  await using host = await installTarball();
  await t.step("TypeScript", async () => {
    await writeFile(join(host.path, "typed_host.ts"), TYPED_HOST);
    const answer = await run([
      ...["npx", "tsc", "--noEmit", "--strict", "--skipLibCheck"],
      ...["--target", "es2023", "--module", "nodenext", "typed_host.ts"],
    ], host.path);
    assert(answer.success, answer.stdout);
  });
  await t.step("its command", async () => {
    const answer = await must(
      ["npx", "yardmaster", "migrate", "status", "--database-url", world.url],
      host.path,
    );
    assert.match(answer, /yardmaster/);
  });
  for (const [name, command] of Object.entries(RUNTIMES)) {
    const why = await missing(command, host.path);
    if (why !== null) {
      console.log(`Skipped ${name}: it can not be fetched: ${why}`);
      assert.notEqual(process.env["CI"], "true", `${name} must be there in CI`);
      continue;
    }
    await t.step(name, async () => {
      const answer = await must(
        [...command, "host.mjs", "snapshot.tar", world.url],
        host.path,
      );
      assert.deepEqual(JSON.parse(answer.split("\n").at(-1) ?? ""), {
        version: MIGRATIONS.at(-1)?.version,
        ran: ["tarball"],
        status: 200,
        title: true,
        css: 200,
        drivers: [7, 7],
      });
    });
  }
});

Deno.test("the package passes what a registry asks", async () => {
  await must(
    [Deno.execPath(), "publish", "--dry-run", "--allow-dirty"],
    ROOT,
  );
});
