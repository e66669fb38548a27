import assert from "node:assert/strict";
import fc from "fast-check";
import {
  ACTION_POLICIES,
  ACTIONS,
  parseAction,
  parseReason,
} from "../../src/domain/action.ts";
import {
  changedNames,
  isPreviewToken,
  previewToken,
} from "../../src/domain/preview.ts";
import { PERMISSIONS } from "../../src/seams.ts";

const optional = ACTION_POLICIES.pause_cron_entry.reason;
const required = ACTION_POLICIES.discard_job.reason;

Deno.test("ACTION_POLICIES asks each action's own permission and names its own event", () => {
  for (const action of ACTIONS) {
    const policy = ACTION_POLICIES[action];
    assert.equal(policy.permission, action);
    assert(PERMISSIONS.includes(policy.permission));
    assert.match(policy.eventType, /^(cron|queue|job|limiter)\.[a-z_]+$/);
    assert.match(policy.effect, /^[A-Z].*\.$/);
    assert.match(policy.done, /^[A-Z].*\.$/);
    assert.equal(policy.ttlMs, 30 * 60_000);
    // Whoever asks why a job waits is told the reason of a cooldown.
    assert.equal(
      policy.reason.required,
      policy.targetType === "job" || action === "cool_down_limiter",
    );
  }
  const events = ACTIONS.map((action) => ACTION_POLICIES[action].eventType);
  assert.equal(new Set(events).size, ACTIONS.length);
});

Deno.test("parseAction() knows the actions and nothing else", () => {
  for (const action of ACTIONS) assert.equal(parseAction(action), action);
  fc.assert(fc.property(fc.anything(), (name) => {
    const parsed = parseAction(name);
    return parsed === null || parsed === name;
  }));
  assert.equal(parseAction("toString"), null);
});

Deno.test("parseReason() never throws, and what it keeps is trimmed, bounded and storable", () => {
  fc.assert(fc.property(
    fc.oneof(fc.string({ unit: "binary" }), fc.anything()),
    fc.boolean(),
    (text, asks) => {
      const rule = asks ? required : optional;
      const parsed = parseReason(text, rule);
      if (!parsed.ok) return true;
      if (parsed.reason === null) return !asks;
      const { reason } = parsed;
      assert.equal(reason, reason.trim());
      assert(reason.length > 0 && [...reason].length <= 2_000);
      assert(!asks || [...reason].length >= 8);
      assert(!reason.includes("\0") && !reason.includes("\r"));
      assert(reason.isWellFormed());
      return true;
    },
  ));
});

Deno.test("parseReason() counts characters as a reader does, at every border", () => {
  const refusal = (text: unknown, rule = required) => {
    const parsed = parseReason(text, rule);
    return parsed.ok ? parsed.reason : parsed.refusal;
  };
  assert.equal(refusal(undefined), "reason_required");
  assert.equal(refusal(null), "reason_required");
  assert.equal(refusal(" \t\n"), "reason_required");
  assert.equal(refusal("1234567"), "reason_too_short");
  assert.equal(refusal("🚆".repeat(7)), "reason_too_short");
  assert.equal(refusal("🚆".repeat(8)), "🚆".repeat(8));
  assert.equal(refusal(" 12345678 "), "12345678");
  assert.equal(refusal("x".repeat(2_000)), "x".repeat(2_000));
  assert.equal(refusal("x".repeat(2_001)), "reason_too_long");
  assert.equal(refusal("x".repeat(2_001), optional), "reason_too_long");
  assert.equal(refusal(7), "invalid_input");
  assert.equal(refusal("twelve\0chars"), "invalid_input");
  assert.equal(refusal("half \ud83d of it"), "invalid_input");
  assert.equal(refusal("\u009bescape it"), "invalid_input");
  assert.equal(refusal("a\r\nb\rc", optional), "a\nb\nc");
  assert.equal(refusal("", optional), null);
});

Deno.test("previewToken() is 43 characters for any 32 bytes, and each its own", () => {
  const bytes = fc.uint8Array({ minLength: 32, maxLength: 32 });
  fc.assert(fc.property(bytes, bytes, (left, right) => {
    const token = previewToken(left);
    assert(isPreviewToken(token));
    const same = left.every((byte, index) => byte === right[index]);
    return (previewToken(right) === token) === same;
  }));
});

Deno.test("changedNames() names what differs, also what is only on one side", () => {
  assert.deepEqual(
    changedNames({ a: 1, b: null, c: "x" }, { a: 1, b: false, d: 2 }),
    ["b", "c", "d"],
  );
  assert.deepEqual(changedNames({ a: 1 }, { a: 1 }), []);
});
