/** The sentence of each reason, made of nothing but what it rests on. */
import type { JobDiagnosis } from "./diagnosis.ts";
import type { Estimate } from "./explain_estimate.ts";
import type { ExplainFacts } from "./explain_facts.ts";
import { LANE_WORDS } from "./explain_lane_words.ts";
import { known } from "./explain_numbers.ts";
import type { Evidence, FullExecutor, Reason } from "./explain_reason.ts";
import { type Fact, type Sentence, sentence } from "./sentence.ts";

/** What a reason says, as a sentence of which the policy may show each value. */
export function reasonSentence(reason: Reason): Sentence {
  const say = WORDS[reason.code] as (evidence: unknown) => Sentence;
  return say(reason.evidence);
}

const WORDS: {
  readonly [Code in JobDiagnosis]: (evidence: Evidence[Code]) => Sentence;
} = {
  job_suspended: () =>
    sentence`It is neither planned, nor ready, nor running, nor over. What would release it is not recorded.`,
  job_scheduled: ({ runAt }) => sentence`It becomes ready ${runAt}.`,
  job_retryable: ({ runAt, attempt, maxAttempts }) =>
    sentence`Attempt ${attempt} of ${maxAttempts} failed. The next attempt is due ${runAt}.`,
  job_due: ({ runAt }) =>
    sentence`It was due ${runAt}, and is moved into its queue next.`,
  job_overdue: ({ runAt }) =>
    sentence`It was due ${runAt}, and no executor has moved it into its queue.`,
  job_deadline_passed: ({ deadlineAt }) =>
    sentence`Its deadline was ${deadlineAt}. The next claim ends it without a run.`,
  job_deadline_first: ({ deadlineAt, runAt }) =>
    sentence`Its deadline is ${deadlineAt}, and it is due ${runAt}: it ends without a run.`,
  job_queue_paused: ({ queue, pausedAt, pausedBy }) =>
    pausedBy === null
      ? sentence`Queue ${
        queueName(queue)
      } was paused ${pausedAt}. It starts only after somebody resumes the queue.`
      : sentence`Queue ${queueName(queue)} was paused by ${
        actor(pausedBy)
      } ${pausedAt}. It starts only after somebody resumes the queue.`,
  job_unserved: ({ queue, lastSeen }) => {
    const nobody = sentence`No live executor serves queue ${queueName(queue)}`;
    if (lastSeen === null) return sentence`${nobody}.`;
    const last = name(lastSeen.executor);
    return lastSeen.health === "stopped"
      ? sentence`${nobody}: the last one, ${last}, stopped ${lastSeen.at}.`
      : sentence`${nobody}: the last heartbeat, of ${last}, was ${lastSeen.at}.`;
  },
  job_worker_unknown: ({ queue, worker, executors }) =>
    executors === 1
      ? sentence`1 live executor serves queue ${
        queueName(queue)
      }, and it does not know worker ${name(worker)}.`
      : sentence`${executors} live executors serve queue ${
        queueName(queue)
      }, and none of them knows worker ${name(worker)}.`,
  job_queue_full: ({ queue, holders }) =>
    sentence`Queue ${queueName(queue)} has no free place: ${listed(holders)}.`,
  job_served_late: ({ queue, executor, beatAt }) =>
    sentence`Only a late executor has a free place of queue ${
      queueName(queue)
    }: the last heartbeat of ${name(executor)} was ${beatAt}.`,
  ...LANE_WORDS,
  job_behind: ({ queue, ahead, estimate }) =>
    sentence`Queue ${queueName(queue)} gives out ${known(ahead)} before it. ${
      estimated(estimate)
    }`,
  job_ready: ({ queue, ahead }) =>
    ahead === 0
      ? sentence`It is the next that queue ${
        queueName(queue)
      } gives out, and a live executor has a free place.`
      : sentence`Queue ${queueName(queue)} gives out ${
        known({ count: ahead, precision: "exact" })
      } before it, and live executors have a free place for each.`,
  job_running: ({ executor, claimedAt, ...on }) =>
    sentence`${onAttempt(on)} was claimed by executor ${
      name(executor)
    } ${claimedAt}.`,
  job_executor_late: ({ executor, claimedAt, beatAt, ...on }) =>
    sentence`${onAttempt(on)} was claimed by executor ${
      name(executor)
    } ${claimedAt}. Its heartbeat is late: the last one was ${beatAt}. The run may still be going on.`,
  job_executor_missing: ({ executor, claimedAt, beatAt, ...on }) =>
    executor === null || beatAt === null
      ? sentence`${
        onAttempt(on)
      } is in a lease of an executor that is gone, since ${claimedAt}.`
      : sentence`${onAttempt(on)} was claimed by executor ${
        name(executor)
      } ${claimedAt}. Its last sign of life was ${beatAt}. Whether the run still goes on is not known.`,
  job_completed: ({ at, tookMs, attempt, maxAttempts }) => {
    const done =
      sentence`It completed ${at} on attempt ${attempt} of ${maxAttempts}.`;
    return tookMs === null
      ? done
      : sentence`${done} It took ${duration(tookMs)}.`;
  },
  job_cancelled: ({ at, by }) =>
    by === null
      ? sentence`It was cancelled ${at}.`
      : sentence`${actor(by)} cancelled it ${at}.`,
  job_superseded: ({ at, cronEntry, plannedAt }) =>
    sentence`It was cancelled ${at} for the fire of cron entry ${{
      kind: "name",
      value: cronEntry,
      of: { type: "cron_entry", id: cronEntry },
    }} that was planned for ${plannedAt}.`,
  job_exhausted: ({ at, how, ...on }) =>
    sentence`${onAttempt(on)} ${ENDS[how]} ${at}, and no attempt is left.`,
  job_expired: ({ at, deadlineAt }) =>
    deadlineAt === null
      ? sentence`It was not over at its deadline, and was ended ${at}.`
      : sentence`It was not over at its deadline, ${deadlineAt}, and was ended ${at}.`,
  job_discarded: ({ at, by, attempt, maxAttempts }) =>
    by === null
      ? sentence`It was discarded ${at}, after ${attempt} of ${maxAttempts} attempts.`
      : sentence`${actor(by)} discarded it ${at}.`,
};

