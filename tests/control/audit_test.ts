import assert from "node:assert/strict";
import type { Database } from "../../src/db/database.ts";
import { sql } from "../../src/db/sql.ts";
import type { AuditEntry } from "../../src/domain/audit.ts";
import {
  appendAuditEvent,
  findAuditHead,
  listAuditEvents,
} from "../../src/store/audit.ts";
import { verifyAudit } from "../../src/control/audit.ts";
import { usePGlite } from "../support/pglite.ts";

const testDb = usePGlite();

Deno.test("appendAuditEvent() counts from 1 and carries the hash of the one before", async () => {
  await using db = await testDb();

  const first = await appendAuditEvent(db, entry());
  const second = await appendAuditEvent(db, entry({ reason: "because" }));

  assert.equal(first.id, "1");
  assert.equal(first.previousHash, "0".repeat(64));
  assert.match(first.hash, /^[0-9a-f]{64}$/);
  assert.equal(second.id, "2");
  assert.equal(second.previousHash, first.hash);
  assert.deepEqual(await findAuditHead(db), { id: "2", hash: second.hash });
  assert.deepEqual(await listAuditEvents(db, { limit: 9 }), [second, first]);
  assert.deepEqual(second.at, db.nowAt());
});

Deno.test("appendAuditEvent() keeps every column as it came", async () => {
  await using db = await testDb();
  const full = entry({
    result: "refused",
    refusal: "wrong_state",
    legalNextSteps: ["reload", 'with "quotes", and {braces}'],
    principalLabel: "Olga Ü. 🚆",
    reason: "line one\nline two",
    previewId: "9007199254740993",
    before: { paused: false, limit: null },
    after: { paused: true, limit: 3 },
    details: { nested: { list: [1, null, "x"] } },
  });

  const { id: _id, at: _at, previousHash: _previous, hash: _hash, ...kept } =
    await appendAuditEvent(db, full);

  assert.deepEqual(kept, full);
});

Deno.test("appendAuditEvent() goes with the change when the transaction rolls back", async () => {
  await using db = await testDb();
  await db.query(sql`
    insert into yardmaster.settings (name, value) values ('a', 'before')
  `);

  await assert.rejects(
    db.transaction(async (tx) => {
      await tx.query(sql`update yardmaster.settings set value = 'after'`);
      await appendAuditEvent(tx, entry());
      throw new Error("later");
    }),
    /later/,
  );
  await assert.rejects(
    db.transaction(async (tx) => {
      await tx.query(sql`update yardmaster.settings set value = 'after'`);
      await appendAuditEvent(tx, entry({ principalId: null }));
    }),
    /audit_events_that_applied_have_a_principal/,
  );

  const [row] = await db.query(
    sql`select value from yardmaster.settings where name = 'a'`,
  );
  assert.equal(row?.value, "before");
  assert.deepEqual(await listAuditEvents(db, { limit: 9 }), []);
  assert.deepEqual(await verifyAudit(db), {
    ok: true,
    events: 0,
    head: { id: "0", hash: "0".repeat(64) },
  });
});

Deno.test("appendAuditEvent() says what to do when the head is gone", async () => {
  await using db = await testDb();
  await db.query(sql`delete from yardmaster.audit_head`);
  await assert.rejects(appendAuditEvent(db, entry()), /audit verify/);
});

Deno.test("listAuditEvents() narrows by each filter and pages by id", async () => {
  await using db = await testDb();
  await appendAuditEvent(db, entry({ resourceId: "one", actorId: "a" }));
  await appendAuditEvent(db, entry({ resourceId: "two", actorId: "b" }));
  await appendAuditEvent(db, refusal({ resourceId: "two", actorId: "a" }));

  const ids = async (page: Parameters<typeof listAuditEvents>[1]) =>
    (await listAuditEvents(db, page)).map((event) => event.id);

  assert.deepEqual(await ids({ limit: 2 }), ["3", "2"]);
  assert.deepEqual(await ids({ limit: 2, before: "2" }), ["1"]);
  assert.deepEqual(await ids({ limit: 0 }), ["3"]);
  const limit = 9;
  assert.deepEqual(
    await ids({
      limit,
      filters: { resourceType: "queue", resourceId: "two" },
    }),
    ["3", "2"],
  );
  assert.deepEqual(await ids({ limit, filters: { actorId: "a" } }), ["3", "1"]);
  assert.deepEqual(await ids({ limit, filters: { result: "refused" } }), ["3"]);
  assert.deepEqual(
    await ids({ limit, filters: { eventType: "queue.paused" } }),
    ["2", "1"],
  );
  assert.deepEqual(
    await ids({ limit, filters: { action: "pause_queue", actorId: "b" } }),
    ["2"],
  );
  assert.deepEqual(await ids({ limit, filters: { resourceType: "job" } }), []);
});

