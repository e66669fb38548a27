import type { ControlStatus } from "./diagnosis.ts";
import type { Bucket } from "./overview.ts";
import type { OverviewFacts } from "./overview_facts.ts";
import { type Sentence, sentence } from "./sentence.ts";

/** How it stands, in one sentence that a tired person can act on. */
export interface Verdict {
  readonly tone: "good" | "waiting" | "retryable" | "bad";
  readonly sentence: Sentence;
}

/** Names the first thing to look at, or says that there is none. */
export function verdictOf(
  { healthyExecutors, queues, limiters }: OverviewFacts,
  buckets: readonly Bucket[],
): Verdict {
  const review = find(buckets, "needs_review");
  const blocked = find(buckets, "blocked");
  if (review.count + blocked.count === 0) {
    const limited = queues.reduce((sum, queue) => sum + queue.limited.count, 0);
    return calm(healthyExecutors, find(buckets, "runnable").count + limited);
  }
  const holding = limiters.filter(({ cooldownUntil }) =>
    cooldownUntil === null
  );
  if (
    healthyExecutors > 0 && review.count === 0 &&
    blocked.count === holding.length
  ) return busy(holding.length);
  const [first] = [...review.exemplars, ...blocked.exemplars];
  const look = first
    ? sentence`Look first at: ${first.title}.`
    : sentence`Look at each of them.`;
  const held = blocked.count === 1
    ? sentence`1 cause holds work up`
    : sentence`${blocked.count} causes hold work up`;
  const asks = review.count === 1
    ? sentence`1 thing needs review`
    : sentence`${review.count} things need review`;
  if (review.count === 0) {
    return { tone: "retryable", sentence: sentence`${held}. ${look}` };
  }
  return {
    tone: "bad",
    sentence: blocked.count === 0
      ? sentence`${asks}, and nothing is blocked. ${look}`
      : sentence`${asks}, and ${held}. ${look}`,
  };
}

/** Limiters do what they were made for; it is worth a word, and no alarm. */
function busy(limiters: number): Verdict {
  return {
    tone: "waiting",
    sentence: limiters === 1
      ? sentence`1 limiter holds jobs back, and nothing else needs you right now.`
      : sentence`${limiters} limiters hold jobs back, and nothing else needs you right now.`,
  };
}

/** Nothing is wrong in the tables; that nobody works is still worth a word. */
function calm(healthyExecutors: number, work: number): Verdict {
  if (healthyExecutors > 0) {
    return { tone: "good", sentence: sentence`Nothing needs you right now.` };
  }
  return work > 0
    ? {
      tone: "bad",
      sentence: sentence`No executor is healthy, and there is work.`,
    }
    : {
      tone: "waiting",
      sentence: sentence`No executor is running, and nothing is due.`,
    };
}

function find(buckets: readonly Bucket[], status: ControlStatus) {
  const bucket = buckets.find((each) => each.status === status);
  return {
    count: bucket?.total?.count ?? 0,
    exemplars: bucket?.exemplars ?? [],
  };
}
