/** The example hosts, started as a person starts them, and asked over HTTP. */
import assert from "node:assert/strict";
import postgres from "postgres";
import { usePostgres } from "../support/postgres.ts";
import { type Host, startHost } from "../support/host_process.ts";
import { until } from "../support/until.ts";
import { formTo, formWith, Visitor } from "../support/visitor.ts";

const testPostgres = usePostgres();
const DENO_HOST = [Deno.execPath(), "run", "-A", "examples/deno_host/main.ts"];
const REASON = "fixture maintenance";

Deno.test("the demo runs on PGlite, keeps its data and stops when told to", async () => {
  const folder = await Deno.makeTempDir({ prefix: "yardmaster_demo_" });
  try {
    const first = await startHost(DENO_HOST, { DATA_DIR: folder });
    await pauseNightlySync(first);
    assert.equal(await first.stop(), 0);

    const second = await startHost(DENO_HOST, { DATA_DIR: folder });
    const visitor = await signedIn(second);
    const entry = await visitor.open("/ops/jobs/cron/nightly_sync");
    assert.match(entry.text, /Resume Cron Entry/);
    assert.equal(await second.stop(), 0);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("the demo runs on Postgres in two processes that see each other's changes", async () => {
  await using db = await testPostgres();
  const one = await startHost(DENO_HOST, { DATABASE_URL: db.url });
  const two = await startHost(DENO_HOST, { DATABASE_URL: db.url });
  try {
    await pauseNightlySync(one);
    const visitor = await signedIn(two);
    const entry = await visitor.open("/ops/jobs/cron/nightly_sync");
    assert.match(entry.text, /Resume Cron Entry/);
    const queues = await visitor.open("/ops/jobs/queues");
    assert.match(queues.text, /Healthy/);
  } finally {
    assert.deepEqual(await Promise.all([one.stop(), two.stop()]), [0, 0]);
  }
  await assertNothingIsLeftRunning(db.url);
});

Deno.test("the Bun host serves the same session on Postgres", async () => {
  await using db = await testPostgres();
  const host = await startHost(
    [await bunProgram(), "examples/bun_host/main.ts"],
    { DATABASE_URL: db.url },
  );
  try {
    await pauseNightlySync(host);
    assert.equal(await host.stop(), 0);
  } catch (error) {
    await host.stop().catch(() => {});
    throw error;
  }
});

/** The program itself: npx would not hand a signal on to it. */
async function bunProgram(): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command("npm", {
    args: ["exec", "-y", "--package=bun@1.4.5", "-c", "which bun"],
    stdin: "null",
  }).output();
  assert.ok(success, new TextDecoder().decode(stderr));
  return new TextDecoder().decode(stdout).trim();
}

/** The jobs of the seed really run, and the canonical pause is done by hand. */
async function pauseNightlySync(host: Host): Promise<void> {
  const visitor = await signedIn(host);
  await until("a receipt was sent", async () => {
    const jobs = await visitor.open("/ops/jobs/jobs?state=completed");
    return /send_receipt/.test(jobs.text);
  }, { lookMs: 100 });
  const entry = await visitor.open("/ops/jobs/cron/nightly_sync");
  const preview = await visitor.send(
    formWith(entry, { action: "pause_cron_entry" }),
  );
  const done = await visitor.send(formTo(preview, "/executions"), {
    reason: REASON,
  });
  assert.match(done.text, /Resume Cron Entry/);
  const audit = await visitor.open("/ops/jobs/audit");
  assert.match(audit.text, /cron\.paused/);
}

async function signedIn(host: Host): Promise<Visitor> {
  const visitor = new Visitor(
    (request) => fetch(request, { redirect: "manual" }),
    { origin: host.origin },
  );
  const signIn = await visitor.open("/sign-in");
  const form = { ...formTo(signIn, "/sign-in"), fields: {} };
  const overview = await visitor.send(form, { person: "ops-demo" });
  assert.equal(overview.url, "/ops/jobs");
  assert.equal(overview.status, 200);
  return visitor;
}

/** Both said that they stopped, and gave back what they held. */
async function assertNothingIsLeftRunning(url: string): Promise<void> {
  const client = postgres(url, { max: 1 });
  try {
    const [row] = await client`
      select
        (select count(*)::int from yardmaster.leases) as leases,
        (
          select count(*)::int from yardmaster.executors
          where stopped_at is null
        ) as executors
    `;
    assert.deepEqual({ ...row }, { leases: 0, executors: 0 });
  } finally {
    await client.end();
  }
}
