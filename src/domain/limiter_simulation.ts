import type { LimiterRule } from "./limiter.ts";
import {
  type Admission,
  admit,
  type PartitionState,
  UNUSED,
} from "./limiter_admission.ts";

/** Requests to try out on a limit. */
export interface Simulation {
  readonly weight: number;
  readonly count: number;
  /** Between two of them; 0 for all at once. */
  readonly everyMs: number;
}

/** What would become of one request. */
export interface SimulatedVerdict {
  /** Counted from 1. */
  readonly number: number;
  /** Since the first. */
  readonly atMs: number;
  readonly verdict: "reserved" | Extract<Admission, { ok: false }>["code"];
  /** Of the capacity, after it. */
  readonly used: number;
  /** Since the first; `null` if it may start, or nobody knows. */
  readonly eligibleInMs: number | null;
}

/**
 * Tries requests out on an empty partition, by the rule that claims use. Nothing
 * is read or written, and what is blocked uses nothing.
 */
export function simulate(
  rule: LimiterRule,
  { weight, count, everyMs }: Simulation,
): SimulatedVerdict[] {
  let state: PartitionState = UNUSED;
  return Array.from({ length: count }, (_, index) => {
    // Not at the epoch: a window that never began ended long ago.
    const nowMs = START_MS + index * everyMs;
    const answer = admit(rule, { state, weight, nowMs });
    if (answer.ok) {
      const { used, countedMs } = answer;
      state = { ...state, used, countedMs };
    }
    return {
      number: index + 1,
      atMs: nowMs - START_MS,
      verdict: answer.ok ? "reserved" : answer.code,
      used: answer.used,
      eligibleInMs: answer.ok || answer.eligibleMs === null
        ? null
        : answer.eligibleMs - START_MS,
    };
  });
}

const START_MS = 1_000_000_000_000;
