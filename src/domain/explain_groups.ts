/** Jobs of a queue, grouped by why they are where they are. */
import type { Known, Precision } from "./explain_facts.ts";
import type { Reason } from "./explain_reason.ts";

/** A reason, and how many jobs of the queue it holds for. */
export interface QueueReason {
  /** Of one of the jobs: the one that is due first, or comes last. */
  readonly reason: Reason;
  readonly jobs: Known;
}

/** Counts of jobs by reason; unknown workers and limiters are told apart. */
export class ReasonGroups {
  readonly #byKey = new Map<string, QueueReason>();

  add(reason: Reason, jobs: Known): void {
    const key = keyOf(reason);
    const before = this.#byKey.get(key);
    this.#byKey.set(
      key,
      before === undefined ? { reason, jobs } : {
        reason: leading(before.reason, reason),
        jobs: {
          count: before.jobs.count + jobs.count,
          precision: weaker(before.jobs.precision, jobs.precision),
        },
      },
    );
  }

  list(): readonly QueueReason[] {
    return [...this.#byKey.values()].filter(({ jobs }) => jobs.count > 0)
      .sort((one, other) => other.jobs.count - one.jobs.count);
  }
}

const PRECISIONS: readonly Precision[] = ["exact", "at_least", "about"];

/** How well a sum is known. */
export function weaker(one: Precision, other: Precision): Precision {
  return PRECISIONS.indexOf(one) > PRECISIONS.indexOf(other) ? one : other;
}

/** Of two jobs with the same reason, the one that says more. */
function leading(one: Reason, other: Reason): Reason {
  if ("runAt" in one.evidence && "runAt" in other.evidence) {
    return one.evidence.runAt <= other.evidence.runAt ? one : other;
  }
  return other;
}

function keyOf({ code, evidence }: Reason): string {
  if (code === "job_worker_unknown") {
    return JSON.stringify([code, evidence.worker]);
  }
  return "limiter" in evidence
    ? JSON.stringify([code, evidence.limiter])
    : code;
}
