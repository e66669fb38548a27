/** What makes work due says so: counted in hints, and never in time. */
import assert from "node:assert/strict";
import { operatorApi } from "../../src/control/operator.ts";
import { defineLimiter } from "../../src/domain/limiter.ts";
import { createEngine, type Engine } from "../../src/engine/engine.ts";
import { limiterApi } from "../../src/engine/limiter_api.ts";
import { type AnyWorker, defineWorker } from "../../src/engine/worker.ts";
import type { Notice } from "../../src/store/notices.ts";
import { controlOf, OPERATOR } from "../support/control_world.ts";
import { usePostgres } from "../support/postgres.ts";
import { until } from "../support/until.ts";
import { deafToTime, watched } from "../support/watched.ts";

const testPostgres = usePostgres();
const HOUR_MS = 3_600_000;
const REASON = "it has to run now";

const rate = defineLimiter({
  name: "rate",
  rate: { capacity: 1_000, perMs: 1_000 },
});
const unique = { keys: ["k"], states: "incomplete", periodMs: null } as const;

/** One process acts, and what it sends is counted; another only hears. */
async function worldOf() {
  const world = await testPostgres();
  const ran: number[] = [];
  const plain = defineWorker({
    name: "plain",
    backoff: () => 10,
    perform: ({ k }: { k: number }, { attempt }) => {
      if (k < 0 && attempt === 1) throw new Error("not now");
      ran.push(k);
    },
  });
  const limited = defineWorker({
    name: "limited",
    limiters: [rate],
    perform: ({ k }: { k: number }) => void ran.push(k),
  });
  const workers = [plain, limited];
  const runner = createEngine({
    database: world.db,
    workers,
    queues: { default: { limit: 5 } },
    clock: deafToTime(),
  });
  const acting = watched(await world.connect());
  const actor = createEngine({ database: acting.database, workers });
  await runner.start();
  await until("the runner is idle and listens", async () => {
    await actor.enqueue(plain, { k: 0 });
    return ran.length > 0;
  });
  const control = {
    ...controlOf(acting.database),
    notify: (notice: Notice) => actor.notify(notice),
  };
  const operator = operatorApi(control);
  return {
    world,
    ran,
    plain,
    limited,
    actor,
    acting,
    operator,
    /** Acts, counts the hints, and waits until the job ran. */
    async told(k: number, act: () => Promise<unknown>): Promise<Notice[]> {
      const before = acting.sent.length;
      await act();
      await until(`job ${k} ran`, () => ran.includes(k));
      return acting.sent.slice(before);
    },
    async [Symbol.asyncDispose]() {
      await runner.stop();
      await actor.stop();
      await world[Symbol.asyncDispose]();
    },
  };
}

async function planned(
  engine: Engine,
  worker: AnyWorker,
  { k, ...options }: Readonly<Record<string, unknown>>,
): Promise<string> {
  const answer = await engine.enqueue(
    worker as never,
    { k } as never,
    options,
  );
  assert.ok(answer.status === "inserted");
  return answer.job.id;
}

const READY: Notice = { t: "ready", q: ["default"] };
const ANYWHERE: Notice = { t: "ready", q: [] };

Deno.test("a job that is overwritten to be due wakes others as a new one does, and one that is due soon their stagers", async () => {
  await using world = await worldOf();
  const { actor, plain, told } = world;
  const later = { delayMs: HOUR_MS, unique };
  const replace = { ...unique, onConflict: { replace: ["runAt"] } } as const;
  const keep = { keys: ["k"], onConflict: "keep_last" } as const;
  for (const k of [1, 2]) await planned(actor, plain, { k, ...later });
  await planned(actor, plain, { k: 3, delayMs: HOUR_MS, unique: keep });

  const one = await told(
    1,
    () => actor.enqueue(plain, { k: 1 }, { unique: replace }),
  );
  assert.deepEqual(one, [READY]);
  const many = await told(2, () =>
    actor.enqueueMany([
      { worker: plain, args: { k: 2 }, options: { unique: replace } },
    ]));
  assert.deepEqual(many, [READY]);
  const kept = await told(
    3,
    () => actor.enqueue(plain, { k: 3 }, { unique: keep }),
  );
  assert.deepEqual(kept, [READY]);

  const debounced = (delayMs: number) => ({
    keys: ["k"],
    onConflict: { debounce: { delayMs, maxWaitMs: 2 * HOUR_MS } },
  } as const);
  await planned(actor, plain, { k: 4, unique: debounced(HOUR_MS) });
  const soon = await told(
    4,
    () => actor.enqueue(plain, { k: 4 }, { unique: debounced(10) }),
  );
  assert.deepEqual(soon, [{ t: "scheduled" }]);
});

