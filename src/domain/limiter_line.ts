import type { LimiterRule } from "./limiter.ts";
import { eligibleMs, type PartitionState, usage } from "./limiter_admission.ts";

/** One limiter of a line of jobs, as it stands. */
export interface LineStanding {
  readonly rule: LimiterRule;
  readonly state: PartitionState;
  readonly nowMs: number;
}

/** Before when a job can not start. */
export interface NotBefore {
  /** Since 1970; not later than now where nothing but others is in its way. */
  readonly atMs: number;
  /** One that runs has to end first, and nobody knows when. */
  readonly untilOneEnds: boolean;
}

/**
 * Before when a job can not start that stands in a line: when so much of each of
 * its limiters has come back as it and those before it take. It is a bound, for
 * other lines may take of the same limiters.
 *
 * @param wanted.ahead What those before it take, of each limiter.
 * @param wanted.weights What it takes itself, of each limiter.
 */
export function notBefore(
  standings: readonly LineStanding[],
  { ahead, weights }: {
    readonly ahead: readonly number[];
    readonly weights: readonly number[];
  },
): NotBefore {
  let atMs = Math.max(0, ...standings.map(({ nowMs }) => nowMs));
  let untilOneEnds = false;
  for (const [index, { rule, state, nowMs }] of standings.entries()) {
    const { used, countedMs } = usage(rule, { state, nowMs });
    const weight = Math.min(weights[index] ?? 1, rule.capacity);
    // The next window owes nothing of what this one gave too much of.
    const owed = rule.kind === "fixed_window"
      ? Math.min(used, rule.capacity)
      : used;
    const excess = owed + (ahead[index] ?? 0) + weight - rule.capacity;
    atMs = Math.max(atMs, state.cooldown?.untilMs ?? 0);
    if (excess <= ROUNDING) continue;
    const at = eligibleMs(rule, { countedMs, nowMs, excess });
    if (at === null) untilOneEnds = true;
    else atMs = Math.max(atMs, at);
  }
  return { atMs, untilOneEnds };
}

/** What adding fractions can be wrong by. */
const ROUNDING = 1e-6;
