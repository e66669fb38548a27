import type { DiagnosisCode } from "../domain/diagnosis.ts";
import type { Provenance } from "../domain/evidence.ts";
import type { PrerequisiteCode, PrerequisiteState } from "../domain/runbook.ts";
import { type Sentence, sentence } from "../domain/sentence.ts";
import type { JobEvidence } from "../store/evidence.ts";
import type {
  ExecutorEvidence,
  QueueEvidence,
} from "../store/queue_evidence.ts";
import type { Diagnosis } from "./bundle.ts";

/** What a job's diagnosis is made from. */
export interface JobFacts {
  readonly job: JobEvidence;
  readonly queue: QueueEvidence;
  /** Executors that serve its queue and have not stopped. */
  readonly serving: readonly ExecutorEvidence[];
  /** The executor whose lease holds it, or which ran it last. */
  readonly holder: ExecutorEvidence | null;
}

/** A due job is staged within a second; a minute means that nobody does it. */
const STAGE_GRACE_MS = 60_000;

/** Says why a job is where it is. */
export function diagnoseJob(facts: JobFacts): Diagnosis {
  const { job } = facts;
  switch (job.state) {
    case "suspended":
      return is("job_suspended", sentence`It stands in no queue.`);
    case "scheduled":
      return diagnoseScheduled("job_scheduled", job);
    case "retryable":
      return diagnoseScheduled("job_retryable", job);
    case "available":
      return diagnoseReady(facts);
    case "executing":
      return diagnoseRunning(facts);
    case "completed":
      return is("job_completed", ended(job));
    case "cancelled":
      return is("job_cancelled", ended(job));
    case "discarded":
      return is("job_discarded", ended(job));
  }
}

function is(
  code: DiagnosisCode,
  detail: Sentence,
  provenance: Provenance = "durable",
): Diagnosis {
  return { code, detail, provenance };
}

function diagnoseScheduled(
  code: "job_scheduled" | "job_retryable",
  { runAt, now, attempt, maxAttempts }: JobEvidence,
): Diagnosis {
  if (runAt === null) return is(code, sentence`Its time is not recorded.`);
  if (now.getTime() - runAt.getTime() > STAGE_GRACE_MS) {
    return is("job_overdue", sentence`It was due ${runAt}.`);
  }
  return code === "job_scheduled"
    ? is(code, sentence`It is due ${runAt}.`)
    : is(
      code,
      sentence`Attempts made: ${attempt} of ${maxAttempts}. The next is due ${runAt}.`,
    );
}

function diagnoseReady({ job, queue, serving }: JobFacts): Diagnosis {
  const alive = serving.filter(isAlive);
  const name = { kind: "name", value: job.queue } as const;
  if (queue.pausedAt !== null) {
    return is(
      "job_queue_paused",
      sentence`Queue ${name} is paused since ${queue.pausedAt}.`,
    );
  }
  if (alive.length === 0) {
    return is(
      "job_unserved",
      sentence`No executor with a heartbeat in time serves queue ${name}.`,
      "supporting",
    );
  }
  if (!alive.some(({ workers }) => workers.includes(job.worker))) {
    const worker = { kind: "name", value: job.worker } as const;
    return is(
      "job_worker_unknown",
      sentence`Live executors of the queue: ${alive.length}, none of them with ${worker}.`,
      "supporting",
    );
  }
  const places = queue.limit === null ? null : queue.limit * alive.length;
  if (places !== null && queue.running >= places) {
    return is(
      "job_queue_full",
      sentence`Places taken: ${queue.running} of ${places}. Jobs ready: ${queue.ready}.`,
      "supporting",
    );
  }
  return is(
    "job_ready",
    sentence`Jobs ready in the queue: ${queue.ready}. Live executors: ${alive.length}.`,
    "supporting",
  );
}

function diagnoseRunning({ job, holder }: JobFacts): Diagnosis {
  const { attempt, maxAttempts, claimedAt, now } = job;
  const since = claimedAt ?? now;
  const run =
    sentence`Attempt ${attempt} of ${maxAttempts} was claimed ${since}.`;
  if (holder === null || holder.health === "stopped") {
    return is("job_executor_missing", run, "supporting");
  }
  const beat =
    sentence`${run} The last heartbeat of its executor was ${holder.beatAt}.`;
  if (holder.health === "missing") {
    return is("job_executor_missing", beat, "supporting");
  }
  if (holder.health === "late") {
    return is("job_executor_late", beat, "supporting");
  }
  return is("job_running", run);
}

function ended(
  { attempt, maxAttempts, finishedAt, now }: JobEvidence,
): Sentence {
  return sentence`It ended ${
    finishedAt ?? now
  }, after ${attempt} of ${maxAttempts} attempts.`;
}

/** An executor that is only late still counts: it may well claim. */
export function isAlive({ health }: ExecutorEvidence): boolean {
  return health === "healthy" || health === "late";
}

/** What must hold before the job can run, where it is still to run. */
export function jobPrerequisites(
  { job, queue, serving }: JobFacts,
): Partial<Record<PrerequisiteCode, PrerequisiteState>> {
  const over = ["completed", "cancelled", "discarded", "executing"];
  if (over.includes(job.state)) return {};
  const alive = serving.filter(isAlive);
  return {
    queue_open: !queue.recorded
      ? "unknown"
      : queue.pausedAt === null
      ? "met"
      : "missing",
    executor_alive: alive.length > 0 ? "met" : "missing",
    worker_known: alive.length === 0
      ? "unknown"
      : alive.some(({ workers }) => workers.includes(job.worker))
      ? "met"
      : "missing",
  };
}
