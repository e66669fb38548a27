import assert from "node:assert/strict";
import { verifyAudit } from "../../src/control/audit.ts";
import { executePreview } from "../../src/control/execution.ts";
import { createPreview, withdrawPreview } from "../../src/control/preview.ts";
import type { Refused } from "../../src/control/refusal.ts";
import type { Database } from "../../src/db/database.ts";
import { sql } from "../../src/db/sql.ts";
import { listAuditEvents } from "../../src/store/audit.ts";
import {
  controlOf,
  givenCronEntry,
  givenQueue,
  OPERATOR as actor,
} from "../support/control_world.ts";
import { givenJob } from "../support/job_world.ts";
import { usePostgres } from "../support/postgres.ts";
import { until } from "../support/until.ts";

const testPostgres = usePostgres();
const reason = "fixture maintenance";

Deno.test("one token, two executors on two connections: one wins, one audit event applies", async () => {
  await using world = await testPostgres();
  const processes = [await world.connect(), await world.connect()];

  for (let round = 0; round < 20; round++) {
    const targetId = await givenJob(world.db, { state: "available" });
    const token = await previewOf(world.db, "cancel_job", targetId);

    const answers = await Promise.all(
      processes.map((db) =>
        executePreview(controlOf(db), { actor, token, reason })
      ),
    );

    const losers = answers.filter((answer): answer is Refused => !answer.ok);
    assert.deepEqual(losers.map((loser) => loser.refusal), [
      "preview_consumed",
    ]);
    const events = await listAuditEvents(world.db, {
      filters: { resourceType: "job", resourceId: targetId },
      limit: 9,
    });
    assert.deepEqual(
      events.map((event) => event.result).sort(),
      ["applied", "refused"],
    );
    const [outcome, ...more] = await world.db.query(sql`
      select state::text as state from yardmaster.outcomes
      where job_id = ${targetId}::bigint
    `);
    assert.equal(outcome?.state, "cancelled");
    assert.deepEqual(more, []);
  }
  assert.equal((await verifyAudit(world.db)).ok, true);
});

Deno.test("the second executor of a token waits for the first one's transaction", async () => {
  await using world = await testPostgres();
  const [first, second] = [await world.connect(), await world.connect()];
  const targetId = await givenQueue(world.db);
  const token = await previewOf(world.db, "pause_queue", targetId);

  // The first is stopped at its last step: somebody else holds the audit's head.
  const held = await holdHead(await world.connect());
  const winner = executePreview(controlOf(first), { actor, token });
  await blocked(world.db, 1);
  const loser = executePreview(controlOf(second), { actor, token });
  await blocked(world.db, 2);
  await held.release();

  assert.equal((await winner).ok, true);
  const answer = await loser;
  assert.equal(!answer.ok && answer.refusal, "preview_consumed");
});

Deno.test("two previews of one job that can not both come true: the second drifts", async () => {
  await using world = await testPostgres();
  const [first, second] = [await world.connect(), await world.connect()];

  for (let round = 0; round < 20; round++) {
    const targetId = await givenJob(world.db, {
      state: "executing",
      attempt: 1,
    });
    const cancel = await previewOf(world.db, "cancel_job", targetId);
    const discard = await previewOf(world.db, "discard_job", targetId);

    const answers = await Promise.all([
      executePreview(controlOf(first), { actor, token: cancel, reason }),
      executePreview(controlOf(second), { actor, token: discard, reason }),
    ]);

    assert.deepEqual(
      answers.map((answer) => answer.ok ? "done" : answer.refusal).sort(),
      ["done", "preview_drifted"],
    );
  }
});

Deno.test("execution against withdrawal: exactly one of them happens", async () => {
  await using world = await testPostgres();
  const [first, second] = [await world.connect(), await world.connect()];

  for (let round = 0; round < 20; round++) {
    const targetId = await givenJob(world.db, { state: "available" });
    const token = await previewOf(world.db, "cancel_job", targetId);

    const [executed, withdrawn] = await Promise.all([
      executePreview(controlOf(first), { actor, token, reason }),
      withdrawPreview(controlOf(second), { actor, token }),
    ]);

    assert.notEqual(executed.ok, withdrawn.ok);
    const refusal = executed.ok ? withdrawn : executed;
    assert.equal(
      !refusal.ok && refusal.refusal,
      executed.ok ? "preview_consumed" : "preview_withdrawn",
    );
  }
});

Deno.test("execution and creation by one actor at once do not lock each other out", async () => {
  await using world = await testPostgres();
  const [first, second] = [await world.connect(), await world.connect()];
  const targetId = await givenCronEntry(world.db);
  const narrow = { ...controlOf(second), openPreviewsMax: 1 };

  for (let round = 0; round < 20; round++) {
    const action = "run_cron_entry";
    const token = await previewOf(world.db, action, targetId);
    const [executed, created] = await Promise.all([
      executePreview(controlOf(first), { actor, token }),
      createPreview(narrow, { actor, action, targetId }),
    ]);
    assert.equal(created.ok, true);
    assert(executed.ok || executed.refusal === "preview_expired");
  }
});

Deno.test("executePreview() tells every process after its commit", async () => {
  await using world = await testPostgres();
  const { notify: _notify, ...control } = controlOf(world.db);
  const targetId = await givenQueue(world.db);
  const token = await previewOf(world.db, "pause_queue", targetId);
  const { promise: heard, resolve: hear } = Promise.withResolvers<string>();
  const other = await world.connect();
  const unlisten = await other.listen?.("yardmaster_yardmaster", hear);

  assert((await executePreview(control, { actor, token })).ok);

  assert.equal(await heard, '{"t":"queues"}');
  await unlisten?.();
});

async function previewOf(
  db: Database,
  action: string,
  targetId: string,
): Promise<string> {
  const created = await createPreview(controlOf(db), {
    actor,
    action,
    targetId,
  });
  assert(created.ok);
  return created.token;
}

/** Holds the row that every append locks, until it is released. */
async function holdHead(db: Database) {
  const { promise: released, resolve: release } = Promise.withResolvers<void>();
  const { promise: held, resolve: hold } = Promise.withResolvers<void>();
  const done = db.transaction(async (tx) => {
    await tx.query(sql`select 1 from yardmaster.audit_head for update`);
    hold();
    await released;
  });
  await Promise.race([held, done]);
  return {
    async release() {
      release();
      await done;
    },
  };
}

/** Waits until so many connections of this database wait for a lock. */
async function blocked(db: Database, count: number): Promise<void> {
  await until(`${count} wait for a lock`, async () => {
    const rows = await db.query(sql`
      select 1 from pg_stat_activity
      where datname = current_database() and wait_event_type = 'Lock'
    `);
    return rows.length === count;
  });
}
