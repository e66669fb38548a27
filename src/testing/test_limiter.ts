import { assert } from "../assert.ts";
import { isWhole } from "../domain/job.ts";
import {
  atPath,
  blockerSentence,
  type Limiter,
  LIMITER_BOUNDS,
  type LimiterBlocker,
  weightProblem,
} from "../domain/limiter.ts";
import {
  type Cooldown,
  type PartitionState,
  UNUSED,
  usage,
} from "../domain/limiter_admission.ts";
import {
  type LaneBlock,
  partitionId,
  takeAll,
} from "../domain/limiter_turns.ts";
import { keyText } from "./key_text.ts";

/** What a limiter in a test decided. */
export type TestAdmission =
  | {
    readonly admitted: true;
    /** The run has ended: others may have its place. A rate takes nothing back. */
    release(): void;
  }
  | {
    readonly admitted: false;
    /** Each limiter that says no, with its evidence. */
    readonly blockers: readonly LimiterBlocker[];
    /** The first of them in a sentence. */
    readonly reason: string;
    /** The earliest instant; `null`: when one of those that run has ended. */
    readonly eligibleAt: Date | null;
  };

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
  return new CountingLimiter(limiter, clock);
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
  const counting = limiters.filter((each) => each instanceof CountingLimiter);
  assert(
    counting.length === limiters.length,
    "limiters is a list of what createTestLimiter() made",
  );
  return { ...decide(counting, args), nowMs: counting[0]?.nowMs ?? 0 };
}

class CountingLimiter implements TestLimiter {
  readonly limiter: Limiter;
  readonly #clock: { nowAt(): Date };
  readonly #states = new Map<string, PartitionState>();
  #cooldown: Cooldown | null = null;

  constructor(limiter: Limiter, clock: { nowAt(): Date }) {
    this.limiter = limiter;
    this.#clock = clock;
  }

  get nowMs(): number {
    return this.#clock.nowAt().getTime();
  }

  admit(args: object = {}): TestAdmission {
    return decide([this], args);
  }

  used(args: object = {}): number {
    const state = this.stateOf(this.keyOf(args));
    return usage(this.limiter, { state, nowMs: this.nowMs }).used;
  }

