import assert from "node:assert/strict";
import fc from "fast-check";
import {
  type CronExpression,
  parseCronExpression,
} from "../../src/domain/cron_expression.ts";
import {
  classifySlots,
  CRON_HISTORY_LABELS,
  CRON_HISTORY_SENTENCES,
  CRON_SLOT_STATES,
  type CronHistoryClass,
  type CronHistorySources,
  type CronSlotFacts,
  diagnoseCron,
  historyCompleteness,
} from "../../src/domain/cron_slot.ts";

const HOURLY = read("0 * * * *");
const NOW = at("12:00:30");

function read(text: string): CronExpression {
  const parsed = parseCronExpression(text, "Etc/UTC");
  assert(parsed.ok);
  return parsed.expression;
}

function at(time: string): Date {
  return new Date(`2026-01-15T${time}Z`);
}

const ENTRY = {
  pausedAt: null,
  retiredAt: null,
  insertedAt: at("00:30:00"),
  planSince: at("00:30:00"),
} as const;

function slot(
  planned: string,
  more: Partial<CronSlotFacts> = {},
): CronSlotFacts {
  return {
    kind: "scheduled",
    plannedAt: at(planned),
    state: "claimed",
    jobId: more.state === undefined || more.state === "claimed" ? "7" : null,
    blockedById: null,
    reason: null,
    claimedAt: new Date(at(planned).getTime() + 40),
    ...more,
  };
}

function classify(
  sources: Partial<CronHistorySources>,
): ReturnType<typeof classifySlots> {
  return classifySlots({
    entry: ENTRY,
    expression: HOURLY,
    slots: [],
    coverage: [{ fromAt: at("00:00:00"), throughAt: NOW }],
    after: at("09:30:00"),
    now: NOW,
    limit: 50,
    ...sources,
  });
}

function told(
  sources: Partial<CronHistorySources>,
): (readonly [string, CronHistoryClass])[] {
  return classify(sources).map((item) =>
    [item.plannedAt.toISOString().slice(11, 19), item.class] as const
  );
}

Deno.test("classifySlots() tells every instant of the window by what was recorded", () => {
  const slots = [
    slot("10:00:00"),
    slot("11:00:00", { claimedAt: at("11:00:05.001") }),
    slot("11:20:00", { kind: "manual" }),
    slot("12:00:00", { state: "skipped", blockedById: "3" }),
  ];
  assert.deepEqual(told({ slots }), [
    ["10:00:00", "on_time"],
    ["11:00:00", "delayed_claim"],
    ["11:20:00", "manual_run"],
    ["12:00:00", "overlap_relevant"],
  ]);
  assert.deepEqual(
    classify({ slots }).map((item) => item.latenessMs),
    [40, 5_001, 40, 40],
  );
});

Deno.test("classifySlots() tells what was missed from what nobody saw", () => {
  const coverage = [
    { fromAt: at("08:00:00"), throughAt: at("10:30:00") },
    { fromAt: at("11:30:00"), throughAt: NOW },
  ];
  assert.deepEqual(told({ coverage, slots: [slot("12:00:00")] }), [
    ["10:00:00", "missed_fire"],
    ["11:00:00", "unknown"],
    ["12:00:00", "on_time"],
  ]);
});

Deno.test("classifySlots() knows each state of a slot", () => {
  const states = CRON_SLOT_STATES.map((state) =>
    classify({ slots: [slot("11:00:00", { state })], after: at("10:30:00") })[0]
      ?.class
  );
  assert.deepEqual(states, [
    "on_time",
    "overlap_relevant",
    "overlap_relevant",
    "paused",
    "missed_fire",
  ]);
  assert.equal(
    classify({ slots: [slot("11:00:00", { blockedById: "3" })] })[1]?.class,
    "overlap_relevant",
  );
});

Deno.test("classifySlots() lists no instant that is still in time", () => {
  const sources = { now: at("12:00:04"), after: at("11:30:00") };
  assert.deepEqual(told(sources), []);
  assert.deepEqual(told({ ...sources, slots: [slot("12:00:00")] }), [
    ["12:00:00", "on_time"],
  ]);
  assert.deepEqual(told({ ...sources, onTimeMs: 4_000 }), [
    ["12:00:00", "missed_fire"],
  ]);
});

Deno.test("classifySlots() expects nothing before the entry was or after it retired", () => {
  const entry = {
    ...ENTRY,
    insertedAt: at("10:30:00"),
    retiredAt: at("11:30:00"),
  };
  assert.deepEqual(told({ entry }), [["11:00:00", "missed_fire"]]);
});

