import assert from "node:assert/strict";
import { verifyAudit } from "../../src/control/audit.ts";
import { executePreview } from "../../src/control/execution.ts";
import { operatorApi } from "../../src/control/operator.ts";
import { createPreview, findPreview } from "../../src/control/preview.ts";
import type { Database } from "../../src/db/database.ts";
import { sql } from "../../src/db/sql.ts";
import { type Action, ACTION_POLICIES } from "../../src/domain/action.ts";
import type { JobState } from "../../src/domain/job.ts";
import { listAuditEvents } from "../../src/store/audit.ts";
import { pauseCronEntry } from "../../src/store/cron.ts";
import { pauseQueue } from "../../src/store/queues.ts";
import {
  controlOf,
  givenCronEntry,
  givenQueue,
  OPERATOR as actor,
  previewStatuses,
} from "../support/control_world.ts";
import { givenJob } from "../support/job_world.ts";
import { usePGlite } from "../support/pglite.ts";

const testDb = usePGlite();
const reason = "fixture maintenance";

Deno.test("pause_cron_entry: preview, reason, execution and audit event", async () => {
  await using db = await testDb();
  const control = controlOf(db);
  const targetId = await givenCronEntry(db);
  const action = "pause_cron_entry";

  const created = await createPreview(control, { actor, action, targetId });
  assert(created.ok);
  const { preview, token } = created;
  assert.match(token, /^[A-Za-z0-9_-]{43}$/);
  assert.equal(preview.status, "ready");
  assert.deepEqual(preview.target, { type: "cron_entry", id: "nightly_sync" });
  assert.equal(preview.summary, "Pause cron entry nightly_sync");
  assert.equal(preview.before.paused, false);
  assert.equal(preview.after.paused, true);
  assert.equal(preview.createdBy, "ops-demo");
  assert.equal(
    preview.expiresAt.getTime() - preview.createdAt.getTime(),
    30 * 60_000,
  );
  const found = await findPreview(control, { actor, token });
  assert.deepEqual(found, { ok: true, preview, current: preview.before });

  const executed = await executePreview(control, { actor, token, reason });

  assert(executed.ok);
  const { event } = executed;
  assert.equal(executed.action, action);
  assert.equal(event.eventType, "cron.paused");
  assert.equal(event.action, "pause_cron_entry");
  assert.equal(event.result, "applied");
  assert.equal(event.resourceId, "nightly_sync");
  assert.equal(event.actorId, "ops-demo");
  assert.equal(event.principalId, "ops-demo");
  assert.equal(event.principalType, "user");
  assert.equal(event.principalLabel, "ops-demo's name");
  assert.equal(event.reason, "fixture maintenance");
  assert.equal(event.previewId, preview.id);
  assert.equal(event.after?.pausedBy, "ops-demo");
  assert.equal(event.after?.pausedAt, db.nowAt().toISOString());
  assert.equal(event.details.attempt, "succeeded");
  assert.deepEqual(await listAuditEvents(db, { limit: 9 }), [event]);

  const after = await findPreview(control, { actor, token });
  assert(after.ok);
  assert.equal(after.preview.status, "consumed");
  assert.equal(after.preview.reason, "fixture maintenance");
  assert.equal(after.preview.auditId, event.id);
  const [entry] = await db.query(sql`
    select paused_at, paused_by from yardmaster.cron_entries
  `);
  assert.deepEqual(entry, { paused_at: db.nowAt(), paused_by: "ops-demo" });
  assert.equal((await verifyAudit(db)).ok, true);
});

Deno.test("no snapshot and no audit event holds args, and no table a token", async () => {
  await using db = await testDb();
  const control = controlOf(db);
  const targetId = await givenCronEntry(db);
  const action = "run_cron_entry";
  const created = await createPreview(control, { actor, action, targetId });
  assert(created.ok);
  assert((await executePreview(control, { actor, token: created.token })).ok);

  const [text] = await db.query(sql`
    select
      (select jsonb_agg(to_jsonb(previews)) from yardmaster.previews)::text ||
      (select jsonb_agg(to_jsonb(event)) from yardmaster.audit_events as event)
        ::text as all
  `);
  assert.doesNotMatch(String(text?.all), /s3cret/);
  assert(!String(text?.all).includes(created.token));
});

