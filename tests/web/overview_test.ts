import assert from "node:assert/strict";
import { sql } from "../../src/db/sql.ts";
import { bucketsOf } from "../../src/domain/overview.ts";
import type { OverviewFacts } from "../../src/domain/overview_facts.ts";
import { coolDownLimiter } from "../../src/store/limiter_cooldowns.ts";
import { readOverview } from "../../src/store/overview.ts";
import { givenCronEntry } from "../support/control_world.ts";
import {
  givenEvent,
  givenExecutor,
  givenJob,
  givenQueue,
} from "../support/job_world.ts";
import {
  API,
  claimLimited,
  givenExecutor as givenClaimer,
  givenLimits,
  givenWork,
  PER_CUSTOMER,
} from "../support/limiter_world.ts";
import { type TestDb, usePGlite } from "../support/pglite.ts";
import { Visitor } from "../support/visitor.ts";
import { only, webHost, type WebHostOptions } from "../support/web_host.ts";

const testDb = usePGlite();
const MINUTE_MS = 60_000;

/** The page as text, without the spaces that tags leave. */
async function overview(
  db: TestDb,
  options: WebHostOptions = {},
): Promise<string> {
  const host = webHost({ db, ...options });
  const page = await new Visitor((request) =>
    host.request(new URL(request.url).pathname, { headers: request.headers })
  ).open("/ops/jobs");
  assert.equal(page.status, 200);
  return page.text.replaceAll(/\s+([,.])/g, "$1");
}

/** How many each bucket counts, in the order of the page. */
function totals(facts: OverviewFacts): unknown[] {
  return bucketsOf(facts).map(({ status, total }) => [status, total?.count]);
}

Deno.test("the overview of an empty installation says that nothing is wrong, and claims nothing of a bridge", async () => {
  await using db = await testDb();

  const text = await overview(db);

  assert.deepEqual(totals(await readOverview(db)), [
    ["needs_review", 0],
    ["blocked", 0],
    ["waiting", 0],
    ["runnable", 0],
    ["bridge_only", undefined],
    ["resolved", 0],
  ]);
  assert.match(text, /No executor is running, and nothing is due\./);
  assert.match(text, /No historical attention needed/);
  assert.match(text, /Bridge-only Follow-up not counted No bridge/);
});

Deno.test("the overview keeps its buckets in order and shows three exemplars at most", async () => {
  await using db = await testDb();
  for (const name of ["a", "b", "c", "d"]) {
    await givenCronEntry(db, { name });
    await db.query(sql`
      update yardmaster.cron_entries
      set paused_at = ${db.now}, paused_by = 'ops-demo', retired_at = null
    `);
  }

  const text = await overview(db);

  const order = [
    "Needs Review",
    "Blocked",
    "Waiting 4",
    "Runnable",
    "Bridge-only Follow-up",
    "Resolved Recently",
  ].map((title) => text.indexOf(title));
  assert.deepEqual(order, order.toSorted((a, b) => a - b));
  assert.ok(!order.includes(-1));
  assert.equal(text.match(/Paused just now by ops-demo/g)?.length, 3);
});

Deno.test("readOverview() finds executors that are overdue with work, and no others", async () => {
  await using db = await testDb();
  const late = await givenExecutor(db, { name: "late", beatAgoMs: 50_000 });
  await givenExecutor(db, { name: "idle", beatAgoMs: 10 * MINUTE_MS });
  await givenExecutor(db, { name: "healthy" });
  await givenJob(db, { state: "executing", executorId: late });

  const { unwell, healthyExecutors, executing } = await readOverview(db);

  assert.deepEqual(
    unwell.map(({ name, health, jobs }) => [name, health, jobs]),
    [
      ["late", "late", 1],
    ],
  );
  assert.equal(healthyExecutors, 1);
  assert.equal(executing, 1);
  assert.match(await overview(db), /Look first at: Executor late\./);
});

Deno.test("readOverview() groups what was discarded in the last day, and leaves out what an operator discarded", async () => {
  await using db = await testDb();
  await givenJob(db, { state: "discarded", error: "old" });
  db.advanceMs(25 * 60 * MINUTE_MS);
  await givenJob(db, { state: "discarded", error: "declined" });
  await givenJob(db, { state: "discarded", error: "declined" });
  const decided = await givenJob(db, { state: "discarded", error: "declined" });
  await givenEvent(db, { jobId: decided, kind: "discarded", principal: "ada" });
  await givenJob(db, { state: "completed" });

  const { failures } = await readOverview(db);

  assert.deepEqual(
    failures.map(({ worker, template, jobs }) => [worker, template, jobs]),
    [["send_mail", "declined", 2]],
  );
});

Deno.test("readOverview() tells paused, unserved and unknown work from work that goes on", async () => {
  await using db = await testDb();
  await givenExecutor(db, { queues: ["default", "mail"] });
  await givenQueue(db, { name: "mail", pausedBy: "ops-demo" });
  await givenJob(db, {});
  await givenJob(db, { queue: "mail" });
  await givenJob(db, { queue: "lonely" });
  await givenJob(db, { worker: "legacy" });
  await givenJob(db, { state: "retryable", attempt: 1 });
  await givenJob(db, { state: "scheduled", dueInMs: -2 * MINUTE_MS });

  const facts = await readOverview(db);

  assert.deepEqual(
    facts.queues.map(({ name, ready, servedBy, unknownWorkers, pausedBy }) => ({
      name,
      ready: ready.count,
      servedBy,
      unknownWorkers,
      pausedBy,
    })),
    [
      {
        name: "default",
        ready: 2,
        servedBy: 1,
        unknownWorkers: ["legacy"],
        pausedBy: null,
      },
      {
        name: "lonely",
        ready: 1,
        servedBy: 0,
        // There is nobody to know it.
        unknownWorkers: [],
        pausedBy: null,
      },
      {
        name: "mail",
        ready: 1,
        servedBy: 1,
        unknownWorkers: [],
        pausedBy: "ops-demo",
      },
    ],
  );
  assert.deepEqual(totals(facts), [
    ["needs_review", 0],
    ["blocked", 3],
    ["waiting", 2],
    ["runnable", 2],
    ["bridge_only", undefined],
    ["resolved", 0],
  ]);
});

