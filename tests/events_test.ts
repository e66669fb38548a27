import assert from "node:assert/strict";
import { faultOf, quietly } from "../src/events.ts";

Deno.test("a sink that throws, or rejects when nobody waits, brings nothing down", async () => {
  const event = { type: "jobs_staged", jobs: 1 } as const;
  quietly(() => {
    throw new Error("full");
  })(event);
  quietly(() => Promise.reject(new Error("gone")) as never)(event);
  quietly(undefined)(event);
  // What rejects and has no reader is told after a turn of the event loop.
  await new Promise((resolve) => setTimeout(resolve, 0));
});

Deno.test("faultOf() names a hook that failed and a service that threw, and is silent about the rest", () => {
  const hook = { type: "hook_ran", worker: "mail", hook: "onSuccess" } as const;
  const error = new Error("no");
  assert.deepEqual(
    faultOf({ ...hook, outcome: "threw", tookMs: 1, error }),
    { error, where: 'onSuccess of worker "mail"' },
  );
  const dropped = faultOf({ ...hook, outcome: "dropped", tookMs: 0 });
  assert.match(String(dropped?.error), /onSuccess dropped/);
  assert.equal(faultOf({ ...hook, outcome: "ok", tookMs: 1 }), null);
  assert.deepEqual(
    faultOf({ type: "service_failed", service: "stager", error }),
    { error, where: 'service "stager"' },
  );
  assert.equal(faultOf({ type: "jobs_staged", jobs: 1 }), null);
});
