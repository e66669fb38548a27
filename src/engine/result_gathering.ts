import type { EndedRun } from "./ended_run.ts";
import type { HeldLease } from "./held_leases.ts";

/** Results of one lease, or of none that is known. */
interface Group {
  readonly lease: HeldLease | null;
  readonly sinceMs: number;
  results: EndedRun[];
}

/**
 * How long a result waits for the others of its lease. A whole lease is ended at
 * half the cost, and a statement for few costs as much as one for many.
 */
export const GATHER_MS = 5;
/** One statement acknowledges so many. */
const BATCH_MAX = 2_000;
/** And so much of outputs, as JSON: Postgres reads a quarter of a gigabyte. */
const BATCH_LENGTH_MAX = 16 * 1_048_576;

/** Results on their way into a statement, by lease. */
export class ResultGathering {
  readonly #groups = new Map<HeldLease | null, Group>();
  size = 0;

  /** @returns Whether all that its lease still holds has ended. */
  add(result: EndedRun, { lease, nowMs }: {
    readonly lease: HeldLease | null;
    readonly nowMs: number;
  }): boolean {
    this.size += 1;
    let group = this.#groups.get(lease);
    if (group === undefined) {
      group = { lease, sinceMs: nowMs, results: [] };
      this.#groups.set(lease, group);
    }
    group.results.push(result);
    return isWhole(group);
  }

  /** In how many milliseconds something should be written; null for nothing. */
  dueInMs(nowMs: number): number | null {
    let leastMs: number | null = null;
    for (const group of this.#groups.values()) {
      const leftMs = isWhole(group)
        ? 0
        : Math.max(group.sinceMs + GATHER_MS - nowMs, 0);
      leastMs = Math.min(leastMs ?? leftMs, leftMs);
    }
    return leastMs;
  }

  /**
   * Takes what goes into the next statement.
   *
   * @param options.all Also what would better wait for others.
   */
  take({ all, nowMs }: {
    readonly all: boolean;
    readonly nowMs: number;
  }): EndedRun[] {
    const batch: EndedRun[] = [];
    let length = 0;
    for (const group of [...this.#groups.values()]) {
      const isDue = all || isWhole(group) ||
        group.sinceMs + GATHER_MS <= nowMs;
      if (!isDue) continue;
      let count = 0;
      for (const { output, unsealed } of group.results) {
        length += (output ?? unsealed)?.bytes ?? 0;
        const isFull = batch.length === BATCH_MAX || length > BATCH_LENGTH_MAX;
        if (isFull && batch.length > 0) break;
        count += 1;
        batch.push(group.results[count - 1] as EndedRun);
      }
      if (count < group.results.length) {
        group.results = group.results.slice(count);
        break;
      }
      this.#groups.delete(group.lease);
    }
    this.size -= batch.length;
    return batch;
  }

  /** All that waits. */
  list(): EndedRun[] {
    return [...this.#groups.values()].flatMap((group) => group.results);
  }
}

/** Nothing else of its lease can come. */
function isWhole({ lease, results }: Group): boolean {
  return lease === null || results.length >= lease.jobIds.length;
}
