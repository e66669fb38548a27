import assert from "node:assert/strict";
import fc from "fast-check";
import {
  combineCompleteness,
  type Completeness,
  COMPLETENESS_LABELS,
  COMPLETENESSES,
  completenessOf,
  PROVENANCE_LABELS,
} from "../../src/domain/evidence.ts";
import { sentence } from "../../src/domain/sentence.ts";

const early = new Date("2026-01-01T00:00:00Z");
const late = new Date("2026-01-10T00:00:00Z");

Deno.test("the labels of provenance and completeness are the ones that pages promise", () => {
  assert.deepEqual(Object.values(PROVENANCE_LABELS), [
    "durable",
    "supporting evidence",
    "Inspection only",
    "unknown",
  ]);
  assert.deepEqual(Object.values(COMPLETENESS_LABELS), [
    "complete",
    "partial evidence",
    "history unavailable",
    "unknown",
  ]);
});

Deno.test("combineCompleteness() is complete only if every part is", () => {
  const parts = fc.array(fc.constantFrom(...COMPLETENESSES), { maxLength: 6 });
  fc.assert(fc.property(parts, (all) => {
    const whole = combineCompleteness(all);
    assert.equal(
      whole === "complete",
      all.length > 0 && all.every((part) => part === "complete"),
    );
    assert.equal(whole, combineCompleteness(all.toReversed()));
  }));
});

Deno.test("combineCompleteness() tells some evidence from none", () => {
  const cases: [Completeness[], Completeness][] = [
    [[], "unknown"],
    [["history_unavailable"], "history_unavailable"],
    [["complete", "history_unavailable"], "partial"],
    [["complete", "unknown"], "partial"],
    [["unknown", "history_unavailable"], "unknown"],
    [["partial", "partial"], "partial"],
  ];
  for (const [parts, whole] of cases) {
    assert.equal(combineCompleteness(parts), whole, parts.join());
  }
});

Deno.test("completenessOf() measures a source against its retention horizon", () => {
  const cases: [Parameters<typeof completenessOf>[0], Completeness][] = [
    [{ wantedFrom: early, keptFrom: null, found: 0 }, "complete"],
    [{ wantedFrom: late, keptFrom: early, found: 3 }, "complete"],
    [{ wantedFrom: early, keptFrom: early, found: 0 }, "complete"],
    // One piece of evidence does not make up for what is gone.
    [{ wantedFrom: early, keptFrom: late, found: 1 }, "partial"],
    [{ wantedFrom: early, keptFrom: late, found: 0 }, "history_unavailable"],
    [{ wantedFrom: null, keptFrom: null, found: 0 }, "unknown"],
    [{ wantedFrom: null, keptFrom: null, found: 2 }, "partial"],
    [
      { wantedFrom: early, keptFrom: null, found: 200, truncated: true },
      "partial",
    ],
  ];
  for (const [facts, expected] of cases) {
    assert.equal(completenessOf(facts), expected, JSON.stringify(facts));
  }
});

Deno.test("sentence() refuses words that a page would read as markup", () => {
  const name = { kind: "name", value: "<b>" } as const;
  assert.deepEqual(sentence`Queue ${name}`.facts, [name]);
  assert.throws(() => sentence`Queue <b>${name}</b>`, /holds no markup/);
});
