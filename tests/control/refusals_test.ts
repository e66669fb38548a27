import assert from "node:assert/strict";
import type { Control } from "../../src/control/control.ts";
import { executePreview } from "../../src/control/execution.ts";
import { operatorApi } from "../../src/control/operator.ts";
import {
  createPreview,
  findPreview,
  withdrawPreview,
} from "../../src/control/preview.ts";
import {
  nextStepLabel,
  type Refusal,
  REFUSALS,
  type Refused,
} from "../../src/control/refusal.ts";
import type { Database } from "../../src/db/database.ts";
import { sql } from "../../src/db/sql.ts";
import type { Actor } from "../../src/seams.ts";
import { listAuditEvents } from "../../src/store/audit.ts";
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
const stranger: Actor = { id: "stranger" };
/** Of the right shape, and of no preview. */
const UNKNOWN_TOKEN = "A".repeat(43);

/** A world, and a command in it that is refused. */
type Case = (
  control: Control,
) => Promise<{ readonly ok: true } | Refused>;

/** At least one way to every refusal, and whether the audit tells of it. */
const CASES: Readonly<Record<Refusal, readonly [Case, recorded: boolean]>> = {
  anonymous: [(control) => pause(control, null), false],
  not_allowed: [async ({ db }) => await pause(denying(db)), true],
  not_attributable: [async ({ db }) => await pause(nameless(db)), false],
  not_found: [
    (control) =>
      createPreview(control, { actor, action: "pause_queue", targetId: "no" }),
    true,
  ],
  preview_spent: [
    (control) => executePreview(control, { actor, token: UNKNOWN_TOKEN }),
    true,
  ],
  preview_consumed: [async (control) => {
    const { token } = await ready(control);
    assert((await executePreview(control, { actor, token })).ok);
    return await executePreview(control, { actor, token });
  }, true],
  preview_expired: [async (control) => {
    const { token } = await ready(control);
    await past(control.db);
    return await executePreview(control, { actor, token });
  }, true],
  preview_drifted: [async (control) => {
    const { token } = await ready(control);
    await givenCronEntry(control.db, { expression: "5 5 * * *" });
    return await executePreview(control, { actor, token });
  }, true],
  preview_withdrawn: [async (control) => {
    const { token } = await ready(control);
    assert((await withdrawPreview(control, { actor, token })).ok);
    return await executePreview(control, { actor, token });
  }, true],
  wrong_state: [
    (control) =>
      createPreview(control, {
        actor,
        action: "resume_cron_entry",
        targetId: "nightly_sync",
      }),
    true,
  ],
  unique_key_held: [
    async (control) => {
      const { db } = control;
      const uniqueKey = "k";
      const targetId = await givenJob(db, { state: "cancelled", uniqueKey });
      const holderId = await givenJob(db, { uniqueKey });
      await db.query(sql`
        insert into yardmaster.unique_keys (key, job_id, states)
        values ('k', ${holderId}::bigint, '{available}')
      `);
      return await createPreview(control, {
        actor,
        action: "retry_job",
        targetId,
      });
    },
    true,
  ],
  reason_required: [(control) => discard(control, "  \n "), true],
  reason_too_short: [(control) => discard(control, " 1234567 "), true],
  reason_too_long: [(control) => discard(control, "🚆".repeat(2_001)), true],
  unknown_action: [
    (control) =>
      createPreview(control, { actor, action: "drop_table", targetId: "x" }),
    false,
  ],
  invalid_input: [(control) => discard(control, "1234567\0 90"), false],
};

