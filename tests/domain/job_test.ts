import assert from "node:assert/strict";
import fc from "fast-check";
import { backoffMs, chooseBackoffMs } from "../../src/domain/backoff.ts";
import {
  afterFailure,
  CANCEL_FROM,
  DISCARD_FROM,
  JOB_BOUNDS,
  JOB_STATES,
  jobInsertedAt,
  normalizeTags,
  parseDelayMs,
  parseJobId,
  RETRY_FROM,
  TERMINAL_STATES,
} from "../../src/domain/job.ts";

Deno.test("RETRY_FROM, CANCEL_FROM and DISCARD_FROM never overlap where a job has ended", () => {
  for (const state of JOB_STATES) {
    const ended = (TERMINAL_STATES as readonly string[]).includes(state);
    assert.equal(CANCEL_FROM.includes(state), !ended, state);
    assert.equal(DISCARD_FROM.includes(state), !ended, state);
  }
  assert.deepEqual(RETRY_FROM.filter((state) => state === "executing"), []);
  assert.deepEqual(RETRY_FROM.filter((state) => state === "available"), []);
});

Deno.test("afterFailure() discards when no attempt is left, also above the maximum", () => {
  const wait = () => 1_000;
  const discarded = { to: "outcomes", state: "discarded" };
  assert.deepEqual(
    afterFailure({ attempt: 3, maxAttempts: 3 }, wait),
    discarded,
  );
  assert.deepEqual(
    afterFailure({ attempt: 4, maxAttempts: 3 }, wait),
    discarded,
  );
  assert.deepEqual(afterFailure({ attempt: 2, maxAttempts: 3 }, wait), {
    to: "scheduled",
    delayMs: 1_000,
  });
});

Deno.test("jobInsertedAt() reads the time that an id carries", () => {
  const at = Date.UTC(2026, 10, 21, 12);
  const id = (BigInt(at - 1_577_836_800_000) << 22n) + 77n;
  assert.equal(jobInsertedAt(`${id}`).getTime(), at);
});

Deno.test("parseJobId() takes what a bigint can hold and nothing else", () => {
  assert.equal(parseJobId("9223372036854775807"), "9223372036854775807");
  const refused = [
    "9223372036854775808",
    "0",
    "-1",
    "1.5",
    "",
    " 1",
    "1e3",
    "x",
  ];
  for (const text of refused) assert.equal(parseJobId(text), null, text);
});

Deno.test("normalizeTags() trims, lower-cases, and drops blank and repeated tags", () => {
  assert.deepEqual(normalizeTags([" VIP ", "vip", "", "  ", "eu"]), [
    "vip",
    "eu",
  ]);
});

Deno.test("parseDelayMs() answers null for what is no wait, and never more than ten years", () => {
  for (
    const value of [NaN, Infinity, -Infinity, -1, "5", null, undefined, 5n]
  ) {
    assert.equal(parseDelayMs(value), null, String(value));
  }
  assert.equal(parseDelayMs(1e300), JOB_BOUNDS.delayMsMax);
  assert.equal(parseDelayMs(0), 0);
  assert.equal(parseDelayMs(1.6), 2);
});

Deno.test("backoffMs() doubles above 15 seconds and adds at most a tenth", () => {
  const none = () => 0;
  assert.equal(backoffMs({ attempt: 1, maxAttempts: 20 }, none), 17_000);
  assert.equal(backoffMs({ attempt: 5, maxAttempts: 20 }, none), 47_000);
  // More attempts than 20 take the same steps: 50 of 100 is step 10.
  assert.equal(backoffMs({ attempt: 50, maxAttempts: 100 }, none), 1_039_000);
  fc.assert(fc.property(
    fc.integer({ min: 1, max: 1_200 }),
    fc.integer({ min: 1, max: 1_000 }),
    fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }),
    (attempt, maxAttempts, random) => {
      const run = { attempt, maxAttempts };
      const least = backoffMs(run, none);
      const chosen = backoffMs(run, () => random);
      assert.ok(chosen >= least && chosen <= Math.ceil(least * 1.1));
      assert.ok(chosen <= JOB_BOUNDS.delayMsMax);
    },
  ));
});

Deno.test("chooseBackoffMs() falls back when a worker's own backoff throws or answers nonsense", () => {
  const run = { attempt: 1, maxAttempts: 20, error: new Error("down") };
  const choose = (backoff: () => number) =>
    chooseBackoffMs(run, { backoff, random: () => 0 });
  assert.equal(choose(() => 5_000), 5_000);
  assert.equal(choose(() => NaN), 17_000);
  assert.equal(choose(() => -5), 17_000);
  assert.equal(choose(() => undefined as never), 17_000);
  const rejected = Promise.reject(new Error("nobody waits for it"));
  assert.equal(choose(() => rejected as never), 17_000);
  assert.equal(
    choose(() => {
      throw new Error("bug");
    }),
    17_000,
  );
});
