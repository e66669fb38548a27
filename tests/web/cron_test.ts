import assert from "node:assert/strict";
import type { Database } from "../../src/db/database.ts";
import { sql } from "../../src/db/sql.ts";
import type { Authorize } from "../../src/seams.ts";
import { syncCronEntries } from "../../src/store/cron_sync.ts";
import { givenCronEntry } from "../support/control_world.ts";
import {
  cronWorld,
  define,
  HOUR_MS,
  MINUTE_MS,
} from "../support/cron_world.ts";
import { forbiddenIn } from "../support/forbidden_phrases.ts";
import { givenJob, givenQueue } from "../support/job_world.ts";
import { usePGlite } from "../support/pglite.ts";
import { formTo, formWith } from "../support/visitor.ts";
import { hrefsOf, LOOK_ONLY, webVisitor } from "../support/web_host.ts";

const testDb = usePGlite();
const CRON = "/ops/jobs/cron";

/** Entries that code declares at once: what it leaves out is retired. */
async function givenEntries(
  db: Database,
  names: readonly string[],
): Promise<void> {
  await syncCronEntries(db, names.map((name) => define({ name })));
}

Deno.test("GET /cron shows of each entry its plan, its policies and how it stands", async () => {
  await using db = await testDb();
  await givenCronEntry(db);
  await db.query(sql`update yardmaster.cron_entries set source = 'runtime'`);

  const { text, status } = await webVisitor(db).open(CRON);

  assert.equal(status, 200);
  assert.match(text, /nightly_sync .*Runtime .*Queue One .*Latest Only/);
  assert.match(text, /At 02:00 .*0 2 \* \* \* .*Etc\/UTC/);
  assert.match(text, /Next .*in 14 h 2026-01-16 02:00:00 UTC/);
  assert.match(text, /Last .*never .*No history yet .*Runnable/);
  assert.match(text, /Review Entry .*Pause Cron Entry… .*Run Now…/);
  assert.deepEqual(forbiddenIn(text), []);
});

