import assert from "node:assert/strict";
import type { Database } from "../../src/db/database.ts";
import { sql } from "../../src/db/sql.ts";
import type { AuditEntry } from "../../src/domain/audit.ts";
import { appendAuditEvent } from "../../src/store/audit.ts";
import { parseInstant } from "../../src/web/audit_query.ts";
import { forbiddenIn } from "../support/forbidden_phrases.ts";
import { givenJob } from "../support/job_world.ts";
import { usePGlite } from "../support/pglite.ts";
import { formTo } from "../support/visitor.ts";
import { hrefsOf, webVisitor } from "../support/web_host.ts";

const testDb = usePGlite();
const AUDIT = "/ops/jobs/audit";

/** An event that somebody could have written, with changes. */
async function given(
  db: Database,
  change: Partial<AuditEntry> = {},
): Promise<string> {
  const event = await appendAuditEvent(db, {
    eventType: "queue.paused",
    action: "pause_queue",
    result: "applied",
    refusal: null,
    legalNextSteps: [],
    resourceType: "queue",
    resourceId: "mail",
    actorId: "ops-demo",
    principalId: "ops-demo",
    principalType: "user",
    principalLabel: "Olga",
    reason: "maintenance",
    previewId: null,
    before: { paused: false },
    after: { paused: true },
    details: {},
    ...change,
  });
  return event.id;
}

function givenRefusal(db: Database): Promise<string> {
  return given(db, {
    eventType: "command.refused",
    action: "cancel_job",
    result: "refused",
    refusal: "wrong_state",
    legalNextSteps: ["retry_job", "reload", "<b>odd</b>"],
    resourceType: "job",
    resourceId: "7",
    principalId: null,
    principalType: null,
    principalLabel: null,
    before: null,
    after: null,
    reason: null,
    details: { via: "page" },
  });
}

