import assert from "node:assert/strict";
import fc from "fast-check";
import {
  RECEIPT_BOUNDS,
  receiptParts,
  receiptRule,
} from "../../src/domain/receipt.ts";
import { canonicalJson } from "../../src/domain/unique_key.ts";

const DEFAULT_MS = RECEIPT_BOUNDS.keepMsDefault;

Deno.test("receiptRule() asks for one where the worker, the call or a key says so, and for none after false", () => {
  const key = { idempotencyKey: "k" };
  assert.equal(receiptRule(undefined, {}), null);
  assert.equal(receiptRule(true, { idempotent: false }), null);
  assert.deepEqual(receiptRule(true, {}), { key: null, keepMs: DEFAULT_MS });
  assert.deepEqual(receiptRule(undefined, { idempotent: true }), {
    key: null,
    keepMs: DEFAULT_MS,
  });
  assert.deepEqual(receiptRule(undefined, key), {
    key: "k",
    keepMs: DEFAULT_MS,
  });
});

Deno.test("receiptRule() keeps for as long as the call says, then the worker, then a day", () => {
  const worker = { keepMs: 5_000 };
  const keepMs = (call: Parameters<typeof receiptRule>[1]) =>
    receiptRule(worker, call)?.keepMs;
  assert.equal(keepMs({}), 5_000);
  assert.equal(keepMs({ idempotent: true }), 5_000);
  assert.equal(keepMs({ idempotencyKey: "k" }), 5_000);
  assert.equal(keepMs({ idempotent: { keepMs: 9_000 } }), 9_000);
});

Deno.test("receiptParts() is the same for two calls exactly if worker and args are, or worker and key", () => {
  const call = fc.record({
    worker: fc.constantFrom("a", "b"),
    key: fc.constantFrom(null, "k", "l"),
    args: fc.constantFrom({ n: 1 }, { n: 2 }, { n: 1, m: 1 }, { m: 1, n: 1 }),
  });
  fc.assert(fc.property(call, call, (left, right) => {
    const [one, other] = [left, right].map(({ args, ...rest }) =>
      receiptParts(rest, args)
    );
    const isSameArgs = canonicalJson(left.args) === canonicalJson(right.args);
    const isSame = left.worker === right.worker && left.key === right.key &&
      (left.key !== null || isSameArgs);
    assert.equal(
      canonicalJson(one?.asked) === canonicalJson(other?.asked),
      isSame,
    );
    if (left.key === null) assert.equal(one?.args, null);
    else if (isSame) {
      const isUsedSo = canonicalJson(one?.args) === canonicalJson(other?.args);
      assert.equal(isUsedSo, isSameArgs);
    }
  }));
});
