import assert from "node:assert/strict";

import { sql } from "../../src/db/sql.ts";
import { JOB_STATES } from "../../src/domain/job.ts";
import { SELECTORS } from "../../src/forensics/collect.ts";
import type { Authorize, Runbook } from "../../src/seams.ts";
import { syncCronEntries } from "../../src/store/cron_sync.ts";
import { cronWorld, define, HOUR_MS } from "../support/cron_world.ts";
import { forbiddenIn } from "../support/forbidden_phrases.ts";
import { givenEvent, givenJob, givenQueue } from "../support/job_world.ts";
import { type TestDb, usePGlite } from "../support/pglite.ts";
import { formTo, formWith, Visitor } from "../support/visitor.ts";
import { hrefsOf, webHost, webVisitor } from "../support/web_host.ts";

const testDb = usePGlite();
const FORENSICS = "/ops/jobs/forensics";

function path(type: string, id: string): string {
  return `${FORENSICS}?${new URLSearchParams({
    resource_type: type,
    resource_id: id,
  })}`;
}

/** A job in each state, an entry with a past and a queue: every kind of page. */
async function givenSubjects(db: TestDb): Promise<string[]> {
  const scheduler = await cronWorld(db, { queue: "mail" });
  db.advanceMs(HOUR_MS);
  await scheduler.runOnce();
  await givenQueue(db, { name: "mail", pausedBy: "ops-demo" });
  const jobs: string[] = [];
  for (const state of JOB_STATES) {
    const id = await givenJob(db, {
      state,
      attempt: 1,
      queue: "mail",
      cronEntry: "hourly",
      error: "no route to host",
    });
    await givenEvent(db, { jobId: id, kind: "lost" });
    jobs.push(path("job", id));
  }
  return [...jobs, path("cron_entry", "hourly"), path("queue", "mail")];
}

Deno.test("GET /forensics keeps its sections in their order, for every subject and for none", async () => {
  await using db = await testDb();
  const subjects = await givenSubjects(db);
  const visitor = webVisitor(db);
  const unknown = [FORENSICS, path("job", "1"), `${FORENSICS}?workflow_id=9`];
  for (const subject of [...subjects, ...unknown]) {
    const { status, html } = await visitor.open(subject);
    assert.equal(status, 200);
    const found = [...html.matchAll(/<h2[^>]*>([^<]+)<\/h2>/g)]
      .map(([, title]) => title);
    assert.deepEqual(found, [
      "Diagnosis Summary",
      "Open runbook entry",
      "Timeline",
      "Related Evidence",
      "Linked Resources",
      "Legal Next Paths",
      "Evidence Completeness",
    ], subject);
    assert.ok(html.indexOf("Selectors") > html.indexOf("Evidence Compl"));
  }
});

Deno.test("GET /forensics claims nothing that it can not know", async () => {
  await using db = await testDb();
  const visitor = webVisitor(db);
  for (const subject of [...await givenSubjects(db), FORENSICS]) {
    const { text } = await visitor.open(subject);
    assert.match(text, /Permission: read-only\. Forensics shows evidence/);
    assert.deepEqual(forbiddenIn(text), [], subject);
    const advice = text.slice(
      text.indexOf("Open runbook entry"),
      text.indexOf("Timeline"),
    );
    assert.deepEqual(forbiddenIn(advice, { advice: true }), [], subject);
  }
});

Deno.test("GET /forensics says whose a path is before what it is, and fills no button of another owner", async () => {
  await using db = await testDb();
  const visitor = webVisitor(db);
  for (const subject of await givenSubjects(db)) {
    const { html } = await visitor.open(subject);
    const items = html.match(/<li class="path"[\s\S]*?<\/li>/g) ?? [];
    assert.ok(items.length > 0);
    for (const item of items) {
      const owner = item.search(/Yardmaster-native|host-owned follow-up/);
      assert.ok(owner >= 0 && owner < item.indexOf("path-label"), item);
      if (item.includes("host_guidance")) {
        assert.doesNotMatch(item, /data-variant="(primary|native_primary)"/);
      }
      if (item.includes("Inspection only")) {
        assert.doesNotMatch(item, /data-variant="primary"/);
      }
    }
  }
});

