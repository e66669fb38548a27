import assert from "node:assert/strict";
import fc from "fast-check";
import { errorFacts, messageTemplate } from "../../src/domain/fingerprint.ts";

Deno.test("messageTemplate() takes values out of a message", () => {
  const templates: Readonly<Record<string, string>> = {
    "Customer 42 not found": "Customer <number> not found",
    'No column "email" in row 7': "No column <string> in row <number>",
    "GET https://api.test/v1/users/9?token=s3cret failed with 503":
      "GET <url> failed with <number>",
    "Mail to ann@example.com bounced": "Mail to <email> bounced",
    "Order 6f1c2a34-9b1e-4c57-8a3e-0d6f1b2c3d4e is gone":
      "Order <uuid> is gone",
    "At 2026-01-15T12:00:00.123Z it broke": "At <instant> it broke",
    "Digest deadbeef01 does not match": "Digest <hex> does not match",
  };
  for (const [message, template] of Object.entries(templates)) {
    assert.equal(messageTemplate(message), template);
  }
});

function customerMissing(id: number): Error {
  return new Error(`Customer ${id} not found`);
}

Deno.test("errorFacts() groups errors that differ in values and parts those that differ in words or place", () => {
  const [first, second] = [1, 2].map((id) => errorFacts(customerMissing(id)));
  assert.equal(first?.fingerprint, second?.fingerprint);
  assert.match(String(first?.topFrame), /customerMissing .*fingerprint_test/);
  assert.notEqual(
    first?.fingerprint,
    errorFacts(new Error("Order 1 not found")).fingerprint,
  );
  const elsewhere = new Error("Customer 3 not found");
  assert.notEqual(first?.fingerprint, errorFacts(elsewhere).fingerprint);
});

Deno.test("errorFacts() skips frames of the runtime, of dependencies and of our own code", () => {
  const error = new Error("no");
  error.stack = [
    "Error: no",
    "    at get (node:internal/fetch:1:2)",
    "    at call (file:///app/node_modules/pg/client.js:5:6)",
    "    at Executor.run (file:///app/yardmaster/src/engine/executor.ts:9:9)",
    "    at syncCustomer (file:///app/jobs/sync.ts:12:34)",
  ].join("\n");
  const facts = errorFacts(error, "file:///app/yardmaster/src/");
  assert.equal(facts.topFrame, "syncCustomer (file:///app/jobs/sync.ts:12:34)");
});

Deno.test("errorFacts() describes whatever was thrown, within bounds, as text that Postgres can store", () => {
  const hostile = {
    get message() {
      throw new Error("trap");
    },
  };
  const lying = Object.assign(new Error("x"), { stack: 7, name: null });
  const circular: Record<string, unknown> = {};
  circular.self = circular;
  const thrown: readonly unknown[] = [
    undefined,
    null,
    5,
    "text",
    Symbol("s"),
    10n,
    () => 1,
    hostile,
    lying,
    circular,
    new Error("a\0b\ud800"),
    new Error("y".repeat(50_000)),
  ];
  for (const value of thrown) {
    const facts = errorFacts(value);
    assert.ok(facts.message.length <= 10_000);
    assert.ok((facts.stack ?? "").length <= 20_000);
    assert.ok(facts.template.length <= 1_000);
    assert.match(facts.fingerprint, /^[0-9a-f]{16}$/);
    assert.ok(facts.message.isWellFormed() && !facts.message.includes("\0"));
  }
});

Deno.test("errorFacts() is quick for any message", () => {
  fc.assert(
    fc.property(fc.string({ maxLength: 5_000, unit: "binary" }), (text) => {
      // A machine that does other things can be slow once, and not every time.
      const tookMs = () => {
        const beganMs = performance.now();
        errorFacts(new Error(text));
        return performance.now() - beganMs;
      };
      assert.ok([1, 2, 3, 4, 5].some(() => tookMs() < 500));
    }),
    { numRuns: 50 },
  );
});
