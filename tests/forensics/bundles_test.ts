import assert from "node:assert/strict";
import { createPreview } from "../../src/control/preview.ts";
import { executePreview } from "../../src/control/execution.ts";
import type { Database } from "../../src/db/database.ts";
import { sql } from "../../src/db/sql.ts";
import type { Sentence } from "../../src/domain/sentence.ts";
import type { Bundle } from "../../src/forensics/bundle.ts";
import { collectBundle } from "../../src/forensics/collect.ts";
import { recordHistoryKeptFrom } from "../../src/store/evidence.ts";
import { sentenceText } from "../../src/web/components/sentence.ts";
import { showTo } from "../../src/web/render.ts";
import {
  controlOf,
  givenCronEntry,
  OPERATOR,
} from "../support/control_world.ts";
import {
  cronWorld,
  define,
  HOUR_MS,
  MINUTE_MS,
} from "../support/cron_world.ts";
import {
  givenEvent,
  givenExecutor,
  givenJob,
  givenQueue,
} from "../support/job_world.ts";
import { usePGlite } from "../support/pglite.ts";
import { syncCronEntries } from "../../src/store/cron_sync.ts";

const testDb = usePGlite();
const DAY_MS = 24 * HOUR_MS;

/** Every value as it is, with its kind where the policy could hide it. */
const plain = showTo({ id: "reader" }, {
  policy: (kind, value) =>
    `${kind}<${typeof value === "string" ? value : JSON.stringify(value)}>`,
});

function say(words: Sentence): string {
  return sentenceText(words, {
    show: plain,
    resource: { type: "page", id: "forensics" },
  });
}

function labels(bundle: Bundle): string[] {
  return bundle.chronology.map(({ label }) => say(label));
}

function sourceStates(bundle: Bundle): Record<string, string> {
  return Object.fromEntries(
    bundle.completeness.sources.map(({ source, state }) => [source, state]),
  );
}

function job(db: Database, id: string): Promise<Bundle> {
  return collectBundle(db, { resource_type: "job", resource_id: id });
}

function cron(db: Database, name: string): Promise<Bundle> {
  return collectBundle(db, { resource_type: "cron_entry", resource_id: name });
}

async function act(
  db: Database,
  { action, targetId, reason = "" }: {
    readonly action: string;
    readonly targetId: string;
    readonly reason?: string;
  },
): Promise<void> {
  const control = controlOf(db);
  const made = await createPreview(control, {
    actor: OPERATOR,
    action,
    targetId,
    params: {},
  });
  assert(made.ok, made.ok ? "" : made.message);
  const done = await executePreview(control, {
    actor: OPERATOR,
    token: made.token,
    reason,
  });
  assert(done.ok, done.ok ? "" : done.message);
}

Deno.test("collectBundle() tells of a job what happened, in order, and how it stands", async () => {
  await using db = await testDb();
  const id = await givenJob(db, {
    state: "discarded",
    attempt: 2,
    executorId: await givenExecutor(db, { name: "host-1" }),
  });
  db.advanceMs(1_000);
  await givenEvent(db, { jobId: id, attempt: 1, message: "first" });
  await givenEvent(db, { jobId: id, attempt: 2, message: "second" });
  db.advanceMs(1_000);
  await act(db, { action: "retry_job", targetId: id, reason: "mended since" });

  const bundle = await job(db, id);

  assert.equal(bundle.diagnosis.code, "job_ready");
  assert.deepEqual(labels(bundle), [
    "Retried by an operator",
    "Job retried by an operator",
    "A retry was previewed",
    "Attempt 2 failed",
    "Attempt 1 failed",
    "Inserted",
  ]);
  const [, retried] = bundle.chronology;
  assert.deepEqual(retried?.notes.map(say), [
    `By actor<{"id":"ops-demo","label":"ops-demo's name"}>.`,
    "Reason: reason<mended since>",
  ]);
  assert.deepEqual(retried?.audit, { id: "1", eventType: "job.retried" });
  assert.deepEqual(bundle.chronology[3]?.notes.map(say), [
    `Error: error<{"message":"second","topFrame":null,"stack":null}>`,
  ]);
  assert.equal(bundle.completeness.state, "complete");
});

