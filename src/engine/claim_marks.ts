import type { ClaimedJob, ClaimMark, QueueDemand } from "../store/leases.ts";

/** What lands behind a mark is looked for so often. */
const SWEEP_MS = 100;
/** Or less often, so that looking at everything takes a tenth of the time. */
const SWEEP_SHARE = 10;
const SWEEP_MS_MAX = 5_000;
/** Looks that cost so much more than others are worth a mark that stays. */
const DEAR_MS = 50;
/** What a claim costs at the least is learnt anew as times change. */
const BASE_GROWTH = 1.001;

interface Mark extends ClaimMark {
  /** When the whole queue was last looked at. */
  readonly sweptMs: number;
  /** How long it holds from then on. */
  readonly holdsMs: number;
}

/** What a claim was given, and when. */
export interface ClaimAnswer {
  readonly jobs: readonly ClaimedJob[];
  /** When it was sent, and how long it took. */
  readonly nowMs: number;
  readonly tookMs: number;
}

/**
 * How far each queue has been claimed, so that the next claim need not step over
 * what the ones before it took. A mark holds only for a moment and only while
 * there is more: jobs appear behind it too, by a retry, by a higher priority or
 * by a commit that was late.
 *
 * Where looking at everything is dear it holds longer, and also when a queue is
 * found empty beyond it: while somebody keeps a transaction open nothing can be
 * cleaned away, and a look from the front steps over all that was ever claimed.
 */
export class ClaimMarks {
  readonly #marks = new Map<string, Mark>();
  /** What a claim takes that finds its place at once. */
  #baseMs = Infinity;
  /** Of each queue, what the last look at everything cost beyond that. */
  readonly #costs = new Map<string, number>();

  /** The demands of one claim, with the marks that still hold. */
  applied(demands: readonly QueueDemand[], nowMs: number): QueueDemand[] {
    return demands.map((demand) => {
      const mark = this.#marks.get(demand.queue);
      return mark !== undefined && nowMs - mark.sweptMs < mark.holdsMs
        ? { ...demand, after: mark }
        : demand;
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
    { jobs, nowMs, tookMs }: ClaimAnswer,
  ): boolean {
    this.#baseMs = Math.min(this.#baseMs * BASE_GROWTH, tookMs);
    const before = this.#marks.get(queue);
    const { count, last } = claimedOf(queue, jobs);
    const swept = after
      ? {
        sweptMs: before?.sweptMs ?? nowMs,
        holdsMs: before?.holdsMs ?? SWEEP_MS,
      }
      : { sweptMs: nowMs, holdsMs: this.#holdsFor(queue, tookMs) };
    const isMet = count >= most;
    const place = last ?? before;
    const staysAnyway = swept.holdsMs >= DEAR_MS * SWEEP_SHARE;
    if (place === undefined || !(isMet || staysAnyway)) {
      this.#marks.delete(queue);
      return Boolean(after) || isMet;
    }
    const { priority, jobId } = place;
    this.#marks.set(queue, { priority, jobId, ...swept });
    return isMet;
  }

  /** By the cheaper of two looks in a row: one may have met a slow moment. */
  #holdsFor(queue: string, tookMs: number): number {
    const costMs = tookMs - this.#baseMs;
    const beforeMs = this.#costs.get(queue) ?? 0;
    this.#costs.set(queue, costMs);
    const spanMs = Math.min(costMs, beforeMs) * SWEEP_SHARE;
    return Math.min(Math.max(spanMs, SWEEP_MS), SWEEP_MS_MAX);
  }
}

function claimedOf(
  queue: string,
  jobs: readonly ClaimedJob[],
): { readonly count: number; readonly last: ClaimedJob | undefined } {
  let count = 0;
  let last: ClaimedJob | undefined;
  for (const job of jobs) {
    if (job.queue !== queue) continue;
    count += 1;
    last = job;
  }
  return { count, last };
}
