/** What a limiter lets pass, in words. */
import { type Sentence, sentence } from "../domain/sentence.ts";
import type { LimiterStatus } from "../store/limiter_status.ts";

/** How much of what it limits may start, or run. */
export function ruleSentence({ limiter, capacity }: LimiterStatus): Sentence {
  const { perMs, kind, partitionBy } = limiter;
  const each = partitionBy === null ? sentence`` : sentence` for each key`;
  if (perMs === null) return sentence`${capacity} at a time${each}`;
  const span = sentence`${capacity} in ${spanOf(perMs)}${each}`;
  return kind === "token_bucket"
    ? sentence`${span}, refilled evenly`
    : sentence`${span}, in fixed windows`;
}

/** In the largest unit of which it is so many. */
function spanOf(ms: number): Sentence {
  const hours = ms / 3_600_000;
  if (Number.isInteger(hours)) return sentence`${hours} h`;
  return ms % 60_000 === 0
    ? sentence`${ms / 60_000} min`
    : sentence`${ms / 1_000} s`;
}
