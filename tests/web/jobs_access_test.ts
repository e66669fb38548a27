import assert from "node:assert/strict";
import { sql } from "../../src/db/sql.ts";
import { JOB_STATES } from "../../src/domain/state.ts";
import { listHref } from "../../src/web/job_query.ts";
import { createPaths } from "../../src/web/paths.ts";
import { givenEvent, givenJob, givenQueue } from "../support/job_world.ts";
import { usePGlite } from "../support/pglite.ts";
import { formTo, formWith } from "../support/visitor.ts";
import { hrefsOf, LOOK_ONLY, webVisitor } from "../support/web_host.ts";

const testDb = usePGlite();
const JOBS = "/ops/jobs/jobs";
const FORENSICS = "/ops/jobs/forensics?resource_type=job&resource_id=";

Deno.test("jobs show nothing of what they carry when the policy is silent or broken", async () => {
  await using db = await testDb();
  const canaries = [
    "c4nary-args",
    "c4nary-meta",
    "c4nary-error",
    "c4nary-stack",
    "c4nary-output",
  ];
  const jobs = [];
  for (const state of JOB_STATES) {
    const id = await givenJob(db, {
      state,
      attempt: 1,
      args: { note: "c4nary-args", list: ["c4nary-args"] },
      meta: { note: "c4nary-meta" },
      tags: ["c4nary-tag"],
      uniqueKey: `c4nary-key-${state}`,
      error: "c4nary-error",
    });
    await givenEvent(db, {
      jobId: id,
      message: "c4nary-error",
      stack: "c4nary-stack",
    });
    await db.query(sql`
      insert into yardmaster.outputs (job_id, attempt, output, recorded_at)
      values (${id}, 1, '{"note": "c4nary-output"}', ${db.now})
    `);
    jobs.push({ state, id });
  }
  const broken = [
    () => {
      throw new Error("c4nary-args");
    },
    () => undefined,
    () => Promise.resolve("c4nary-args"),
  ];
  const silent = () => null;
  for (const displayPolicy of [silent, ...broken]) {
    const visitor = webVisitor(db, { displayPolicy });
    // Tags and unique keys are names: silence shows them, a fault does not.
    const hidden = displayPolicy === silent ? canaries : ["c4nary-"];
    for (const { state, id } of jobs) {
      for (const path of [JOBS, `${JOBS}?state=${state}`, `${JOBS}/${id}`]) {
        const { html, status } = await visitor.open(path);
        assert.equal(status, 200);
        for (const canary of hidden) {
          assert.ok(!html.includes(canary), `${canary} on ${path}`);
        }
      }
    }
  }
});

Deno.test("an error is one line in a list, and whole on the page of its job", async () => {
  await using db = await testDb();
  const id = await givenJob(db, { state: "discarded", attempt: 1 });
  const message = "Card of order 1043 was declined\nby the bank";
  const stack = "Error: declined\n    at charge (card.ts:7:1)";
  await givenEvent(db, { jobId: id, message, stack });
  const whole = webVisitor(db, { displayPolicy: (_, value) => value });
  const brief = webVisitor(db, {
    displayPolicy: (kind, value) =>
      kind === "error" ? (value as { message: string }).message : null,
  });

  for (const path of [JOBS, "/ops/jobs", FORENSICS + id]) {
    const list = await whole.open(path);
    assert.match(list.text, /Error: Card of order 1043 was declined /);
    assert.doesNotMatch(list.text, /by the bank/);
  }
  const page = await whole.open(`${JOBS}/${id}`);
  assert.match(
    page.html,
    /<p class="error-line">Card of order 1043 was declined<\/p>/,
  );
  assert.match(
    page.html,
    /<summary>Whole message<\/summary>\s*<pre class="json" tabindex="0"><code>Card of order 1043 was declined\nby the bank</,
  );
  assert.match(
    page.html,
    /<summary>Stack<\/summary>\s*<pre class="json" tabindex="0"><code>Error: declined\n {4}at charge/,
  );

  const short = await brief.open(`${JOBS}/${id}`);
  assert.match(short.text, /Card of order 1043 was declined/);
  assert.doesNotMatch(short.html, /at charge|<summary>Stack/);
});

