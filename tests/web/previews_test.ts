import assert from "node:assert/strict";
import { sql } from "../../src/db/sql.ts";
import { givenCronEntry, previewStatuses } from "../support/control_world.ts";
import { givenJob } from "../support/job_world.ts";
import { type TestDb, usePGlite } from "../support/pglite.ts";
import { formTo, formWith, type Page, Visitor } from "../support/visitor.ts";
import { only, webHost, type WebHostOptions } from "../support/web_host.ts";

const testDb = usePGlite();
const ORIGIN = "https://host.example";

/** Somebody in front of a host whose pages read and write `db`. */
function visitor(
  db: TestDb,
  { htmx = false, ...options }: WebHostOptions & { htmx?: boolean } = {},
): Visitor {
  const host = webHost({
    db,
    displayPolicy: (kind, value) => kind === "snapshot" ? value : null,
    ...options,
  });
  return new Visitor(
    (request) =>
      host.request(
        new URL(request.url).pathname + new URL(request.url).search,
        {
          method: request.method,
          headers: request.headers,
          ...(request.method === "POST" &&
            { body: request.body, duplex: "half" }),
        } as RequestInit,
      ),
    { htmx, origin: ORIGIN },
  );
}

/** A preview of a pause of `nightly_sync`, as somebody opens it. */
async function openPause(who: Visitor): Promise<Page> {
  const page = await who.open("/ops/jobs/cron/nightly_sync");
  return await who.send(formWith(page, { action: "pause_cron_entry" }));
}

async function paused(db: TestDb): Promise<unknown> {
  const [entry] = await db.query(sql`
    select paused_by from yardmaster.cron_entries where name = 'nightly_sync'
  `);
  return entry?.paused_by;
}

for (const htmx of [false, true]) {
  Deno.test(`POST /previews shows what would happen, and its execution does it, ${htmx ? "with" : "without"} htmx`, async () => {
    await using db = await testDb();
    await givenCronEntry(db);
    const who = visitor(db, { htmx });

    const preview = await openPause(who);
    assert.equal(preview.status, 200);
    assert.equal(await paused(db), null);
    const done = await who.send(formTo(preview, "/executions"), {
      reason: "Window moved",
    });

    assert.equal(done.url, "/ops/jobs/cron/nightly_sync");
    assert.match(done.text, /The cron entry is paused\. Audit event 1/);
    assert.equal(await paused(db), "ops-demo");
    assert.deepEqual(
      await db.query(sql`
        select event_type, actor_id, reason from yardmaster.audit_events
      `),
      [{
        event_type: "cron.paused",
        actor_id: "ops-demo",
        reason: "Window moved",
      }],
    );
    const again = await who.open(done.url);
    assert.doesNotMatch(again.html, /class="flash"/);
  });
}

Deno.test("GET /previews/:token says in order what is done, to what, with which effect and what the audit will hold", async () => {
  await using db = await testDb();
  await givenCronEntry(db);

  const { text } = await openPause(visitor(db));

  const lines = [
    "Preview Action",
    "Action pause_cron_entry",
    "Resource Cron entry nightly_sync",
    "Intended Effect",
    "Audit Consequence One immutable operator event, cron.paused",
    "Preview Status Ready",
    "Actor Olivia Ops",
    "Risk Low",
    "Before After paused false true changes",
    "Reason",
  ];
  let at = 0;
  for (const line of lines) {
    const next = text.replaceAll(/\s+([,.])/g, "$1").indexOf(line, at);
    assert.ok(next >= at, `"${line}" does not come next`);
    at = next;
  }
});

Deno.test("POST /previews/:token/executions answers 422 to a reason that is too short, and keeps it as text", async () => {
  await using db = await testDb();
  const jobId = await givenJob(db, { state: "available" });
  const who = visitor(db);
  const page = await who.open(`/ops/jobs/jobs/${jobId}`);
  const preview = await who.send(formWith(page, { action: "cancel_job" }));

  const refused = await who.send(formTo(preview, "/executions"), {
    reason: "<b>x",
  });

  assert.equal(refused.status, 422);
  assert.match(
    refused.html,
    /<textarea[^>]*aria-invalid="true"[^>]*>&lt;b&gt;x<\/textarea>/,
  );
  assert.match(refused.text, /8 to 2000 characters/);
  assert.deepEqual(await previewStatuses(db), ["ready"]);
});

Deno.test("POST /previews/:token/executions answers 409 after a drift, shows before against now and offers a fresh preview", async () => {
  await using db = await testDb();
  await givenCronEntry(db);
  const who = visitor(db);
  const preview = await openPause(who);
  await db.query(sql`
    update yardmaster.cron_entries set worker = 'other.worker'
  `);

  const drifted = await who.send(formTo(preview, "/executions"));

  assert.equal(drifted.status, 409);
  assert.match(drifted.text, /Preview Status Drifted/);
  assert.match(
    drifted.text,
    /When previewed Now worker nightly_sync other\.worker/,
  );
  const fresh = await who.send(
    formWith(drifted, { action: "pause_cron_entry" }),
  );
  assert.match(fresh.text, /Preview Status Ready/);
  assert.equal(await paused(db), null);
});

