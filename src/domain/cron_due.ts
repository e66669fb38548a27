/**
 * What becomes of planned instants that have come: which of them fire at all,
 * and what those do that meet a job of their entry which has not ended.
 */

import type { CronCatchUp, CronOverlap } from "./cron_entry.ts";

/**
 * For so long a planned instant counts as dealt with in time, both when it is
 * decided whether it fires and when history says whether it was delayed.
 */
export const CRON_ON_TIME_MS = 5_000;

/**
 * When nobody looked for longer than this, the scheduler was away. It is more
 * than a minute, so that a host which calls `tick` once a minute never is.
 */
export const CRON_AWAY_MS = 90_000;

/** Planned instants that are looked at in one go, the newest. */
export const CRON_DUE_MAX = 1_000;

/** Of those that do not fire, so many leave a slot in one go, the newest. */
export const CRON_UNFIRED_MAX = 100;

/** What is known when instants have come. */
export interface DueInstants {
  /** In order; none of them dealt with before. */
  readonly due: readonly Date[];
  readonly now: Date;
  readonly pausedAt: Date | null;
  readonly catchUp: CronCatchUp;
  readonly catchUpMax: number;
}

/** Which of the instants fire, and which leave only a trace. */
export interface DuePlan {
  readonly fire: readonly Date[];
  readonly paused: readonly Date[];
  readonly missed: readonly Date[];
}

/**
 * Decides which of the instants that have come fire.
 *
 * One that is at most {@linkcode CRON_ON_TIME_MS} late always does. What is
 * later is caught up: `all` the newest `catchUpMax`, exactly so many; `latest`
 * the newest of all that have come, unless one that is on time does its work;
 * `none` the same, but only within {@linkcode CRON_AWAY_MS}: a slow pass or a
 * restart is no absence. The others are missed.
 *
 * A pause counts at the moment when an instant is dealt with. While it lasts
 * nothing fires, and nothing of it is caught up later. An instant from before
 * it, which was late already, is missed.
 */
export function planDue(
  { due, now, pausedAt, catchUp, catchUpMax }: DueInstants,
): DuePlan {
  const latenessMs = (at: Date) => now.getTime() - at.getTime();
  const onTime = due.filter((at) => latenessMs(at) <= CRON_ON_TIME_MS);
  const late = due.slice(0, due.length - onTime.length);

  if (pausedAt !== null) {
    const inPause = (at: Date) => at >= pausedAt || onTime.includes(at);
    return {
      fire: [],
      paused: due.filter(inPause).slice(-CRON_UNFIRED_MAX),
      missed: due.filter((at) => !inPause(at)).slice(-CRON_UNFIRED_MAX),
    };
  }

  const caughtUp = late.slice(late.length - countCaughtUp());
  return {
    fire: [...caughtUp, ...onTime],
    paused: [],
    missed: late.slice(0, late.length - caughtUp.length)
      .slice(-CRON_UNFIRED_MAX),
  };

  function countCaughtUp(): number {
    if (catchUp === "all") return Math.min(catchUpMax, late.length);
    const newest = late.at(-1);
    if (newest === undefined || onTime.length > 0) return 0;
    if (catchUp === "latest") return 1;
    return latenessMs(newest) <= CRON_AWAY_MS ? 1 : 0;
  }
}

/** Instants of one entry that fire together, and what they meet. */
export interface Firing {
  readonly instants: readonly Date[];
  readonly overlap: CronOverlap;
  /** Whether a job of this entry has not ended. */
  readonly busy: boolean;
  /** Whether a follow-up waits already. */
  readonly followUp: boolean;
}

/** What one instant does. */
export interface FireDecision {
  readonly plannedAt: Date;
  readonly state: "claimed" | "queued" | "skipped";
  /** What was in its way: a job from before, or one of these very instants. */
  readonly blockedBy: "active" | Date | null;
}

/**
 * Decides what each of the instants does, in their order.
 *
 * When several come at once (a catch-up), the first job is in the way of the
 * second. Only the newest of them cancels what was before: a job that the next
 * one would cancel at once is never made.
 */
export function decideOverlap(
  { instants, overlap, busy, followUp }: Firing,
): FireDecision[] {
  if (overlap === "allow") {
    return instants.map((plannedAt) => claimed(plannedAt));
  }
  if (overlap === "cancel_previous") {
    const newest = instants.at(-1);
    return instants.map((plannedAt) =>
      newest === undefined || plannedAt === newest
        ? { ...claimed(plannedAt), blockedBy: busy ? "active" : null }
        : { plannedAt, state: "skipped", blockedBy: newest }
    );
  }

  let blockedBy: FireDecision["blockedBy"] = busy ? "active" : null;
  let waits = followUp;
  return instants.map((plannedAt) => {
    if (blockedBy === null) {
      blockedBy = plannedAt;
      return claimed(plannedAt);
    }
    const state = overlap === "queue_one" && !waits ? "queued" : "skipped";
    if (state === "queued") waits = true;
    return { plannedAt, state, blockedBy };
  });
}

function claimed(plannedAt: Date): FireDecision {
  return { plannedAt, state: "claimed", blockedBy: null };
}