Deno.test("resume_cron_entry undoes a pause, and needs one", async () => {
  await using db = await testDb();
  const operator = operatorApi(controlOf(db));
  const name = await givenCronEntry(db);

  const early = await operator.resumeCronEntry({ actor, name });
  assert(!early.ok);
  assert.equal(early.refusal, "wrong_state");
  assert.deepEqual(early.legalNextSteps, [
    "pause_cron_entry",
    "run_cron_entry",
    "reload",
  ]);

  assert((await operator.pauseCronEntry({ actor, name })).ok);
  const again = await operator.pauseCronEntry({ actor, name });
  assert(!again.ok);
  assert.equal(again.refusal, "wrong_state");
  assert.equal(again.legalNextSteps[0], "resume_cron_entry");

  const resumed = await operator.resumeCronEntry({ actor, name, reason });
  assert(resumed.ok);
  assert.equal(resumed.event.eventType, "cron.resumed");
  assert.equal(resumed.event.before?.paused, true);
  assert.equal(resumed.event.after?.paused, false);
  assert.equal(resumed.event.details.via, "api");
});

Deno.test("run_cron_entry makes a job, also of a paused entry, and leaves the pause", async () => {
  await using db = await testDb();
  const control = controlOf(db);
  const operator = operatorApi(control);
  const name = await givenCronEntry(db, { overlap: "skip" });
  assert((await operator.pauseCronEntry({ actor, name })).ok);

  const run = await operator.runCronEntry({ actor, name });

  assert(run.ok);
  assert.equal(run.event.eventType, "cron.run_now");
  assert.equal(run.result.decision, "claimed");
  assert.match(String(run.result.jobId), /^\d+$/);
  assert.deepEqual(run.event.details.result, run.result);
  assert.equal(run.event.after?.paused, true);
  assert.deepEqual(control.notices, [{ t: "ready", q: ["default"] }]);

  const skipped = await operator.runCronEntry({ actor, name });
  assert(skipped.ok);
  assert.equal(skipped.result.decision, "skipped");
  assert.equal(skipped.result.jobId, null);
  assert.equal(skipped.result.blockedById, run.result.jobId);
});

Deno.test("cron actions refuse an entry that code no longer declares", async () => {
  await using db = await testDb();
  const operator = operatorApi(controlOf(db));
  const name = await givenCronEntry(db);
  await givenCronEntry(db, { name: "another" });

  const answer = await operator.runCronEntry({ actor, name });

  assert(!answer.ok);
  assert.equal(answer.refusal, "wrong_state");
  assert.match(answer.message, /no longer declares/);
});

Deno.test("queues are paused, scaled and resumed, each with its event and a hint", async () => {
  await using db = await testDb();
  const control = controlOf(db);
  const operator = operatorApi(control);
  const name = await givenQueue(db, { name: "sync", limit: 10 });

  const paused = await operator.pauseQueue({ actor, name });
  const scaled = await operator.scaleQueue({ actor, name, limit: 3, reason });
  const resumed = await operator.resumeQueue({ actor, name });
  const unscaled = await operator.scaleQueue({ actor, name, limit: null });

  assert(paused.ok && scaled.ok && resumed.ok && unscaled.ok);
  assert.deepEqual(
    [paused, scaled, resumed, unscaled].map(({ event }) => event.eventType),
    ["queue.paused", "queue.scaled", "queue.resumed", "queue.scaled"],
  );
  assert.equal(paused.event.after?.pausedBy, "ops-demo");
  assert.equal(scaled.event.before?.limit, 10);
  assert.equal(scaled.event.after?.limit, 3);
  assert.deepEqual(scaled.event.details.params, { limit: 3 });
  assert.equal(resumed.event.after?.paused, false);
  assert.equal(unscaled.event.after?.limit, 10);
  assert.deepEqual(control.notices, Array(4).fill({ t: "queues" }));
});

