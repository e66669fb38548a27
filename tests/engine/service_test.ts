import assert from "node:assert/strict";
import {
  type Service,
  ServiceLoop,
  serviceLoops,
  type ServicePass,
} from "../../src/engine/service.ts";
import { createTestClock } from "../../src/testing/testing.ts";

/** A service that answers as told, in a loop whose clock the test moves. */
function world(
  answer: (pass: number) => ServicePass | Promise<ServicePass>,
  onRecovered = () => {},
) {
  const clock = createTestClock();
  const passesAt: number[] = [];
  const errors: unknown[] = [];
  const loop = new ServiceLoop({
    name: "test",
    intervalMs: 1_000,
    // deno-lint-ignore require-await -- what it throws must reject.
    async runOnce() {
      passesAt.push(clock.monotonicMs());
      return answer(passesAt.length);
    },
  }, {
    clock,
    random: () => 0.5,
    onError: (_service, error) => errors.push(error),
    onRecovered,
  });
  return { clock, loop, passesAt, errors };
}

Deno.test("ServiceLoop passes at its interval, a little early", async () => {
  const { clock, loop, passesAt } = world(() => ({ worked: false }));
  loop.start();
  await clock.advanceMs(2_000);
  assert.deepEqual(passesAt, [0, 900, 1_800]);
  await loop.stop();
});

Deno.test("ServiceLoop goes on while there is work, and waits exactly as long as the service asks", async () => {
  const { clock, loop, passesAt } = world((pass) =>
    pass < 3 ? { worked: true } : { worked: false, nextInMs: 250 }
  );
  loop.start();
  await clock.advanceMs(600);
  assert.deepEqual(passesAt, [0, 0, 0, 250, 500]);
  await loop.stop();
});

Deno.test("ServiceLoop does not lose a wake-up that comes during a pass", async () => {
  const { clock, loop, passesAt } = world((pass) => {
    if (pass === 1) loop.wake();
    return { worked: false };
  });
  loop.start();
  await clock.advanceMs(0);
  assert.deepEqual(passesAt, [0, 0]);
  loop.wake();
  await clock.advanceMs(0);
  assert.equal(passesAt.length, 3);
  await loop.stop();
});

Deno.test("ServiceLoop outlives a service that throws, and waits longer each time", async () => {
  const { clock, loop, passesAt, errors } = world((pass) => {
    if (pass < 4) throw new Error("down");
    return { worked: false };
  });
  loop.start();
  await clock.advanceMs(700);
  assert.deepEqual(passesAt, [0, 90, 270, 630]);
  assert.equal(errors.length, 3);
  await loop.stop();
});

Deno.test("ServiceLoop says when it has recovered, and retry() ends the wait after a failure, and no other", async () => {
  let recovered = 0;
  const { clock, loop, passesAt } = world((pass) => {
    if (pass < 3) throw new Error("down");
    return { worked: false };
  }, () => recovered++);
  loop.start();
  await clock.advanceMs(90);
  assert.deepEqual(passesAt, [0, 90]);
  loop.retry();
  await clock.advanceMs(0);
  assert.deepEqual(passesAt, [0, 90, 90]);
  assert.equal(recovered, 1);
  loop.retry();
  await clock.advanceMs(899);
  assert.equal(passesAt.length, 3);
  await clock.advanceMs(1);
  assert.equal(passesAt.length, 4);
  assert.equal(recovered, 1);
  await loop.stop();
});

Deno.test("ServiceLoop waits no longer after failures than its service says: one service knocks while the others rest", async () => {
  const clock = createTestClock();
  const passesAt: number[] = [];
  const service: Service = {
    name: "knocking",
    retryMsMax: 1_500,
    runOnce() {
      passesAt.push(clock.monotonicMs());
      return Promise.reject(new Error("down"));
    },
  };
  const loop = new ServiceLoop(service, {
    clock,
    random: () => 0,
    onError: () => {},
  });
  loop.start();
  await clock.advanceMs(60_000);
  const waits = passesAt.slice(1).map((at, index) =>
    at - (passesAt[index] ?? 0)
  );
  assert.deepEqual(waits.slice(0, 6), [100, 200, 400, 800, 1_500, 1_500]);
  assert.deepEqual(new Set(waits.slice(4)), new Set([1_500]));
  await loop.stop();
});

Deno.test("serviceLoops let one service knock in an outage while the others rest, and all go on with its first answer", async () => {
  const clock = createTestClock();
  let isDown = true;
  let recovered = 0;
  const passes: Record<string, number[]> = {};
  const service = (name: string, retryMsMax?: number): Service => ({
    name,
    ...(retryMsMax !== undefined && { retryMsMax }),
    runOnce() {
      (passes[name] ??= []).push(clock.monotonicMs());
      if (isDown) return Promise.reject(new Error("down"));
      return Promise.resolve({ worked: false, nextInMs: 100_000 });
    },
  });
  const loops = serviceLoops(
    [service("knocks", 1_000), service("beats"), service("a"), service("b")],
    {
      clock,
      random: () => 0,
      onError: () => {},
      onRecovered: () => void (recovered += 1),
      restless: ["knocks", "beats"],
    },
  );
  const beganMs = clock.monotonicMs();
  for (const loop of loops.values()) loop.start();
  await clock.advanceMs(10_000);
  const of = (name: string) => passes[name]?.map((at) => at - beganMs);
  assert.deepEqual([of("a"), of("b")], [[0], [0]]);
  assert.deepEqual(of("knocks")?.slice(0, 6), [0, 100, 300, 700, 1_500, 2_500]);
  assert.deepEqual(of("beats")?.slice(0, 6), [0, 100, 300, 700, 1_500, 3_100]);

  isDown = false;
  await clock.advanceMs(1_000);
  assert.equal(recovered, 4);
  const answeredAt = of("knocks")?.at(-1);
  assert.deepEqual(of("a")?.slice(0, 2), [0, answeredAt]);
  assert.deepEqual(of("b")?.slice(0, 2), [0, answeredAt]);
  for (const loop of loops.values()) await loop.stop();
});

Deno.test("serviceLoops let a service that fails alone try again soon", async () => {
  const clock = createTestClock();
  const passesAt: number[] = [];
  const loops = serviceLoops([
    { name: "knocks", runOnce: () => Promise.resolve({ worked: false }) },
    {
      name: "fails",
      runOnce() {
        passesAt.push(clock.monotonicMs());
        return Promise.reject(new Error("alone"));
      },
    },
  ], {
    clock,
    random: () => 0,
    onError: () => {},
    onRecovered: () => {},
    restless: ["knocks"],
  });
  const beganMs = clock.monotonicMs();
  for (const loop of loops.values()) loop.start();
  await clock.advanceMs(1_000);
  assert.deepEqual(passesAt.map((at) => at - beganMs), [0, 100, 300, 700]);
  for (const loop of loops.values()) await loop.stop();
});

Deno.test("ServiceLoop.stop() lets the pass end and starts no other", async () => {
  let end = () => {};
  const { clock, loop, passesAt } = world(() =>
    new Promise((resolve) => end = () => resolve({ worked: true }))
  );
  loop.start();
  await clock.advanceMs(0);
  const stopped = loop.stop();
  end();
  await stopped;
  await clock.advanceMs(5_000);
  assert.deepEqual(passesAt, [0]);
});