Deno.test("audit_events_are_append_only: update, delete and truncate are refused", async () => {
  await using db = await testDb();
  await appendAuditEvent(db, entry());

  for (
    const statement of [
      sql`update yardmaster.audit_events set reason = 'x'`,
      sql`update yardmaster.audit_events set reason = 'x' where false`,
      sql`delete from yardmaster.audit_events`,
      sql`truncate yardmaster.audit_events`,
    ]
  ) {
    await assert.rejects(
      db.transaction((tx) => tx.query(statement)),
      /the audit is append-only/,
    );
  }
  assert.equal((await verifyAudit(db)).ok, true);
});

Deno.test("verifyAudit() does not depend on the time zone of the session", async () => {
  await using db = await testDb();
  await chain(db, 3);
  await db.query(sql`set local time zone 'Asia/Kathmandu'`);
  await appendAuditEvent(db, entry());
  await db.query(sql`set local time zone 'America/St_Johns'`);
  await db.query(sql`set local datestyle = 'German'`);
  await db.query(sql`set local bytea_output = 'escape'`);
  const verdict = await verifyAudit(db);
  assert.equal(verdict.ok && verdict.events, 4);
});

/** Every column, changed to something else that the table allows. */
const EDITS: Readonly<Record<string, string>> = {
  at: "at + interval '1 microsecond'",
  event_type: "'queue.resumed'",
  action: "'resume_queue'",
  result: "'refused', refusal = 'wrong_state'",
  legal_next_steps: "array['reload']",
  resource_type: "'job'",
  resource_id: "'other'",
  actor_id: "'other'",
  principal_id: "'other'",
  principal_type: "'other'",
  principal_label: "'other'",
  reason: "''",
  preview_id: "7",
  before: "'null'",
  after: `'{"paused": false}'`,
  details: `'{"via": "api"}'`,
  previous_hash: "sha256('x')",
  hash: "sha256('x')",
};

Deno.test("verifyAudit() finds an edit of any column", async () => {
  await using db = await testDb();
  await chain(db, 5);
  for (const [column, value] of Object.entries(EDITS)) {
    const verdict = await tampered(
      db,
      `update yardmaster.audit_events set ${column} = ${value} where id = 3`,
    );
    assert.deepEqual(
      verdict,
      { ok: false, brokenAt: "3", finding: "edited" },
      column,
    );
  }
});

/** What somebody with every right can do to rows, and what is then found. */
const TAMPERINGS: readonly (readonly [string, string, string, string])[] = [
  [
    "a row removed in the middle",
    "delete from yardmaster.audit_events where id = 3",
    "3",
    "missing",
  ],
  [
    "the first row removed",
    "delete from yardmaster.audit_events where id = 1",
    "1",
    "missing",
  ],
  [
    "the last row removed",
    "delete from yardmaster.audit_events where id = 5",
    "5",
    "missing",
  ],
  ["all rows removed", "delete from yardmaster.audit_events", "1", "missing"],
  [
    "two rows swapped",
    `update yardmaster.audit_events set id = 100 where id = 2;
     update yardmaster.audit_events set id = 2 where id = 3;
     update yardmaster.audit_events set id = 3 where id = 100`,
    "2",
    "edited",
  ],
  [
    "a row put in at the end",
    `create temporary table copy as
       select * from yardmaster.audit_events where id = 5;
     update copy set id = 6;
     insert into yardmaster.audit_events select * from copy`,
    "6",
    "inserted",
  ],
  [
    "a row put in before the first",
    `alter table yardmaster.audit_events
       drop constraint audit_events_count_from_1;
     create temporary table copy as
       select * from yardmaster.audit_events where id = 1;
     update copy set id = 0;
     insert into yardmaster.audit_events select * from copy`,
    "0",
    "inserted",
  ],
  [
    "the last row removed, and the head's number lowered",
    `delete from yardmaster.audit_events where id = 5;
     update yardmaster.audit_head set last_id = 4`,
    "4",
    "head_changed",
  ],
  [
    "the head removed",
    "delete from yardmaster.audit_head",
    "1",
    "head_changed",
  ],
];

