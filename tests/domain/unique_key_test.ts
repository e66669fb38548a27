import assert from "node:assert/strict";
import fc from "fast-check";
import {
  canonicalJson,
  type UniqueOptions,
  uniqueParts,
  uniqueRule,
  type UniqueSubject,
} from "../../src/domain/unique_key.ts";

const job: UniqueSubject = {
  queue: "default",
  worker: "sync",
  args: { customer: 7, region: { name: "eu", zone: 1 } },
  meta: { source: "web" },
};

function keyOf(
  subject: Partial<UniqueSubject> = {},
  options: boolean | UniqueOptions = true,
): string {
  const rule = uniqueRule(undefined, options);
  assert.ok(rule);
  return canonicalJson(uniqueParts(rule, { ...job, ...subject }));
}

Deno.test("uniqueRule() has the defaults of the reference, and true means for ever", () => {
  const rule = uniqueRule({}, undefined);
  assert.deepEqual(rule?.fields, ["args", "queue", "worker"]);
  assert.equal(rule?.periodMs, 60_000);
  assert.deepEqual(rule?.states, [
    "suspended",
    "available",
    "scheduled",
    "executing",
    "retryable",
    "completed",
  ]);
  assert.equal(uniqueRule(true, undefined)?.periodMs, null);
  assert.equal(uniqueRule(undefined, undefined), null);
  assert.equal(uniqueRule(true, false), null);
});

Deno.test("uniqueRule() merges what the call says into what the worker says, key by key", () => {
  const rule = uniqueRule(
    { keys: ["customer"], periodMs: 5_000 },
    { periodMs: 9_000 },
  );
  assert.deepEqual(rule?.keys, ["customer"]);
  assert.equal(rule?.periodMs, 9_000);
});

Deno.test("uniqueParts() sees neither the order of keys nor the fields it was not asked to see", () => {
  const same = { region: { zone: 1, name: "eu" }, customer: 7 };
  assert.equal(keyOf({ args: same }), keyOf());
  assert.equal(keyOf({ meta: { source: "cli" } }), keyOf());
  for (const other of [{ queue: "b" }, { worker: "b" }, { args: {} }]) {
    assert.notEqual(keyOf(other), keyOf());
  }
});

Deno.test("uniqueParts() compares only the keys it was given", () => {
  const options = { keys: ["customer"] };
  const other = { args: { customer: 7, region: "us" } };
  assert.equal(keyOf(other, options), keyOf({}, options));
  const wanting = { args: { region: "us" } };
  assert.notEqual(keyOf(wanting, options), keyOf({}, options));
  assert.notEqual(keyOf({}, options), keyOf());
});

Deno.test("canonicalJson() is the same text for equal values, and another for others", () => {
  fc.assert(fc.property(fc.jsonValue(), fc.jsonValue(), (left, right) => {
    const stored = JSON.parse(JSON.stringify(left));
    assert.equal(canonicalJson(stored), canonicalJson(left));
    let equal = true;
    try {
      assert.deepEqual(JSON.parse(JSON.stringify(right)), stored);
    } catch {
      equal = false;
    }
    assert.equal(canonicalJson(right) === canonicalJson(left), equal);
  }));
});
