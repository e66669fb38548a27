import assert from "node:assert/strict";
import {
  allowed,
  type Control,
  parsePrincipal,
} from "../../src/control/control.ts";
import { executePreview } from "../../src/control/execution.ts";
import { operatorApi } from "../../src/control/operator.ts";
import {
  createPreview,
  findPreview,
  sweepPreviews,
  withdrawPreview,
} from "../../src/control/preview.ts";
import type { Database } from "../../src/db/database.ts";
import { sql } from "../../src/db/sql.ts";
import type { Actor, Auth } from "../../src/seams.ts";
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
const stranger: Actor = { id: "stranger" };

/** Answers of a host's `authorize` that are not yes. */
const NOT_YES: readonly (() => unknown)[] = [
  () => false,
  () => undefined,
  () => null,
  () => 1,
  () => "true",
  () => ({ ok: true }),
  () => Promise.resolve("yes"),
  () => Promise.reject(new Error("down")),
  () => {
    throw new Error("down");
  },
];

for (const authorize of NOT_YES) {
  Deno.test(`allowed() takes ${String(authorize).replaceAll(/\s+/g, " ")} for no`, async () => {
    await using db = await testDb();
    const control = controlOf(db, {
      authorize: authorize as Auth["authorize"],
    });
    const resource = { type: "page", id: "audit" } as const;
    const permission = "view_audit";

    assert.equal(
      await allowed(control, { actor, permission, resource }),
      false,
    );
    const saidNo = String(authorize).includes("=>false");
    assert.equal(control.failures.length, saidNo ? 0 : 1);
  });
}

Deno.test("allowed() asks with the actor, the permission and the resource, and nobody may do anything", async () => {
  await using db = await testDb();
  const asked: unknown[] = [];
  const control = controlOf(db, {
    authorize: (...all) => asked.push(all) > 0,
  });
  await givenCronEntry(db);
  const { token } = await ready(control);
  await findPreview(control, { actor, token });
  await executePreview(control, { actor, token });

  const resource = { type: "cron_entry", id: "nightly_sync" };
  assert.deepEqual(asked, Array(3).fill([actor, "pause_cron_entry", resource]));
  assert.equal(
    await allowed(control, {
      actor: null,
      permission: "view_audit",
      resource: { type: "page", id: "audit" },
    }),
    false,
  );
});

Deno.test("permission and principal are asked again at execution", async () => {
  await using db = await testDb();
  await givenCronEntry(db);
  const { token } = await ready(controlOf(db));

  const denied = await executePreview(denying(db), { actor, token });
  const hidden = await findPreview(denying(db), { actor, token });
  const unnamed = await executePreview(nameless(db), { actor, token });

  assert.equal(!denied.ok && denied.refusal, "not_allowed");
  assert.equal(!hidden.ok && hidden.refusal, "not_allowed");
  assert.equal(!unnamed.ok && unnamed.refusal, "not_attributable");
  assert.deepEqual(await previewStatuses(db), ["ready"]);
  assert((await executePreview(controlOf(db), { actor, token })).ok);
});

/** What a host's `auditPrincipal` may answer, and what that is. */
const PRINCIPALS: readonly (readonly [unknown, unknown])[] = [
  [{ id: "u", type: "user" }, { id: "u", type: "user" }],
  [{ id: 7, type: "user" }, { id: "7", type: "user" }],
  [{ id: 7n, type: "user" }, { id: "7", type: "user" }],
  [{ id: "u", type: "user", label: null }, { id: "u", type: "user" }],
  [
    { id: "u", type: "service_account", label: "Sync", more: 1 },
    { id: "u", type: "service_account", label: "Sync" },
  ],
  [null, null],
  [undefined, null],
  ["u", null],
  [{}, null],
  [{ id: "u" }, null],
  [{ id: "", type: "user" }, null],
  [{ id: 1.5, type: "user" }, null],
  [{ id: NaN, type: "user" }, null],
  [{ id: "u", type: "" }, null],
  [{ id: "u", type: "user", label: 7 }, null],
  [{ id: "u\0", type: "user" }, null],
  [{ id: "x".repeat(201), type: "user" }, null],
];

Deno.test("parsePrincipal() keeps who is accountable and refuses the rest", () => {
  for (const [answer, principal] of PRINCIPALS) {
    assert.deepEqual(parsePrincipal(answer), principal);
  }
});

Deno.test("allowed but not attributable writes nothing at all", async () => {
  for (
    const auditPrincipal of [
      () => null,
      () => ({ id: "" }),
      () => {
        throw new Error("down");
      },
    ]
  ) {
    await using db = await testDb();
    await givenCronEntry(db);
    const control = controlOf(db, {
      auditPrincipal: auditPrincipal as Auth["auditPrincipal"],
    });

    const answer = await pause(control);

    assert.equal(!answer.ok && answer.refusal, "not_attributable");
    assert.deepEqual(await previewStatuses(db), []);
    assert.deepEqual(await listAuditEvents(db, { limit: 9 }), []);
  }
});

