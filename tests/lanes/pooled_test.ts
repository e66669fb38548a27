/**
 * The tests of the engine once more, with their statements through PgBouncer: it
 * lends a connection for one transaction, and another one for the next.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import postgres from "postgres";
import { postgresJs } from "../../src/db/postgres_js.ts";
import { sql } from "../../src/db/sql.ts";
import { createEngine } from "../../src/engine/engine.ts";
import { defineWorker } from "../../src/engine/worker.ts";
import { findPgBouncer, startPgBouncer } from "../support/pgbouncer.ts";
import { POOLER, usePostgres } from "../support/postgres.ts";
import { filesBelow, ROOT } from "../support/sources.ts";
import { until } from "../support/until.ts";

const testPostgres = usePostgres();
const FOLDERS = ["contract", "control", "db", "engine", "store"];
/** A file that finds no database any more would pass with nothing in it. */
const TESTS_MIN = 350;

/** Files of those folders that would cost time and say nothing. */
const SAME_AS_DIRECT: Readonly<Record<string, string>> = {
  "tests/contract/explain_eligible_test.ts":
    "a long walk of statements that the other tests of limiters send as well",
  "tests/contract/explain_limits_test.ts":
    "a long walk of statements that the other tests of limiters send as well",
  "tests/contract/explain_worlds_test.ts":
    "a long walk of statements that the other tests of explanations send as well",
  "tests/engine/unique_model_test.ts":
    "a long walk of statements that the other tests of uniqueness send as well",
  "tests/db/enums_test.ts": "it reads the catalogue",
  "tests/engine/cron_simulation_test.ts":
    "a long walk of statements that the other tests of cron send as well",
};
/** Plans are made behind the proxy. */
const PLANS = /_plans_test\.ts$/;

const program = await findPgBouncer();
const isInCi = Deno.env.get("CI") === "true";
const MISSING = "PgBouncer is not installed: apt-get install pgbouncer";
if (program === null) console.log(`Skipped: ${MISSING}`);

// Where it can keep what clients prepare, it is told not to, and told nothing.
for (const prepared of ["off", "default"] as const) {
  const isTheSame = prepared === "default" && !program?.knowsPrepared;
  Deno.test({
    name:
      `the tests of the engine pass through PgBouncer, which pools transactions; what is prepared: ${prepared}`,
    ignore: (program === null && !isInCi) || isTheSame,
    async fn() {
      assert(program, MISSING);
      await using world = await testPostgres();
      const options = { server: world.url, prepared };
      await using pooler = await startPgBouncer(program, options);
      const { output, tests } = await runThrough(pooler.host, world.url);
      assert.equal(output, "");
      assert.ok(tests >= TESTS_MIN, `only ${tests} tests ran`);
    },
  });
}

/** What the tests said that failed, and how many there are. */
async function runThrough(
  host: string,
  url: string,
): Promise<{ readonly output: string; readonly tests: number }> {
  const folder = await mkdtemp(join(tmpdir(), "yardmaster-pooled-"));
  const junit = join(folder, "junit.xml");
  const files = FOLDERS.flatMap((each) => filesBelow(`tests/${each}`))
    .filter((path) => path.endsWith("_test.ts") && !(path in SAME_AS_DIRECT))
    .filter((path) => !PLANS.test(path))
    .filter((path) =>
      /use(Postgres|PGlite|Drivers)\(/.test(
        readFileSync(join(ROOT, path), "utf8"),
      )
    );
  try {
    const run = await new Deno.Command(Deno.execPath(), {
      args: [
        ...["test", "-A", "--no-check", "--quiet", "--parallel"],
        "--preload=tests/support/same_worlds.ts",
        ...[`--junit-path=${junit}`, ...files],
      ],
      cwd: ROOT,
      env: {
        YARDMASTER_TEST_POSTGRES: url,
        [POOLER]: host,
        DENO_JOBS: "2",
        NO_COLOR: "1",
      },
    }).output();
    const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
    const report = await readFile(junit, "utf8").catch(() => "");
    const [, faults] = text(run.stdout).split(/^ ERRORS $/m);
    return {
      output: run.success ? "" : faults ?? text(run.stdout) + text(run.stderr),
      tests: report.match(/<testcase\b/g)?.length ?? 0,
    };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

Deno.test({
  name:
    "an engine that listens through PgBouncer, with a driver that names statements, runs each job once and reports no fault",
  ignore: program === null && !isInCi,
  // Also with a driver that was not told to name no statements.
  async fn() {
    assert(program, MISSING);
    await using world = await testPostgres();
    const options = { server: world.url, prepared: "off" } as const;
    await using pooler = await startPgBouncer(program, options);
    const url = new URL(world.url);
    url.host = pooler.host;
    const pools = [1, 2, 3].map(() =>
      postgres(url.href, { max: 4, fetch_types: false, onnotice: () => {} })
    );
    const failed: unknown[] = [];
    const ran: unknown[] = [];
    const note = defineWorker({
      name: "note",
      perform: ({ n }: { n: number }) => void ran.push(n),
    });
    const engines = pools.map((pool) =>
      createEngine({
        database: postgresJs(pool),
        workers: [note],
        queues: { default: { limit: 4 } },
        pollMs: 50,
        onEvent: (event) => {
          if (event.type.endsWith("_failed")) failed.push(event);
        },
      })
    );
    await Promise.all(engines.map((engine) => engine.start()));
    const jobs = Array.from({ length: 300 }, (_, n) => n);
    await Promise.all(jobs.map(async (n) => {
      const answer = await engines[n % 3]?.enqueue(note, { n });
      assert.equal(answer?.status, "inserted");
    }));
    await until("all jobs ran", () => ran.length >= jobs.length);
    await Promise.all(engines.map((engine) => engine.stop()));
    await Promise.all(pools.map((pool) => pool.end({ timeout: 1 })));

    assert.deepEqual(failed, []);
    assert.deepEqual(ran.toSorted((a, b) => Number(a) - Number(b)), jobs);
    const ended = await world.db.query(sql`
      select from yardmaster.outcomes where state = 'completed' and attempt = 1
    `);
    assert.equal(ended.length, jobs.length);
  },
});
