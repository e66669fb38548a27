/** What an operator does to limiters. */
import assert from "node:assert/strict";
import { operatorApi } from "../../src/control/operator.ts";
import { sql } from "../../src/db/sql.ts";
import { limiterApi } from "../../src/engine/limiter_api.ts";
import { listAuditEvents } from "../../src/store/audit.ts";
import { findLimiter } from "../../src/store/limiters.ts";
import { controlOf, OPERATOR as actor } from "../support/control_world.ts";
import {
  API,
  claimLimited,
  givenExecutor,
  givenLimits,
  givenWork,
  PER_CUSTOMER,
} from "../support/limiter_world.ts";
import { usePGlite } from "../support/pglite.ts";

const testDb = usePGlite();
const reason = "The API answers 429";

Deno.test("coolDownLimiter() lets nothing start until then, with who did it and why", async () => {
  await using db = await testDb();
  await givenLimits(db, [API]);
  await givenWork(db, [{}, {}]);
  const executorId = await givenExecutor(db);
  const operator = operatorApi(controlOf(db));

  const done = await operator.coolDownLimiter({
    actor,
    name: "api",
    forMs: 30_000,
    reason,
  });
  assert(done.ok);
  assert.equal(done.event.eventType, "limiter.cooled_down");
  assert.equal(done.event.resourceType, "limiter");
  assert.equal(done.event.after?.cooldownReason, reason);
  assert.equal(done.event.after?.cooldownBy, "ops-demo");
  assert.equal((await claimLimited(db, executorId)).length, 0);
  db.advanceMs(29_999);
  assert.equal((await claimLimited(db, executorId)).length, 0);
  db.advanceMs(1);
  assert.equal((await claimLimited(db, executorId)).length, 2);
  assert.equal((await findLimiter(db, "api"))?.cooldownUntil, null);
});

Deno.test("clearLimiterCooldown() wakes what waits, once, and of one key only", async () => {
  await using db = await testDb();
  await givenLimits(db, [PER_CUSTOMER]);
  await givenWork(db, [{ customer: "a" }, { customer: "b" }]);
  const executorId = await givenExecutor(db);
  const operator = operatorApi(controlOf(db));
  for (const key of ["a", "b"]) {
    const call = { actor, name: "per_customer", key, forMs: 60_000, reason };
    assert.equal((await operator.coolDownLimiter(call)).ok, true);
  }
  assert.equal((await claimLimited(db, executorId)).length, 0);

  const call = { actor, name: "per_customer", key: "a" };
  assert.equal((await operator.clearLimiterCooldown(call)).ok, true);
  const jobs = await claimLimited(db, executorId);
  assert.deepEqual(jobs.map(({ args }) => args.customer), ["a"]);

  const again = await operator.clearLimiterCooldown(call);
  assert.equal(!again.ok && again.refusal, "wrong_state");
  const [event] = await listAuditEvents(db, { limit: 1 });
  assert.equal(event?.result, "refused");
});

Deno.test("scaleLimiter() keeps what was chosen apart from what is declared, with its author", async () => {
  await using db = await testDb();
  await givenLimits(db, [API]);
  await givenWork(db, Array.from({ length: 12 }, () => ({})));
  const executorId = await givenExecutor(db);
  const operator = operatorApi(controlOf(db));
  assert.equal((await claimLimited(db, executorId)).length, 5);

  const name = "api";
  const done = await operator.scaleLimiter({ actor, name, capacity: 9 });
  assert(done.ok);
  assert.deepEqual(
    [done.event.before?.capacity, done.event.after?.capacity],
    [5, 9],
  );
  assert.equal((await claimLimited(db, executorId)).length, 4);
  // Code that starts again declares what it always did.
  await givenLimits(db, [API]);
  const limiter = await findLimiter(db, name);
  assert.equal(limiter?.chosenCapacity, 9);
  assert.equal(limiter?.chosenBy, "ops-demo");
  assert.equal(limiter?.declaredCapacity, 5);

  const back = await operator.scaleLimiter({ actor, name, capacity: null });
  assert.equal(back.ok, true);
  assert.equal((await findLimiter(db, name))?.chosenBy, null);
  const facts = await db.query(sql`
    select kind::text as "kind", details
    from yardmaster.limiter_facts where kind <> 'blocked' order by id
  `);
  assert.deepEqual(facts, [
    { kind: "capacity_chosen", details: { before: 5, after: 9, declared: 5 } },
    { kind: "capacity_chosen", details: { before: 9, after: 5, declared: 5 } },
  ]);
});

Deno.test("operators are refused what makes no sense, and told what would", async () => {
  await using db = await testDb();
  await givenLimits(db, [API, PER_CUSTOMER]);
  const operator = operatorApi(controlOf(db));
  const name = "api";
  const forMs = 1_000;
  const refusals = await Promise.all([
    operator.coolDownLimiter({ actor, name: "none", forMs, reason }),
    operator.coolDownLimiter({ actor, name, forMs, reason, key: "a" }),
    operator.coolDownLimiter({ actor, name, forMs: 0, reason }),
    operator.coolDownLimiter({ actor, name, forMs, reason: "" }),
    operator.scaleLimiter({ actor, name, capacity: 5.5 }),
    operator.scaleLimiter({ actor, name: "per_customer", capacity: 20_000 }),
    operator.scaleLimiter({ actor, name, capacity: null }),
  ]);
  assert.deepEqual(
    refusals.map((answer) => !answer.ok && answer.refusal),
    [
      "not_found",
      "wrong_state",
      "invalid_input",
      "reason_required",
      "invalid_input",
      "wrong_state",
      "wrong_state",
    ],
  );
});

Deno.test("a worker that got a 429 cools a key down, and a shorter one after it changes nothing", async () => {
  await using db = await testDb();
  await givenLimits(db, [PER_CUSTOMER]);
  const limiters = limiterApi(db);
  const until = await limiters.coolDown(PER_CUSTOMER, {
    key: 7,
    forMs: 5_000,
    reason,
  });
  assert.deepEqual(until, new Date("2026-01-15T12:00:05Z"));
  const shorter = { key: 7, forMs: 1_000, reason: "another 429" };
  assert.deepEqual(await limiters.coolDown(PER_CUSTOMER, shorter), until);

  await givenWork(db, [{ customer: 7 }, { customer: 8 }]);
  const jobs = await claimLimited(db, await givenExecutor(db));
  assert.deepEqual(jobs.map(({ args }) => args.customer), [8]);

  assert.equal(await limiters.clearCooldown(PER_CUSTOMER, { key: 7 }), true);
  assert.equal(await limiters.clearCooldown(PER_CUSTOMER, { key: 7 }), false);
  assert.equal(await limiters.coolDown(API, { forMs: 1, reason }), null);
  await assert.rejects(limiters.coolDown(API, { forMs: 0, reason }), TypeError);
});

Deno.test("declaring again what is so already is no reconfiguration, and a change is one", async () => {
  await using db = await testDb();
  for (let start = 0; start < 3; start++) {
    await givenLimits(db, [API, PER_CUSTOMER]);
  }
  const facts = sql`
    select limiter, kind::text as "kind",
      details->'before'->'capacity' as "before",
      details->'after'->'capacity' as "after"
    from yardmaster.limiter_facts
  `;
  assert.deepEqual(await db.query(facts), []);
  await givenLimits(db, [{ ...API, capacity: 6 }, PER_CUSTOMER]);
  assert.deepEqual(await db.query(facts), [
    { limiter: "api", kind: "reconfigured", before: 5, after: 6 },
  ]);
});
