/** The sentences that the story of a job is made of, and the facts in them. */
import { type Fact, type Sentence, sentence } from "./sentence.ts";
import type { JobState } from "./state.ts";

/** The job, and what is known of its queue. */
export interface StoryJob {
  readonly state: JobState;
  readonly queue: string;
  readonly worker: string;
  /** The attempt that runs, or as many as were made. */
  readonly attempt: number;
  readonly maxAttempts: number;
  readonly runAt: Date | null;
  readonly claimedAt: Date | null;
  readonly finishedAt: Date | null;
  readonly tookMs: number | null;
  readonly deadlineAt: Date | null;
  readonly queuePausedAt: Date | null;
  readonly queuePausedBy: string | null;
  /** Ready jobs that its queue gives out first; null: not counted. */
  readonly ahead: number | null;
  readonly now: Date;
}

/** A process that has not stopped. */
export interface StoryExecutor {
  readonly name: string;
  readonly health: "healthy" | "late" | "missing" | "stopped";
  readonly beatAt: Date;
  readonly workers: readonly string[];
}

/** Everything that a story is told from. */
export interface StoryFacts {
  readonly job: StoryJob;
  /** Executors that serve its queue and have not stopped. */
  readonly serving: readonly StoryExecutor[];
  /** The executor whose lease holds it. */
  readonly holder: StoryExecutor | null;
  /** Places of its queue on all live executors; null: not counted. */
  readonly places: { readonly taken: number; readonly total: number } | null;
  /** The newest thing that happened to it, other than success. */
  readonly lastEvent: {
    readonly kind: string;
    readonly principal: string | null;
    readonly at: Date;
  } | null;
}

/** Counting jobs ahead stops here. */
const AHEAD_MAX = 10_000;

/** How a job ended that did its work. */
export function completed(job: StoryJob): Sentence {
  const attempt = sentence`on attempt ${job.attempt} of ${job.maxAttempts}`;
  if (job.finishedAt === null) return sentence`It completed ${attempt}.`;
  return job.tookMs === null
    ? sentence`It completed ${job.finishedAt} ${attempt}.`
    : sentence`It completed ${job.finishedAt} ${attempt}. It took ${
      span(job.tookMs)
    }.`;
}

/** Who said stop, where that is recorded. */
export function cancelled({ job, lastEvent }: StoryFacts): Sentence {
  const at = job.finishedAt ?? lastEvent?.at ?? job.now;
  return lastEvent?.kind === "cancelled" && lastEvent.principal !== null
    ? sentence`${actor(lastEvent.principal)} cancelled it ${at}.`
    : sentence`It was cancelled ${at}.`;
}

/** Why no attempt is left. */
export function discarded({ job, lastEvent }: StoryFacts): Sentence {
  const at = job.finishedAt ?? lastEvent?.at ?? job.now;
  const attempt = sentence`Attempt ${job.attempt} of ${job.maxAttempts}`;
  switch (lastEvent?.kind) {
    case "discarded":
      return lastEvent.principal === null
        ? sentence`It was discarded ${at}, after ${job.attempt} of ${job.maxAttempts} attempts.`
        : sentence`${actor(lastEvent.principal)} discarded it ${at}.`;
    case "expired":
      return sentence`It was not over at its deadline, and was discarded ${at}.`;
    case "failed":
      return sentence`${attempt} failed ${at}, and no attempt is left.`;
    case "timed_out":
      return sentence`${attempt} took too long ${at}, and no attempt is left.`;
    case "rescued":
      return sentence`${attempt} was lost with its executor ${at}, and no attempt is left.`;
    default:
      return sentence`It was discarded ${at}, after ${job.attempt} of ${job.maxAttempts} attempts.`;
  }
}

/** Why it waits again, where its last event tells. */
export function cameBack({ lastEvent }: StoryFacts): Sentence | null {
  if (lastEvent === null) return null;
  const { kind, principal, at } = lastEvent;
  switch (kind) {
    case "retried":
      return principal === null
        ? sentence`It was sent back to work ${at}.`
        : sentence`${actor(principal)} sent it back to work ${at}.`;
    case "snoozed":
      return sentence`Its last run asked ${at} to be run again later.`;
    case "given_back":
      return sentence`An executor gave it back ${at}, without burning an attempt.`;
    case "rescued":
      return sentence`It was taken back ${at} from an executor that was missing.`;
    default:
      return null;
  }
}

/** Who paused its queue. */
export function paused(job: StoryJob): Sentence {
  const queue = queueName(job);
  const since = job.queuePausedAt ?? job.now;
  return job.queuePausedBy === null
    ? sentence`Queue ${queue} was paused ${since}.`
    : sentence`Queue ${queue} was paused by ${
      actor(job.queuePausedBy)
    } ${since}.`;
}

/** Says that its queue is paused while it waits for its time. */
export function pausedMeanwhile(job: StoryJob): Sentence | null {
  return job.queuePausedAt === null
    ? null
    : sentence`${paused(job)} It does not start while that lasts.`;
}

/** Says that nobody alive serves the queue; `null` if somebody does. */
export function unserved({ job, serving }: StoryFacts): Sentence | null {
  if (serving.some(isAlive)) return null;
  const queue = queueName(job);
  const [freshest] = serving;
  return freshest === undefined
    ? sentence`No executor serves queue ${queue}.`
    : sentence`No live executor serves queue ${queue}: the last heartbeat of one was ${freshest.beatAt}.`;
}

/** How many jobs come before it. */
export function turn(job: StoryJob): Sentence {
  const queue = queueName(job);
  switch (job.ahead) {
    case null:
      return sentence`Live executors serve queue ${queue}.`;
    case 0:
      return sentence`It is the next that queue ${queue} gives out.`;
    case 1:
      return sentence`Queue ${queue} gives out 1 job before it.`;
    default:
      return job.ahead >= AHEAD_MAX
        ? sentence`Queue ${queue} gives out at least ${job.ahead} jobs before it.`
        : sentence`Queue ${queue} gives out ${job.ahead} jobs before it.`;
  }
}

/** Its deadline, if it has one. */
export function deadline({ deadlineAt, now }: StoryJob): Sentence | null {
  if (deadlineAt === null) return null;
  return deadlineAt > now
    ? sentence`Its deadline is ${deadlineAt}.`
    : sentence`Its deadline has passed: ${deadlineAt}.`;
}

/** A number of executors. */
export function executors(count: number): Sentence {
  return count === 1 ? sentence`1 executor` : sentence`${count} executors`;
}

function span(ms: number): Sentence {
  return ms < 1_000
    ? sentence`${ms} ms`
    : sentence`${Math.round(ms / 100) / 10} s`;
}

/** An executor that is only late still counts: it may well claim. */
export function isAlive({ health }: StoryExecutor): boolean {
  return health === "healthy" || health === "late";
}

/** The name of its queue, which belongs to the queue. */
export function queueName({ queue }: StoryJob): Fact {
  return { kind: "name", value: queue, of: { type: "queue", id: queue } };
}

/** A name that belongs to the job. */
export function name(value: string): Fact {
  return { kind: "name", value };
}

function actor(id: string): Fact {
  return { kind: "actor", value: { id } };
}