Deno.test("a hint that can not be sent, and a listener that throws, undo nothing", async () => {
  await using db = await testDb();
  const name = await givenQueue(db);
  const operator = operatorApi({
    ...controlOf(db, {
      authorize: (_actor, permission) => {
        if (permission === "pause_queue") return true;
        throw new Error("down");
      },
    }),
    notify: () => Promise.reject(new Error("no connection")),
    onSeamFailure: () => {
      throw new Error("no log");
    },
  });
  assert((await operator.pauseQueue({ actor, name })).ok);
  const resumed = await operator.resumeQueue({ actor, name });
  assert.equal(!resumed.ok && resumed.refusal, "not_allowed");
});

Deno.test("a fault in the audit takes the change and the consumption back", async () => {
  await using db = await testDb();
  const control = controlOf(db);
  await givenCronEntry(db);
  const { token } = await ready(control);
  await db.query(sql`delete from yardmaster.audit_head`);

  await assert.rejects(executePreview(control, { actor, token }), /audit_head/);

  assert.deepEqual(await previewStatuses(db), ["ready"]);
  const [entry] = await db.query(sql`
    select paused_at from yardmaster.cron_entries
  `);
  assert.equal(entry?.paused_at, null);
  assert.deepEqual(control.notices, []);
});

Deno.test("the do() of an operator leaves no preview open when it is refused", async () => {
  await using db = await testDb();
  const operator = operatorApi(controlOf(db));
  const jobId = await givenJob(db, { state: "discarded", attempt: 5 });

  const answer = await operator.retryJob({ actor, jobId, reason: "short" });

  assert.equal(!answer.ok && answer.refusal, "reason_too_short");
  assert.deepEqual(await previewStatuses(db), ["withdrawn"]);
  assert.equal((await listAuditEvents(db, { limit: 9 })).length, 1);
});

Deno.test("withdrawPreview() is final, may be repeated, and comes too late for an executed one", async () => {
  await using db = await testDb();
  const control = controlOf(db);
  await givenCronEntry(db);
  const { token } = await ready(control);
  assert.deepEqual(await withdrawPreview(control, { actor, token }), {
    ok: true,
  });
  assert.deepEqual(await withdrawPreview(control, { actor, token }), {
    ok: true,
  });
  assert.deepEqual(await previewStatuses(db), ["withdrawn"]);

  const second = await ready(control);
  assert((await executePreview(control, { actor, token: second.token })).ok);
  const late = await withdrawPreview(control, { actor, token: second.token });
  assert.equal(!late.ok && late.refusal, "preview_consumed");
});

Deno.test("createPreview() bounds the open previews of one actor: the oldest expire", async () => {
  await using db = await testDb();
  const control = { ...controlOf(db), openPreviewsMax: 3 };
  await givenCronEntry(db);
  const other = await createPreview(control, {
    actor: stranger,
    action: "pause_cron_entry",
    targetId: "nightly_sync",
  });
  assert(other.ok);
  const first = await ready(control);
  for (let count = 0; count < 3; count++) await ready(control);

  assert.deepEqual(await previewStatuses(db), [
    "ready",
    "expired",
    "ready",
    "ready",
    "ready",
  ]);
  const late = await executePreview(control, { actor, token: first.token });
  assert.equal(!late.ok && late.refusal, "preview_expired");
});

Deno.test("sweepPreviews() writes down what has expired, and deletes what was closed a week ago", async () => {
  await using db = await testDb();
  const control = controlOf(db);
  await givenCronEntry(db);
  await ready(control);
  assert.deepEqual(await sweepPreviews(db), { expired: 0, pruned: 0 });

  db.advanceMs(30 * 60_000);
  assert.deepEqual(await sweepPreviews(db), { expired: 1, pruned: 0 });
  assert.deepEqual(await previewStatuses(db), ["expired"]);

  db.advanceMs(7 * 24 * 60 * 60_000);
  await ready(control);
  assert.deepEqual(await sweepPreviews(db), { expired: 0, pruned: 0 });
  db.advanceMs(1);
  assert.deepEqual(await sweepPreviews(db), { expired: 0, pruned: 1 });
  assert.deepEqual(await previewStatuses(db), ["ready"]);
});

Deno.test("findPreview() shows expiry in the very instant, before anybody wrote it down", async () => {
  await using db = await testDb();
  const control = controlOf(db);
  await givenCronEntry(db);
  const { token } = await ready(control);
  const status = async () => {
    const found = await findPreview(control, { actor, token });
    return found.ok && found.preview.status;
  };
  db.advanceMs(30 * 60_000 - 1);
  assert.equal(await status(), "ready");
  db.advanceMs(1);
  assert.equal(await status(), "expired");
  assert.deepEqual(await previewStatuses(db), ["ready"]);
  await executePreview(control, { actor, token });
  assert.deepEqual(await previewStatuses(db), ["expired"]);
});

function pause(control: Control) {
  return createPreview(control, {
    actor,
    action: "pause_cron_entry",
    targetId: "nightly_sync",
  });
}

async function ready(control: Control) {
  const created = await pause(control);
  assert(created.ok);
  return created;
}

function denying(db: Database): Control {
  return controlOf(db, { authorize: () => false });
}

function nameless(db: Database): Control {
  return controlOf(db, { auditPrincipal: () => null });
}
