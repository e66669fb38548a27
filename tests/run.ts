/**
 * `deno task test`: brings up what the tests need, runs all of them, and ends
 * with one line, `N passed, N failed`. Paths as arguments run only those.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import process from "node:process";
import {
  type Counts,
  noCounts,
  sweepReports,
  takeReport,
} from "./support/junit.ts";
import {
  type PostgresServer,
  startPostgres,
} from "./support/postgres_server.ts";

const ROOT = join(import.meta.dirname ?? ".", "..");
const CACHE = join(ROOT, ".cache");
/** Longer than this is a hang, and somebody waits for the answer. */
const LIMIT_MS = 15 * 60_000;
/** Of one process among them: what comes after it is run all the same. */
const STEP_LIMIT_MS = 7 * 60_000;
/** Told to end it says what it was at; then it is ended. */
const LAST_WORDS_MS = 10_000;
/** Each file in a process of its own, two at a time: they wait for others. */
const BESIDE = /^tests\/(lanes|simulation)\//;
/** Their tests measure time: one file after the other, and nothing beside. */
const ALONE = /^tests\/(chaos|browser)\//;
const SAME_WORLDS = "tests/support/same_worlds.ts";
/** It takes as long as all that run beside it. */
const LONGEST = "tests/lanes/pooled_test.ts";

const startedAt = performance.now();
const inCi = process.env["CI"] === "true";

async function main(paths: readonly string[]): Promise<Counts> {
  const counts = noCounts();
  const all = [...testFiles("tests"), ...testFiles("examples")];
  let files = all.filter((file) =>
    paths.length === 0 ||
    paths.some((path) => file === path || file.startsWith(`${path}/`))
  );
  mkdirSync(CACHE, { recursive: true });
  sweepReports(CACHE);

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
  const own = (pattern: RegExp) => files.filter((file) => pattern.test(file));
  const together = files.filter((file) =>
    !BESIDE.test(file) && !ALONE.test(file)
  );
  const documents = ["src", "mod.ts"];
  const stages: readonly (readonly Step[])[] = [
    [{ name: `${together.length} files`, files: together }],
    [
      ...own(BESIDE).sort((a, b) =>
        Number(b === LONGEST) - Number(a === LONGEST)
      )
        .map((file) => ({ name: file, files: [file] })),
      ...(paths.length === 0
        ? [{ name: "the examples in src", files: documents, docs: true }]
        : []),
    ],
  ];
  for (const steps of stages) {
    await runSteps(steps, { counts, environment, atATime: 2 });
  }
  const last = own(ALONE).map((file) => ({ name: file, files: [file] }));
  await runSteps(last, { counts, environment, atATime: 1 });
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

/** One process of `deno test`. */
interface Step {
  readonly name: string;
  readonly files: readonly string[];
  /** Whether the examples in the files are run. */
  readonly docs?: boolean;
}

async function runSteps(steps: readonly Step[], { atATime, ...rest }: {
  readonly counts: Counts;
  readonly environment: Readonly<Record<string, string>>;
  readonly atATime: number;
}): Promise<void> {
  const queue = steps.filter(({ files }) => files.length > 0);
  await Promise.all(Array.from({ length: atATime }, async () => {
    for (let step = queue.shift(); step; step = queue.shift()) {
      await runStep(step, rest);
    }
  }));
}

async function runStep({ name, files, docs = false }: Step, options: {
  readonly counts: Counts;
  readonly environment: Readonly<Record<string, string>>;
}): Promise<void> {
  const { counts, environment } = options;
  say(`Running ${name}`);
  const junit = join(CACHE, `junit-${crypto.randomUUID()}.xml`);
  const { code, endedAfterMs } = await deno(
    [
      ...["test", "-A", "--quiet", `--junit-path=${junit}`],
      // A line then says all of a test, also when two processes print.
      ...(docs ? ["--doc"] : ["--parallel", `--preload=${SAME_WORLDS}`]),
      ...files,
    ],
    { ...environment, DENO_JOBS: "2" },
  );
  const found = takeReport(junit);
  counts.passed += found.passed;
  counts.failed += found.failed;
  counts.skipped += found.skipped;
  counts.failures.push(...found.failures);
  const late = endedAfterMs !== null;
  const how = late
    ? `was ended after ${Math.round(endedAfterMs / 1000)} s`
    : `ended with ${code}, outside of a test`;
  // What fails before or between tests is in no count, and is a failure.
  const isUncounted = (late || code !== 0) && found.failed === 0;
  if (isUncounted) counts.failed += 1;
  if (isUncounted || late) counts.failures.push(`${name}: ${how}`);
  say(`Ran ${name}`);
}

/** Runs it to its end, or to that of the time it has. */
async function deno(
  args: readonly string[],
  environment: Readonly<Record<string, string>>,
): Promise<{ readonly code: number; readonly endedAfterMs: number | null }> {
  const child = new Deno.Command(Deno.execPath(), {
    args: [...args],
    cwd: ROOT,
    env: environment,
  }).spawn();
  const leftMs = LIMIT_MS - (performance.now() - startedAt);
  const limitMs = Math.max(Math.min(leftMs, STEP_LIMIT_MS), 0);
  let endedAfterMs: number | null = null;
  let timer = setTimeout(() => {
    endedAfterMs = limitMs;
    child.kill("SIGINT");
    timer = setTimeout(() => child.kill("SIGKILL"), LAST_WORDS_MS);
  }, limitMs);
  const { code } = await child.status;
  clearTimeout(timer);
  return { code, endedAfterMs };
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
