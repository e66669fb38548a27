/**
 * The canonical session: `ops-demo` pauses `nightly_sync`, over HTTP and with
 * nothing but the forms that are on the pages, and it stops firing.
 */
import assert from "node:assert/strict";
import { createDemoHost } from "../../fixtures/ops_demo_host.ts";
import type { Database } from "../../src/db/database.ts";
import { json, sql } from "../../src/db/sql.ts";
import { usePGlite } from "../support/pglite.ts";
import { usePostgres } from "../support/postgres.ts";
import { formTo, formWith, type Page, Visitor } from "../support/visitor.ts";

const testDb = usePGlite();
const testPostgres = usePostgres();
const HOUR_MS = 3_600_000;
const REASON = "fixture maintenance";
const CRON = "/ops/jobs/cron/nightly_sync";

for (const htmx of [false, true]) {
  const how = htmx ? "with the HX-Request header" : "without a script";

  Deno.test(`first session on PGlite ${how}`, async () => {
    await using db = await testDb();
    const { host, visitor } = await signedIn(db, htmx);
    await host.yard.tick({ budgetMs: 60_000 });

    await pauseNightlySync(visitor, db);

    // 02:00 passes twice, and nothing fires.
    for (const _ of [1, 2]) {
      db.advanceMs(24 * HOUR_MS);
      await host.yard.tick({ budgetMs: 60_000 });
    }
    assert.deepEqual(
      await db.query(sql`
        select id from yardmaster.jobs where cron_entry = 'nightly_sync'
      `),
      [],
    );
    assert.deepEqual(
      await db.query(sql`
        select distinct state::text as state from yardmaster.cron_slots
        where entry_name = 'nightly_sync'
      `),
      [{ state: "paused" }],
    );
  });

  Deno.test(`first session on Postgres ${how}`, async () => {
    await using postgres = await testPostgres();
    const { host, visitor } = await signedIn(postgres.db, htmx);
    await host.yard.start();
    try {
      await pauseNightlySync(visitor, postgres.db);
    } finally {
      await host.yard.stop();
    }
  });
}

Deno.test("first session: a viewer sees everything and can change nothing", async () => {
  await using db = await testDb();
  const { host, visitor } = await signedIn(db, false, "viewer");
  await host.yard.tick({ budgetMs: 60_000 });

  const entry = await visitor.open(CRON);
  assert.equal(entry.status, 200);
  assert.match(entry.text, /Permission: read-only\./);
  assert.match(entry.text, /nightly_sync/);

  // By hand, with a form token of the viewer's own.
  const theme = formTo(entry, "/theme");
  const asked = await visitor.send(
    { ...theme, action: "/ops/jobs/previews" },
    { action: "pause_cron_entry", target_id: "nightly_sync" },
  );
  assert.equal(asked.status, 403);
  assert.deepEqual(await db.query(sql`select id from yardmaster.previews`), []);
  assert.deepEqual(
    await db.query(sql`
      select result::text, refusal, actor_id from yardmaster.audit_events
    `),
    [{ result: "refused", refusal: "not_allowed", actor_id: "viewer" }],
  );
});

Deno.test("first session: a guest gets a page that says what is missing, a stranger the sign-in", async () => {
  await using db = await testDb();
  const { visitor, stranger } = await signedIn(db, false, "guest");

  const denied = await visitor.open("/ops/jobs");
  assert.equal(denied.status, 403);
  assert.match(denied.text, /view_overview/);

  const asked = await stranger.open("/ops/jobs/cron");
  assert.equal(asked.url, "/sign-in");
});

async function signedIn(db: Database, htmx: boolean, person = "ops-demo") {
  const host = await createDemoHost({ database: db, sessionSecret: "secret" });
  const visitor = new Visitor(host.fetch, { htmx });
  const stranger = new Visitor(host.fetch);
  const signIn = await visitor.open("/sign-in");
  await visitor.send({ ...formTo(signIn, "/sign-in"), fields: {} }, { person });
  return { host, visitor, stranger };
}

