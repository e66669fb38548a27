/** What a worker may say of its secrets, and what its types then say. */
import assert from "node:assert/strict";
import { z } from "zod";
import { defineLimiter } from "../../src/domain/limiter.ts";
import { leavesAsItIs } from "../../src/engine/redacted_args.ts";
import { defineWorker } from "../../src/engine/worker.ts";
import { runWorker } from "../../src/testing/testing.ts";

const TOKEN = "t0ken-of-ada";
const NUMBER = "4111-1111";

Deno.test("a schema that has redacted fields optional still changes what is left", async () => {
  const optional = defineWorker({
    name: "optional",
    args: z.object({ token: z.string().optional(), at: z.coerce.date() }),
    redact: ["token"],
    perform: ({ token, at }) => ({ token, year: at.getUTCFullYear() }),
  });
  const args = { token: TOKEN, at: "2026-01-01" as unknown };
  const outcome = await runWorker(optional, { args: args as never });
  assert.ok(outcome.kind === "completed");
  assert.deepEqual(outcome.value, { token: undefined, year: 2026 });
});

Deno.test("perform is told by its types that what is redacted may be absent", async () => {
  const typed = defineWorker({
    name: "typed",
    args: z.object({
      token: z.string(),
      cards: z.array(z.object({ number: z.string(), month: z.number() })),
    }),
    redact: ["token", "cards.number"],
    perform({ token, cards }) {
      // @ts-expect-error: it may be undefined.
      const length = () => token.length;
      assert.throws(length);
      return cards.map(({ number, month }) => [number ?? "none", month]);
    },
  });
  const outcome = await runWorker(typed, {
    args: { token: TOKEN, cards: [{ number: NUMBER, month: 12 }] },
  });
  assert.deepEqual(outcome, { kind: "completed", value: [["none", 12]] });
});

Deno.test("defineWorker() refuses secrets that can not work", () => {
  const limiter = defineLimiter({
    name: "api",
    rate: { capacity: 1, perMs: 1_000 },
    partitionBy: "customer",
  });
  const bad = [
    { redact: ["__proto__"] },
    { redact: "token" as never },
    { encrypt: ["a..b"] },
    { encrypt: "x" as never },
    { redact: ["a"], encrypt: ["a.b"] },
    { redact: ["customer.name"], limiters: [limiter] },
    { encrypt: true, limiters: [limiter] },
  ];
  for (const each of bad) {
    assert.throws(
      () => defineWorker({ name: "bad", perform: () => {}, ...each }),
      /(redact|encrypt) of bad /,
      JSON.stringify(each),
    );
  }
});

Deno.test("leavesAsItIs() finds what a schema made of args, and not what it dropped", () => {
  const given = { a: 1, b: [{ c: "x", d: null }], e: "2026-01-01" };
  const same = [{}, { a: 1 }, given, { b: [{ c: "x" }] }, { f: undefined }];
  for (const out of same) assert.ok(leavesAsItIs(out, given));
  const changed = [
    { a: "1" },
    { b: [] },
    { b: {} },
    { f: 1 },
    { e: new Date("2026-01-01") },
    { b: [{ c: { deep: 1 } }] },
    null,
    new Map(),
  ];
  for (const out of changed) assert.ok(!leavesAsItIs(out, given));
});
