import { assert } from "../assert.ts";
import type { Limiter } from "../domain/limiter.ts";
import { CountingLimiter } from "./counting_limiter.ts";
import { decide, type TestAdmission } from "./test_admission.ts";

export type { TestAdmission } from "./test_admission.ts";

/** A limiter in the memory of a test. */
export interface TestLimiter {
  /** What it was made of. */
  readonly limiter: Limiter;
  /**
   * Asks about a job of these args, and counts it if the answer is yes.
   *
   * @throws {TypeError} If the weight that they ask for is refused at enqueue.
   */
  admit(args?: object): TestAdmission;
  /** What is used now of the partition of these args. */
  used(args?: object): number;
  /** As `yard.limiters.coolDown` does: one that lasts longer stays. */
  coolDown(
    cooldown: {
      readonly forMs: number;
      readonly reason: string;
      /** The value of one partition; left out, all of them cool down. */
      readonly key?: string | number;
    },
  ): Date;
  /** Ends a cooldown; false if there was none. */
  clearCooldown(of?: { readonly key?: string | number }): boolean;
}

/** Where a test limiter takes the time from. */
export interface TestLimiterOptions {
  /** Of `createTestClock()`; that of the system when left out. */
  readonly clock?: { nowAt(): Date };
}

/**
 * Makes a limiter that counts in memory, by the functions by which a database
 * counts. One that holds at enqueue refuses, one that holds at dispatch says that
 * the job waits; for a test both are an answer.
 *
 * It knows nothing of other jobs that wait: whose turn it is, a database decides.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { defineLimiter } from "../domain/limiter.ts";
 * import { createTestLimiter } from "./test_limiter.ts";
 *
 * const two = createTestLimiter(
 *   defineLimiter({ name: "two", concurrency: 2, partitionBy: "customer" }),
 * );
 * two.admit({ customer: 7 });
 * two.admit({ customer: 7 });
 * assert.equal(two.admit({ customer: 7 }).admitted, false);
 * assert.equal(two.admit({ customer: 8 }).admitted, true);
 * ```
 */
export function createTestLimiter(
  limiter: Limiter,
  { clock = SYSTEM }: TestLimiterOptions = {},
): TestLimiter {
  return new AskedLimiter(limiter, clock);
}

const SYSTEM = { nowAt: () => new Date() };

/**
 * Asks several about one job: all say yes, or none counts it.
 *
 * @param limiters As {@linkcode createTestLimiter} made them.
 */
export function admitAll(
  limiters: readonly TestLimiter[],
  args: object,
): TestAdmission & { readonly nowMs: number } {
  const counting = limiters.filter((each) => each instanceof AskedLimiter);
  assert(
    counting.length === limiters.length,
    "limiters is a list of what createTestLimiter() made",
  );
  return { ...decide(counting, args), nowMs: counting[0]?.nowMs ?? 0 };
}

class AskedLimiter extends CountingLimiter implements TestLimiter {
  admit(args: object = {}): TestAdmission {
    return decide([this], args);
  }
}