Deno.test("a viewer sees every job, why nothing can be done, and no form that would do it", async () => {
  await using db = await testDb();
  const id = await givenJob(db);
  const visitor = webVisitor(db, { authorize: LOOK_ONLY });

  const list = await visitor.open(JOBS);
  assert.match(list.text, /Permission: read-only\. You may look at jobs/);
  assert.ok(list.html.includes(`${JOBS}/${id}`));

  const page = await visitor.open(`${JOBS}/${id}`);
  assert.match(page.text, /Permission: read-only\. You may look at this job/);
  assert.match(page.text, /needs the permission cancel_job/);
  assert.deepEqual(page.forms.filter(({ fields }) => "action" in fields), []);
});

for (const htmx of [false, true]) {
  Deno.test(`a job is cancelled by the form on its page, ${htmx ? "with" : "without"} htmx`, async () => {
    await using db = await testDb();
    const id = await givenJob(db);
    const visitor = webVisitor(db, { htmx });

    const page = await visitor.open(`${JOBS}/${id}?list=state%3Davailable`);
    const preview = await visitor.send(
      formWith(page, { action: "cancel_job" }),
    );
    const tooShort = await visitor.send(formTo(preview, "/executions"), {
      reason: "no",
    });
    assert.equal(tooShort.status, 422);
    const after = await visitor.send(formTo(tooShort, "/executions"), {
      reason: "The customer asked us to stop",
    });

    assert.equal(after.url, `${JOBS}/${id}`);
    assert.match(
      after.text,
      /The job is cancelled\. .*ops-demo cancelled it just now ?\./,
    );
    assert.match(after.text, /Cancel: not while it is cancelled\./);
    formWith(after, { action: "retry_job", target_id: id });
  });
}

Deno.test("who may not see a job is told so, and no link leads there", async () => {
  await using db = await testDb();
  const id = await givenJob(db);
  const visitor = webVisitor(db, {
    authorize: (_, permission) => permission === "view_jobs",
  });
  const list = await visitor.open(JOBS);
  assert.ok(!list.html.includes(`${JOBS}/${id}`));
  assert.equal((await visitor.open(`${JOBS}/${id}`)).status, 403);
  assert.equal((await visitor.open("/ops/jobs/queues")).status, 403);
  const nobody = webVisitor(db, { authorize: () => false });
  assert.equal((await nobody.open(JOBS)).status, 403);
});

Deno.test("no link of the pages of jobs leads nowhere", async () => {
  await using db = await testDb();
  await givenQueue(db, { name: "a/b?c#d %" });
  for (const state of JOB_STATES) {
    await givenJob(db, {
      state,
      attempt: 1,
      queue: "a/b?c#d %",
      worker: "w&x=<y>",
    });
  }
  const visitor = webVisitor(db);
  const seen = new Set<string>();
  const waiting = [`${JOBS}?queue=a%2Fb%3Fc%23d%20%25`];
  for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) {
    if (seen.has(path) || seen.size > 60) continue;
    seen.add(path);
    const page = await visitor.open(path);
    assert.ok(page.status < 400, `${path} answers ${page.status}`);
    waiting.push(
      ...hrefsOf(page.html).filter((href) =>
        /^\/ops\/jobs\/(jobs|queues)/.test(href)
      ),
    );
  }
  assert.ok(seen.size > 20);
});

Deno.test("listHref() leads to a list of ours, whatever the address says", () => {
  const paths = createPaths("/ops/jobs");
  assert.equal(listHref(undefined, paths), JOBS);
  assert.equal(
    listHref("state=retryable&queue=a%26b&after=1_2", paths),
    `${JOBS}?state=retryable&queue=a%26b&after=1_2`,
  );
  for (
    const hostile of [
      "https://evil.test",
      "//evil.test",
      "javascript:alert(1)",
      "state=x&next=//evil.test",
      "x".repeat(20_000),
    ]
  ) {
    assert.match(
      listHref(hostile, paths),
      /^\/ops\/jobs\/jobs(\?state=all)?$/,
    );
  }
});
