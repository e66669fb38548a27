/** Hints between processes: what they make sooner, and that nothing needs them. */
import assert from "node:assert/strict";
import { type Clock, systemClock } from "../../src/engine/clock.ts";
import { createEngine } from "../../src/engine/engine.ts";
import { defineWorker } from "../../src/engine/worker.ts";
import { cancelJob } from "../../src/store/transitions.ts";
import { sendNotice } from "../../src/store/notices.ts";
import { usePostgres } from "../support/postgres.ts";
import { until } from "../support/until.ts";

const testPostgres = usePostgres();

/** A process that never polls: only what it is told moves it. */
const deafToTime: Clock = {
  monotonicMs: systemClock.monotonicMs,
  after: (ms, callBack) => ms < 25 ? systemClock.after(ms, callBack) : () => {},
};

Deno.test("a hint of another process starts a job at once, also one that was committed in a host's transaction", async () => {
  await using world = await testPostgres();
  const ran: unknown[] = [];
  const note = defineWorker({
    name: "note",
    perform: (args) => void ran.push(args.n),
  });
  const database = world.db;
  const runner = createEngine({
    database,
    workers: [note],
    queues: { default: { limit: 2 } },
    clock: deafToTime,
  });
  const other = createEngine({ database: await world.connect() });
  await runner.start();
  await until("the runner is idle and listens", async () => {
    await other.enqueue(note, { n: 0 });
    return ran.length > 0;
  });
  for (let n = 1; n <= 5; n++) {
    await other.enqueue(note, { n });
    await until(`job ${n} ran`, () => ran.includes(n));
  }
  await world.db.transaction(async (tx) => {
    await other.enqueue(note, { n: 6 }, { database: tx });
  });
  await until("the job of the transaction ran", () => ran.includes(6));
  await runner.stop();
  await other.stop();
});

Deno.test("a hint about a cancellation reaches the run, and a lie about one does not", async () => {
  await using world = await testPostgres();
  const told: unknown[] = [];
  let began = 0;
  const endless = defineWorker({
    name: "endless",
    perform: (_args, { signal }) => {
      began += 1;
      return new Promise((_resolve, reject) =>
        signal.addEventListener("abort", () => {
          told.push(signal.reason.kind);
          reject(signal.reason);
        })
      );
    },
  });
  const runner = createEngine({
    database: world.db,
    workers: [endless],
    queues: { default: { limit: 2 } },
    clock: deafToTime,
  });
  const operator = await world.connect();
  const enqueued = await runner.enqueue(endless, {});
  assert.ok(enqueued.status === "inserted");
  const { id } = enqueued.job;
  await runner.start();
  await until("it runs", () => began === 1);
  await until("hints arrive", async () => {
    await sendNotice(operator, { t: "cancelled", ids: [id] });
    await sendNotice(operator, { t: "ready", q: [] });
    return true;
  });
  assert.deepEqual(told, []);

  await cancelJob(operator, { jobId: id, principal: "ann" });
  await until("the run is told", async () => {
    await sendNotice(operator, { t: "cancelled", ids: [id] });
    return told.length > 0;
  });
  assert.deepEqual(told, ["cancelled"]);
  await runner.stop();
});

Deno.test("a queue that has more is asked again when a slot is free, also beside an empty one, and without a poll", async () => {
  await using world = await testPostgres();
  let ran = 0;
  const step = defineWorker({
    name: "step",
    queue: "busy",
    perform: async () => {
      await new Promise((resolve) => setTimeout(resolve, 5));
      ran += 1;
    },
  });
  const engine = createEngine({
    database: world.db,
    workers: [step],
    queues: { empty: { limit: 5 }, busy: { limit: 1 } },
    notify: false,
    clock: deafToTime,
  });
  await engine.enqueueMany(
    Array.from({ length: 20 }, () => ({ worker: step, args: {} })),
  );
  await engine.start();
  await until("all ran", () => ran === 20);
  await engine.stop();
});
