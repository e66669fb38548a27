import { assert } from "../assert.ts";
import type { LimiterRule } from "./limiter.ts";

/** How one partition of a limiter stands. */
export interface PartitionState {
  /** Of a rate, as counted then; of concurrency, what live leases hold. */
  readonly used: number;
  /** When it was counted; of a window, when it began. Since 1970. */
  readonly countedMs: number;
  readonly cooldown: Cooldown | null;
}

/** Nothing of a partition starts until then. */
export interface Cooldown {
  readonly untilMs: number;
  readonly reason: string;
}

/** Why a job may not start. */
export type BlockedCode = "cooldown" | "limit_reached";

/** Whether a job may start, and what is then used; or since when it may. */
export type Admission =
  | { readonly ok: true; readonly used: number; readonly countedMs: number }
  | {
    readonly ok: false;
    readonly code: BlockedCode;
    /** `null` when nobody knows: until a run ends. */
    readonly eligibleMs: number | null;
    /** At this instant. */
    readonly used: number;
  };

/** Of a partition that nobody ever used. */
export const UNUSED: PartitionState = {
  used: 0,
  countedMs: 0,
  cooldown: null,
};

/** Below the weight of any job, above what adding fractions can be wrong by. */
const ROUNDING = 1e-6;

/**
 * Decides about one job: first a cooldown, also of an empty bucket, then the
 * allowance. The one rule of claims, enqueues, explanations and simulations.
 *
 * A job never needs more than the whole capacity: when an operator lowers it
 * below the weight of a job that waits, that job takes all of it.
 */
export function admit(
  rule: LimiterRule,
  { state, weight, nowMs }: {
    readonly state: PartitionState;
    readonly weight: number;
    readonly nowMs: number;
  },
): Admission {
  assert(weight > 0, "a job has a weight");
  const { used, countedMs } = usage(rule, { state, nowMs });
  const { cooldown } = state;
  if (cooldown !== null && cooldown.untilMs > nowMs) {
    return {
      ok: false,
      code: "cooldown",
      eligibleMs: cooldown.untilMs,
      used,
    };
  }
  const wanted = used + Math.min(weight, rule.capacity);
  if (wanted <= rule.capacity + ROUNDING) {
    return { ok: true, used: wanted, countedMs };
  }
  // The next window has room for any job, also where this one had more.
  const excess = rule.kind === "fixed_window"
    ? Math.min(wanted - rule.capacity, rule.capacity)
    : wanted - rule.capacity;
  return {
    ok: false,
    code: "limit_reached",
    eligibleMs: eligibleMs(rule, { countedMs, nowMs, excess }),
    used,
  };
}

/** What is used at an instant: a bucket refills, a window ends. */
export function usage(
  rule: LimiterRule,
  { state, nowMs }: {
    readonly state: PartitionState;
    readonly nowMs: number;
  },
): { readonly used: number; readonly countedMs: number } {
  const { used, countedMs } = state;
  const { kind, capacity, perMs } = rule;
  if (kind === "concurrency" || perMs === null) return { used, countedMs };
  // A clock that was set back gives nothing back.
  if (nowMs <= countedMs) return { used, countedMs };
  if (kind === "fixed_window") {
    // Its first job begins it, and not what made the partition before.
    return used <= 0 || nowMs >= countedMs + perMs
      ? { used: 0, countedMs: nowMs }
      : { used, countedMs };
  }
  const refilled = (nowMs - countedMs) * capacity / perMs;
  return { used: Math.max(used - refilled, 0), countedMs: nowMs };
}

/**
 * When so much more than the capacity will have come back; never before now.
 *
 * @param counted.excess May be more than the capacity: a place in a line.
 */
export function eligibleMs(
  { kind, capacity, perMs }: LimiterRule,
  { countedMs, nowMs, excess }: {
    readonly countedMs: number;
    readonly nowMs: number;
    readonly excess: number;
  },
): number | null {
  if (perMs === null) return null;
  const windows = Math.max(Math.ceil(excess / capacity), 1);
  const at = kind === "fixed_window"
    ? countedMs + perMs * windows
    : Math.max(countedMs, nowMs) + excess * perMs / capacity;
  // Rounded up: whoever looks a moment too early finds nothing.
  return Math.max(Math.ceil(at), nowMs);
}