Deno.test("readOverview() finds missed fires of the last day", async () => {
  await using db = await testDb();
  await givenCronEntry(db);
  for (const hours of [2, 30]) {
    await db.query(sql`
      insert into yardmaster.cron_slots (
        entry_name, kind, planned_at, state, claimed_at
      ) values (
        'nightly_sync', 'scheduled',
        ${db.now} - ${hours} * interval '1 hour', 'missed', ${db.now}
      )
    `);
  }

  const { missed } = await readOverview(db);

  assert.deepEqual(missed.map(({ name, fires }) => [name, fires]), [
    ["nightly_sync", 1],
  ]);
});

Deno.test("the overview says more than it counted when a bound was reached", () => {
  const [, , waiting] = bucketsOf({
    healthyExecutors: 1,
    unwell: [],
    failures: [],
    failuresCapped: false,
    missed: [],
    paused: [],
    queues: [],
    limiters: [],
    retries: [],
    retryable: { count: 10_000, capped: true },
    overdue: { count: 0, capped: false, jobId: null },
    executing: 0,
    changes: [],
    changed: { count: 0, capped: false },
  });

  assert.deepEqual(waiting?.total, { count: 10_000, capped: true });
});

Deno.test("the overview of a viewer has no links to pages that would refuse, and nothing to act with", async () => {
  await using db = await testDb();
  await givenJob(db, { queue: "lonely" });
  const host = webHost({ db, authorize: only(["view_overview"]) });

  const html = await (await host.request("/ops/jobs")).text();

  assert.match(html, /Queue <span[^>]*>lonely/);
  assert.doesNotMatch(html, /href="\/ops\/jobs\/(?!_a)/);
  assert.doesNotMatch(html, /Preview Action|name="reason"/);
});

Deno.test("the overview asks the host for a runbook, and takes no link that would run something", async () => {
  await using db = await testDb();
  await givenJob(db, { queue: "lonely" });
  const asked: string[] = [];
  const page = (href: string) =>
    webHost({
      db,
      more: {
        runbook: ({ type, id }, diagnosis) => {
          asked.push(`${type} ${id} ${diagnosis}`);
          return { label: "How to start workers", href };
        },
      },
    }).request("/ops/jobs").then((answer) => answer.text());

  assert.match(
    await page("https://wiki.example/workers"),
    /href="https:\/\/wiki\.example\/workers">How to start workers/,
  );
  assert.doesNotMatch(await page("javascript:alert(1)"), /How to start/);
  assert.ok(asked.includes("queue lonely queue_unserved"));
});

Deno.test("GET / writes nothing, and a refresh gets the buckets alone", async () => {
  await using db = await testDb();
  await givenJob(db, { queue: "lonely" });
  const host = webHost({
    db: {
      ...db,
      now: db.now,
      query: (statement) => {
        const { text } = statement.render("yardmaster");
        assert.doesNotMatch(text, /\b(insert|update|delete)\b/i);
        return db.query(statement);
      },
    },
  });

  const part = await host.request("/ops/jobs", {
    headers: { "HX-Request": "true", "HX-Request-Type": "partial" },
  });

  const html = await part.text();
  assert.equal(part.status, 200);
  assert.match(html, /^<header class="page-head"/);
  assert.doesNotMatch(html, /<html|<nav/);
});

Deno.test("the overview tells a limiter that holds jobs back from one that cools down, and leads to both", async () => {
  await using db = await testDb();
  await givenLimits(db, [API, PER_CUSTOMER]);
  await givenWork(db, Array.from({ length: 4 }, () => ({ customer: "7" })));
  const executorId = await givenClaimer(db);
  await claimLimited(db, executorId);

  const holding = await overview(db);
  assert.match(
    holding,
    /1 limiter holds jobs back, and nothing else needs you right now/,
  );
  assert.match(
    holding,
    /Blocked 1 .*Limiter per_customer It holds jobs back until enough of it is free\. Lines of jobs that wait for it: 1\./,
  );
  assert.match(holding, /Review the limiter that holds jobs back/);
  assert.match(holding, /Waiting 2 2 jobs wait for their limiters\./);

  await coolDownLimiter(db, {
    limiter: "per_customer",
    key: null,
    forMs: 2 * MINUTE_MS,
    reason: "It answers 429",
    by: "ops-demo",
    extendsOnly: false,
  });
  const cooling = await overview(db);
  assert.match(cooling, /Nothing needs you right now\./);
  assert.match(cooling, /Blocked 0/);
  assert.match(
    cooling,
    /Limiter per_customer It cools down: over in 2 min\. Lines of jobs that wait for it: 1\./,
  );
  assert.match(cooling, /Review the limiter that cools down/);
});
