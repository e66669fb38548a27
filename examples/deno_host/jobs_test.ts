/** The jobs of the shop, tested as a host tests its own. */
import { PGlite } from "@electric-sql/pglite";
import assert from "node:assert/strict";
import { createYardmaster } from "../../mod.ts";
import { pglite } from "../../src/db/pglite.ts";
import {
  ANY,
  assertEnqueued,
  createTestClock,
  drain,
  runWorker,
} from "../../src/testing/testing.ts";
import {
  buildReport,
  chargeCard,
  remindCart,
  sendReceipt,
  syncStock,
} from "../../fixtures/ops_demo.ts";

// Postgres inside PGlite sets timers of its own.
Deno.test.sanitizer({ ops: false, resources: false });

Deno.test("a receipt is sent to an address, and to nothing else", async () => {
  const order = 1042;
  const sent = await runWorker(sendReceipt, {
    args: { order, email: "ada@example.com" },
  });
  assert.equal(sent.kind, "completed");
  const wrong = await runWorker(sendReceipt, { args: { order, email: "ada" } });
  assert.equal(wrong.kind, "failed");
});

Deno.test("the warehouse is asked again when it did not answer", async () => {
  const args = { warehouse: "north" };
  const first = await runWorker(syncStock, { args });
  assert.ok(first.kind === "failed");
  assert.match(String(first.error), /answered 503/);
  const context = { attempt: 2 };
  const second = await runWorker(syncStock, { args, context });
  assert.equal(second.kind, "completed");
});

Deno.test("a report stops when nobody waits for it any more", async () => {
  const stop = new AbortController();
  const report = runWorker(buildReport, {
    args: { month: "2026-10" },
    context: { signal: stop.signal },
  });
  stop.abort(new Error("cancelled"));
  assert.equal((await report).kind, "failed");
});

Deno.test("a card is charged twice at most, and a cart that was paid for is let go", async () => {
  const clock = createTestClock();
  const lite = await PGlite.create();
  const database = pglite(lite, { now: clock.now });
  const workers = [chargeCard, remindCart];
  const yard = createYardmaster({ database, workers, notify: false });
  await yard.migrate();

  await yard.enqueue(chargeCard, { order: 1043, cents: 4_990 });
  await yard.enqueue(remindCart, { cart: 77 }, { delayMs: 86_400_000 });
  const now = await drain({ database, workers, clock });
  assert.deepEqual(now.ends, { failed: 1 });
  await assertEnqueued(database, { worker: remindCart, args: { cart: ANY } });

  await clock.advanceMs(3_000);
  await assert.rejects(
    drain({ database, workers, clock, throws: true }),
    /Card of order 1043 was declined/,
  );
  await clock.advanceMs(86_400_000);
  const tomorrow = await drain({ database, workers, clock });
  assert.deepEqual(tomorrow.ends, { cancelled: 1 });

  await lite.close();
});
