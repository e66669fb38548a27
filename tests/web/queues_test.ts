import assert from "node:assert/strict";
import { sql } from "../../src/db/sql.ts";
import { forbiddenIn } from "../support/forbidden_phrases.ts";
import { givenExecutor, givenJob, givenQueue } from "../support/job_world.ts";
import { usePGlite } from "../support/pglite.ts";
import { formWith } from "../support/visitor.ts";
import {
  hrefsOf,
  LOOK_ONLY,
  webAnswer,
  webVisitor,
} from "../support/web_host.ts";

const testDb = usePGlite();
const QUEUES = "/ops/jobs/queues";

Deno.test("GET /queues tells of each queue how it is, what waits and who serves it", async () => {
  await using db = await testDb();
  await givenQueue(db, { name: "mail", limit: 5, pausedBy: "ops-demo" });
  await givenQueue(db, { name: "sync", limit: 4 });
  await db.query(sql`
    update yardmaster.queues set chosen_limit = 8 where name = 'sync'
  `);
  await givenExecutor(db, { queues: ["sync"], name: "host-1" });
  await givenExecutor(db, {
    queues: ["sync"],
    name: "host-2",
    beatAgoMs: 60_000,
  });
  await givenExecutor(db, {
    queues: ["mail"],
    name: "host-3",
    beatAgoMs: 600_000,
  });
  await givenJob(db, { queue: "mail" });
  await givenJob(db, { queue: "mail", state: "retryable", attempt: 1 });
  await givenJob(db, { queue: "undeclared" });

  const page = await webVisitor(db).open(QUEUES);

  assert.equal(page.status, 200);
  assert.match(
    page.text,
    /mail paused by ops-demo, just now 1 available jobs .*1 retryable jobs? to retry/s,
  );
  assert.match(page.text, /1 Executor Missing/);
  assert.match(
    page.text,
    /sync running .*8 chosen code has 4 .*1 Healthy .*1 Heartbeat Late/s,
  );
  assert.match(
    page.text,
    /undeclared running .*Not declared None .*no process has declared it/s,
  );
  assert.match(
    page.text,
    /host-1 .*Healthy.*host-2 .*Heartbeat Late.*host-3 .*Executor Missing/s,
  );
  formWith(page, { action: "resume_queue", target_id: "mail" });
  formWith(page, { action: "pause_queue", target_id: "sync" });
  assert.ok(
    hrefsOf(page.html).includes("/ops/jobs/jobs?state=available&queue=mail"),
  );
  assert.deepEqual(forbiddenIn(page.text), []);
});

Deno.test("GET /queues/:name tells how a queue is, and offers to pause and to scale it", async () => {
  await using db = await testDb();
  await givenQueue(db, { name: "a/b", limit: 4 });
  await givenJob(db, { queue: "a/b" });

  const page = await webVisitor(db).open(`${QUEUES}/a%2Fb`);

  assert.equal(page.status, 200);
  assert.match(page.text, /No live executor serves it\./);
  assert.match(page.text, /Blocked/);
  formWith(page, { action: "pause_queue", target_id: "a/b" });
  assert.equal(
    formWith(page, { action: "scale_queue" }).fields["param_limit"],
    "",
  );
  assert.ok(
    hrefsOf(page.html).includes(
      "/ops/jobs/forensics?resource_type=queue&resource_id=a%2Fb",
    ),
  );
});

