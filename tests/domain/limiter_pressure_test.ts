import assert from "node:assert/strict";
import fc from "fast-check";
import type { LimiterRule } from "../../src/domain/limiter.ts";
import {
  admit,
  type PartitionState,
} from "../../src/domain/limiter_admission.ts";
import { notBefore } from "../../src/domain/limiter_line.ts";
import {
  byPressure,
  parsePressureCursor,
  pressureCursorText,
  pressureOf,
  pressurePage,
} from "../../src/domain/limiter_pressure.ts";

const NOW_MS = 1_000_000;
const RATES = fc.record({
  kind: fc.constantFrom("token_bucket" as const, "fixed_window" as const),
  capacity: fc.integer({ min: 1, max: 20 }),
  perMs: fc.integer({ min: 1_000, max: 60_000 }),
});

Deno.test("pressurePage() shows each item once, whichever way one turns the pages", () => {
  fc.assert(fc.property(
    fc.uniqueArray(
      fc.record({
        // Many are alike, so that the key has to part them.
        pressure: fc.constantFrom(0, 0.5, 1, 1.5, 2),
        key: fc.string({ maxLength: 3 }),
      }),
      { selector: ({ key }) => key, maxLength: 40 },
    ),
    fc.integer({ min: 1, max: 9 }),
    (items, limit) => {
      const sorted = items.toSorted(byPressure);
      const down = [];
      let page = pressurePage(sorted, { from: null, way: "down", limit });
      const ends = [page];
      down.push(...page.items);
      while (page.hasMore) {
        const from = page.items.at(-1) ?? null;
        page = pressurePage(sorted, { from, way: "down", limit });
        ends.push(page);
        down.push(...page.items);
      }
      assert.deepEqual(down, sorted);
      for (const [index, before] of ends.slice(0, -1).entries()) {
        const from = ends[index + 1]?.items[0] ?? null;
        const up = pressurePage(sorted, { from, way: "up", limit });
        assert.deepEqual(up.items, before.items);
        assert.ok(up.hasMore);
      }
    },
  ));
});

Deno.test("a cursor comes back as it was, and nothing else is one", () => {
  fc.assert(fc.property(
    fc.record({
      atMs: fc.integer({ min: 0 }),
      pressure: fc.double({ min: 0, max: 2, noNaN: true }),
      key: fc.string(),
    }),
    (cursor) => {
      const text = pressureCursorText(cursor);
      // JSON knows no negative zero, and the order tells it from none.
      assert.deepEqual(parsePressureCursor(text), {
        ...cursor,
        pressure: cursor.pressure + 0,
      });
    },
  ));
  for (const text of ["", "[]", "[1,2]", '["a",1,"k"]', '[1,null,"k"]', "{}"]) {
    assert.equal(parsePressureCursor(text), null);
  }
});

Deno.test("pressureOf() puts what holds jobs back first, and a cooldown with what is full", () => {
  const rule: LimiterRule = { kind: "token_bucket", capacity: 4, perMs: 4_000 };
  const state: PartitionState = { used: 2, countedMs: NOW_MS, cooldown: null };
  const at = { nowMs: NOW_MS, holdsBack: false };
  assert.equal(pressureOf(rule, { ...at, state }).pressure, 0.5);
  assert.equal(
    pressureOf(rule, { state, nowMs: NOW_MS + 1_000, holdsBack: true })
      .pressure,
    1.25,
  );
  const cooldown = { untilMs: NOW_MS + 1, reason: "" };
  const cooling = pressureOf(rule, { ...at, state: { ...state, cooldown } });
  assert.deepEqual(cooling, { used: 2, pressure: 1 });
});

Deno.test("notBefore() of the first job is when the one rule would admit it", () => {
  fc.assert(fc.property(
    RATES,
    fc.integer({ min: 0, max: 40 }),
    fc.integer({ min: 1, max: 25 }),
    fc.integer({ min: 0, max: 90_000 }),
    (rule, used, weight, agoMs) => {
      const state = { used, countedMs: NOW_MS - agoMs, cooldown: null };
      const asked = { state, weight, nowMs: NOW_MS };
      const answer = admit(rule, asked);
      const when = notBefore([{ rule, state, nowMs: NOW_MS }], {
        ahead: [0],
        weights: [weight],
      });
      assert.equal(when.untilOneEnds, false);
      assert.equal(
        when.atMs,
        answer.ok ? NOW_MS : answer.eligibleMs,
      );
    },
  ));
});

Deno.test("notBefore() promises the next window where this one gave more than is allowed by now", () => {
  const rule: LimiterRule = { kind: "fixed_window", capacity: 2, perMs: 1_000 };
  const state = { used: 9, countedMs: NOW_MS, cooldown: null };
  const standing = [{ rule, state, nowMs: NOW_MS }];
  for (const [ahead, windows] of [[0, 1], [1, 1], [2, 2]] as const) {
    const when = notBefore(standing, { ahead: [ahead], weights: [1] });
    assert.equal(when.atMs, NOW_MS + windows * 1_000, String(ahead));
  }
});

Deno.test("notBefore() is never later than a line that takes all there is", () => {
  fc.assert(fc.property(
    RATES,
    fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 30 }),
    (rule, asked) => {
      const weights = asked.map((weight) => Math.min(weight, rule.capacity));
      let state: PartitionState = { used: 0, countedMs: 0, cooldown: null };
      let nowMs = NOW_MS;
      let ahead = 0;
      for (const weight of weights) {
        const when = notBefore([
          {
            rule,
            state: { used: 0, countedMs: 0, cooldown: null },
            nowMs: NOW_MS,
          },
        ], { ahead: [ahead], weights: [weight] });
        let answer = admit(rule, { state, weight, nowMs });
        for (let looks = 0; !answer.ok && looks < 5; looks++) {
          nowMs = Math.max(answer.eligibleMs ?? nowMs, nowMs);
          answer = admit(rule, { state, weight, nowMs });
        }
        assert.ok(answer.ok);
        const { used, countedMs } = answer;
        state = { used, countedMs, cooldown: null };
        ahead += weight;
        // Each instant is rounded up to a whole millisecond.
        assert.ok(when.atMs <= nowMs + 1, `${when.atMs} and ${nowMs}`);
      }
    },
  ));
});

Deno.test("notBefore() knows no instant where one that runs has to end, and waits for cooldowns", () => {
  const rule: LimiterRule = { kind: "concurrency", capacity: 2, perMs: null };
  const cooldown = { untilMs: NOW_MS + 500, reason: "429" };
  const when = notBefore([
    { rule, state: { used: 1, countedMs: 0, cooldown }, nowMs: NOW_MS },
  ], { ahead: [1], weights: [1] });
  assert.deepEqual(when, { atMs: NOW_MS + 500, untilOneEnds: true });
});
