import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect } from "../../src/cli/connect.ts";
import { readFlags } from "../../src/cli/flags.ts";
import { type CliIo, main } from "../../src/cli/main.ts";
import { withoutSecrets } from "../../src/cli/report.ts";
import { operatorApi } from "../../src/control/operator.ts";
import {
  controlOf,
  givenQueue,
  OPERATOR as actor,
} from "../support/control_world.ts";
import { givenExecutor, givenJob } from "../support/job_world.ts";
import { usePostgres } from "../support/postgres.ts";

const testPostgres = usePostgres();
const MAIN = new URL("../../src/cli/main.ts", import.meta.url).pathname;

/** What a run of the binary answered. */
interface Run {
  readonly exit: number;
  readonly out: string;
  readonly err: string;
}

/** Runs the binary, as a person would. */
async function cli(
  args: readonly string[],
  env: Record<string, string> = {},
): Promise<Run> {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", MAIN, ...args],
    env: { DATABASE_URL: "", NO_COLOR: "1", ...env },
    stdin: "null",
  }).output();
  const text = new TextDecoder();
  return { exit: code, out: text.decode(stdout), err: text.decode(stderr) };
}

Deno.test("migrate status, plan and up walk a schema from empty to current", async () => {
  await using world = await testPostgres();
  const at = ["--database-url", world.url, "--schema", "other"];

  const empty = await cli(["migrate", "status", ...at]);
  const plan = await cli(["migrate", "plan", ...at]);
  const up = await cli(["migrate", "up", "--json", ...at]);
  const again = await cli(["migrate", "up", ...at]);
  const status = await cli(["migrate", "status", "--json", ...at]);
  await actIn("other", world.url);
  const audit = await cli(["audit", "verify", ...at]);

  assert.equal(empty.exit, 1);
  assert.match(
    empty.out,
    /^The schema "other" is empty and must be at version/,
  );
  assert.match(empty.out, /pending: 1 claim_path/);
  assert.equal(plan.exit, 0);
  assert.match(plan.out, /^-- 1 claim_path\n/);
  assert.match(plan.out, /create table "other"\.jobs/);
  assert.equal(up.exit, 0, up.err);
  const report = JSON.parse(up.out);
  assert.equal(report.command, "migrate up");
  assert.equal(report.ok, true);
  assert.equal(report.from, 0);
  assert.equal(report.applied[0].name, "claim_path");
  assert.match(again.out, /there was nothing to do/);
  assert.equal(status.exit, 0);
  assert.equal(JSON.parse(status.out).state, "current");
  assert.match(audit.out, /^The audit holds: 1 event,/);
  await world.db.script("drop schema other cascade");
});

Deno.test("audit verify prints the head, takes it as anchor, and names a broken event", async () => {
  await using world = await testPostgres();
  const operator = operatorApi(controlOf(world.db));
  const name = await givenQueue(world.db);
  assert((await operator.pauseQueue({ actor, name })).ok);
  assert((await operator.resumeQueue({ actor, name })).ok);
  const env = { DATABASE_URL: world.url };

  const holds = await cli(["audit", "verify"], env);
  assert.equal(holds.exit, 0, holds.err);
  assert.match(holds.out, /^The audit holds: 2 events/);
  assert.match(holds.out, /Keep the head outside/);
  const head = /^Head: (2:[0-9a-f]{64})$/m.exec(holds.out)?.[1] ?? "";

  const anchored = await cli(
    ["audit", "verify", "--json", `--anchor=${head}`],
    env,
  );
  assert.equal(anchored.exit, 0, anchored.err);
  assert.equal(JSON.parse(anchored.out).anchored, true);
  const elsewhere = await cli(
    ["audit", "verify", "--anchor", `1:${head.slice(2)}`],
    env,
  );
  assert.equal(elsewhere.exit, 1);
  assert.match(elsewhere.out, /Event 1 is not the event that was anchored\.$/m);

  await world.db.transaction((tx) =>
    tx.script(`
      set local session_replication_role = replica;
      update yardmaster.audit_events set reason = 'x' where id = 2;
    `)
  );
  const broken = await cli(["audit", "verify"], env);
  assert.equal(broken.exit, 1);
  assert.equal(
    broken.out.trim(),
    "The audit does not hold: Event 2 was edited after it was written.",
  );
  const json = await cli(["audit", "verify", "--json"], env);
  assert.equal(json.exit, 1);
  assert.equal(JSON.parse(json.out).ok, false);
  assert.equal(JSON.parse(json.out).brokenAt, "2");
});