Deno.test("POST /previews/:token/executions does nothing a second time, and leads to the audit event", async () => {
  await using db = await testDb();
  await givenCronEntry(db);
  const who = visitor(db);
  const preview = await openPause(who);
  const form = formTo(preview, "/executions");
  await who.send(form);

  const again = await who.send(form);

  assert.equal(again.status, 409);
  assert.match(again.text, /Preview Status Consumed/);
  assert.match(again.html, /href="\/ops\/jobs\/audit\/1"/);
});

Deno.test("GET /previews/:token says that its time is over, and how to go on", async () => {
  await using db = await testDb();
  await givenCronEntry(db);
  const who = visitor(db);
  const preview = await openPause(who);
  db.advanceMs(31 * 60_000);

  const expired = await who.open(preview.url);
  const refused = await who.send(formTo(preview, "/executions"));

  assert.match(expired.text, /Preview Status Expired/);
  assert.match(expired.text, /Make a fresh preview/);
  assert.equal(refused.status, 410);
  assert.equal(await paused(db), null);
});

Deno.test("POST /previews/:token/withdrawals gives it up and says so", async () => {
  await using db = await testDb();
  await givenCronEntry(db);
  const who = visitor(db);
  const preview = await openPause(who);

  const page = await who.send(formTo(preview, "/withdrawals"));

  assert.equal(page.url, "/ops/jobs/cron/nightly_sync");
  assert.match(page.text, /The preview was withdrawn\. Nothing was changed\./);
  assert.deepEqual(await previewStatuses(db), ["withdrawn"]);
});

Deno.test("GET /previews/:token answers 404 to everybody but its creator", async () => {
  await using db = await testDb();
  await givenCronEntry(db);
  const preview = await openPause(visitor(db));
  const eve = visitor(db, { currentActor: () => ({ id: "eve" }) });

  assert.equal((await eve.open(preview.url)).status, 404);
  assert.equal((await eve.open("/ops/jobs/previews/nonsense")).status, 404);
});

Deno.test("POST /previews by hand writes no preview for somebody who may not act", async () => {
  await using db = await testDb();
  await givenCronEntry(db);
  const who = visitor(db, { authorize: only(["view_cron", "view_overview"]) });
  const form = formTo(await who.open("/ops/jobs"), "/theme");

  const refused = await who.send({ ...form, action: "/ops/jobs/previews" }, {
    action: "pause_cron_entry",
    target_id: "nightly_sync",
  });

  assert.equal(refused.status, 403);
  assert.match(refused.text, /Nothing was changed/);
  assert.match(refused.text, /Machine code not_allowed/);
  assert.deepEqual(await previewStatuses(db), []);
});

Deno.test("POST /previews writes nothing for somebody whom the audit can not name", async () => {
  await using db = await testDb();
  await givenCronEntry(db);
  const who = visitor(db, { auditPrincipal: () => null });

  const refused = await openPause(who);

  assert.equal(refused.status, 403);
  assert.match(refused.text, /not_attributable/);
  assert.deepEqual(await previewStatuses(db), []);
});

Deno.test("POST /previews refuses an unknown action, and a target that is not there", async () => {
  await using db = await testDb();
  const who = visitor(db);
  const form = formTo(await who.open("/ops/jobs"), "/theme");
  const ask = (fields: Record<string, string>) =>
    who.send({ ...form, action: "/ops/jobs/previews" }, fields);

  assert.equal((await ask({ action: "drop_table" })).status, 400);
  assert.equal(
    (await ask({ action: "pause_queue", target_id: "nowhere" })).status,
    404,
  );
  assert.equal((await ask({ action: "retry_job", target_id: "" })).status, 422);
});

Deno.test("a preview hides its snapshots when the display policy throws", async () => {
  await using db = await testDb();
  await givenCronEntry(db);
  const hidden: string[] = [];
  const who = visitor(db, {
    displayPolicy: (kind) => {
      if (kind === "snapshot") throw new Error("policy is away");
      return null;
    },
    more: { onHidden: (kind) => void hidden.push(kind) },
  });

  const preview = await openPause(who);

  assert.match(preview.text, /Hidden by display policy/);
  assert.doesNotMatch(preview.text, /Etc\/UTC/);
  assert.ok(hidden.includes("snapshot"));
});

Deno.test("a retry that would make two of one leads to the job that holds the key, for whoever may open it", async () => {
  await using db = await testDb();
  const jobId = await givenJob(db, { state: "cancelled", uniqueKey: "k" });
  const holderId = await givenJob(db, { uniqueKey: "k" });
  await db.query(sql`
    insert into yardmaster.unique_keys (key, job_id, states)
    values ('k', ${holderId}, '{available}')
  `);
  const refusedTo = async (options: WebHostOptions) => {
    const who = visitor(db, options);
    const page = await who.open(`/ops/jobs/jobs/${jobId}`);
    return await who.send(formWith(page, { action: "retry_job" }));
  };

  const refused = await refusedTo({});
  const elsewhere = await refusedTo({
    authorize: (_, permission, { id }) =>
      permission !== "view_job_detail" || id !== holderId,
  });

  assert.equal(refused.status, 409);
  assert.ok(refused.html.includes(`href="/ops/jobs/jobs/${holderId}"`));
  assert.equal(elsewhere.status, 409);
  assert.ok(!elsewhere.html.includes(`href="/ops/jobs/jobs/${holderId}"`));
});
