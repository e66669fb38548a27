import assert from "node:assert/strict";
import { sql } from "../../src/db/sql.ts";
import { JOB_STATES } from "../../src/domain/state.ts";
import type { Authorize } from "../../src/seams.ts";
import { forbiddenIn } from "../support/forbidden_phrases.ts";
import {
  givenEvent,
  givenExecutor,
  givenJob,
  givenQueue,
} from "../support/job_world.ts";
import { usePGlite } from "../support/pglite.ts";
import { formWith } from "../support/visitor.ts";
import { hrefsOf, webAnswer, webVisitor } from "../support/web_host.ts";

const testDb = usePGlite();
const JOBS = "/ops/jobs/jobs";

/** The ids of the rows of a page, from top to bottom. */
function rowsOf(html: string): readonly string[] {
  return [...html.matchAll(/id="job-(\d+)"/g)].map(([, id = ""]) => id);
}

function linkNamed(html: string, name: string): string | null {
  const found = html.match(new RegExp(`href="([^"]*)"[^>]*>${name}</a>`));
  return found?.[1]?.replaceAll("&amp;", "&") ?? null;
}

Deno.test("GET /jobs shows each state under its tab, with how many there are", async () => {
  await using db = await testDb();
  const visitor = webVisitor(db);
  for (const state of JOB_STATES) {
    await givenJob(db, { state, worker: `w_${state}`, attempt: 1 });
  }
  for (const state of JOB_STATES) {
    const page = await visitor.open(`${JOBS}?state=${state}`);
    assert.equal(page.status, 200);
    assert.match(page.text, new RegExp(`w_${state}\\b`));
    assert.equal(rowsOf(page.html).length, 1);
    assert.match(
      page.text,
      /Available 1 .*Retryable 1 .*Completed 1 Suspended/,
    );
    assert.deepEqual(forbiddenIn(page.text), []);
  }
});

Deno.test("GET /jobs begins with the newest jobs in any state, each with its state and its time", async () => {
  await using db = await testDb();
  const ids: string[] = [];
  for (const state of JOB_STATES) {
    ids.unshift(await givenJob(db, { state, attempt: 1, queue: "mail" }));
    db.advanceMs(60_000);
  }
  await givenJob(db, { queue: "sync" });

  const page = await webVisitor(db).open(`${JOBS}?queue=mail`);

  assert.deepEqual(rowsOf(page.html), ids);
  assert.match(page.html, /aria-current="page"[^>]*>All</);
  const told = [
    "discarded mail Ended 1 min ago",
    "cancelled mail Ended 2 min ago",
    "completed mail Ended 3 min ago",
    "retryable mail Next attempt 3 min ago",
    "executing mail Claimed 5 min ago",
    "available mail Inserted 6 min ago",
    "scheduled mail Due 6 min ago",
    "suspended mail Inserted 8 min ago",
  ];
  assert.match(page.text, new RegExp(told.join(".*")));
  assert.deepEqual(forbiddenIn(page.text), []);
});

Deno.test("GET /jobs narrows by its filters, and a link keeps them", async () => {
  await using db = await testDb();
  const visitor = webVisitor(db);
  const id = await givenJob(db, {
    queue: "mail",
    worker: "send_mail",
    tags: ["vip"],
    args: { customer: 42 },
    meta: { source: "shop" },
  });
  await givenJob(db, { queue: "sync" });

  const first = await visitor.open(JOBS);
  const page = await visitor.send(formWith(first, { state: "all" }), {
    queue: "mail",
    worker: "send_*",
    tags: "vip",
    args: '{"customer": 42}',
    meta: '{"source": "shop"}',
  });

  assert.deepEqual(rowsOf(page.html), [id]);
  assert.match(page.html, /value="\{&quot;customer&quot;: 42\}"/);
  const tab = hrefsOf(page.html).find((href) =>
    href.includes("state=completed")
  );
  assert.match(tab ?? "", /queue=mail&worker=send_\*&tags=vip&args=%7B/);
  assert.equal(
    linkNamed(page.html, "Clear filters"),
    `${JOBS}?state=all`,
  );

  const other = await visitor.open(tab ?? "");
  assert.match(other.text, /No completed job matches/);
});

Deno.test("GET /jobs tells of JSON that it can not read, keeps it, and applies the rest", async () => {
  await using db = await testDb();
  const visitor = webVisitor(db);
  const mail = await givenJob(db, { queue: "mail" });
  await givenJob(db, { queue: "sync" });
  const hostile = [
    '{"a"',
    "[1]",
    "null",
    '{"a":"\\u0000"}',
    "<script>alert(1)</script>",
  ];
  for (const args of hostile) {
    const page = await visitor.open(
      `${JOBS}?queue=mail&args=${encodeURIComponent(args)}`,
    );
    assert.equal(page.status, 200);
    assert.deepEqual(rowsOf(page.html), [mail]);
    assert.match(
      page.html,
      /aria-invalid="true" aria-describedby="filter-args-error"/,
    );
    assert.match(page.html, /id="filter-args-error"/);
    const form = formWith(page, { queue: "mail" });
    assert.equal(form.fields["args"], args);
    assert.doesNotMatch(page.html, /<script>alert/);
  }
});

