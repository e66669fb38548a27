import assert from "node:assert/strict";
import fc from "fast-check";
import {
  CRON_AWAY_MS,
  CRON_ON_TIME_MS,
  CRON_UNFIRED_MAX,
  decideOverlap,
  planDue,
} from "../../src/domain/cron_due.ts";
import { CRON_CATCH_UPS, CRON_OVERLAPS } from "../../src/domain/cron_entry.ts";

const NOW = new Date("2026-01-15T12:00:00Z");
const HOUR_MS = 3_600_000;

/** Instants so many milliseconds ago, in order. */
function ago(...agesMs: readonly number[]): Date[] {
  return agesMs.map((ageMs) => new Date(NOW.getTime() - ageMs));
}

function plan(
  due: readonly Date[],
  catchUp: typeof CRON_CATCH_UPS[number],
  more: { readonly catchUpMax?: number; readonly pausedAt?: Date } = {},
): Record<"fire" | "missed" | "paused", number[]> {
  const planned = planDue({
    due,
    now: NOW,
    pausedAt: more.pausedAt ?? null,
    catchUp,
    catchUpMax: more.catchUpMax ?? 3,
  });
  const ages = (at: readonly Date[]) =>
    at.map((each) => NOW.getTime() - each.getTime());
  return {
    fire: ages(planned.fire),
    missed: ages(planned.missed),
    paused: ages(planned.paused),
  };
}

Deno.test("planDue() fires what is on time whatever the catch-up", () => {
  for (const catchUp of CRON_CATCH_UPS) {
    assert.deepEqual(
      plan(ago(CRON_ON_TIME_MS, 0), catchUp, { catchUpMax: 0 }),
      {
        fire: [CRON_ON_TIME_MS, 0],
        missed: [],
        paused: [],
      },
    );
  }
});

Deno.test("planDue() catches up the newest for latest, unless one is on time", () => {
  const away = [3 * HOUR_MS, 2 * HOUR_MS, HOUR_MS];
  assert.deepEqual(plan(ago(...away), "latest"), {
    fire: [HOUR_MS],
    missed: [3 * HOUR_MS, 2 * HOUR_MS],
    paused: [],
  });
  assert.deepEqual(plan(ago(...away, 10), "latest").fire, [10]);
});

Deno.test("planDue() catches up exactly catchUpMax for all, the newest", () => {
  const away = [5, 4, 3, 2, 1].map((hours) => hours * HOUR_MS);
  for (const catchUpMax of [0, 1, 3, 5, 9]) {
    const { fire, missed } = plan(ago(...away), "all", { catchUpMax });
    assert.deepEqual(fire, away.slice(away.length - Math.min(catchUpMax, 5)));
    assert.equal(missed.length, 5 - fire.length);
  }
});

Deno.test("planDue() catches up nothing for none but what a slow pass made late", () => {
  assert.deepEqual(plan(ago(HOUR_MS, CRON_AWAY_MS + 1), "none").fire, []);
  assert.deepEqual(plan(ago(HOUR_MS, CRON_AWAY_MS), "none"), {
    fire: [CRON_AWAY_MS],
    missed: [HOUR_MS],
    paused: [],
  });
});

Deno.test("planDue() fires nothing in a pause and tells it from what was missed before", () => {
  const [pausedAt] = ago(90 * 60_000);
  assert.deepEqual(
    plan(ago(2 * HOUR_MS, HOUR_MS, 0), "all", { pausedAt: pausedAt! }),
    { fire: [], missed: [2 * HOUR_MS], paused: [HOUR_MS, 0] },
  );
});

Deno.test("planDue() deals with each instant at most once and stays in its bounds", () => {
  const ages = fc.uniqueArray(fc.nat(200 * 60_000), { maxLength: 400 });
  fc.assert(fc.property(
    ages,
    fc.constantFrom(...CRON_CATCH_UPS),
    fc.nat(20),
    fc.option(fc.nat(200 * 60_000), { nil: undefined }),
    (agesMs, catchUp, catchUpMax, pausedMs) => {
      const sorted = [...agesMs].sort((left, right) => right - left);
      const pausedAt = pausedMs === undefined ? undefined : ago(pausedMs)[0];
      const { fire, missed, paused } = plan(ago(...sorted), catchUp, {
        catchUpMax,
        ...(pausedAt === undefined ? {} : { pausedAt }),
      });
      const all = [...fire, ...missed, ...paused];
      assert.equal(new Set(all).size, all.length);
      assert(all.every((age) => sorted.includes(age)));
      assert(missed.length <= CRON_UNFIRED_MAX);
      assert(paused.length <= CRON_UNFIRED_MAX);
      assert.deepEqual(fire, [...fire].sort((left, right) => right - left));
      const late = fire.filter((age) => age > CRON_ON_TIME_MS).length;
      assert(late <= (catchUp === "all" ? catchUpMax : 1));
      if (pausedAt !== undefined) assert.deepEqual(fire, []);
    },
  ));
});

const [FIRST, SECOND, THIRD] = ago(3_000, 2_000, 1_000) as [Date, Date, Date];
const THREE = [FIRST, SECOND, THIRD];

Deno.test("decideOverlap() follows the policy when a job is active", () => {
  const met = { instants: [FIRST], busy: true, followUp: false };
  assert.deepEqual(
    CRON_OVERLAPS.map((overlap) => decideOverlap({ ...met, overlap })[0]),
    [
      { plannedAt: FIRST, state: "claimed", blockedBy: null },
      { plannedAt: FIRST, state: "skipped", blockedBy: "active" },
      { plannedAt: FIRST, state: "queued", blockedBy: "active" },
      { plannedAt: FIRST, state: "claimed", blockedBy: "active" },
    ],
  );
});

Deno.test("decideOverlap() claims when nothing is active", () => {
  for (const overlap of CRON_OVERLAPS) {
    const idle = { instants: [FIRST], overlap, busy: false, followUp: false };
    assert.deepEqual(decideOverlap(idle), [
      { plannedAt: FIRST, state: "claimed", blockedBy: null },
    ]);
  }
});

Deno.test("decideOverlap() queues one follow-up and never a second", () => {
  const states = (followUp: boolean, busy: boolean) =>
    decideOverlap({ instants: THREE, overlap: "queue_one", busy, followUp })
      .map(({ state, blockedBy }) => [state, blockedBy]);
  assert.deepEqual(states(false, false), [
    ["claimed", null],
    ["queued", FIRST],
    ["skipped", FIRST],
  ]);
  assert.deepEqual(states(false, true), [
    ["queued", "active"],
    ["skipped", "active"],
    ["skipped", "active"],
  ]);
  assert.deepEqual(states(true, true).map(([state]) => state), [
    "skipped",
    "skipped",
    "skipped",
  ]);
});

Deno.test("decideOverlap() makes no job that the next one would cancel at once", () => {
  const decisions = decideOverlap({
    instants: THREE,
    overlap: "cancel_previous",
    busy: true,
    followUp: false,
  });
  assert.deepEqual(decisions, [
    { plannedAt: FIRST, state: "skipped", blockedBy: THIRD },
    { plannedAt: SECOND, state: "skipped", blockedBy: THIRD },
    { plannedAt: THIRD, state: "claimed", blockedBy: "active" },
  ]);
});