Deno.test("explain tells why a job is not running, and exits with 1 only if somebody must act", async () => {
  await using world = await testPostgres();
  const db = world.db;
  const at = ["--database-url", world.url];
  const explain = (jobId: string, ...more: readonly string[]) =>
    inside(["explain", jobId, ...at, ...more]);
  await givenQueue(db, { name: "mail", limit: 1 });
  const jobId = await givenJob(db, { queue: "mail" });

  const alone = await cli(["explain", jobId, ...at]);
  assert.equal(alone.exit, 1, alone.err);
  assert.equal(
    alone.out,
    `Job ${jobId}, worker send_mail, queue mail: available
Blocked: No live executor serves its queue
  No live executor serves queue mail.
  Next: Look at the executors
  Next: Start an executor that serves the queue (yours to do)
  Next: Review its queue
Earliest start: not known
`,
  );

  await givenExecutor(db, { queues: ["mail"] });
  const ready = await explain(jobId, "--json");
  assert.equal(ready.exit, 0, ready.err);
  const json = JSON.parse(ready.out);
  assert.equal(json.schema_version, 1);
  assert.equal(json.command, "explain");
  assert.equal(json.runnable, true);
  assert.equal(json.earliestAt, json.at);
  assert.deepEqual(json.reasons[0].evidence, { queue: "mail", ahead: 0 });

  const behind = await explain(await givenJob(db, { queue: "mail" }));
  assert.equal(behind.exit, 0);
  assert.match(behind.out, /Waiting: Waits for its turn\n {2}Queue mail gives/);

  const failed = await givenJob(db, {
    state: "discarded",
    queue: "mail",
    attempt: 5,
    error: "declined",
  });
  const over = await explain(failed);
  assert.equal(over.exit, 1);
  assert.match(
    over.out,
    new RegExp(`Next: Retry job \\(retry_job on job ${failed}\\)`),
  );

  const unknown = await explain("7", "--json");
  assert.equal(unknown.exit, 2);
  assert.equal(JSON.parse(unknown.out).error.code, "job_not_found");
  for (const id of ["x", "0", "1e3", "9".repeat(30)]) {
    const none = await explain(id);
    assert.equal(none.exit, 2);
    assert.match(none.err, /"explain" must be followed by the id of a job/);
  }
});