Deno.test("GET /queues/:name groups its jobs by why they are where they are", async () => {
  await using db = await testDb();
  await givenQueue(db, { name: "mail", limit: 1 });
  const executorId = await givenExecutor(db, {
    queues: ["mail"],
    name: "host-1",
  });
  const running = { state: "executing", attempt: 1, executorId } as const;
  await givenJob(db, { ...running, queue: "mail" });
  await givenJob(db, { queue: "mail" });
  await givenJob(db, { queue: "mail" });
  await givenJob(db, { queue: "mail", worker: "legacy" });
  await givenJob(db, { queue: "mail", state: "scheduled" });

  const page = await webVisitor(db).open(`${QUEUES}/mail`);

  const rows = [
    "Waits for a free place Waiting 2 Queue mail has no free place: host-1 holds 1 of 1. By itself",
    "Waits for its turn Waiting 1 The last of them has 1 job before it",
    "No live executor knows its worker Blocked 1 1 live executor serves queue mail, and it does not know worker legacy. Somebody has to act",
    "Waits for its time Waiting 1 The next is due in 1 min. By itself",
    "Runs now Runnable 1 Live executors hold them. Nothing to clear",
  ];
  // A name stands in an element of its own.
  const text = page.text.replaceAll(/ (?=[.,:])/g, "");
  for (const row of rows) assert.ok(text.includes(row), text);
  assert.ok(
    hrefsOf(page.html).includes(
      "/ops/jobs/jobs?state=available&queue=mail&worker=legacy",
    ),
  );
  assert.deepEqual(forbiddenIn(page.text), []);
});

Deno.test("a queue is paused by the form on its page, and says so afterwards", async () => {
  await using db = await testDb();
  await givenQueue(db, { name: "mail" });
  const visitor = webVisitor(db);

  const page = await visitor.open(`${QUEUES}/mail`);
  const preview = await visitor.send(formWith(page, { action: "pause_queue" }));
  const [execute] = preview.forms.filter(({ action }) =>
    action.endsWith("/executions")
  );
  assert.ok(execute, preview.text);
  const after = await visitor.send(execute, { reason: "Bank is down" });

  assert.match(after.text, /The queue is paused\./);
  const again = await visitor.open(`${QUEUES}/mail`);
  assert.match(again.text, /Paused just now by ops-demo/);
  formWith(again, { action: "resume_queue", target_id: "mail" });
});

Deno.test("GET /queues/:name answers 404 for a queue that nobody knows", async () => {
  await using db = await testDb();
  const visitor = webVisitor(db);
  for (
    const name of ["nobody", "%00", "x".repeat(300), "~..", "%F0%9F%90%98"]
  ) {
    const page = await visitor.open(`${QUEUES}/${name}`);
    assert.equal(page.status, 404, name);
    assert.match(page.text, /There is no such queue/);
  }
});

Deno.test("a viewer sees the queues and can not change them", async () => {
  await using db = await testDb();
  await givenQueue(db, { name: "mail" });
  const visitor = webVisitor(db, { authorize: LOOK_ONLY });
  for (const path of [QUEUES, `${QUEUES}/mail`]) {
    const page = await visitor.open(path);
    assert.match(page.text, /Permission: read-only\./);
    assert.match(page.text, /needs pause_queue/);
    assert.deepEqual(page.forms.filter(({ fields }) => "action" in fields), []);
  }
});

Deno.test("GET /executors tells which processes are alive", async () => {
  await using db = await testDb();
  const visitor = webVisitor(db);
  assert.match((await visitor.open("/ops/jobs/executors")).text, /No executor/);
  await givenExecutor(db, { name: "host-1", beatAgoMs: 60_000 });
  const page = await visitor.open("/ops/jobs/executors");
  assert.match(page.text, /host-1 #\d+, deno, knows 1 worker Heartbeat Late/);
});

Deno.test("GET /queues says what to do when there is none, and answers htmx with a part", async () => {
  await using db = await testDb();
  assert.match(
    (await webVisitor(db).open(QUEUES)).text,
    /No queue is on record/,
  );
  await givenQueue(db, { name: "mail" });
  for (
    const [path, id] of [[QUEUES, "queues-live"], [
      `${QUEUES}/mail`,
      "queue-live",
    ]]
  ) {
    const answer = await webAnswer(db)(
      new Request(`http://localhost${path}`, {
        headers: { "HX-Request": "true" },
      }),
    );
    assert.match(
      await answer.text(),
      new RegExp(`^\\s*<div class="stack" id="${id}"`),
    );
  }
});
