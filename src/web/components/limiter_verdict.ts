/** What is the matter with a limiter, and what to do: before all its numbers. */
import {
  LANES_COUNT_MAX,
  type LimiterStatus,
} from "../../store/limiter_status.ts";
import type { LimiterRow, PartitionCooldown } from "../../store/limiters.ts";
import { html, type Markup, type Plain, text } from "../render.ts";
import { type CappedCount, countOf } from "./count.ts";
import { wholeUse } from "./limiter_rows.ts";
import { verdict } from "./panel.ts";
import { timeAgo } from "./time.ts";

interface Judged {
  readonly isCalm: boolean;
  readonly is: Plain | Markup;
  readonly next: Plain;
}

interface Now {
  readonly now: Date;
}

/** One sentence on how it is, and one on what happens next, or who must act. */
export function limiterVerdict(status: LimiterStatus, context: Now): Markup {
  return printed(judgedWhole(status, context));
}

/** The same of one key of it. */
export function limiterKeyVerdict(
  page: {
    readonly status: LimiterStatus;
    readonly standing: { readonly capacity: number };
    readonly used: number;
    readonly cooldown: PartitionCooldown | null;
    readonly lines: CappedCount;
  },
  context: Now,
): Markup {
  return printed(judgedKey(page, context));
}

function printed({ isCalm, is, next }: Judged): Markup {
  return verdict({
    tone: isCalm ? "good" : "waiting",
    sentence: html`${is} ${next}`,
  });
}

function judgedWhole(
  { limiter, lanes, coolingKeys, used, capacity, workers }: LimiterStatus,
  { now }: Now,
): Judged {
  const held = { count: lanes, capped: lanes >= LANES_COUNT_MAX };
  if (limiter.cooldownUntil !== null) {
    const until = limiter.cooldownUntil;
    return cooling({ limiter, held, until, end: text`End the cooldown` }, now);
  }
  if (lanes > 0) return holding(limiter, held);
  if (coolingKeys > 0) {
    const counted = {
      count: coolingKeys,
      capped: coolingKeys >= LANES_COUNT_MAX,
    };
    const keys = countOf(counted, [
      text`key of it cools`,
      text`keys of it cool`,
    ]);
    return {
      isCalm: false,
      is: text`${keys} down; all others let jobs pass.`,
      next: text`End a cooldown on the page of its key.`,
    };
  }
  if (used !== null && wholeUse(used) >= capacity) return usedUp(limiter);
  return workers.length > 0 ? CALM : {
    isCalm: true,
    is: text`No worker names it: nothing is limited by it.`,
    next: text`It was declared by code that no worker uses any more.`,
  };
}

function judgedKey(
  { status: { limiter }, standing, used, cooldown, lines }: Parameters<
    typeof limiterKeyVerdict
  >[0],
  { now }: Now,
): Judged {
  const { count, capped } = lines;
  const held = { count, capped };
  if (limiter.cooldownUntil !== null) {
    const end = text`End the cooldown of all keys, on the page of the limiter,`;
    return cooling({ limiter, held, until: limiter.cooldownUntil, end }, now);
  }
  if (cooldown !== null) {
    const end = text`End the cooldown of this key`;
    return cooling({ limiter, held, until: cooldown.until, end }, now);
  }
  if (count > 0) return holding(limiter, held);
  return wholeUse(used) >= standing.capacity ? usedUp(limiter) : CALM;
}

const CALM: Judged = {
  isCalm: true,
  is: text`No job waits for it.`,
  next: text`Nothing needs to be done.`,
};

function cooling(
  { limiter, held, until, end }: {
    readonly limiter: LimiterRow;
    readonly held: CappedCount;
    readonly until: Date;
    readonly end: Plain;
  },
  now: Date,
): Judged {
  const waiting = held.count === 0 ? text`nothing passes` : countOf(held, [
    text`line of jobs waits`,
    text`lines of jobs wait`,
  ]);
  return {
    isCalm: false,
    is: html`It cools down: ${waiting} until it is over, ${
      timeAgo(until, now)
    }.`,
    next: limiter.at === "enqueue"
      ? text`Enqueues are refused until then. ${end} to let them pass.`
      : text`Jobs wait and lose nothing. ${end} to let them start.`,
  };
}

function holding({ kind }: LimiterRow, held: CappedCount): Judged {
  const lines = countOf(held, [text`line of jobs`, text`lines of jobs`]);
  return {
    isCalm: false,
    is: text`It holds back ${lines}.`,
    next: kind === "concurrency"
      ? text`They start by themselves when jobs that run have ended: see who holds it. To let more run at a time, change the capacity of the limiter.`
      : text`They start by themselves as the allowance comes back. To let more pass, change the capacity of the limiter.`,
  };
}

function usedUp({ at }: LimiterRow): Judged {
  const isEnqueue = at === "enqueue";
  return {
    isCalm: !isEnqueue,
    is: text`All of it is used.`,
    next: isEnqueue
      ? text`Enqueues are refused until some of it has come back. To let more pass, change the capacity of the limiter.`
      : text`No job waits for it.`,
  };
}
