/** Draining what waits, and finding what was enqueued. */
import assert from "node:assert/strict";
import { z } from "zod";
import { createEngine } from "../../src/engine/engine.ts";
import { snooze } from "../../src/engine/verdict.ts";
import { defineWorker } from "../../src/engine/worker.ts";
import {
  ANY,
  assertEnqueued,
  drain,
  listEnqueued,
  refuteEnqueued,
} from "../../src/testing/testing.ts";
import { usePGlite } from "../support/pglite.ts";

const testDb = usePGlite();
const HOUR_MS = 3_600_000;

const mail = defineWorker({
  name: "mail",
  maxAttempts: 2,
  args: z.object({
    to: z.string(),
    order: z.object({ id: z.int(), note: z.string().optional() }),
  }),
  perform: ({ to }, { attempt }) => {
    if (to === "bounces") throw new Error("no such address");
    if (to === "sleepy" && attempt === 1) return snooze(HOUR_MS);
  },
});
const args = (to: string) => ({ to, order: { id: 7 } });

Deno.test("drain() counts the ends, and leaves alone what waits for its time", async () => {
  await using db = await testDb();
  const engine = createEngine({ database: db, notify: false });
  await engine.enqueue(mail, args("ada"));
  await engine.enqueue(mail, args("bounces"));
  await engine.enqueue(mail, args("later"), { delayMs: HOUR_MS });
  const { ends, claimed } = await drain({ database: db, workers: [mail] });
  assert.deepEqual(ends, { completed: 1, failed: 1 });
  assert.equal(claimed, 2);
  assert.equal((await listEnqueued(db, { worker: mail })).length, 2);
});

Deno.test("drain({ scheduled }) runs what waits for its time too, up to an instant or all of it", async () => {
  await using db = await testDb();
  const engine = createEngine({ database: db, notify: false });
  const workers = [mail];
  await engine.enqueue(mail, args("bounces"));
  await engine.enqueue(mail, args("soon"), { delayMs: HOUR_MS });
  await engine.enqueue(mail, args("late"), { delayMs: 48 * HOUR_MS });
  const queues = { elsewhere: { limit: 1 } };
  await engine.enqueue(mail, args("other"), {
    queue: Object.keys(queues)[0] ?? "",
    delayMs: HOUR_MS,
  });

  const scheduled = new Date(db.nowAt().getTime() + 2 * HOUR_MS);
  const some = await drain({ database: db, workers, scheduled });
  assert.deepEqual(some.ends, { completed: 1, failed: 2 });
  await assertEnqueued(db, { worker: mail, args: { to: "late" } });

  const rest = await drain({ database: db, workers, scheduled: true });
  assert.deepEqual(rest.ends, { completed: 1 });
  await assertEnqueued(db, { worker: mail, queue: "elsewhere", count: 1 });
});

Deno.test("drain({ scheduled, maxJobs }) ends with a job that snoozes for ever", async () => {
  await using db = await testDb();
  const endless = defineWorker({ name: "endless", perform: () => snooze(1) });
  await createEngine({ database: db, notify: false }).enqueue(endless, {});
  const { ends } = await drain({
    database: db,
    workers: [endless],
    scheduled: true,
    maxJobs: 5,
  });
  assert.deepEqual(ends, { snoozed: 5 });
});

Deno.test("assertEnqueued() takes any value where it says so, and none is not any", async () => {
  await using db = await testDb();
  const engine = createEngine({ database: db, notify: false });
  await engine.enqueue(mail, args("ada"), { meta: { by: { name: "import" } } });
  await assertEnqueued(db, {
    worker: mail,
    args: { to: ANY, order: { id: ANY } },
    meta: { by: { name: ANY } },
    count: 1,
  });
  await refuteEnqueued(db, { worker: mail, args: { order: { note: ANY } } });
  await refuteEnqueued(db, {
    worker: mail,
    args: { to: ANY, order: { id: 8 } },
  });
  await assert.rejects(
    assertEnqueued(db, { worker: mail, meta: { at: ANY } }),
    /"at":"\(any\)"/,
  );
});

Deno.test("assertEnqueued({ withinMs }) waits for what somebody else enqueues", async () => {
  await using db = await testDb();
  const engine = createEngine({ database: db, notify: false });
  const found = assertEnqueued(db, { worker: mail, withinMs: 20_000 });
  const refuted = refuteEnqueued(db, { worker: mail, withinMs: 20_000 });
  const both = Promise.allSettled([found, refuted]);
  await engine.enqueue(mail, args("ada"));
  const [asserted, denied] = await both;
  assert.equal(asserted.status, "fulfilled");
  assert.equal(denied.status, "rejected");
  await assert.rejects(
    assertEnqueued(db, { worker: mail, withinMs: -1 }),
    /withinMs is whole milliseconds/,
  );
});
