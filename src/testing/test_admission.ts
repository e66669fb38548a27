import { assert } from "../assert.ts";
import {
  blockerSentence,
  LIMITER_BOUNDS,
  type LimiterBlocker,
} from "../domain/limiter.ts";
import {
  type LaneBlock,
  partitionId,
  takeAll,
} from "../domain/limiter_turns.ts";
import type { CountingLimiter } from "./counting_limiter.ts";

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

/** One limiter, and what a job takes of it. */
interface Part {
  readonly counting: CountingLimiter;
  readonly limiter: string;
  readonly key: string;
  readonly weight: number;
}

/** Asks about one job: all say yes, or none counts it. */
export function decide(
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