Deno.test("queue actions that would change nothing are refused with what can be done", async () => {
  await using db = await testDb();
  const operator = operatorApi(controlOf(db));
  const name = await givenQueue(db);
  const steps = async (answer: ReturnType<typeof operator.pauseQueue>) => {
    const refusal = await answer;
    assert(!refusal.ok);
    assert.equal(refusal.refusal, "wrong_state");
    return refusal.legalNextSteps[0];
  };

  assert.equal(
    await steps(operator.resumeQueue({ actor, name })),
    "pause_queue",
  );
  assert.equal(
    await steps(operator.scaleQueue({ actor, name, limit: null })),
    "scale_queue",
  );
  await operator.pauseQueue({ actor, name });
  assert.equal(
    await steps(operator.pauseQueue({ actor, name })),
    "resume_queue",
  );
});

Deno.test("scale_queue reads the limit of a form and refuses what is none", async () => {
  await using db = await testDb();
  const control = controlOf(db);
  const targetId = await givenQueue(db);
  const ask = (limit: unknown) =>
    createPreview(control, {
      actor,
      action: "scale_queue",
      targetId,
      params: { limit },
    });

  for (
    const [limit, read] of [[3, 3], ["3", 3], [" 42 ", 42], [10_000, 10_000]]
  ) {
    const created = await ask(limit);
    assert(created.ok, String(limit));
    assert.deepEqual(created.preview.params, { limit: read });
  }
  for (
    const limit of [0, -1, 10_001, 1.5, NaN, "0", "1e3", "x", undefined, {}, []]
  ) {
    const refusal = await ask(limit);
    assert(!refusal.ok, String(limit));
    assert.equal(refusal.refusal, "invalid_input");
    assert.match(refusal.message, /from 1 to 10000/);
  }
  const blank = await ask("");
  assert(!blank.ok);
  assert.equal(blank.refusal, "wrong_state");
});

/** For every state, which repairs are legal. */
const LEGAL: Readonly<Record<JobState, readonly string[]>> = {
  suspended: ["cancel_job", "discard_job"],
  scheduled: ["retry_job", "cancel_job", "discard_job"],
  available: ["cancel_job", "discard_job"],
  executing: ["cancel_job", "discard_job"],
  retryable: ["retry_job", "cancel_job", "discard_job"],
  completed: ["retry_job"],
  cancelled: ["retry_job"],
  discarded: ["retry_job"],
};
const REPAIRS: readonly (readonly [Action, JobState])[] = [
  ["retry_job", "available"],
  ["cancel_job", "cancelled"],
  ["discard_job", "discarded"],
];

for (const [state, legal] of Object.entries(LEGAL) as [JobState, string[]][]) {
  Deno.test(`a job that is ${state} can be given to: ${legal.join(", ")}`, async () => {
    await using db = await testDb();
    for (const [action, to] of REPAIRS) {
      const control = controlOf(db);
      const targetId = await givenJob(db, { state, attempt: 1 });

      const created = await createPreview(control, { actor, action, targetId });

      if (!legal.includes(action)) {
        assert(!created.ok);
        assert.equal(created.refusal, "wrong_state");
        assert.deepEqual(created.legalNextSteps, [...legal, "reload"]);
        assert.match(created.message, new RegExp(`^The job is ${state}: `));
        continue;
      }
      // Nothing suspends a job yet, so no statement ends a suspended one.
      if (state === "suspended") continue;
      assert(created.ok);
      const { token } = created;
      const done = await executePreview(control, { actor, token, reason });
      assert(done.ok);
      assert.deepEqual(done.result, { before: state, after: to });
      assert.equal(done.event.eventType, ACTION_POLICIES[action].eventType);
      assert.equal(done.event.after?.state, to);
      assert.equal(await stateOf(db, targetId), to);
      assert.deepEqual(
        control.notices,
        to === "available" ? [{ t: "ready", q: ["default"] }] : [{
          t: state === "executing" ? "cancelled" : "ended",
          ids: [targetId],
        }],
      );
    }
    assert.equal((await verifyAudit(db)).ok, true);
  });
}

