import assert from "node:assert/strict";
import {
  Fingerprints,
  isFingerprintKey,
  needsFingerprintKey,
} from "../../src/engine/fingerprints.ts";
import { defineWorker } from "../../src/engine/worker.ts";
import { createYardmaster, OptionsError } from "../../mod.ts";
import { createEngine } from "../../src/engine/engine.ts";
import { usePGlite } from "../support/pglite.ts";

const testDb = usePGlite();

const KEY = "0123456789abcdef";

Deno.test("Fingerprints sees what a value is, and not the order of its keys", async () => {
  for (const fingerprints of [new Fingerprints(), new Fingerprints(KEY)]) {
    const one = await fingerprints.of({ a: 1, b: { c: [1, 2], d: null } });
    const same = await fingerprints.of({ b: { d: null, c: [1, 2] }, a: 1 });
    const other = await fingerprints.of({ a: 1, b: { c: [2, 1], d: null } });

    assert.match(one, /^[0-9a-f]{64}$/);
    assert.equal(same, one);
    assert.notEqual(other, one);
  }
});

Deno.test("Fingerprints without a key are SHA-256, as they are in rows of before", async () => {
  // printf '{"a":1}' | sha256sum
  assert.equal(
    await new Fingerprints().of({ a: 1 }),
    "015abd7f5cc57a2dd94b7590f04ad8084273905ee33ec5cebeae62276a97f862",
  );
});

Deno.test("Fingerprints with a key are HMAC-SHA-256 of it, be it text or bytes", async () => {
  const bytes = new TextEncoder().encode(KEY);
  const keyed = new Fingerprints(bytes);
  bytes.fill(0);

  // printf '{"a":1}' | openssl dgst -sha256 -hmac 0123456789abcdef
  assert.equal(
    await keyed.of({ a: 1 }),
    "1c76fbb930d3aa8b1633728fae212c68ca68a6752bb319b98be6fe17e86cf5b8",
  );
  assert.equal(
    await new Fingerprints(KEY).of({ a: 1 }),
    await keyed.of({ a: 1 }),
  );
  assert.notEqual(
    await new Fingerprints("another key of it").of({ a: 1 }),
    await keyed.of({ a: 1 }),
  );
});

Deno.test("isFingerprintKey() wants 16 bytes, of text or not", () => {
  for (const key of [KEY, "ü".repeat(8), new Uint8Array(16)]) {
    assert.equal(isFingerprintKey(key), true);
  }
  for (const no of [KEY.slice(1), new Uint8Array(15), 16, null, [..."16"]]) {
    assert.equal(isFingerprintKey(no), false);
  }
});

const pay = defineWorker<{ customer: number; card: { number: string } }>({
  name: "pay",
  redact: ["card.number"],
  perform: () => {},
});

Deno.test("needsFingerprintKey() is about jobs that are known by args which are hidden", () => {
  assert.equal(needsFingerprintKey(pay), false);
  assert.equal(needsFingerprintKey({ ...pay, idempotent: true }), true);
  assert.equal(needsFingerprintKey({ ...pay, unique: true }), true);
  assert.equal(needsFingerprintKey(pay, { idempotencyKey: "k" }), true);
  const by = (...keys: string[]) =>
    needsFingerprintKey(pay, { unique: { keys } });
  assert.equal(by("card"), true);
  assert.equal(by("customer"), false);
  const fields = ["worker", "queue"] as const;
  assert.equal(needsFingerprintKey(pay, { unique: { fields } }), false);
  const open = { ...pay, secrets: null, idempotent: true } as const;
  assert.equal(needsFingerprintKey(open), false);
});

Deno.test("without a key no job is known by a digest of args which are hidden", async () => {
  await using db = await testDb();
  const once = { ...pay, idempotent: true } as const;
  assert.throws(
    () => createYardmaster({ database: db, workers: [pay, once] }),
    (error: unknown) =>
      error instanceof OptionsError &&
      /"fingerprintKey" is missing, and jobs of "pay"/.test(error.message),
  );
  const engine = createEngine({ database: db });
  const args = { customer: 1, card: { number: "4111" } };
  const refused = await engine.enqueue(pay, args, { idempotencyKey: "k" });
  const taken = await engine.enqueue(pay, args);

  assert.ok(refused.status === "invalid");
  assert.deepEqual(refused.issues.map(({ path }) => path), ["fingerprintKey"]);
  assert.equal(taken.status, "inserted");
});
