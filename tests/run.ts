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

/** So much of a failure is said again at the end. */
const FAILURE_LINES = 30;

interface Counts {
  passed: number;
  failed: number;
  skipped: number;
  /** What failed, and how: said again at the end, where it is looked for. */
  readonly failures: string[];
}

const startedAt = performance.now();
const inCi = process.env["CI"] === "true";

async function main(paths: readonly string[]): Promise<Counts> {
  const counts: Counts = { passed: 0, failed: 0, skipped: 0, failures: [] };
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
      if (inCi) counts.failures.push(`${file}: no Postgres: ${server.why}`);
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
  counts.failures.push(...found.failures);
  // What fails before or between tests is in no count, and is a failure.
  if (code !== 0 && found.failed === 0) {
    counts.failed += 1;
    counts.failures.push(`deno test ended with ${code}, outside of a test`);
  }
}

function readCounts(junit: string): Counts {
  if (!existsSync(junit)) {
    return { passed: 0, failed: 0, skipped: 0, failures: [] };
  }
  const report = readFileSync(junit, "utf8");
  const cases = report.split(/(?=<testcase\b)/).slice(1);
  const failures = cases.filter((each) => /<(failure|error)\b/.test(each));
  const skipped = cases.filter((each) => /<skipped\b/.test(each)).length;
  return {
    passed: cases.length - failures.length - skipped,
    failed: failures.length,
    skipped,
    failures: failures.map(describeFailure),
  };
}

/** A failed case of the report, as its file, its name and its first lines. */
function describeFailure(testcase: string): string {
  const [, name = "?"] = /\bname="([^"]*)"/.exec(testcase) ?? [];
  const [, file = "?"] = /\bclassname="([^"]*)"/.exec(testcase) ?? [];
  const [, said = ""] =
    /<(?:failure|error)\b[^>]*>([^]*?)<\/(?:failure|error)>/.exec(testcase) ??
      [];
  const lines = said.trim().split("\n").slice(0, FAILURE_LINES);
  return unescapeXml([`${file}: ${name}`, ...lines].join("\n    "));
}

function unescapeXml(text: string): string {
  return text
    .replaceAll("&lt;", "<").replaceAll("&gt;", ">")
    .replaceAll("&quot;", '"').replaceAll("&apos;", "'")
    .replaceAll("&#39;", "'").replaceAll("&amp;", "&");
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
  for (const failure of counts.failures) console.log(`\nFailed: ${failure}`);
  say("Done");
  const skipped = counts.skipped > 0 ? `, ${counts.skipped} skipped` : "";
  console.log(`${counts.passed} passed, ${counts.failed} failed${skipped}`);
  process.exit(counts.failed === 0 && counts.passed > 0 ? 0 : 1);
}