Deno.test("GET /jobs turns its pages down and up, and shows each job once", async () => {
  await using db = await testDb();
  const visitor = webVisitor(db);
  for (const state of ["all", "scheduled", "completed"] as const) {
    const ids = [];
    for (let count = 0; count < 60; count++) {
      ids.push(
        await givenJob(db, {
          state: state === "all" ? "available" : state,
          attempt: 1,
          dueInMs: 1_000 * (count >> 2),
        }),
      );
    }
    const names = state === "scheduled"
      ? ["Later", "Sooner"]
      : ["Older", "Newer"];
    const [down = "", up = ""] = names;

    const seen: string[][] = [];
    let next: string | null = `${JOBS}?state=${state}`;
    let last = "";
    while (next !== null) {
      const { html } = await visitor.open(next);
      seen.push([...rowsOf(html)]);
      last = html;
      next = linkNamed(html, down);
    }
    assert.deepEqual(seen.map((page) => page.length), [25, 25, 10]);
    assert.deepEqual(new Set(seen.flat()), new Set(ids));

    const back: string[][] = [[...rowsOf(last)]];
    next = linkNamed(last, up);
    while (next !== null) {
      const { html } = await visitor.open(next);
      back.unshift([...rowsOf(html)]);
      next = linkNamed(html, up);
    }
    assert.deepEqual(back.flat(), seen.flat());
  }
});

Deno.test("GET /jobs begins at the first page for an address that makes no sense", async () => {
  await using db = await testDb();
  const visitor = webVisitor(db);
  const id = await givenJob(db);
  for (
    const query of [
      "after=zz",
      "before=-1",
      "after=1_2",
      "after=99999999999999999999",
      "after=",
    ]
  ) {
    const page = await visitor.open(`${JOBS}?${query}`);
    assert.equal(page.status, 200);
    assert.deepEqual(rowsOf(page.html), [id]);
    assert.match(page.text, /This is the first one\./);
  }
  const page = await visitor.open(`${JOBS}?state=flying`);
  assert.match(page.text, /a state that there is not/);
  assert.deepEqual(rowsOf(page.html), [id]);
});

Deno.test("GET /jobs goes to the job whose id is asked for", async () => {
  await using db = await testDb();
  const visitor = webVisitor(db);
  const id = await givenJob(db);
  assert.equal(
    (await visitor.open(`${JOBS}?id=%20%23${id}`)).url,
    `${JOBS}/${id}`,
  );

  const page = await visitor.open(`${JOBS}?id=abc`);
  assert.match(page.text, /No job has such an id/);
  assert.deepEqual(rowsOf(page.html), [id]);
});

Deno.test("GET /jobs says why it is empty", async () => {
  await using db = await testDb();
  const visitor = webVisitor(db);
  assert.match((await visitor.open(JOBS)).text, /No job is on record/);
  await givenJob(db, { state: "executing", attempt: 1 });
  assert.match(
    (await visitor.open(`${JOBS}?state=available`)).text,
    /No job is available/,
  );
  assert.match(
    (await visitor.open(`${JOBS}?state=completed`)).text,
    /retention window/,
  );
  assert.match(
    (await visitor.open(`${JOBS}?state=available&queue=x`)).text,
    /No available job matches/,
  );
  assert.match(
    (await visitor.open(`${JOBS}?queue=x`)).text,
    /No job matches Ask for less/,
  );
});

Deno.test("GET /jobs says how far it searched, and goes on from there", async () => {
  await using db = await testDb();
  await db.query(sql`
    insert into yardmaster.jobs (
      id, queue, worker, args, meta, tags, priority, max_attempts
    )
    select n, case when n = 7 then 'rare' else 'mail' end, 'send_mail', '{}',
      '{}', '{}', 3, 5
    from generate_series(1, 10100) as n
  `);
  const visitor = webVisitor(db);
  const page = await visitor.open(`${JOBS}?state=suspended&queue=rare`);
  assert.match(page.text, /Searched 10 000 jobs.*The others were not searched/);
  assert.match(page.text, /No suspended job matches so far/);

  const onwards = hrefsOf(page.html).find((href) => href.includes("after=101"));
  const next = await visitor.open(onwards ?? "");
  assert.deepEqual(rowsOf(next.html), ["7"]);
});

Deno.test("GET /jobs answers htmx with the part that refreshes, and nothing around it", async () => {
  await using db = await testDb();
  const id = await givenJob(db);
  const host = webAnswer(db);
  for (const path of [JOBS, `${JOBS}/${id}`]) {
    const answer = await host(
      new Request(`http://localhost${path}`, {
        headers: { "HX-Request": "true" },
      }),
    );
    const html = await answer.text();
    assert.match(html, /^\s*<div class="stack" id="jobs?-live"/);
    assert.doesNotMatch(html, /<html|<form class="filter"/);
  }
});

