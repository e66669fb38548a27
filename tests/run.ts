/**
 * `deno task test`: brings up what the tests need, runs all of them, and ends
 * with one line, `N passed, N failed`. Paths as arguments run only those.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import process from "node:process";
import {
  type PostgresServer,
  startPostgres,
} from "./support/postgres_server.ts";

const ROOT = join(import.meta.dirname ?? ".", "..");
const CACHE = join(ROOT, ".cache");
/** Longer than this is a hang, and somebody waits for the answer. */
const LIMIT_MS = 15 * 60_000;
/** Folders whose tests measure time or start processes: one after the other. */
const ALONE = /^tests\/(lanes|chaos|browser|simulation)\//;

interface Counts {
  passed: number;
  failed: number;
  skipped: number;
}

const startedAt = performance.now();
const inCi = process.env["CI"] === "true";

async function main(paths: readonly string[]): Promise<Counts> {
  const counts: Counts = { passed: 0, failed: 0, skipped: 0 };
  const all = [...testFiles("tests"), ...testFiles("examples")];
  let files = all.filter((file) =>
    paths.length === 0 ||
    paths.some((path) => file === path || file.startsWith(`${path}/`))
  );
  mkdirSync(CACHE, { recursive: true });

  await using server = await openPostgres();
  if (server.why !== null) {
    const without = files.filter((file) => !needsPostgres(file));
    for (const file of files.filter((each) => needsPostgres(each))) {
      say(`Skipped ${file}: no Postgres: ${server.why}`);
      counts[inCi ? "failed" : "skipped"] += 1;
    }
    files = without;
  }
  say("Preparing PGlite");
  await deno(["run", "-A", "tests/support/pglite.ts"], {});

  const environment = { YARDMASTER_TEST_POSTGRES: server.url ?? "" };
  const together = files.filter((file) => !ALONE.test(file));
  const alone = files.filter((file) => ALONE.test(file));
  await runTests(counts, {
    files: together,
    args: ["--parallel"],
    environment,
  });
  await runTests(counts, { files: alone, args: [], environment });
  if (paths.length === 0) {
    const documents = ["src", ...["mod.ts"].filter((path) => exists(path))];
    await runTests(counts, { files: documents, args: ["--doc"], environment });
  }
  return counts;
}

/** A server, or why there is none. */
interface PostgresAnswer extends AsyncDisposable {
  readonly url: string | null;
  readonly why: string | null;
}

async function openPostgres(): Promise<PostgresAnswer> {
  const given = process.env["YARDMASTER_TEST_POSTGRES"];
  if (given) {
    say(`Using the Postgres of YARDMASTER_TEST_POSTGRES`);
    return { url: given, why: null, async [Symbol.asyncDispose]() {} };
  }
  say("Starting Postgres");
  let server: PostgresServer;
  try {
    server = await startPostgres();
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    return { url: null, why, async [Symbol.asyncDispose]() {} };
  }
  say(`Started ${server.version}`);
  const stop = () => server[Symbol.asyncDispose]();
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.on(signal, async () => {
      await stop();
      process.exit(130);
    });
  }
  return { url: server.url, why: null, [Symbol.asyncDispose]: stop };
}

async function runTests(counts: Counts, { files, args, environment }: {
  readonly files: readonly string[];
  readonly args: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
}): Promise<void> {
  if (files.length === 0) return;
  const docs = args.includes("--doc");
  say(`Running ${docs ? "the examples in" : ""} ${files.length} files`);
  const junit = join(CACHE, `junit-${crypto.randomUUID()}.xml`);
  const code = await deno(
    ["test", "-A", "--quiet", ...args, `--junit-path=${junit}`, ...files],
    { ...environment, DENO_JOBS: "2" },
  );
  const found = readCounts(junit);
  counts.passed += found.passed;
  counts.failed += found.failed;
  counts.skipped += found.skipped;
  // What fails before or between tests is in no count, and is a failure.
  if (code !== 0 && found.failed === 0) counts.failed += 1;
}

function readCounts(junit: string): Counts {
  if (!existsSync(junit)) return { passed: 0, failed: 0, skipped: 0 };
  const report = readFileSync(junit, "utf8");
  const all = report.match(/<testcase\b/g)?.length ?? 0;
  const failed = report.match(/<(failure|error)\b/g)?.length ?? 0;
  const skipped = report.match(/<skipped\b/g)?.length ?? 0;
  return { passed: all - failed - skipped, failed, skipped };
}

async function deno(
  args: readonly string[],
  environment: Readonly<Record<string, string>>,
): Promise<number> {
  const child = new Deno.Command(Deno.execPath(), {
    args: [...args],
    cwd: ROOT,
    env: environment,
  }).spawn();
  const leftMs = LIMIT_MS - (performance.now() - startedAt);
  const timer = setTimeout(() => {
    say(`Ended after ${LIMIT_MS / 60_000} minutes: deno ${args.join(" ")}`);
    child.kill("SIGKILL");
  }, Math.max(leftMs, 0));
  const { code } = await child.status;
  clearTimeout(timer);
  return code;
}

function testFiles(folder: string): string[] {
  return readdirSync(join(ROOT, folder), { withFileTypes: true })
    .sort((a, b) => a.name < b.name ? -1 : 1)
    .flatMap((entry) => {
      const path = `${folder}/${entry.name}`;
      if (entry.isDirectory()) return testFiles(path);
      return entry.name.endsWith("_test.ts") ? [path] : [];
    });
}

/** Whether it imports a real Postgres, itself or through what it imports. */
function needsPostgres(file: string, seen = new Set<string>()): boolean {
  if (file === "tests/support/postgres_server.ts") return true;
  if (seen.has(file) || !exists(file)) return false;
  seen.add(file);
  const text = readFileSync(join(ROOT, file), "utf8");
  return [...text.matchAll(/from "(\.[^"]+)"/g)].some(([, path = ""]) =>
    needsPostgres(join(dirname(file), path), seen)
  );
}

function exists(path: string): boolean {
  return existsSync(join(ROOT, path));
}

function say(text: string): void {
  const seconds = Math.round((performance.now() - startedAt) / 1000);
  console.log(`[${seconds} s] ${text}`);
}

if (import.meta.main) {
  const counts = await main(process.argv.slice(2));
  say("Done");
  const skipped = counts.skipped > 0 ? `, ${counts.skipped} skipped` : "";
  console.log(`${counts.passed} passed, ${counts.failed} failed${skipped}`);
  process.exit(counts.failed === 0 && counts.passed > 0 ? 0 : 1);
}