  coolDown({ forMs, reason, key }: {
    readonly forMs: number;
    readonly reason: string;
    readonly key?: string | number;
  }): Date {
    const { cooldownMsMax: most } = LIMITER_BOUNDS;
    assert(isWhole(forMs, { least: 1, most }), "forMs is 1 ms to 31 days");
    assert(reason.trim() !== "", "a cooldown has a reason");
    const wanted = { untilMs: this.nowMs + forMs, reason: reason.trim() };
    if (key === undefined) {
      this.#cooldown = later(this.#cooldown, wanted);
      return new Date(this.#cooldown.untilMs);
    }
    const state = this.#states.get(String(key)) ?? UNUSED;
    const cooldown = later(state.cooldown, wanted);
    this.#states.set(String(key), { ...state, cooldown });
    return new Date(cooldown.untilMs);
  }

  clearCooldown({ key }: { readonly key?: string | number } = {}): boolean {
    const state = key === undefined ? null : this.#states.get(String(key));
    const held = key === undefined ? this.#cooldown : state?.cooldown ?? null;
    if (held === null || held.untilMs <= this.nowMs) return false;
    if (state) this.#states.set(String(key), { ...state, cooldown: null });
    else this.#cooldown = null;
    return true;
  }

  /** Its own cooldown, or that of the whole limiter if it lasts longer. */
  stateOf(key: string): PartitionState {
    const state = this.#states.get(key) ?? UNUSED;
    const whole = this.#cooldown;
    const own = state.cooldown;
    return whole !== null && whole.untilMs >= (own?.untilMs ?? whole.untilMs)
      ? { ...state, cooldown: whole }
      : state;
  }

  count(key: string, counted: Pick<PartitionState, "used" | "countedMs">) {
    const cooldown = this.#states.get(key)?.cooldown ?? null;
    this.#states.set(key, { ...counted, cooldown });
  }

  giveBack(key: string, weight: number): void {
    if (this.limiter.kind !== "concurrency") return;
    const state = this.#states.get(key) ?? UNUSED;
    this.count(key, { ...state, used: Math.max(state.used - weight, 0) });
  }

  keyOf(args: object): string {
    const { partitionBy } = this.limiter;
    return partitionBy === null ? "" : keyText(atPath(args, partitionBy));
  }

  /** @throws {TypeError} If it can never start. */
  weightOf(args: object): number {
    const { weightBy, weight } = this.limiter;
    const problem = weightProblem(this.limiter, args);
    assert(problem === null, `${weightBy} ${problem}`);
    return weightBy === null ? weight : Number(atPath(args, weightBy));
  }
}

function later(held: Cooldown | null, wanted: Cooldown): Cooldown {
  return held !== null && held.untilMs >= wanted.untilMs ? held : wanted;
}

/** One limiter, and what a job takes of it. */
interface Part {
  readonly counting: CountingLimiter;
  readonly limiter: string;
  readonly key: string;
  readonly weight: number;
}

function decide(
  limiters: readonly CountingLimiter[],
  args: object,
): TestAdmission {
  const parts: Part[] = limiters.map((counting) => {
    const key = counting.keyOf(args);
    const { name: limiter } = counting.limiter;
    return { counting, limiter, key, weight: counting.weightOf(args) };
  });
  const states = new Map(
    parts.map((part) => [
      partitionId(part),
      part.counting.stateOf(part.key),
    ]),
  );
  const blocks = takeAll(states, {
    partitions: parts,
    weights: parts.map(({ weight }) => weight),
    rules: new Map(parts.map((part) => [part.limiter, part.counting.limiter])),
    nowMs: parts[0]?.counting.nowMs ?? 0,
  });
  if (blocks.length > 0) return refusal(parts, blocks);
  for (const part of parts) {
    const state = states.get(partitionId(part));
    if (state) part.counting.count(part.key, state);
  }
  let held = true;
  return {
    admitted: true,
    release() {
      if (!held) return;
      held = false;
      for (const { counting, key, weight } of parts) {
        counting.giveBack(key, weight);
      }
    },
  };
}

function refusal(
  parts: readonly Part[],
  blocks: readonly LaneBlock[],
): TestAdmission {
  const blockers = blocks.map((block) => toBlocker(parts, block));
  const instants = blockers.map(({ eligibleAt }) => eligibleAt?.getTime());
  return {
    admitted: false,
    blockers,
    reason: blockers[0] === undefined ? "" : blockerSentence(blockers[0]),
    eligibleAt: instants.every((each) => each !== undefined)
      ? new Date(Math.max(...instants))
      : null,
  };
}

const KEY_SHOWN_MAX = 180;

function toBlocker(
  parts: readonly Part[],
  block: LaneBlock,
): LimiterBlocker {
  const part = parts.find((each) => each.limiter === block.limiter);
  assert(part !== undefined, "a block is of a limiter that was asked");
  const { limiter } = part.counting;
  const { code, key, eligibleMs, used } = block;
  const cooldown = part.counting.stateOf(key).cooldown;
  return {
    code,
    limiter: limiter.name,
    key: key.length <= LIMITER_BOUNDS.keyLengthMax
      ? key
      : `${key.slice(0, KEY_SHOWN_MAX)}…`,
    kind: limiter.kind,
    at: limiter.at,
    scope: limiter.partitionBy === null ? "global" : "partitioned",
    eligibleAt: eligibleMs === null ? null : new Date(eligibleMs),
    capacity: limiter.capacity,
    used,
    weight: part.weight,
    reason: code === "cooldown" ? cooldown?.reason ?? null : null,
  };
}