const ENDS = {
  failed: sentence`failed`,
  timed_out: sentence`took too long`,
  rescued: sentence`was lost with its executor`,
} as const satisfies Record<Evidence["job_exhausted"]["how"], Sentence>;

/** What else is worth knowing, without being a reason. */
export function explanationNotes(
  { job, at, lastEvent }: ExplainFacts,
): readonly Sentence[] {
  const isOver = job.finishedAt !== null;
  const notes = isOver || job.claimedAt !== null ? [] : [cameBack(lastEvent)];
  if (job.deadlineAt !== null && job.deadlineAt > at && !isOver) {
    notes.push(sentence`Its deadline is ${job.deadlineAt}.`);
  }
  return notes.filter((note) => note !== null);
}

/** Why it waits again, where its last event tells. */
function cameBack(lastEvent: ExplainFacts["lastEvent"]): Sentence | null {
  if (lastEvent === null) return null;
  const { kind, principal, newerArgs, unknownKey, at } = lastEvent;
  if (newerArgs !== undefined) {
    return sentence`Its args have version ${newerArgs.version}, and the executor that met it ${at} knows version ${newerArgs.known}: it waits for newer code.`;
  }
  if (unknownKey !== undefined) {
    return sentence`Its args are encrypted with key ${
      name(unknownKey)
    }, which the executor that met it ${at} does not know: it waits for one that does.`;
  }
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

const LISTED_MAX = 3;

function listed(holders: readonly FullExecutor[]): Sentence {
  const shown = holders.slice(0, LISTED_MAX).map(({ executor, held, limit }) =>
    sentence`${name(executor)} holds ${held} of ${limit}`
  );
  const rest = holders.length - shown.length;
  if (rest > 0) shown.push(sentence`${rest} more are as full`);
  const [first = sentence`nobody is left`, ...others] = shown;
  return others.reduce((all, next) => sentence`${all}, ${next}`, first);
}

/** How long that takes, as far as it can be told. */
export function estimated(estimate: Estimate | null): Sentence {
  if (estimate === null) {
    return sentence`Too few of its jobs ended lately to tell how long that takes.`;
  }
  const { leastMs, mostMs, ended, spanMs } = estimate;
  const from = sentence`${ended} of its jobs ended in the last ${
    duration(spanMs)
  }`;
  return mostMs === null
    ? sentence`At the pace of late that takes ${
      duration(leastMs)
    } or more: ${from}.`
    : sentence`At the pace of late that takes ${duration(leastMs)} to ${
      duration(mostMs)
    }: ${from}.`;
}

const SECOND_MS = 1_000;
const UNITS = [
  [86_400 * SECOND_MS, sentence`d`],
  [3_600 * SECOND_MS, sentence`h`],
  [60 * SECOND_MS, sentence`min`],
  [SECOND_MS, sentence`s`],
] as const;

/** A span, to two digits: nobody plans by more. */
export function duration(ms: number): Sentence {
  for (const [unitMs, unit] of UNITS) {
    if (ms < unitMs) continue;
    const value = ms / unitMs;
    return sentence`${
      value < 10 ? Math.round(value * 10) / 10 : Math.round(value)
    } ${unit}`;
  }
  return sentence`${Math.round(ms)} ms`;
}

function onAttempt(
  { attempt, maxAttempts }: {
    readonly attempt: number;
    readonly maxAttempts: number;
  },
): Sentence {
  return sentence`Attempt ${attempt} of ${maxAttempts}`;
}

function queueName(queue: string): Fact {
  return { kind: "name", value: queue, of: { type: "queue", id: queue } };
}

function name(value: string): Fact {
  return { kind: "name", value };
}

function actor(id: string): Fact {
  return { kind: "actor", value: { id } };
}
