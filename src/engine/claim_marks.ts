import type { ClaimedJob, ClaimMark, QueueDemand } from "../store/leases.ts";

/** What lands behind a mark is looked for so often. */
const SWEEP_MS = 100;

interface Mark extends ClaimMark {
  /** When the whole queue was last looked at. */
  readonly sweptMs: number;
}

/**
 * How far each queue has been claimed, so that the next claim need not step over
 * what the ones before it took. A mark holds only for a moment and only while
 * there is more: jobs appear behind it too, by a retry, by a higher priority or
 * by a commit that was late.
 */
export class ClaimMarks {
  readonly #marks = new Map<string, Mark>();

  /** The demands of one claim, with the marks that still hold. */
  applied(demands: readonly QueueDemand[], nowMs: number): QueueDemand[] {
    return demands.map((demand) => {
      const mark = this.#marks.get(demand.queue);
      if (mark === undefined || nowMs - mark.sweptMs < SWEEP_MS) {
        return { ...demand, after: mark ?? null };
      }
      this.#marks.delete(demand.queue);
      return demand;
    });
  }

  /**
   * Learns from what a demand was given.
   *
   * @returns Whether the queue may have more: it gave all that was asked, or was
   * looked at only in part.
   */
  learn(
    { queue, most, after }: QueueDemand,
    { jobs, nowMs }: {
      readonly jobs: readonly ClaimedJob[];
      readonly nowMs: number;
    },
  ): boolean {
    let count = 0;
    let last: ClaimedJob | null = null;
    for (const job of jobs) {
      if (job.queue !== queue) continue;
      count += 1;
      last = job;
    }
    if (last === null || count < most) {
      this.#marks.delete(queue);
      return Boolean(after);
    }
    const { priority, jobId } = last;
    const sweptMs = this.#marks.get(queue)?.sweptMs ?? nowMs;
    this.#marks.set(queue, { priority, jobId, sweptMs });
    return true;
  }
}