Deno.test("the canonical session: nightly_sync is paused with a reason, and the audit tells of it", async () => {
  await using db = await testDb();
  await givenCronEntry(db);
  const visitor = webVisitor(db);

  const list = await visitor.open(CRON);
  const preview = await visitor.send(
    formWith(list, { action: "pause_cron_entry", target_id: "nightly_sync" }),
  );
  assert.match(preview.text, /ready Nothing .* in the next 30 min, until/i);
  const after = await visitor.send(formTo(preview, "/executions"), {
    reason: "fixture maintenance",
  });

  assert.equal(after.status, 200);
  assert.match(after.text, /Waiting .*Resume Cron Entry…/);
  assert.match(
    after.text,
    /Recent Audit Evidence .*cron\.paused .*fixture maintenance .*Open in Audit/,
  );
  const again = await visitor.open(CRON);
  assert.match(again.text, /none while paused .*Waiting .*Resume Cron Entry…/);
  const [link = ""] = hrefsOf(again.html).filter((href) =>
    href.includes("event_type=cron.paused")
  );
  const audit = await visitor.open(link);
  assert.match(audit.text, /cron\.paused #1 .*nightly_sync .*applied/);
});

Deno.test("GET /cron/:name shows the next five fires, the args as the policy says, and every instant", async () => {
  await using db = await testDb();
  const scheduler = await cronWorld(db, {
    name: "digest",
    timezone: "Europe/Berlin",
    args: { secret: "c4nary-args" },
  });
  db.advanceMs(HOUR_MS);
  await scheduler.runOnce();
  db.advanceMs(MINUTE_MS);

  const page = await webVisitor(db).open(`${CRON}/digest`);

  assert.match(page.text, /Fires as planned\. Its latest planned instants/);
  const fires = page.text.match(/2026-01-15 1[4-8]:00:00 UTC/g) ?? [];
  assert.equal(new Set(fires).size, 5);
  assert.match(page.text, /15:00 there \(GMT\+1\)/);
  assert.match(page.text, /Daylight saving .*elapsed time/);
  assert.match(page.text, /Args \{ "secret" ?: text \}/);
  assert.ok(!page.html.includes("c4nary-args"));
  assert.match(page.text, /History Summary complete/);
  assert.match(
    page.text,
    /On-time\. It was dealt with when it was planned\..*2026-01-15 13:00:00 UTC .*On-time at once available/,
  );
  assert.match(
    page.html,
    /<svg class="strip"[^>]*role="img"\s+aria-label="1 instants, oldest first: 1 on-time\.">/,
  );
  assert.match(page.html, /class="strip-mark" data-mark="on_time" d="M0 18/);
  assert.deepEqual(forbiddenIn(page.text), []);

  const list = await webVisitor(db).open(CRON);
  assert.match(list.html, /data-mark="on_time" d="M0 18/);
  assert.match(list.text, /On-time\. It was dealt with when it was planned\./);
  assert.doesNotMatch(list.text, /Missed fire\./);
});

Deno.test("GET /cron/:name takes no history for lost while nothing was planned", async () => {
  await using db = await testDb();
  await syncCronEntries(db, [define({ expression: "0 2 * * *" })]);
  db.advanceMs(47_000);
  const visitor = webVisitor(db);

  const young = await visitor.open(`${CRON}/hourly`);
  db.advanceMs(24 * HOUR_MS);
  const unseen = await visitor.open(`${CRON}/hourly`);

  assert.match(
    young.text,
    /History Summary complete Declared 47 s ago ?\. No planned instant has come since\. The first fire is planned for 2026-01-16 02:00:00 UTC ?, in 14 h ?\./,
  );
  assert.match(unseen.text, /History Summary partial evidence Unknown\./);
  assert.deepEqual(forbiddenIn(young.text), []);
});

Deno.test("GET /cron/:name pages back through its history", async () => {
  await using db = await testDb();
  await cronWorld(db);
  await db.query(sql`
    insert into yardmaster.cron_slots (
      entry_name, kind, planned_at, state, claimed_at
    )
    select 'hourly', 'scheduled', at, 'paused', at
    from generate_series(
      ${db.now}::timestamptz - interval '99 hours', ${db.now}, interval '1 hour'
    ) as at
  `);
  const visitor = webVisitor(db);
  const seen: string[] = [];
  let path: string | undefined = `${CRON}/hourly`;
  for (let pages = 0; path !== undefined && pages < 5; pages += 1) {
    const page = await visitor.open(path);
    const table = page.html.slice(page.html.indexOf('id="history"'));
    seen.push(...table.match(/<th scope="row">.*?datetime="[^"]+"/gs) ?? []);
    path = hrefsOf(table).find((href) => href.includes("before="));
  }
  const instants = seen.map((row) => /datetime="([^"]+)"/.exec(row)?.[1] ?? "");
  assert.equal(instants.length, 100);
  assert.equal(new Set(instants).size, 100);
  assert.deepEqual(instants, instants.toSorted().toReversed());
});

Deno.test("GET /cron shows a stored expression that can not be read, and the others all the same", async () => {
  await using db = await testDb();
  await givenEntries(db, ["nightly_sync", "odd"]);
  await db.query(sql`
    update yardmaster.cron_entries
    set expression = '99 <b>', timezone = 'Mars/Olympus' where name = 'odd'
  `);
  const visitor = webVisitor(db);

  const list = await visitor.open(CRON);
  assert.match(list.text, /nightly_sync .*Every hour/);
  assert.match(list.text, /odd .*It can not be read 99 <b> Mars\/Olympus/);
  assert.match(list.text, /none: not readable .*Needs Review/);
  const page = await visitor.open(`${CRON}/odd`);
  assert.match(page.text, /Its expression can not be read\. It fires no more/);
  assert.match(page.text, /Cannot read the cron expression "99 <b>"/);
});

Deno.test("a viewer sees every cron entry, why nothing can be done, and no form that would do it", async () => {
  await using db = await testDb();
  await givenCronEntry(db);
  const visitor = webVisitor(db, { authorize: LOOK_ONLY });

  for (const path of [CRON, `${CRON}/nightly_sync`]) {
    const page = await visitor.open(path);
    assert.match(page.text, /Permission: read-only\. You may look at/);
    assert.match(page.text, /You may look, and not act on it/);
    assert.deepEqual(page.forms.filter(({ fields }) => "action" in fields), []);
  }
  await db.query(sql`delete from yardmaster.cron_entries`);
  const empty = await visitor.open(CRON);
  assert.match(empty.text, /No cron entry is on record/);
  assert.doesNotMatch(empty.text, /You may look at cron entries/);
});

Deno.test("an operator who may only pause is told what is missing for the rest", async () => {
  await using db = await testDb();
  await givenCronEntry(db);
  const authorize: Authorize = (_, permission) =>
    permission.startsWith("view_") || permission === "pause_cron_entry";
  const page = await webVisitor(db, { authorize }).open(CRON);

  formWith(page, { action: "pause_cron_entry" });
  assert.match(page.text, /Run Now… needs run_cron_entry/);
  assert.doesNotMatch(page.text, /Permission: read-only/);
});

Deno.test("cron pages hide what a broken display policy would have shown", async () => {
  await using db = await testDb();
  await givenCronEntry(db, {
    worker: "c4nary-worker",
    queue: "c4nary-queue",
    args: { note: "c4nary-args" },
  });
  const displayPolicy = () => {
    throw new Error("c4nary-policy");
  };
  const visitor = webVisitor(db, { displayPolicy });
  for (const path of [CRON, `${CRON}/nightly_sync`]) {
    const { status, text } = await visitor.open(path);
    assert.equal(status, 200);
    assert.doesNotMatch(text, /c4nary|nightly_sync|0 2 \* \* \*/);
    assert.match(text, /Hidden by display policy/);
  }
});

Deno.test("links of cron pages lead to pages, also for names that a URL could misread", async () => {
  await using db = await testDb();
  const names = ["nightly_sync", "a/b?c#d %2F&e=f", "..", "~tilde", "<b>"];
  await givenEntries(db, names);
  await givenQueue(db);
  const jobId = await givenJob(db, {
    state: "discarded",
    attempt: 5,
    cronEntry: "nightly_sync",
  });
  await db.query(sql`
    insert into yardmaster.cron_slots (
      entry_name, kind, planned_at, state, job_id, claimed_at
    ) values (
      'nightly_sync', 'manual', ${db.now}, 'claimed', ${jobId}::bigint,
      ${db.now}
    )
  `);
  const visitor = webVisitor(db);
  const list = await visitor.open(CRON);
  const seen = new Set<string>([CRON]);
  const pages = [list];
  for (const href of hrefsOf(list.html)) {
    const path = href.split("#")[0] ?? "";
    if (seen.has(path) || !path.startsWith(CRON)) continue;
    seen.add(path);
    pages.push(await visitor.open(path));
  }
  assert.equal(pages.length, names.length + 2);
  for (const page of pages) {
    assert.equal(page.status, 200, page.url);
    assert.doesNotMatch(page.html, /<b>/);
    for (const href of hrefsOf(page.html)) {
      const path = href.split("#")[0] ?? "";
      if (path === "" || seen.has(path)) continue;
      seen.add(path);
      const { status } = await visitor.open(path);
      assert.ok(status < 400, `${status} for ${path} on ${page.url}`);
    }
  }
});

Deno.test("GET /cron keeps retired entries apart, and offers nothing for them", async () => {
  await using db = await testDb();
  await givenEntries(db, ["old"]);
  await givenEntries(db, ["new"]);
  const visitor = webVisitor(db);

  assert.doesNotMatch((await visitor.open(CRON)).text, /\bold\b/);
  const all = await visitor.open(`${CRON}?retired=yes`);
  assert.match(all.text, /old .*none: retired .*Retired: nothing to do/);
  const page = await visitor.open(`${CRON}/old`);
  assert.match(
    page.text,
    /No longer declared\..*It is retired and fires no more/,
  );
  assert.deepEqual(page.forms.filter(({ fields }) => "action" in fields), []);
});

Deno.test("GET /cron/:name answers 404 for a name that is none, whatever it is", async () => {
  await using db = await testDb();
  const visitor = webVisitor(db);
  for (const name of ["nobody", "a%00b", "%F0%9F%A6%8A"]) {
    const page = await visitor.open(`${CRON}/${name}`);
    assert.equal(page.status, 404, name);
    assert.match(page.text, /There is no such cron entry/);
  }
});

Deno.test("GET /cron writes nothing, and refuses who may not look", async () => {
  await using db = await testDb();
  await givenCronEntry(db);
  const denied = await webVisitor(db, { authorize: () => false }).open(CRON);
  assert.equal(denied.status, 403);
  assert.match(denied.text, /view_cron/);

  await db.query(sql`set transaction read only`);
  const visitor = webVisitor(db);
  for (const path of [CRON, `${CRON}?after=m`, `${CRON}/nightly_sync`]) {
    assert.equal((await visitor.open(path)).status, 200);
  }
});
