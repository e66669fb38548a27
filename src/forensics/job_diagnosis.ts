import type { JobDiagnosis } from "../domain/diagnosis.ts";
import type { Provenance } from "../domain/evidence.ts";
import type { Explanation } from "../domain/explain.ts";
import type { ExplainFacts } from "../domain/explain_facts.ts";
import { isAlive } from "../domain/explain_places.ts";
import type { Reason } from "../domain/explain_reason.ts";
import { reasonSentence } from "../domain/explain_words.ts";
import type { PrerequisiteCode, PrerequisiteState } from "../domain/runbook.ts";
import type { Diagnosis } from "./bundle.ts";

/** The reasons as a bundle has them, each with how durable its evidence is. */
export function diagnosisOf({ reasons }: Explanation): Diagnosis {
  const [lead, ...others] = reasons;
  return { ...diagnosed(lead), also: others.map(diagnosed) };
}

function diagnosed(reason: Reason) {
  return {
    code: reason.code,
    detail: reasonSentence(reason),
    provenance: provenanceOf(reason.code),
  };
}

/** Told from heartbeats, leases and counts: they tell of now and not of then. */
const SUPPORTED: readonly JobDiagnosis[] = [
  "job_unserved",
  "job_worker_unknown",
  "job_queue_full",
  "job_served_late",
  "job_behind",
  "job_ready",
  "job_executor_late",
  "job_executor_missing",
];

function provenanceOf(code: JobDiagnosis): Provenance {
  return SUPPORTED.includes(code) ? "supporting" : "durable";
}

/** What must hold before the job can run, where it is still to run. */
export function jobPrerequisites(
  { job, queue, serving }: ExplainFacts,
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