Deno.test("collectBundle() finds out why a job does not run", async () => {
  await using db = await testDb();
  const id = await givenJob(db, { queue: "mail" });
  const code = async () => (await job(db, id)).diagnosis.code;

  assert.equal(await code(), "job_unserved");
  await givenExecutor(db, { queues: ["mail"], workers: ["other"] });
  assert.equal(await code(), "job_worker_unknown");
  await givenExecutor(db, { queues: ["mail"], beatAgoMs: 600_000 });
  assert.equal(await code(), "job_worker_unknown");
  await givenExecutor(db, { queues: ["mail"] });
  assert.equal(await code(), "job_ready");
  await givenQueue(db, { name: "mail", pausedBy: "ops-demo" });
  assert.equal(await code(), "job_queue_paused");

  const bundle = await job(db, id);
  assert.deepEqual(
    bundle.runbook.prerequisites.map(({ code, state }) => `${code} ${state}`),
    [
      "evidence_complete met",
      "legal_action met",
      "executor_alive met",
      "worker_known met",
      "queue_open missing",
    ],
  );
  assert.deepEqual(bundle.runbook.paths.map(({ step }) => step), [
    "review_queue",
    "resume_its_queue",
    "inspect_audit",
  ]);
});

Deno.test("collectBundle() says of each state of a job what it means", async () => {
  await using db = await testDb();
  const missing = await givenExecutor(db, { beatAgoMs: 600_000 });
  const late = await givenExecutor(db, { beatAgoMs: 60_000 });
  const healthy = await givenExecutor(db, {});
  const running = { state: "executing", attempt: 1 } as const;
  const cases = [
    [{ state: "suspended" }, "job_suspended"],
    [{ state: "scheduled" }, "job_scheduled"],
    [{ state: "retryable", attempt: 1 }, "job_retryable"],
    [{ state: "scheduled", dueInMs: -2 * MINUTE_MS }, "job_overdue"],
    [{ ...running, executorId: healthy }, "job_running"],
    [{ ...running, executorId: late }, "job_executor_late"],
    [{ ...running, executorId: missing }, "job_executor_missing"],
    [{ state: "completed", attempt: 1 }, "job_completed"],
    [{ state: "cancelled", attempt: 1 }, "job_cancelled"],
    [{ state: "discarded", attempt: 5 }, "job_discarded"],
  ] as const;
  for (const [given, expected] of cases) {
    const bundle = await job(db, await givenJob(db, given));
    assert.equal(bundle.diagnosis.code, expected);
    assert.equal(bundle.completeness.state, "complete", expected);
  }
});

Deno.test("collectBundle() says partial when a job has more events than it reads", async () => {
  await using db = await testDb();
  const id = await givenJob(db, { state: "retryable", attempt: 1 });
  await db.query(sql`
    insert into yardmaster.attempt_events (job_id, attempt, kind, at)
    select ${id}::bigint, 1, 'snoozed', ${db.now}
    from generate_series(1, 201)
  `);

  const bundle = await job(db, id);

  assert.equal(sourceStates(bundle)["attempt_events"], "partial");
  assert.equal(bundle.completeness.state, "partial");
  assert.deepEqual(bundle.runbook.cautions.slice(0, 1), ["degraded_evidence"]);
  assert.equal(bundle.chronology.length, 201);
});