/** From the list of entries to the audit, and the facts in the database. */
async function pauseNightlySync(visitor: Visitor, db: Database): Promise<void> {
  const list = await visitor.open("/ops/jobs/cron");
  assertShows(list, ["nightly_sync", "Code", "Queue One", "Latest Only"]);
  assert.doesNotMatch(list.text, /Oban/);

  const entry = await visitor.open(CRON);
  const pause = formWith(entry, { action: "pause_cron_entry" });
  const preview = await visitor.send(pause);
  assertShows(preview, [
    "Preview Action",
    "Action",
    "Resource",
    "Cron entry nightly_sync",
    "Intended Effect",
    "Audit Consequence",
    "Preview Status",
    "Reason",
  ]);
  const token = preview.url.split("/").at(-1) ?? "";
  assert.deepEqual(
    await db.query(sql`
      select status::text, target_type, target_id, created_by
      from yardmaster.previews
      where token_hash = sha256(convert_to(${token}, 'UTF8'))
    `),
    [{
      status: "ready",
      target_type: "cron_entry",
      target_id: "nightly_sync",
      created_by: "ops-demo",
    }],
  );

  const execute = formTo(preview, "/executions");
  const done = await visitor.send(execute, { reason: REASON });
  assert.equal(done.url.split("?")[0], CRON);
  assertShows(done, [
    "Waiting",
    "Resume Cron Entry",
    "Recent Audit Evidence",
    "cron.paused",
    "Open in Audit",
  ]);

  await assertPaused(db);
  await assertEvidence(visitor);

  const again = await visitor.send(execute, { reason: REASON });
  assert.equal(again.status, 409);
  await assertPaused(db);
}

/** One change, one event, one spent preview. */
async function assertPaused(db: Database): Promise<void> {
  const [entry] = await db.query<{ paused: boolean; paused_by: string }>(sql`
    select paused_at is not null as paused, paused_by
    from yardmaster.cron_entries where name = 'nightly_sync'
  `);
  assert.deepEqual(entry, { paused: true, paused_by: "ops-demo" });
  assert.deepEqual(
    await db.query(sql`
      select status::text, reason from yardmaster.previews
    `),
    [{ status: "consumed", reason: REASON }],
  );
  const events = await db.query<Record<string, unknown>>(sql`
    select
      event_type, action, resource_type, resource_id, actor_id, principal_id,
      principal_type, reason,
      preview_id = (select id from yardmaster.previews) as of_the_preview,
      coalesce(before @> ${json({ source: "code" })}, false) as has_source
    from yardmaster.audit_events
    where result = 'applied'
  `);
  assert.deepEqual(events, [{
    event_type: "cron.paused",
    action: "pause_cron_entry",
    resource_type: "cron_entry",
    resource_id: "nightly_sync",
    actor_id: "ops-demo",
    principal_id: "ops-demo",
    principal_type: "user",
    reason: REASON,
    of_the_preview: true,
    has_source: true,
  }]);
}

/** The fact is where somebody looks for it later. */
async function assertEvidence(visitor: Visitor): Promise<void> {
  const forensics = await visitor.open(
    "/ops/jobs/forensics?resource_type=cron_entry&resource_id=nightly_sync",
  );
  assertShows(forensics, ["Diagnosis Summary", "Cron entry paused", REASON]);
  const audit = await visitor.open(
    "/ops/jobs/audit?resource_type=cron_entry&resource_id=nightly_sync",
  );
  assertShows(audit, ["cron.paused", "Olive Operator", REASON]);
}

function assertShows(page: Page, words: readonly string[]): void {
  assert.equal(page.status, 200, `${page.url} answers ${page.status}`);
  for (const word of words) {
    assert.ok(page.text.includes(word), `${page.url} does not show "${word}"`);
  }
}