Deno.test("a debounce that puts a job off for long wakes nobody", async () => {
  await using world = await worldOf();
  const { actor, acting, plain } = world;
  const debounce = {
    keys: ["k"],
    onConflict: { debounce: { delayMs: HOUR_MS, maxWaitMs: 2 * HOUR_MS } },
  } as const;
  await planned(actor, plain, { k: 1, unique: debounce });
  const before = acting.sent.length;
  for (let call = 0; call < 5; call++) {
    const answer = await actor.enqueue(plain, { k: 1 }, { unique: debounce });
    assert.ok(answer.status === "conflict" && answer.replaced);
  }
  assert.deepEqual(acting.sent.slice(before), []);
});

Deno.test("an operator's retry, a queue that goes on and a limiter that lets more through wake others", async () => {
  await using world = await worldOf();
  const { actor, acting, operator, plain, told } = world;
  const by = { actor: OPERATOR, reason: REASON };
  const jobId = await planned(actor, plain, { k: 1, delayMs: HOUR_MS });
  const retried = await told(1, () => operator.retryJob({ ...by, jobId }));
  assert.deepEqual(retried, [READY]);

  await operator.pauseQueue({ ...by, name: "default" });
  await planned(actor, plain, { k: 2 });
  const resumed = await told(
    2,
    () => operator.resumeQueue({ ...by, name: "default" }),
  );
  assert.deepEqual(resumed, [{ t: "queues" }]);

  const sentBy = async (act: () => Promise<unknown>) => {
    const before = acting.sent.length;
    await act();
    await until("it was told", () => acting.sent.length > before);
    return acting.sent.slice(before);
  };
  const api = limiterApi(acting.database, {
    onReady: () => actor.notify(ANYWHERE),
  });
  const { name } = rate;
  await api.coolDown(rate, { forMs: HOUR_MS, reason: REASON });
  const cleared = () => operator.clearLimiterCooldown({ ...by, name });
  assert.deepEqual(await sentBy(cleared), [ANYWHERE]);
  await api.coolDown(rate, { forMs: HOUR_MS, reason: REASON });
  assert.deepEqual(await sentBy(() => api.clearCooldown(rate)), [ANYWHERE]);
  const scaled = () => operator.scaleLimiter({ ...by, name, capacity: 2_000 });
  assert.deepEqual(await sentBy(scaled), [ANYWHERE]);
});

Deno.test("an attempt that failed and comes back within a second wakes the stager of its own process", async () => {
  await using world = await worldOf();
  const { actor, plain, told } = world;
  // Nothing is sent for it: this process knows when it is due.
  const sent = await told(-1, () => actor.enqueue(plain, { k: -1 }));
  assert.deepEqual(sent, [READY]);
});

Deno.test("a process that stops and gives jobs back says so, and another goes on with them", async () => {
  const world = await testPostgres();
  const signalled: string[] = [];
  let began = 0;
  const long = defineWorker({
    name: "long",
    perform: (_args, { signal }) => {
      began += 1;
      return new Promise<void>((resolve, reject) => {
        if (began > 1) resolve();
        signal.addEventListener("abort", () => {
          signalled.push(signal.reason.kind);
          reject(signal.reason);
        });
      });
    },
  });
  const asked = { workers: [long], queues: { default: { limit: 1 } } };
  const { database, sent } = watched(await world.connect());
  const leaving = createEngine({ ...asked, database });
  await leaving.start();
  await leaving.enqueue(long, {});
  await until("it runs", () => began === 1);
  const staying = createEngine({
    ...asked,
    database: world.db,
    clock: deafToTime(),
  });
  await staying.start();
  const before = sent.length;
  await leaving.stop({ graceMs: 0 });
  await until("another runs it", () => began === 2);
  assert.deepEqual(signalled, ["shutdown"]);
  assert.deepEqual(
    sent.slice(before).filter(({ t }) => t === "ready"),
    [ANYWHERE],
  );
  await staying.stop();
  await world[Symbol.asyncDispose]();
});