Deno.test("a folder of PGlite works as well, and only migrate up makes one", async () => {
  const folder = await mkdtemp(join(tmpdir(), "yardmaster-cli-"));
  try {
    const at = ["--data-dir", join(folder, "data")];
    const missing = await cli(["migrate", "status", ...at]);
    assert.equal(missing.exit, 2);
    assert.match(missing.err, /--data-dir names a folder that is not there/);

    const up = await cli(["migrate", "up", ...at]);
    assert.equal(up.exit, 0, up.err);
    const audit = await cli(["audit", "verify", ...at]);
    assert.equal(audit.exit, 0, audit.err);
    assert.match(audit.out, /The audit holds: 0 events/);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});

/** Command lines that can not be run, and what is then named. */
const UNUSABLE: readonly (readonly [readonly string[], RegExp])[] = [
  [[], /A command is missing: migrate up/],
  [["migrate"], /"migrate" must be one of: migrate up, migrate status/],
  [["migrate", "down"], /"migrate" must be one of/],
  [["migrate", "up", "now"], /"migrate" must be one of/],
  [["fly"], /There is no such command/],
  [["postgres://u:s3cret@h/d"], /There is no such command/],
  [["migrate", "up", "--force"], /There is no flag --force/],
  [["migrate", "up", "-j"], /There is no flag -j/],
  [["migrate", "up", "--databse-url=postgres://u:s3cret@h/d"], /--databse-url/],
  [["migrate", "up", "--json=yes"], /--json takes no value/],
  [["migrate", "up", "--json", "--json"], /--json is given twice/],
  [["migrate", "up", "--schema"], /--schema needs a value/],
  [["migrate", "up", "--schema", "--json"], /--schema needs a value/],
  [["migrate", "up", "--schema="], /--schema needs a value/],
  [["migrate", "up", "--schema", "Bad"], /--schema can not be used/],
  [["migrate", "up", "--schema", "x; drop"], /--schema can not be used/],
  [["migrate", "up"], /--database-url is missing/],
  [
    ["migrate", "up", "--database-url", "mysql://u:s3cret@h/d"],
    /--database-url must look like/,
  ],
  [
    ["migrate", "up", "--database-url", "postgres://u:s3cret@"],
    /--database-url must look like/,
  ],
  [
    ["migrate", "up", "--data-dir", "x", "--database-url", "postgres://u@h/d"],
    /exclude each other/,
  ],
  [["explain", "7", "8"], /There is no such command|"explain" must be/],
  [["migrate", "up", "--anchor", "1:x"], /--anchor belongs to "audit verify"/],
];

Deno.test("main() exits with 2 and names what it can not run or read", async () => {
  for (const [args, words] of UNUSABLE) {
    const run = await inside(args);
    assert.equal(run.exit, 2, args.join(" "));
    assert.match(run.err, words);
    assert.match(run.err, /See: yardmaster --help/);
    assert.doesNotMatch(run.err + run.out, /s3cret/);
    assert.equal(run.out !== "", args.includes("--json"), args.join(" "));
  }
});

Deno.test("main() refuses an anchor that is none, before it reads anything", async () => {
  await using world = await testPostgres();
  for (const anchor of ["x", "1", "1:abc", "01:" + "0".repeat(64)]) {
    const run = await inside([
      "audit",
      "verify",
      "--database-url",
      world.url,
      "--anchor",
      anchor,
    ]);
    assert.equal(run.exit, 2);
    assert.match(run.err, /--anchor must be a head/);
  }
});

Deno.test("a server that does not answer is exit 2, with the reason and without the password", async () => {
  const run = await cli([
    "migrate",
    "status",
    "--json",
    "--database-url",
    "postgres://u:s3cret%21word@127.0.0.1:1/d",
  ]);
  assert.equal(run.exit, 2);
  assert.match(run.err, /ECONNREFUSED/);
  assert.equal(JSON.parse(run.out).ok, false);
  assert.doesNotMatch(run.err + run.out, /s3cret/);
});

Deno.test("--help is exit 0, with and without a command", async () => {
  for (const args of [["--help"], ["-h"], ["audit", "verify", "--help"]]) {
    const run = await inside(args);
    assert.equal(run.exit, 0);
    assert.match(run.out, /^Usage: yardmaster <command>/);
  }
});

Deno.test("withoutSecrets() takes passwords out wherever they stand", () => {
  const args = ["--database-url=postgres://u:p%40ss@h/d?password=other1"];
  const env = { DATABASE_URL: "postgres://u:from-env@h/d", PGPASSWORD: "pgpw" };
  const text = "p@ss p%40ss other1 from-env pgpw mysql://x:unknown@h";
  assert.equal(
    withoutSecrets(text, { args, env }),
    "*** *** *** *** *** mysql://x:***@h",
  );
});

/** Acts once as an operator, on the tables of another schema. */
async function actIn(schema: string, databaseUrl: string): Promise<void> {
  const flags = readFlags(
    ["audit", "verify", "--schema", schema, "--database-url", databaseUrl],
    ["audit verify"],
  );
  const { db, close } = await connect(flags, {});
  const name = await givenQueue(db);
  const done = await operatorApi(controlOf(db)).pauseQueue({ actor, name });
  assert(done.ok);
  await close();
}

/** Runs the same in this process: a process each would take seconds. */
async function inside(args: readonly string[]): Promise<Run> {
  let out = "";
  let err = "";
  const io: CliIo = {
    env: {},
    out: (line) => out += `${line}\n`,
    err: (line) => err += `${line}\n`,
  };
  const exit = await main(args, io);
  return { exit, out, err };
}