Deno.test("collectBundle() tells a job that retention let go from one that never was", async () => {
  await using db = await testDb();
  const gone = await givenJob(db, { state: "discarded", attempt: 5 });
  await act(db, { action: "retry_job", targetId: gone, reason: "once more" });
  const silent = await givenJob(db, {});
  await db.query(sql`delete from yardmaster.jobs`);
  db.advanceMs(8 * DAY_MS);
  await recordHistoryKeptFrom(db, { keepMs: 7 * DAY_MS });
  await recordHistoryKeptFrom(db, { keepMs: 90 * DAY_MS });

  const [remembered, forgotten, never] = [
    await job(db, gone),
    await job(db, silent),
    await job(db, "912062503385563218"),
  ];

  // The audit outlives the job, so this is not the end of what is known.
  assert.equal(remembered.diagnosis.code, "subject_unknown");
  assert.match(say(remembered.diagnosis.detail), /The audit still tells of it/);
  assert.deepEqual(labels(remembered).at(0), "Job retried by an operator");
  assert.equal(remembered.completeness.state, "partial");
  assert.equal(forgotten.completeness.state, "history_unavailable");
  assert.equal(never.completeness.state, "unknown");
  for (const bundle of [remembered, forgotten, never]) {
    assert.equal(bundle.subject.resource, null);
    assert.ok(
      bundle.paths.every(({ posture }) => posture === "inspection_only"),
    );
  }
});

Deno.test("collectBundle() tells of a cron entry which instants were dealt with", async () => {
  await using db = await testDb();
  const scheduler = await cronWorld(db);
  db.advanceMs(HOUR_MS);
  await scheduler.runOnce();

  const bundle = await cron(db, "hourly");

  assert.equal(bundle.diagnosis.code, "cron_ready");
  assert.equal(bundle.completeness.state, "complete");
  assert.ok(labels(bundle).includes("On-time slot claim"));
  assert.deepEqual(
    bundle.linked.map(({ resource }) => resource.type),
    ["queue", "job"],
  );
});

Deno.test("collectBundle() tells a missed fire from a time in which nobody looked", async () => {
  await using db = await testDb();
  const scheduler = await cronWorld(db, { catchUp: "none" });
  db.advanceMs(3 * HOUR_MS + 10 * MINUTE_MS);
  const before = await cron(db, "hourly");
  await scheduler.runOnce();
  db.advanceMs(MINUTE_MS);
  const after = await cron(db, "hourly");

  assert.equal(before.diagnosis.code, "cron_unseen");
  assert.equal(before.completeness.state, "partial");
  assert.deepEqual(
    before.runbook.prerequisites.find(({ code }) => code === "plan_watched"),
    { code: "plan_watched", state: "missing" },
  );
  assert.equal(after.diagnosis.code, "cron_missed");
  assert.ok(labels(after).includes("Missed fire"));
  assert.ok(after.runbook.cautions.includes("takes_no_slot"));
});

Deno.test("collectBundle() judges a cron entry from where its history is kept", async () => {
  await using db = await testDb();
  const scheduler = await cronWorld(db, { catchUp: "none" });
  for (let hour = 0; hour < 5; hour += 1) {
    db.advanceMs(HOUR_MS);
    await scheduler.runOnce();
  }
  await recordHistoryKeptFrom(db, { keepMs: 90 * MINUTE_MS });

  const bundle = await cron(db, "hourly");

  const kept = new Date(db.nowAt().getTime() - 90 * MINUTE_MS);
  const slots = bundle.completeness.sources.find(({ source }) =>
    source === "cron_slots"
  );
  assert.deepEqual(slots?.keptFrom, kept);
  const planned = bundle.chronology.filter(({ source }) =>
    source === "cron_slots"
  );
  assert.ok(planned.length > 0 && planned.every(({ at }) => at > kept));
});