/** The ids of the events on a page, in their order. */
function idsOf(html: string): string[] {
  const rows = html.match(/<th scope="row">[\s\S]*?<\/th>/g) ?? [];
  return rows.map((row) => /\/audit\/(\d+)"/.exec(row)?.[1] ?? "");
}

Deno.test("GET /audit shows who did what to which thing and why, newest first", async () => {
  await using db = await testDb();
  await given(db);
  await givenRefusal(db);

  const { text, html, status } = await webVisitor(db).open(AUDIT);

  assert.equal(status, 200);
  assert.match(text, /cross-surface audit destination.*Inspection only/);
  assert.match(text, /Permission: read-only\./);
  assert.match(
    text,
    /command\.refused #2 .*7 Job .*ops-demo .*No reason recorded .*refused .*wrong_state .*just now 2026-01-15 12:00:00 UTC/,
  );
  assert.match(text, /queue\.paused #1 .*mail Queue .*Olga .*maintenance/);
  assert.deepEqual(idsOf(html), ["2", "1"]);
  assert.match(
    text,
    /Events in the chain: 2\. It ends at hash [0-9a-f]{12}…/,
  );
  assert.deepEqual(forbiddenIn(text), []);
});

Deno.test("GET /audit narrows by each filter, keeps what was typed and shows how to drop it", async () => {
  await using db = await testDb();
  await given(db, { resourceId: "a&b=c #1", actorId: "viewer" });
  db.advanceMs(3_600_000);
  await given(db, { eventType: "queue.resumed" });
  await givenRefusal(db);
  const visitor = webVisitor(db);
  const cases = [
    [{ resource_type: "job" }, ["3"]],
    [{ resource_id: "a&b=c #1" }, ["1"]],
    [{ event_type: "queue.resumed" }, ["2"]],
    [{ actor: "viewer" }, ["1"]],
    [{ result: "refused" }, ["3"]],
    [{ from: "2026-01-15 12:30" }, ["3", "2"]],
    [{ from: "30m", until: "2026-01-16" }, ["3", "2"]],
    [{ until: "2026-01-15T12:30:00Z" }, ["1"]],
    [{ actor: "viewer", result: "refused" }, []],
  ] as const;
  for (const [filter, expected] of cases) {
    const page = await visitor.open(`${AUDIT}?${new URLSearchParams(filter)}`);
    assert.deepEqual(idsOf(page.html), expected, page.url);
    assert.match(page.text, /Scoped Audit Filter/);
    const form = formTo(page, "/audit");
    for (const [name, value] of Object.entries(filter)) {
      assert.ok(page.text.includes(`${name}=${value}`), page.text);
      if (["resource_id", "actor", "from", "until"].includes(name)) {
        assert.equal(form.fields[name], value);
      } else {
        assert.match(page.html, new RegExp(`value="${value}"\\s+selected`));
      }
    }
    assert.ok(hrefsOf(page.html).includes(AUDIT), "a link that clears");
  }
});

Deno.test("GET /audit answers a filter that it can not read with a page that says so", async () => {
  await using db = await testDb();
  await given(db);
  const visitor = webVisitor(db);
  const garbage = [
    "from=yesterday",
    "until=2026-99-99",
    "resource_type=starship",
    "result=maybe",
    `actor=${"x".repeat(600)}`,
    "resource_id=a%00b",
  ];
  for (const query of garbage) {
    const page = await visitor.open(`${AUDIT}?${query}`);
    assert.equal(page.status, 200, query);
    assert.match(page.html, /field-error/, query);
    assert.deepEqual(idsOf(page.html), ["1"], query);
  }
  for (
    const query of ["before=0", "after=-1", "before=1e9", "event_type=%3Cxss"]
  ) {
    const page = await visitor.open(`${AUDIT}?${query}`);
    assert.equal(page.status, 200, query);
    assert.doesNotMatch(page.html, /<xss/);
  }
});

Deno.test("GET /audit pages through every event once, down and up again", async () => {
  await using db = await testDb();
  for (let count = 0; count < 120; count += 1) {
    await given(db, { actorId: count % 2 === 0 ? "even" : "odd" });
  }
  const visitor = webVisitor(db);
  const walk = async (from: string, rel: string) => {
    const ids: string[][] = [];
    let path: string | undefined = from;
    let last = from;
    while (path !== undefined && ids.length < 10) {
      last = path;
      const { html } = await visitor.open(path);
      ids.push(idsOf(html));
      const link = new RegExp(`rel="${rel}"\\s+href="([^"]*)"`).exec(html);
      path = link?.[1]?.replaceAll("&amp;", "&");
    }
    return { ids, last };
  };

  const down = await walk(`${AUDIT}?actor=even`, "next");
  const evens = Array.from(
    { length: 60 },
    (_, index) => String(119 - 2 * index),
  );
  assert.deepEqual(down.ids.flat(), evens);
  const up = await walk(down.last, "prev");
  assert.deepEqual(up.ids.toReversed().flat(), evens);
});

Deno.test("GET /audit/:id shows what an event changed, and its place in the chain", async () => {
  await using db = await testDb();
  await given(db);
  const id = await given(db, { eventType: "queue.resumed" });
  const page = await webVisitor(db, {
    displayPolicy: (kind, value) => kind === "snapshot" ? value : null,
  }).open(`${AUDIT}/${id}`);

  assert.equal(page.status, 200);
  assert.match(page.text, /Action pause_queue .*Olga user .*maintenance/);
  assert.match(page.text, /Before and after .*paused false true/);
  assert.match(page.text, /Previous event #1/);
  assert.match(page.html, /<code class="hash">[0-9a-f]{64}<\/code>/);
  const silent = await webVisitor(db).open(`${AUDIT}/${id}`);
  assert.doesNotMatch(silent.text, /paused false true/);
});

Deno.test("GET /audit/:id tells of a refusal the reason, the next moves and the code, in this order", async () => {
  await using db = await testDb();
  const id = await givenRefusal(db);
  const page = await webVisitor(db).open(`${AUDIT}/${id}`);

  assert.match(
    page.text,
    /Refused: nothing was changed Reason It is not in a state that allows this\. Legal next move Retry job Look again .*Venue Yardmaster-native Machine code wrong_state/,
  );
  assert.doesNotMatch(page.html, /<b>odd/);
  const first = await webVisitor(db).open(`${AUDIT}/1`);
  assert.match(first.text, /None: it is the first/);
});

Deno.test("GET /audit/:id answers 404 for what is no event", async () => {
  await using db = await testDb();
  const visitor = webVisitor(db);
  for (const id of ["1", "0", "-1", "x", "9".repeat(30), "%00"]) {
    const page = await visitor.open(`${AUDIT}/${id}`);
    assert.equal(page.status, 404, id);
  }
});

Deno.test("GET /audit.csv and .ndjson hold what the page shows, and no formula", async () => {
  await using db = await testDb();
  await given(db, { reason: '=HYPERLINK("https://evil"), "x"\nnext' });
  await givenRefusal(db);
  const visitor = webVisitor(db);

  const csv = await visitor.open(`${AUDIT}.csv?resource_type=queue`);
  assert.match(csv.headers.get("content-type") ?? "", /^text\/csv/);
  assert.match(csv.headers.get("content-disposition") ?? "", /^attachment/);
  assert.match(csv.html, /^id,at,event_type,action,result,refusal,/);
  assert.ok(
    csv.html.includes(`,"'=HYPERLINK(""https://evil""), ""x""\nnext",`),
    csv.html,
  );
  assert.doesNotMatch(csv.html, /command\.refused/);

  const ndjson = await visitor.open(`${AUDIT}.ndjson`);
  const events = ndjson.html.trim().split("\n").map((line) => JSON.parse(line));
  assert.deepEqual(events.map(({ id }) => id), ["2", "1"]);
  assert.equal(events[1].before, '{ "paused": boolean }');
  assert.equal(events[0].refusal, "wrong_state");
});

Deno.test("the audit hides what a broken display policy would have shown, on the page and in exports", async () => {
  await using db = await testDb();
  const id = await given(db, {
    resourceId: "c4nary-name",
    principalLabel: "c4nary-label",
    reason: "c4nary-reason",
    before: { note: "c4nary-before" },
    after: { note: "c4nary-after" },
    details: { note: "c4nary-details" },
  });
  const silent = webVisitor(db);
  const broken = webVisitor(db, {
    displayPolicy: () => {
      throw new Error("c4nary-policy");
    },
  });
  for (
    const path of [AUDIT, `${AUDIT}/${id}`, `${AUDIT}.csv`, `${AUDIT}.ndjson`]
  ) {
    const { html } = await silent.open(path);
    assert.doesNotMatch(html, /c4nary-(before|after|details)/, path);
    const hidden = await broken.open(path);
    assert.equal(hidden.status, 200);
    assert.doesNotMatch(hidden.text, /c4nary/, path);
    assert.match(hidden.text, /Hidden by display policy/);
  }
});

Deno.test("GET /audit says why it is empty, and what would fill it", async () => {
  await using db = await testDb();
  const visitor = webVisitor(db);
  const fresh = await visitor.open(AUDIT);
  assert.match(fresh.text, /Nothing was changed or refused so far/);
  await given(db);
  const filtered = await visitor.open(`${AUDIT}?actor=nobody`);
  assert.match(filtered.text, /No event fits these filters/);
});

Deno.test("every link of the audit leads somewhere, and a link to a page that the actor may not open is none", async () => {
  await using db = await testDb();
  const jobId = await givenJob(db);
  await given(db, { resourceType: "job", resourceId: jobId });
  const visitor = webVisitor(db);
  const seen = new Set<string>();
  for (const start of [AUDIT, `${AUDIT}/1`, `${AUDIT}?actor=ops-demo`]) {
    const { html } = await visitor.open(start);
    for (const href of hrefsOf(html)) {
      const to = href.split("#")[0] ?? "";
      if (to === "" || seen.has(to)) continue;
      seen.add(to);
      const { status } = await visitor.open(to);
      assert.ok(status < 400, `${status} for ${to}`);
    }
  }
  const little = webVisitor(db, {
    authorize: (_, permission) => permission === "view_audit",
  });
  for (const path of [AUDIT, `${AUDIT}/1`]) {
    const { html } = await little.open(path);
    assert.doesNotMatch(html, /href="[^"]*\/(jobs\/jobs|forensics)/);
  }
});

Deno.test("GET /audit writes nothing, and refuses who may not look", async () => {
  await using db = await testDb();
  await given(db);
  const denied = webVisitor(db, { authorize: () => false });
  const paths = [AUDIT, `${AUDIT}/1`, `${AUDIT}.csv`, `${AUDIT}.ndjson`];
  for (const path of paths) {
    assert.equal((await denied.open(path)).status, 403, path);
  }
  await db.query(sql`set transaction read only`);
  for (const path of paths) {
    assert.equal((await webVisitor(db).open(path)).status, 200, path);
  }
});

Deno.test("parseInstant() reads days, instants in UTC and spans back, and nothing else", () => {
  const now = new Date("2026-01-15T12:00:00Z");
  const at = (value: string) => parseInstant(value, now)?.toISOString();
  assert.equal(at("2026-01-14"), "2026-01-14T00:00:00.000Z");
  assert.equal(at("2026-01-14 08:30"), "2026-01-14T08:30:00.000Z");
  assert.equal(at("2026-01-14T08:30:05.250Z"), "2026-01-14T08:30:05.250Z");
  assert.equal(at("24h"), "2026-01-14T12:00:00.000Z");
  assert.equal(at("7 d"), "2026-01-08T12:00:00.000Z");
  for (
    const value of ["", "now", "2026", "2026-02-31x", "-1h", "1y", "9999999d"]
  ) {
    assert.equal(at(value), undefined, value);
  }
});

Deno.test("an export by a filter that can not be read is answered with 400, and not with all events", async () => {
  await using db = await testDb();
  const visitor = webVisitor(db);
  for (const query of ["from=bad", "result=maybe", "resource_type=zebra"]) {
    const path = `/ops/jobs/audit.csv?${query}`;
    const { status, text, html } = await visitor.open(path);
    assert.equal(status, 400, query);
    assert.match(text, /A filter of its address can not be read/);
    assert.ok(hrefsOf(html).includes(`/ops/jobs/audit?${query}`));
  }
});
