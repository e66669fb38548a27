import assert from "node:assert/strict";
import { verifyAudit } from "../../src/control/audit.ts";
import type { Database } from "../../src/db/database.ts";
import { appendAuditEvent, listAuditEvents } from "../../src/store/audit.ts";
import { usePostgres } from "../support/postgres.ts";

const testPostgres = usePostgres();

Deno.test("appends on many connections at once are one chain without a gap", async () => {
  await using world = await testPostgres();
  const processes = await Promise.all(
    Array.from({ length: 6 }, () => world.connect()),
  );
  let undone = 0;

  await Promise.all(processes.map(async (db, index) => {
    for (let turn = 0; turn < 30; turn++) {
      const undo = (index + turn) % 5 === 0;
      await db.transaction(async (tx) => {
        await append(tx, `process ${index}, turn ${turn}`);
        if (undo) throw new Error("undo");
      }).catch((error) => {
        if (!undo) throw error;
        undone++;
      });
    }
  }));

  const events = await listAuditEvents(world.db, { limit: 1_000 });
  assert.equal(undone, 36);
  assert.equal(events.length, 144);
  assert.deepEqual(
    events.map((event) => event.id).reverse(),
    Array.from({ length: 144 }, (_, index) => String(index + 1)),
  );
  const verdict = await verifyAudit(world.db);
  assert.deepEqual(verdict, {
    ok: true,
    events: 144,
    head: { id: "144", hash: events[0]?.hash },
  });
});

Deno.test("verifyAudit() finds nothing wrong while others append", async () => {
  await using world = await testPostgres();
  const writer = await world.connect();
  const writing = (async () => {
    for (let turn = 0; turn < 200; turn++) await append(writer, `turn ${turn}`);
  })();

  let checks = 0;
  const reader = await world.connect();
  const done = writing.then(() => true);
  while (!await Promise.race([done, Promise.resolve(false)])) {
    const verdict = await verifyAudit(reader);
    assert.equal(verdict.ok, true, JSON.stringify(verdict));
    checks++;
  }
  assert(checks > 0);
});

Deno.test("verifyAudit() reads more than one chunk, and finds what is broken behind the first", async () => {
  await using world = await testPostgres();
  const { db } = world;
  // Not by appending one by one: 10,001 events, each hashed by the same rule.
  await db.script(`
    do $$
    begin
      for index in 1 .. 10001 loop
        with event as (
          select last_id + 1 as id, timestamptz '2026-01-15 12:00Z' as at,
            'queue.paused'::text as event_type, 'pause_queue'::text as action,
            'applied'::yardmaster.audit_result as result, null::text as refusal,
            '{}'::text[] as legal_next_steps, 'queue'::text as resource_type,
            'q'::text as resource_id, 'a'::text as actor_id,
            'p'::text as principal_id, 'user'::text as principal_type,
            null::text as principal_label, null::text as reason,
            null::bigint as preview_id, null::jsonb as before,
            null::jsonb as after, '{}'::jsonb as details, hash as previous_hash
          from yardmaster.audit_head
        ),
        appended as (
          insert into yardmaster.audit_events
          select event.*, sha256(previous_hash || convert_to(jsonb_build_array(
            id, (extract(epoch from at) * 1000000)::bigint, event_type, action,
            result::text, refusal, to_jsonb(legal_next_steps), resource_type,
            resource_id, actor_id, principal_id, principal_type,
            principal_label, reason, preview_id, before, after, details
          )::text, 'UTF8'))
          from event
          returning id, hash
        )
        update yardmaster.audit_head set last_id = id, hash = appended.hash
        from appended;
      end loop;
    end
    $$;
  `);
  const verdict = await verifyAudit(db);
  assert.equal(verdict.ok && verdict.events, 10_001);

  await db.transaction(async (tx) => {
    await tx.script(`
      set local session_replication_role = replica;
      update yardmaster.audit_events set reason = 'x' where id = 10001;
    `);
  });
  assert.deepEqual(await verifyAudit(db), {
    ok: false,
    brokenAt: "10001",
    finding: "edited",
  });
});

async function append(db: Database, reason: string): Promise<void> {
  await appendAuditEvent(db, {
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
    reason,
    previewId: null,
    before: null,
    after: null,
    details: {},
  });
}