Deno.test("collectBundle() tells of a pause by its audit, and of an expression that can not be read", async () => {
  await using db = await testDb();
  const name = await givenCronEntry(db);
  await act(db, { action: "pause_cron_entry", targetId: name, reason: "calm" });
  const paused = await cron(db, name);
  await syncCronEntries(db, [define({ name: "odd" })]);
  await db.query(sql`
    update yardmaster.cron_entries set expression = '99 * * * *'
    where name = 'odd'
  `);
  const odd = await cron(db, "odd");

  assert.equal(paused.diagnosis.code, "cron_paused");
  assert.match(say(paused.diagnosis.detail), /by actor<ops-demo>/);
  assert.equal(labels(paused).at(0), "Cron entry paused");
  assert.ok(paused.runbook.cautions.includes("not_made_up"));
  assert.deepEqual(
    paused.paths.map(({ step }) => step),
    [
      "review_subject",
      "resume_cron_entry",
      "run_cron_entry",
      "inspect_audit",
      "tell_schedule_owner",
    ],
  );
  assert.equal(odd.diagnosis.code, "cron_malformed");
  assert.match(say(odd.diagnosis.detail), /name<Cannot read the cron expr/);
});

Deno.test("collectBundle() tells of a queue who serves it and who paused it", async () => {
  await using db = await testDb();
  const queue = () =>
    collectBundle(db, { resource_type: "queue", resource_id: "mail" });
  const code = async () => (await queue()).diagnosis.code;

  assert.equal(await code(), "subject_unknown");
  await givenJob(db, { queue: "mail" });
  assert.equal(await code(), "queue_unserved");
  await givenQueue(db, { name: "mail", limit: 1 });
  const executorId = await givenExecutor(db, { queues: ["mail"] });
  assert.equal(await code(), "queue_working");
  const running = { state: "executing", attempt: 1, executorId } as const;
  await givenJob(db, { ...running, queue: "mail" });
  assert.equal(await code(), "queue_full");
  await givenExecutor(db, { queues: ["mail"], beatAgoMs: 60_000 });
  assert.equal(await code(), "queue_at_risk");
  await act(db, { action: "pause_queue", targetId: "mail" });

  const bundle = await queue();
  assert.equal(bundle.diagnosis.code, "queue_paused");
  assert.deepEqual(
    bundle.diagnosis.also?.map(({ code, detail }) => [code, say(detail)]),
    [
      [
        "job_queue_paused",
        `Of 1 job: Paused 2026-01-15T12:00:00Z by actor<{"id":"ops-demo"}>.`,
      ],
      ["job_running", "Of 1 job: Live executors hold them."],
    ],
  );
  assert.equal(bundle.completeness.state, "complete");
  assert.ok(labels(bundle).includes("Queue paused"));
});

Deno.test("collectBundle() answers any selectors with a bundle that says what it accepts", async () => {
  await using db = await testDb();
  const cases = [
    {},
    { resource_type: "job" },
    { resource_type: "", resource_id: " " },
    { resource_type: "job", resource_id: "99999999999999999999" },
    { resource_type: "job", resource_id: "1; drop table" },
    { resource_type: "queue", resource_id: "a\0b" },
    { resource_type: "cron_entry", resource_id: "x".repeat(5_000) },
    { resource_type: "starship", resource_id: "1" },
    { workflow_id: "7", step: "a" },
    { incident_fingerprint: "dead_executor:1", view: "resolved" },
  ];
  for (const selectors of cases) {
    const bundle = await collectBundle(db, selectors);
    assert.equal(bundle.diagnosis.code, "subject_unknown");
    assert.equal(bundle.completeness.state, "unknown");
    assert.equal(bundle.subject.resource, null);
  }
  const nothing = await collectBundle(db, {});
  assert.match(
    say(nothing.diagnosis.detail),
    /Nothing was asked for.*resource_type \(job, cron_entry, queue or limiter\)/,
  );
});

Deno.test("collectBundle() writes nothing", async () => {
  await using db = await testDb();
  const id = await givenJob(db, { cronEntry: "nightly_sync" });
  await givenCronEntry(db);
  await givenQueue(db);
  await db.query(sql`set transaction read only`);

  await job(db, id);
  await cron(db, "nightly_sync");
  await collectBundle(db, { resource_type: "queue", resource_id: "default" });
  await collectBundle(db, {});

  await assert.rejects(givenJob(db), /read-only transaction/);
});