Deno.test("GET /jobs/:id tells the story of a job first, and all that is on record", async () => {
  await using db = await testDb();
  await givenQueue(db, { name: "mail", pausedBy: "ops-demo" });
  await givenExecutor(db, { queues: ["mail"] });
  const id = await givenJob(db, {
    queue: "mail",
    tags: ["vip"],
    args: { customer: { id: 42 } },
    attempt: 1,
    uniqueKey: "mail:42",
  });
  await givenEvent(db, { jobId: id, message: "no route to host" });

  const page = await webVisitor(db, { displayPolicy: (_, value) => value })
    .open(`${JOBS}/${id}?list=state%3Davailable%26queue%3Dmail`);

  assert.equal(page.status, 200);
  assert.match(page.text, /Queue mail was paused by .*ops-demo.* just now/);
  assert.match(page.text, /starts only after somebody resumes the queue/);
  assert.match(page.text, /Attempt 1 failed.*Inserted/);
  assert.match(page.text, /no route to host/);
  assert.match(page.text, /"customer" *: *\{ *"id" *: *42/);
  assert.match(page.text, /mail:42/);
  assert.match(page.text, /None: the job has not ended\./);
  assert.match(page.text, /Retry: not while it is available\./);
  assert.equal(
    linkNamed(page.html, "Jobs"),
    `${JOBS}?state=available&queue=mail`,
  );
  formWith(page, { action: "cancel_job", target_id: id });
  formWith(page, { action: "discard_job", target_id: id });
  // The step that the reason calls for leads to its preview.
  formWith(page, { action: "resume_queue", target_id: "mail" });
  const hrefs = hrefsOf(page.html);
  assert.ok(
    hrefs.includes(`/ops/jobs/forensics?resource_type=job&resource_id=${id}`),
  );
  assert.ok(
    hrefs.includes(`/ops/jobs/audit?resource_type=job&resource_id=${id}`),
  );
  assert.deepEqual(forbiddenIn(page.text), []);
});

Deno.test("GET /jobs/:id tells every reason, through the display policy, and offers no step that one may not take", async () => {
  await using db = await testDb();
  await givenQueue(db, { name: "mail", pausedBy: "ops-s3cret" });
  const id = await givenJob(db, {
    queue: "mail",
    worker: "worker_s3cret",
    state: "scheduled",
  });
  const displayPolicy = (kind: string, value: unknown) =>
    kind === "actor" || value === "worker_s3cret" ? "***" : null;
  const authorize: Authorize = (_, permission) =>
    permission !== "resume_queue" && permission !== "view_queues";

  const page = await webVisitor(db, { displayPolicy, authorize })
    .open(`${JOBS}/${id}`);

  assert.match(
    page.text,
    /Waits for its time\. It becomes ready in 1 min.*Earliest start: not known, because somebody has to act first\. .*What else holds it up Its queue is paused Waiting Queue mail was paused by \*\*\* just now.*No live executor serves its queue Blocked/,
  );
  assert.match(page.text, /Resume its queue… needs resume_queue/);
  assert.match(
    page.text,
    /Yours to do: Start an executor that serves the queue/,
  );
  assert.doesNotMatch(page.text, /s3cret/);
  assert.doesNotMatch(page.html, /ops-s3cret/);
  assert.ok(!hrefsOf(page.html).includes("/ops/jobs/executors"));
  assert.deepEqual(forbiddenIn(page.text), []);
});

Deno.test("GET /jobs/:id offers what is legal in each state", async () => {
  await using db = await testDb();
  const visitor = webVisitor(db);
  const legal = {
    suspended: ["cancel_job", "discard_job"],
    scheduled: ["retry_job", "cancel_job", "discard_job"],
    available: ["cancel_job", "discard_job"],
    executing: ["cancel_job", "discard_job"],
    retryable: ["retry_job", "cancel_job", "discard_job"],
    completed: ["retry_job"],
    cancelled: ["retry_job"],
    discarded: ["retry_job"],
  };
  for (const state of JOB_STATES) {
    const page = await visitor.open(
      `${JOBS}/${await givenJob(db, { state, attempt: 1 })}`,
    );
    const offered = page.forms.map(({ fields }) => fields["action"]).filter(
      Boolean,
    );
    assert.deepEqual(offered, legal[state], state);
  }
});

Deno.test("GET /jobs/:id answers 404 for an id that no job has", async () => {
  await using db = await testDb();
  const visitor = webVisitor(db);
  const ids = [
    "0",
    "-1",
    "1.5",
    "abc",
    "%00",
    "%20",
    "1e3",
    "7",
    "9223372036854775807",
    "9223372036854775808",
    "9".repeat(400),
    "%F0%9F%90%98",
    "..%2f..%2f",
  ];
  for (const id of ids) {
    const page = await visitor.open(`${JOBS}/${id}`);
    assert.equal(page.status, 404, id);
    assert.match(page.text, /There is no/);
  }
});
