/**
 * Why a job is where it is, told from facts that are on record. What is not
 * known is not said.
 */
import type { DiagnosisCode } from "./diagnosis.ts";
import {
  cameBack,
  cancelled,
  completed,
  deadline,
  discarded,
  executors,
  isAlive,
  name,
  paused,
  pausedMeanwhile,
  queueName,
  type StoryFacts,
  type StoryJob,
  turn,
  unserved,
} from "./job_sentences.ts";
import { type Sentence, sentence } from "./sentence.ts";

export type { StoryExecutor, StoryFacts, StoryJob } from "./job_sentences.ts";

/** A diagnosis, its sentence, and what else is worth knowing. */
export interface JobStory {
  readonly code: DiagnosisCode;
  readonly sentence: Sentence;
  readonly also: readonly Sentence[];
}

/** A due job is staged within a second; a minute means that nobody does it. */
const STAGE_GRACE_MS = 60_000;

/** Tells why a job is where it is. */
export function jobStory(facts: StoryFacts): JobStory {
  const { job } = facts;
  switch (job.state) {
    case "suspended":
      return story(
        "job_suspended",
        sentence`It is neither planned, nor ready, nor running, nor over. What would release it is not recorded.`,
      );
    case "scheduled":
    case "retryable":
      return waitingStory(facts);
    case "available":
      return readyStory(facts);
    case "executing":
      return runningStory(facts);
    case "completed":
      return story("job_completed", completed(job));
    case "cancelled":
      return story("job_cancelled", cancelled(facts));
    case "discarded":
      return story("job_discarded", discarded(facts));
  }
}

function story(
  code: DiagnosisCode,
  first: Sentence,
  also: readonly (Sentence | null)[] = [],
): JobStory {
  return {
    code,
    sentence: first,
    also: also.filter((one): one is Sentence => one !== null),
  };
}

function waitingStory(facts: StoryFacts): JobStory {
  const { job } = facts;
  const also = [cameBack(facts), pausedMeanwhile(job), deadline(job)];
  const failed = job.state === "retryable"
    ? sentence`Attempt ${job.attempt} of ${job.maxAttempts} failed.`
    : null;
  if (job.runAt === null) {
    const unknown = sentence`When it is due is not recorded.`;
    return story(diagnosisOf(job), joined(failed, unknown), also);
  }
  const overdueMs = job.now.getTime() - job.runAt.getTime();
  if (overdueMs > STAGE_GRACE_MS) {
    const late =
      sentence`It was due ${job.runAt}, and no executor has moved it into its queue.`;
    return story("job_overdue", joined(failed, late), also);
  }
  const due = overdueMs >= 0
    ? sentence`It is due, and is moved into its queue next.`
    : failed === null
    ? sentence`It becomes ready ${job.runAt}.`
    : sentence`The next attempt is due ${job.runAt}.`;
  return story(diagnosisOf(job), joined(failed, due), also);
}

function diagnosisOf({ state }: StoryJob): DiagnosisCode {
  return state === "retryable" ? "job_retryable" : "job_scheduled";
}

function readyStory(facts: StoryFacts): JobStory {
  const { job, serving, places } = facts;
  const queue = queueName(job);
  const also = [cameBack(facts), deadline(job)];
  if (job.queuePausedAt !== null) {
    return story("job_queue_paused", paused(job), [
      sentence`It starts only after somebody resumes the queue.`,
      unserved(facts),
      ...also,
    ]);
  }
  const nobody = unserved(facts);
  if (nobody !== null) return story("job_unserved", nobody, also);

  const alive = serving.filter(isAlive);
  if (!alive.some(({ workers }) => workers.includes(job.worker))) {
    const count = executors(alive.length);
    return story(
      "job_worker_unknown",
      sentence`No live executor of queue ${queue} knows worker ${
        name(job.worker)
      }.`,
      [sentence`${count} of the queue with a heartbeat in time.`, ...also],
    );
  }
  if (places !== null && places.taken >= places.total) {
    const full =
      sentence`All ${places.total} places of queue ${queue} are taken.`;
    return story("job_queue_full", full, [turn(job), ...also]);
  }
  return story("job_ready", sentence`It is ready. ${turn(job)}`, also);
}

function runningStory({ job, holder }: StoryFacts): JobStory {
  const also = [deadline(job)];
  const since = job.claimedAt;
  const run = sentence`Attempt ${job.attempt} of ${job.maxAttempts}`;
  if (holder === null || holder.health === "stopped") {
    const gone = sentence`${run} is in a lease of an executor that is gone.`;
    return story("job_executor_missing", gone, also);
  }
  const held = since === null
    ? sentence`${run} is held by executor ${name(holder.name)}.`
    : sentence`${run} was claimed by executor ${name(holder.name)} ${since}.`;
  switch (holder.health) {
    case "healthy":
      return story("job_running", held, also);
    case "late":
      return story(
        "job_executor_late",
        sentence`${held} Its heartbeat is late: the last one was ${holder.beatAt}.`,
        [sentence`The run may still be going on.`, ...also],
      );
    case "missing":
      return story(
        "job_executor_missing",
        sentence`${held} Its last sign of life was ${holder.beatAt}.`,
        [sentence`Whether the run still goes on is not known.`, ...also],
      );
  }
}

function joined(first: Sentence | null, second: Sentence): Sentence {
  return first === null ? second : sentence`${first} ${second}`;
}