Deno.test("GET /forensics shows cautions only where they apply", async () => {
  await using db = await testDb();
  const id = await givenJob(db, { state: "completed", attempt: 0 });
  const visitor = webVisitor(db);

  const calm = await visitor.open(path("job", id));
  assert.doesNotMatch(calm.text, /Cautions|Part of the evidence/);
  assert.match(calm.text, /Evidence Completeness complete/);
  const unknown = await visitor.open(path("job", "1"));
  assert.match(unknown.text, /Cautions Part of the evidence is not there/);
  assert.match(unknown.text, /Evidence Completeness unknown/);
});

Deno.test("GET /forensics tells what an operator last did, in a fixed order", async () => {
  await using db = await testDb();
  await givenQueue(db, { name: "mail" });
  const visitor = webVisitor(db);
  const before = await visitor.open(path("queue", "mail"));
  assert.doesNotMatch(before.text, /Latest runbook continuity/);

  const queues = await visitor.open("/ops/jobs/queues/mail");
  const form = formWith(queues, { action: "pause_queue" });
  const preview = await visitor.send(form);
  await visitor.send(formTo(preview, "/executions"), { reason: "relay down" });

  const after = await visitor.open(path("queue", "mail"));
  assert.match(
    after.text,
    /Latest runbook continuity Diagnosis Paused Legal next path Review it as it stands now Venue Yardmaster-native Attempt state succeeded queue\.paused just now Reason relay down Evidence link This timeline Audit follow-up Audit event 1/,
  );
});

Deno.test("GET /forensics shows of an error what the display policy shows, and nothing of a broken one", async () => {
  await using db = await testDb();
  const id = await givenJob(db, {
    state: "discarded",
    attempt: 1,
    error: "c4nary-error",
    worker: "c4nary-worker",
    args: { note: "c4nary-args" },
    meta: { note: "c4nary-meta" },
    tags: ["c4nary-tag"],
  });
  for (
    const file of [path("job", id), path("job", id).replace("?", ".json?")]
  ) {
    const silent = await webVisitor(db).open(file);
    assert.doesNotMatch(silent.html, /c4nary-(error|args|meta|tag)/);
    assert.match(silent.text, /Error: text, not shown/);

    const telling = await webVisitor(db, {
      displayPolicy: (kind) =>
        kind === "error" ? "the words of the host" : null,
    }).open(file);
    assert.match(telling.text, /the words of the host/);

    const broken = await webVisitor(db, {
      displayPolicy: () => {
        throw new Error("c4nary-policy");
      },
    }).open(file);
    assert.equal(broken.status, 200);
    assert.doesNotMatch(broken.html, /c4nary/);
    assert.match(broken.text, /Hidden by display policy/);
  }
});

Deno.test("GET /forensics.json is the bundle of the page, to hand over", async () => {
  await using db = await testDb();
  const id = await givenJob(db, { state: "discarded", attempt: 5 });
  const page = await webVisitor(db).open(
    path("job", id).replace("?", ".json?"),
  );

  assert.match(page.headers.get("content-type") ?? "", /^application\/json/);
  assert.match(page.headers.get("content-disposition") ?? "", /^attachment/);
  const data = JSON.parse(page.html);
  assert.equal(data.schema, 1);
  assert.deepEqual(data.subject, {
    type: "job",
    id,
    label: "Worker send_mail",
    on_record: true,
  });
  assert.equal(data.diagnosis.status, "Needs Review");
  assert.equal(data.completeness.state, "complete");
  assert.deepEqual(
    data.timeline.map(({ label }: { label: string }) => label),
    ["Ended as discarded", "Inserted"],
  );
  assert.deepEqual(data.legal_next_paths[1], {
    owner: "Yardmaster-native",
    posture: "Audited action",
    label: "Preview a retry",
    intent: "remediate",
  });
});