/** What happens between preview and execution, and what is then said of it. */
const DRIFTS: readonly {
  readonly what: string;
  readonly action: Action;
  readonly given: (db: Database) => Promise<string>;
  readonly meanwhile: (db: Database, targetId: string) => Promise<unknown>;
  readonly says: RegExp;
}[] = [
  {
    what: "another operator paused the entry",
    action: "pause_cron_entry",
    given: (db) => givenCronEntry(db),
    meanwhile: (db, name) => pauseCronEntry(db, { name, principal: "other" }),
    says: /\(paused, pausedAt, pausedBy\)/,
  },
  {
    what: "the entry got other args",
    action: "run_cron_entry",
    given: (db) => givenCronEntry(db),
    meanwhile: (db) => givenCronEntry(db, { args: { secret: "other" } }),
    says: /^It changed after the preview\. Nothing was done\.$/,
  },
  {
    what: "the queue was paused",
    action: "scale_queue",
    given: (db) => givenQueue(db),
    meanwhile: (db, name) => pauseQueue(db, { name, principal: "other" }),
    says: /\(paused, /,
  },
  {
    what: "the job ran again and ended the same way",
    action: "retry_job",
    given: (db) => givenJob(db, { state: "discarded", attempt: 5 }),
    meanwhile: (db, id) =>
      db.query(sql`
        update yardmaster.outcomes
        set attempt = 6, finished_at = finished_at + interval '1 second'
        where job_id = ${id}::bigint
      `),
    says: /\(attempt, finishedAt\)/,
  },
  {
    what: "the job was claimed by another executor",
    action: "cancel_job",
    given: (db) => givenJob(db, { state: "executing", attempt: 1 }),
    meanwhile: (db) =>
      db.query(sql`update yardmaster.leases set executor_id = 7`),
    says: /\(executorId\)/,
  },
];

for (const { what, action, given, meanwhile, says } of DRIFTS) {
  Deno.test(`executePreview() refuses ${action} as drifted when ${what}`, async () => {
    await using db = await testDb();
    const control = controlOf(db);
    const targetId = await given(db);
    const created = await createPreview(control, {
      actor,
      action,
      targetId,
      params: action === "scale_queue" ? { limit: 2 } : {},
    });
    assert(created.ok);
    const { token } = created;
    db.advanceMs(1_000);
    await meanwhile(db, targetId);

    const found = await findPreview(control, { actor, token });
    assert(found.ok);
    assert.equal(found.preview.status, "drifted");
    const refusal = await executePreview(control, { actor, token, reason });

    assert(!refusal.ok);
    assert.equal(refusal.refusal, "preview_drifted");
    assert.match(refusal.message, says);
    assert.deepEqual(refusal.legalNextSteps, ["create_preview"]);
    assert.deepEqual(await previewStatuses(db), ["drifted"]);
    const [event, ...more] = await listAuditEvents(db, { limit: 9 });
    assert.equal(event?.refusal, "preview_drifted");
    assert.equal(event?.details.attempt, "drifted");
    assert.deepEqual(more, []);
    const after = await findPreview(control, { actor, token });
    assert.equal(after.ok && after.preview.auditId, event?.id);
    assert.deepEqual(control.notices, []);

    const again = await executePreview(control, { actor, token, reason });
    assert.equal(!again.ok && again.refusal, "preview_drifted");
  });
}

async function stateOf(db: Database, jobId: string): Promise<unknown> {
  const [row] = await db.query(sql`
    select state::text as state from yardmaster.job_states
    where job_id = ${jobId}::bigint
  `);
  return row?.state;
}
