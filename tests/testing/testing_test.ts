/** What a host uses in its own tests. */
import assert from "node:assert/strict";
import { z } from "zod";
import { createEngine } from "../../src/engine/engine.ts";
import { defineWorker } from "../../src/engine/worker.ts";
import type { YardmasterEvent } from "../../src/events.ts";
import {
  assertEnqueued,
  createTestClock,
  drain,
  listEnqueued,
  refuteEnqueued,
  runWorker,
} from "../../src/testing/testing.ts";
import { usePGlite } from "../support/pglite.ts";

const testDb = usePGlite();

const remind = defineWorker({
  name: "remind",
  args: z.object({ cart: z.int(), urgent: z.boolean().default(false) }),
  tags: ["mail"],
  perform: () => {},
});
const other = defineWorker({ name: "other", perform: () => {} });

Deno.test("assertEnqueued() finds what matches, and says what is there instead", async () => {
  await using db = await testDb();
  const engine = createEngine({ database: db });
  await engine.enqueue(remind, { cart: 77 }, { queue: "mails" });
  await engine.enqueue(remind, { cart: 78 }, { delayMs: 60_000 });
  await engine.enqueue(other, {});

  const [job] = await assertEnqueued(db, {
    worker: remind,
    args: { cart: 77 },
    queue: "mails",
    tags: ["mail"],
    priority: 0,
  });
  assert.equal(job?.state, "available");
  const later = await assertEnqueued(db, {
    worker: remind,
    args: { cart: 78 },
  });
  assert.equal(later[0]?.state, "scheduled");
  const runAt = later[0]?.runAt ?? undefined;
  assert.ok(runAt);
  await assertEnqueued(db, { worker: remind, runAt, count: 1 });
  await assertEnqueued(db, { worker: remind, count: 2 });

  await assert.rejects(
    assertEnqueued(db, { worker: remind, args: { cart: 79 } }),
    /at least one of remind must be enqueued .*\{"cart":79\}.* 0 are\.\n.*"cart": ?77/s,
  );
  await assert.rejects(assertEnqueued(db, { worker: remind, count: 1 }), {
    name: "AssertionError",
  });
  await assert.rejects(
    refuteEnqueued(db, { worker: remind, queue: "mails" }),
    /none of remind must be enqueued/,
  );
  await refuteEnqueued(db, { worker: remind, meta: { by: "import" } });
});

Deno.test("assertEnqueued() knows nothing of jobs that have ended", async () => {
  await using db = await testDb();
  await createEngine({ database: db }).enqueue(other, {});
  await drain({ database: db, workers: [other] });
  await refuteEnqueued(db, { worker: other });
  assert.deepEqual(await listEnqueued(db, { worker: other }), []);
});

Deno.test("runWorker() calls the hooks that the engine would, and waits for them", async () => {
  const told: string[] = [];
  const events: YardmasterEvent[] = [];
  const worker = defineWorker({
    name: "work",
    maxAttempts: 2,
    perform: ({ fails }: { fails: boolean }) => {
      if (fails) throw new Error("no");
    },
    onStart: () => told.push("onStart"),
    onSuccess: async () => {
      await new Promise((resolve) => setTimeout(resolve, 1));
      told.push("onSuccess");
    },
    onFailure: (_run, { retryInMs }) => {
      assert.ok(retryInMs > 0);
      told.push("onFailure");
    },
    onDiscard: () => {
      told.push("onDiscard");
      throw new Error("by a hook");
    },
  });
  const onEvent = (event: YardmasterEvent) => events.push(event);
  await runWorker(worker, { args: { fails: false } });
  await runWorker(worker, { args: { fails: true } });
  const last = { attempt: 2 };
  await runWorker(worker, { args: { fails: true }, context: last, onEvent });
  assert.deepEqual(told, [
    ...["onStart", "onSuccess"],
    ...["onStart", "onFailure"],
    ...["onStart", "onDiscard"],
  ]);
  assert.deepEqual(
    events.map((event) => event.type === "hook_ran" && event.outcome),
    ["ok", "threw"],
  );
});

Deno.test("runWorker() upgrades args of an older version, and ends at the timeout", async () => {
  const worker = defineWorker({
    name: "work",
    version: 2,
    upgrade: { 1: ({ name }: { name: string }) => ({ first: name }) },
    args: z.object({ first: z.string() }),
    perform: ({ first }) => first,
  });
  const args = { name: "Ada" } as never;
  assert.deepEqual(await runWorker(worker, { args, version: 1 }), {
    kind: "completed",
    value: "Ada",
  });
  assert.equal((await runWorker(worker, { args })).kind, "failed");

  const clock = createTestClock();
  const slow = defineWorker({
    name: "slow",
    timeoutMs: 1_000,
    perform: () => new Promise(() => {}),
  });
  const ended = runWorker(slow, { args: {}, clock });
  await clock.advanceMs(1_000);
  const outcome = await ended;
  assert.ok(outcome.kind === "failed");
  assert.match(String(outcome.error), /TimeoutError/);
});
