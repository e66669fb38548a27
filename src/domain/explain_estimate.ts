import type { Known, Pace } from "./explain_facts.ts";

/** How long the jobs ahead will take, and what that was reckoned from. */
export interface Estimate {
  /** At least so long, in 19 cases of 20. */
  readonly leastMs: number;
  /** Null: there are more ahead than were counted, so there is no upper bound. */
  readonly mostMs: number | null;
  /** Jobs of the queue that ended in the span before. */
  readonly ended: number;
  /** How long that span was. */
  readonly spanMs: number;
}

/** With fewer than that the bounds would lie further apart than they help. */
const ENDED_LEAST = 10;
/** Of a number that was reckoned from a sample of a thousand pages. */
const SAMPLE_ERROR = 0.1;

/**
 * How long it takes until so many jobs ahead have been given out, if the queue
 * goes on as it did lately.
 *
 * Jobs that end are counted like events that come at random: with `n` of them
 * the rate is known to within `2/√n` of itself, in 19 cases of 20.
 *
 * @returns `null` if too few ended to say anything.
 */
export function estimateWait(
  ahead: Known,
  pace: Pace | null,
): Estimate | null {
  if (pace === null || pace.ended < ENDED_LEAST || pace.spanMs <= 0) {
    return null;
  }
  const { ended, spanMs } = pace;
  const perMs = ended / spanMs;
  const rateError = 2 / Math.sqrt(ended);
  const aheadError = ahead.precision === "about" ? SAMPLE_ERROR : 0;
  const least = ahead.count * (1 - aheadError) / (perMs * (1 + rateError));
  const most = ahead.count * (1 + aheadError) / (perMs * (1 - rateError));
  return {
    leastMs: Math.round(least),
    mostMs: ahead.precision === "at_least" ? null : Math.round(most),
    ended,
    spanMs,
  };
}