Deno.test("links into forensics carry the stable selectors and no others, and ids come back whole", async () => {
  await using db = await testDb();
  const odd = ": / ? # % space & = '\" ü";
  await syncCronEntries(db, [define({ name: odd })]);
  const visitor = webVisitor(db);
  const subjects = [...await givenSubjects(db), path("cron_entry", odd)];
  await syncCronEntries(db, [define({ name: odd })]);
  for (const subject of [...subjects, "/ops/jobs/cron", "/ops/jobs/audit"]) {
    const page = await visitor.open(subject);
    assert.equal(page.status, 200);
    assert.doesNotMatch(page.html, /href="[^"]*(token|reason|diagnosis)=/);
    for (const href of hrefsOf(page.html)) {
      const url = new URL(href, "https://host.example");
      if (!url.pathname.startsWith(FORENSICS)) continue;
      for (const name of url.searchParams.keys()) {
        assert.ok(SELECTORS.some((known) => known === name), href);
      }
    }
  }
  const page = await visitor.open(path("cron_entry", odd));
  assert.doesNotMatch(page.html, /href="[^"]*: \/ \?/);
  const entry = hrefsOf(page.html).find((href) => href.includes("/cron/"));
  assert.equal((await visitor.open(entry ?? "")).status, 200);
  const audit = hrefsOf(page.html).find((href) => href.includes("/audit?"));
  assert.equal(
    new URL(audit ?? "", "https://host.example").searchParams
      .get("resource_id"),
    odd,
  );
});

Deno.test("every link of a forensics page leads to a page that this actor may open", async () => {
  await using db = await testDb();
  const subjects = await givenSubjects(db);
  const all: Authorize = () => true;
  const little: Authorize = (_, permission) => permission === "view_forensics";
  for (const authorize of [all, little]) {
    const visitor = webVisitor(db, { authorize });
    const seen = new Set<string>();
    for (const subject of subjects) {
      const { html } = await visitor.open(subject);
      const main = html.slice(html.indexOf("<main"));
      for (const href of hrefsOf(main)) {
        const to = href.split("#")[0] ?? "";
        if (to === "" || seen.has(to)) continue;
        seen.add(to);
        const { status } = await visitor.open(to);
        assert.ok(status < 400, `${status} for ${to} on ${subject}`);
      }
    }
  }
});

Deno.test("GET /forensics links to the host's own runbook, if that is a link", async () => {
  await using db = await testDb();
  const id = await givenJob(db, { state: "discarded", attempt: 5 });
  const open = async (runbook: Runbook) => {
    const host = webHost({ db, more: { runbook } });
    const visitor = new Visitor((request) => {
      const { pathname, search } = new URL(request.url);
      return host.request(pathname + search);
    });
    return await visitor.open(path("job", id));
  };

  const asked: unknown[] = [];
  const good = await open((resource, diagnosis) => {
    asked.push(resource, diagnosis);
    return { label: "Dead <mail>", href: "https://wiki.example/mail" };
  });
  assert.deepEqual(asked, [{ type: "job", id }, "job_discarded"]);
  assert.match(
    good.text,
    /host-owned follow-up .*Host-owned .*The host's own runbook: Dead <mail> Open path/,
  );
  assert.ok(hrefsOf(good.html).includes("https://wiki.example/mail"));
  for (
    const runbook of [
      () => ({ label: "x", href: "javascript:alert(1)" }),
      () => null,
      () => {
        throw new Error("c4nary");
      },
    ]
  ) {
    const page = await open(runbook);
    assert.equal(page.status, 200);
    assert.doesNotMatch(page.html, /own runbook|javascript:|c4nary/);
  }
});

Deno.test("GET /forensics writes nothing, and refuses who may not look", async () => {
  await using db = await testDb();
  const subjects = await givenSubjects(db);
  const denied = webVisitor(db, { authorize: () => false });
  for (const file of [FORENSICS, `${FORENSICS}.json`]) {
    assert.equal((await denied.open(file)).status, 403);
  }
  await db.query(sql`set transaction read only`);
  const visitor = webVisitor(db);
  for (const subject of [...subjects, FORENSICS]) {
    assert.equal((await visitor.open(subject)).status, 200);
  }
});
