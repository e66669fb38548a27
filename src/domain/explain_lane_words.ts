/** The sentences of what limiters hold a job back by. */
import { keyAsArgs } from "./limiter_key.ts";
import { known } from "./explain_numbers.ts";
import type { Evidence } from "./explain_reason.ts";
import { type Sentence, sentence } from "./sentence.ts";

type LaneCode =
  | "job_rate_limited"
  | "job_cooling_down"
  | "job_key_busy"
  | "job_lane_behind"
  | "job_lane_turn";

/** What each of those reasons says. */
export const LANE_WORDS: {
  readonly [Code in LaneCode]: (evidence: Evidence[Code]) => Sentence;
} = {
  job_rate_limited: ({ used, capacity, weight, eligibleAt, ...of }) => {
    const full = sentence`${limiterOf(of)} is used up: ${
      whole(used)
    } of ${capacity}, and it takes ${weight}.`;
    return eligibleAt === null
      ? full
      : sentence`${full} Enough has come back ${eligibleAt}.`;
  },
  job_cooling_down: ({ eligibleAt, why, ...of }) => {
    const said = why === null
      ? sentence`${limiterOf(of)} cools down.`
      : sentence`${limiterOf(of)} cools down, for this reason: ${{
        kind: "reason",
        value: why,
      }}.`;
    return eligibleAt === null
      ? said
      : sentence`${said} It is over ${eligibleAt}.`;
  },
  job_key_busy: ({ used, capacity, weight, holders, ...of }) => {
    const full = sentence`${limiterOf(of)} is full: ${
      whole(used)
    } of ${capacity} run, and it takes ${weight}.`;
    const [first, ...more] = holders;
    if (first === undefined) return full;
    const job = sentence`${{
      kind: "name",
      value: first,
      of: { type: "job", id: first },
    }}`;
    return more.length === 0
      ? sentence`${full} It is held by job ${job}.`
      : sentence`${full} It is held by job ${job} and ${more.length} more.`;
  },
  job_lane_behind: ({ ahead }) =>
    sentence`${known(ahead)} for the same limits come before it.`,
  job_lane_turn: ({ limiters }) =>
    limiters.length === 1
      ? sentence`Nothing is in its way but the turn of its limiter, ${{
        kind: "name",
        value: limiters[0],
        of: { type: "limiter", id: limiters[0] ?? "" },
      }}.`
      : sentence`Nothing is in its way but the turn of its ${limiters.length} limiters.`,
};

function limiterOf({ limiter, key, partitionBy }: {
  readonly limiter: string;
  readonly key: string | null;
  readonly partitionBy: readonly string[] | null;
}): Sentence {
  const name = sentence`Limiter ${{
    kind: "name",
    value: limiter,
    of: { type: "limiter", id: limiter },
  }}`;
  return key === null ? name : sentence`${name}, key ${{
    kind: "args",
    ...keyAsArgs(partitionBy ?? [], key),
  }},`;
}

/** What refills counts in fractions; nobody takes a part of a job. */
function whole(used: number): number {
  return Math.ceil(used - 1e-6);
}