for (const refusal of REFUSALS) {
  const [run, recorded] = CASES[refusal];
  Deno.test(`${refusal} has a sentence and steps, and is ${recorded ? "" : "not "}recorded`, async () => {
    await using db = await testDb();
    await givenCronEntry(db);
    const control = controlOf(db);

    const answer = await run(control);

    assert(!answer.ok);
    assert.equal(answer.refusal, refusal);
    assert.match(answer.message, /^[A-Z].*\.$/);
    assert(answer.legalNextSteps.length > 0);
    for (const step of answer.legalNextSteps) {
      assert.notEqual(nextStepLabel(step), step);
    }
    const refused = await listAuditEvents(db, {
      filters: { result: "refused" },
      limit: 9,
    });
    assert.equal(refused.length, recorded ? 1 : 0);
    for (const event of refused) {
      assert.equal(event.eventType, "command.refused");
      assert.equal(event.refusal, refusal);
      assert.deepEqual(event.legalNextSteps, answer.legalNextSteps);
      assert.equal(event.actorId, "ops-demo");
      assert.equal(event.principalId, "ops-demo");
      assert.equal(event.details.message, answer.message);
    }
  });
}

Deno.test("a refusal that the audit can not take is a refusal all the same, and nothing else is done", async () => {
  await using db = await testDb();
  const control = controlOf(db);
  await givenCronEntry(db);
  const { token } = await ready(control);
  await db.script("alter table yardmaster.audit_events rename to elsewhere");

  const refusal = await createPreview(control, {
    actor,
    action: "pause_queue",
    targetId: "no",
  });

  assert(!refusal.ok);
  assert.equal(refusal.refusal, "not_found");
  assert.deepEqual(control.failures.map(({ seam }) => seam), ["audit"]);
  // What would change something is not done without its event.
  await assert.rejects(
    db.transaction((tx) =>
      executePreview({ ...control, db: tx }, { actor, token })
    ),
  );
  assert.deepEqual(await previewStatuses(db), ["ready"]);
});

Deno.test("executePreview() leaves a preview ready when its reason is rejected", async () => {
  await using db = await testDb();
  const control = controlOf(db);
  const targetId = await givenJob(db, { state: "executing", attempt: 1 });
  const action = "discard_job";
  const created = await createPreview(control, { actor, action, targetId });
  assert(created.ok);
  const { token } = created;

  for (
    const given of [undefined, null, "", "short", "x".repeat(2_001), "\u200b\0"]
  ) {
    const answer = await executePreview(control, {
      actor,
      token,
      ...(given === undefined ? {} : { reason: given }),
    });
    assert(!answer.ok);
    assert.match(answer.refusal, /^(reason_|invalid_input)/);
    assert.match(answer.message, /8 to 2000 characters|can not be stored/);
    assert.deepEqual(await previewStatuses(db), ["ready"]);
  }
  const done = await executePreview(control, {
    actor,
    token,
    reason: "  eight..8\r\nand more ",
  });
  assert(done.ok);
  assert.equal(done.event.reason, "eight..8\nand more");
});

Deno.test("an optional reason may be short, and blank is none", async () => {
  await using db = await testDb();
  const operator = operatorApi(controlOf(db));
  const name = await givenQueue(db);
  const paused = await operator.pauseQueue({ actor, name, reason: "ok" });
  const resumed = await operator.resumeQueue({ actor, name, reason: "  " });
  assert(paused.ok && resumed.ok);
  assert.equal(paused.event.reason, "ok");
  assert.equal(resumed.event.reason, null);
});

Deno.test("a preview is nobody's but its creator's, and unknown to all others", async () => {
  await using db = await testDb();
  const control = controlOf(db);
  await givenCronEntry(db);
  const { token } = await ready(control);
  const unknown = { actor: stranger, token: UNKNOWN_TOKEN };
  const foreign = { actor: stranger, token };

  assert.deepEqual(
    await findPreview(control, foreign),
    await findPreview(control, unknown),
  );
  assert.deepEqual(
    await executePreview(control, foreign),
    await executePreview(control, unknown),
  );
  assert.deepEqual(
    await withdrawPreview(control, foreign),
    await withdrawPreview(control, unknown),
  );
  // Also once it has ended in any way.
  assert((await executePreview(control, { actor, token })).ok);
  assert.deepEqual(
    await executePreview(control, foreign),
    await executePreview(control, unknown),
  );
  const refused = await listAuditEvents(db, {
    filters: { actorId: "stranger" },
    limit: 9,
  });
  assert.deepEqual(
    [...new Set(refused.map((event) => event.resourceId))],
    ["previews"],
  );
  assert.deepEqual(
    refused.map((event) => event.previewId),
    Array(6).fill(null),
  );
});

