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

/** A request that came, of recorded traffic. */
export interface ReplayedRequest {
  readonly atMs: number;
  readonly key: string;
  readonly weight: number;
}

/** What a limit would have made of recorded traffic. */
export interface Replay {
  readonly requests: number;
  readonly keys: number;
  /** Would have started, or been taken in, when they came. */
  readonly atOnce: number;
  /** Would have waited, or been refused. */
  readonly heldBack: number;
  /** Of those that would have waited, each behind the ones before it. */
  readonly longestWaitMs: number;
}

/**
 * Replays recorded traffic against a rate, for a limiter at which jobs wait: each
 * key in the order in which its requests came.
 *
 * @param rule Not of concurrency: how long jobs would run nobody knows.
 */
export function replay(
  rule: LimiterRule,
  requests: readonly ReplayedRequest[],
): Replay {
  const states = new Map<string, PartitionState>();
  const startedMs = new Map<string, number>();
  let atOnce = 0;
  let longestWaitMs = 0;
  for (const { atMs, key, weight } of requests) {
    let nowMs = Math.max(atMs, startedMs.get(key) ?? 0);
    const state = states.get(key) ?? UNUSED;
    let answer = admit(rule, { state, weight, nowMs });
    // The first instant at which it may start is right: twice is for rounding.
    for (let look = 0; look < 3 && !answer.ok; look++) {
      nowMs = answer.eligibleMs ?? nowMs;
      answer = admit(rule, { state, weight, nowMs });
    }
    if (!answer.ok) continue;
    const { used, countedMs } = answer;
    states.set(key, { ...state, used, countedMs });
    startedMs.set(key, nowMs);
    if (nowMs === atMs) atOnce += 1;
    longestWaitMs = Math.max(longestWaitMs, nowMs - atMs);
  }
  return {
    requests: requests.length,
    keys: states.size,
    atOnce,
    heldBack: requests.length - atOnce,
    longestWaitMs: Math.round(longestWaitMs),
  };
}