Deno.test("classifySlots() does not judge the past by a plan that came later", () => {
  const entry = { ...ENTRY, planSince: at("11:30:00") };
  assert.deepEqual(told({ entry, slots: [slot("10:00:00")] }), [
    ["10:00:00", "on_time"],
    ["11:00:00", "partial_evidence"],
    ["12:00:00", "missed_fire"],
  ]);
});

Deno.test("classifySlots() says paused for a pause that nobody was looking at", () => {
  const entry = { ...ENTRY, pausedAt: at("10:30:00") };
  assert.deepEqual(told({ entry, coverage: [] }), [
    ["10:00:00", "unknown"],
    ["11:00:00", "paused"],
    ["12:00:00", "paused"],
  ]);
});

Deno.test("classifySlots() shows what was recorded of a plan that can not be read", () => {
  assert.deepEqual(told({ expression: null, slots: [slot("11:07:00")] }), [
    ["11:07:00", "on_time"],
  ]);
});

Deno.test("classifySlots() is in order, within its window and its limit", () => {
  const minutes = fc.uniqueArray(fc.nat(700), { maxLength: 40 });
  fc.assert(fc.property(minutes, fc.nat(20), (recorded, limit) => {
    const slots = recorded.map((minute) =>
      slot("00:00:00", {
        plannedAt: new Date(at("00:31:00").getTime() + minute * 60_000),
        kind: minute % 5 === 0 ? "manual" : "scheduled",
      })
    );
    const items = classify({ slots, limit, after: at("02:00:00") });
    assert(items.length <= limit);
    for (const [index, item] of items.entries()) {
      assert(item.plannedAt >= (items[index - 1]?.plannedAt ?? at("02:00:00")));
      assert(item.plannedAt <= NOW);
      assert.equal(item.slot === null, item.latenessMs === null);
    }
  }));
});

Deno.test("historyCompleteness() is complete only when all of it is", () => {
  assert.equal(historyCompleteness([]), "history_unavailable");
  const seen = { slots: [slot("10:00:00")] };
  assert.equal(historyCompleteness(classify(seen)), "complete");
  assert.equal(
    historyCompleteness(classify({ ...seen, coverage: [] })),
    "partial",
  );
});

Deno.test("diagnoseCron() says how the entry stands from the newest instant", () => {
  const after = at("11:30:00");
  const diagnose = (
    sources: Partial<CronHistorySources>,
    readable = true,
  ) =>
    diagnoseCron(sources.entry ?? ENTRY, {
      items: classify({ after, ...sources }),
      readable,
    });
  const noon = "12:00:00";
  assert.equal(diagnose({ slots: [slot(noon)] }), "cron_ready");
  assert.equal(diagnose({}), "cron_missed");
  assert.equal(diagnose({ coverage: [] }), "cron_unseen");
  assert.equal(
    diagnose({ slots: [slot(noon, { state: "queued" })] }),
    "cron_held",
  );
  for (
    const [reason, code] of [
      ["overlap", "cron_held"],
      ["key_held", "cron_key_held"],
      ["overwrote", "cron_ready"],
      ["limited", "cron_limited"],
    ] as const
  ) {
    const skipped = slot(noon, { state: "skipped", reason });
    assert.equal(diagnose({ slots: [skipped] }), code);
  }
  assert.equal(diagnose({ expression: null }), "cron_new");
  assert.equal(diagnose({ expression: null }, false), "cron_malformed");
  assert.equal(diagnose({ entry: { ...ENTRY, pausedAt: NOW } }), "cron_paused");
  assert.equal(
    diagnose({ entry: { ...ENTRY, retiredAt: NOW } }),
    "cron_retired",
  );
  // A run that an operator asked for does not hide a missed fire.
  assert.equal(
    diagnose({ slots: [slot("12:00:10", { kind: "manual" })] }),
    "cron_missed",
  );
});

Deno.test("CRON_HISTORY_LABELS are the words of the pages", () => {
  assert.deepEqual(Object.values(CRON_HISTORY_LABELS), [
    "On-time",
    "Delayed claim",
    "Missed fire",
    "Overlap-relevant",
    "Key held",
    "Overwrote a job",
    "Held by a limiter",
    "Paused",
    "Manual run",
    "Partial evidence",
    "Unknown",
  ]);
  assert.deepEqual(
    Object.keys(CRON_HISTORY_SENTENCES),
    Object.keys(CRON_HISTORY_LABELS),
  );
});
