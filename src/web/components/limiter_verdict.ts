/** What is the matter with a limiter, and what to do: before all its numbers. */
import {
  LANES_COUNT_MAX,
  type LimiterStatus,
} from "../../store/limiter_status.ts";
import { html, type Markup, type Plain, text } from "../render.ts";
import { countOf } from "./count.ts";
import { verdict } from "./panel.ts";

/** One sentence on how it is, and one on what happens next, or who must act. */
export function limiterVerdict(status: LimiterStatus): Markup {
  const { isCalm, is, next } = judged(status);
  return verdict({
    tone: isCalm ? "good" : "waiting",
    sentence: html`${is} ${next}`,
  });
}

interface Judged {
  readonly isCalm: boolean;
  readonly is: Plain;
  readonly next: Plain;
}

function judged(status: LimiterStatus): Judged {
  const { limiter, lanes, coolingKeys, used, capacity, workers } = status;
  const isEnqueue = limiter.at === "enqueue";
  const held = countOf({ count: lanes, capped: lanes >= LANES_COUNT_MAX }, [
    text`line of jobs`,
    text`lines of jobs`,
  ]);
  if (limiter.cooldownUntil !== null) {
    return {
      isCalm: false,
      is: lanes === 0
        ? text`It cools down: nothing passes.`
        : text`It cools down, and ${held} wait for the end of that.`,
      next: isEnqueue
        ? text`Enqueues are refused until then. End the cooldown to let them pass.`
        : text`Jobs wait and lose nothing. End the cooldown to let them start.`,
    };
  }
  if (lanes > 0) {
    return {
      isCalm: false,
      is: text`It holds back ${held}.`,
      next: limiter.kind === "concurrency"
        ? text`They start by themselves when jobs that run have ended: see who holds it. To let more run at a time, change the capacity.`
        : text`They start by themselves as the allowance comes back. To let more pass, change the capacity.`,
    };
  }
  if (coolingKeys > 0) {
    const keys = countOf({
      count: coolingKeys,
      capped: coolingKeys >= LANES_COUNT_MAX,
    }, [text`key`, text`keys`]);
    return {
      isCalm: false,
      is: text`${keys} of it cool down; all others let jobs pass.`,
      next: text`End a cooldown on the page of its key.`,
    };
  }
  if (used !== null && used >= capacity - 1e-6) {
    return {
      isCalm: !isEnqueue,
      is: text`All of it is used.`,
      next: isEnqueue
        ? text`Enqueues are refused until some of it has come back. To let more pass, change the capacity.`
        : text`No job waits for it.`,
    };
  }
  return workers.length === 0
    ? {
      isCalm: true,
      is: text`No worker names it: nothing is limited by it.`,
      next: text`It was declared by code that no worker uses any more.`,
    }
    : {
      isCalm: true,
      is: text`No job waits for it.`,
      next: text`Nothing needs to be done.`,
    };
}