for (
  const token of [
    "",
    "x",
    "A".repeat(42),
    "A".repeat(44),
    "/".repeat(43),
    "\0",
    7,
    null,
  ]
) {
  Deno.test(`a malformed token (${JSON.stringify(token)?.slice(0, 9)}) is refused, and leaves no trace`, async () => {
    await using db = await testDb();
    const control = controlOf(db);
    const ref = { actor, token: token as string, reason };
    for (
      const answer of [
        await findPreview(control, ref),
        await executePreview(control, ref),
        await withdrawPreview(control, ref),
      ]
    ) assert.equal(!answer.ok && answer.refusal, "preview_spent");
    assert.deepEqual(await listAuditEvents(db, { limit: 9 }), []);
  });
}

for (
  const nobody of [
    null,
    undefined,
    {},
    "ops-demo",
    { id: "" },
    { id: " x " },
    { id: 7 },
    { id: "x".repeat(201) },
    { id: "a\nb" },
  ]
) {
  Deno.test(`an actor such as ${JSON.stringify(nobody)?.slice(0, 24)} is nobody`, async () => {
    await using db = await testDb();
    await givenCronEntry(db);
    const answer = await createPreview(controlOf(db), {
      actor: nobody as Actor,
      action: "pause_cron_entry",
      targetId: "nightly_sync",
    });
    assert.equal(!answer.ok && answer.refusal, "anonymous");
  });
}

Deno.test("createPreview() refuses targets that name nothing", async () => {
  await using db = await testDb();
  const control = controlOf(db);
  for (
    const targetId of ["", " ", "x".repeat(201), "a\0b", "a\nb", "\ud800", 7]
  ) {
    const answer = await createPreview(control, {
      actor,
      action: "retry_job",
      targetId: targetId as string,
    });
    assert.equal(!answer.ok && answer.refusal, "invalid_input");
  }
  for (
    const targetId of ["no-number", "0", "-1", "9223372036854775808", "1.5"]
  ) {
    const answer = await createPreview(control, {
      actor,
      action: "retry_job",
      targetId,
    });
    assert.equal(!answer.ok && answer.refusal, "not_found", targetId);
  }
  const extra = await createPreview(control, {
    actor,
    action: "pause_queue",
    targetId: "default",
    params: { force: true },
  });
  assert.equal(!extra.ok && extra.refusal, "invalid_input");
});

function pause(control: Control, by: Actor | null = actor) {
  return createPreview(control, {
    actor: by,
    action: "pause_cron_entry",
    targetId: "nightly_sync",
  });
}

async function ready(control: Control) {
  const created = await pause(control);
  assert(created.ok);
  return created;
}

async function discard(control: Control, given: string) {
  const targetId = await givenJob(control.db, { state: "available" });
  const action = "discard_job";
  const created = await createPreview(control, { actor, action, targetId });
  assert(created.ok);
  const { token } = created;
  return await executePreview(control, { actor, token, reason: given });
}

function denying(db: Database): Control {
  return controlOf(db, { authorize: () => false });
}

function nameless(db: Database): Control {
  return controlOf(db, { auditPrincipal: () => null });
}

/** Makes every preview one of yesterday. */
async function past(db: Database): Promise<void> {
  await db.query(sql`
    update yardmaster.previews set
      created_at = created_at - interval '1 day',
      expires_at = expires_at - interval '1 day'
  `);
}