for (const [what, script, brokenAt, finding] of TAMPERINGS) {
  Deno.test(`verifyAudit() finds ${what}`, async () => {
    await using db = await testDb();
    await chain(db, 5);
    assert.deepEqual(await tampered(db, script), {
      ok: false,
      brokenAt,
      finding,
    });
  });
}

Deno.test("verifyAudit() finds a row whose own hash was recomputed", async () => {
  await using db = await testDb();
  await chain(db, 5);
  // A second chain, in which the third event is another one.
  const [third] = await db.transaction(async (tx) => {
    await tx.script(`
      set local session_replication_role = replica;
      delete from yardmaster.audit_events where id >= 3;
      update yardmaster.audit_head set last_id = 2,
        hash = (select hash from yardmaster.audit_events where id = 2);
    `);
    await appendAuditEvent(
      tx,
      entry({
        actorId: "somebody-else",
        reason: "event 2",
      }),
    );
    const rows = await tx.query(sql`
      select encode(hash, 'hex') as hash from yardmaster.audit_events
      where id = 3
    `);
    throw Object.assign(new Error("undo"), { rows });
  }).catch((error) => error.rows);

  const verdict = await tampered(
    db,
    `update yardmaster.audit_events set actor_id = 'somebody-else',
       hash = decode('${third.hash}', 'hex') where id = 3`,
  );
  assert.deepEqual(verdict, {
    ok: false,
    brokenAt: "4",
    finding: "out_of_order",
  });
});

Deno.test("verifyAudit() finds a chain that was rewritten with its head, if the head was anchored", async () => {
  await using db = await testDb();
  await chain(db, 3);
  const anchor = await findAuditHead(db);
  assert(anchor !== null);
  await chain(db, 1);
  assert.equal((await verifyAudit(db, { anchor })).ok, true);

  await db.script(`
    set local session_replication_role = replica;
    delete from yardmaster.audit_events;
    update yardmaster.audit_head
      set last_id = 0, hash = decode(repeat('00', 32), 'hex');
  `);
  await chain(db, 4, { actorId: "somebody-else" });

  assert.equal((await verifyAudit(db)).ok, true);
  assert.deepEqual(await verifyAudit(db, { anchor }), {
    ok: false,
    brokenAt: "3",
    finding: "anchor_changed",
  });
});

function entry(changes: Partial<AuditEntry> = {}): AuditEntry {
  return {
    eventType: "queue.paused",
    action: "pause_queue",
    result: "applied",
    refusal: null,
    legalNextSteps: [],
    resourceType: "queue",
    resourceId: "default",
    actorId: "ops-demo",
    principalId: "ops-demo",
    principalType: "user",
    principalLabel: null,
    reason: null,
    previewId: null,
    before: { paused: false },
    after: { paused: true },
    details: { via: "page" },
    ...changes,
  };
}

function refusal(changes: Partial<AuditEntry>): AuditEntry {
  return entry({
    eventType: "command.refused",
    result: "refused",
    refusal: "wrong_state",
    ...changes,
  });
}

async function chain(
  db: Database,
  events: number,
  changes: Partial<AuditEntry> = {},
): Promise<void> {
  for (let index = 0; index < events; index++) {
    await appendAuditEvent(db, entry({ reason: `event ${index}`, ...changes }));
  }
}

/** What a check finds after `script`, which is undone. */
async function tampered(db: Database, script: string) {
  let verdict: unknown;
  await db.transaction(async (tx) => {
    await tx.script(`set local session_replication_role = replica; ${script};`);
    verdict = await verifyAudit(tx);
    throw new Error("undo");
  }).catch((error) => assert.equal(String(error), "Error: undo"));
  return verdict;
}
