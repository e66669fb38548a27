import type { Database } from "../db/database.ts";
import { explainJob, type Explanation } from "../domain/explain.ts";
import type { ExplainFacts } from "../domain/explain_facts.ts";
import { parseJobId } from "../domain/job.ts";
import type { CautionCode } from "../domain/runbook.ts";
import { sentence } from "../domain/sentence.ts";
import { EVENTS_KEPT } from "../domain/state.ts";
import type { ResourceRef } from "../seams.ts";
import {
  EVIDENCE_MAX,
  findJobEvidence,
  findSlotOfJob,
  type JobEvidence,
  listAttemptEvidence,
  readHorizons,
} from "../store/evidence.ts";
import { findExplainFacts } from "../store/explain.ts";
import {
  type ExecutorEvidence,
  findExecutorEvidence,
  listExecutorEvidence,
  type QueueEvidence,
  readQueueEvidence,
} from "../store/queue_evidence.ts";
import {
  type Bundle,
  bundle,
  type Collected,
  type LinkedResource,
  type RelatedEvidence,
} from "./bundle.ts";
import { type ControlTrail, controlTrail } from "./control_trail.ts";
import { executorEvidence } from "./executor_evidence.ts";
import { jobChronology } from "./job_chronology.ts";
import { diagnosisOf, jobPrerequisites } from "./job_diagnosis.ts";

/** What lies around a job, beside what explains it. */
interface JobFacts {
  readonly job: JobEvidence;
  readonly told: ExplainFacts;
  readonly explanation: Explanation;
  readonly queue: QueueEvidence;
  readonly serving: readonly ExecutorEvidence[];
  /** The executor whose lease holds it, or which ran it last. */
  readonly holder: ExecutorEvidence | null;
}

/** Everything about one job; null if there is no record of it. */
export async function collectJob(
  db: Database,
  subject: ResourceRef,
): Promise<Bundle | null> {
  const id = parseJobId(subject.id);
  const job = id === null ? null : await findJobEvidence(db, id);
  const told = job === null ? null : await findExplainFacts(db, job.id);
  if (job === null || told === null) return null;

  const horizons = await readHorizons(db);
  const found = await listAttemptEvidence(db, job.id);
  const attempts = found.slice(0, EVIDENCE_MAX);
  const slot = job.cronEntry === null
    ? null
    : await findSlotOfJob(db, { ...job, cronEntry: job.cronEntry });
  const facts: JobFacts = {
    job,
    told,
    explanation: explainJob(told),
    queue: await readQueueEvidence(db, job.queue),
    serving: await listExecutorEvidence(db, job.queue),
    holder: job.executorId === null
      ? null
      : await findExecutorEvidence(db, job.executorId),
  };
  const trail = await controlTrail(db, {
    resource: subject,
    since: job.insertedAt,
    horizons,
  });
  return bundle({
    subject: {
      ...subject,
      resource: subject,
      label: sentence`Worker ${{ kind: "name", value: job.worker }}`,
    },
    seenAt: job.now,
    diagnosis: diagnosisOf(facts.explanation),
    continuity: trail.continuity,
    chronology: [
      ...jobChronology({ job, slot, attempts }),
      ...trail.chronology,
    ],
    related: relatedOf(facts),
    linked: linkedOf(job),
    sources: [
      ...jobSources(job, {
        attempts: attempts.length,
        truncated: found.length > Math.min(EVIDENCE_MAX, EVENTS_KEPT),
      }),
      ...trail.sources,
    ],
    runbook: runbookOf(facts, { subject, trail }),
  });
}

/**
 * Retention takes a job with everything that is told of it, or leaves all of it:
 * what is on record of a job that is on record goes back to its beginning. Only
 * where much was told of one, what lies between may be gone.
 */
function jobSources(
  job: JobEvidence,
  { attempts, truncated }: {
    readonly attempts: number;
    readonly truncated: boolean;
  },
): Collected["sources"] {
  const since = { wantedFrom: job.insertedAt, keptFrom: null };
  return [
    { ...since, source: "definition", found: 1 },
    { ...since, source: "attempt_events", found: attempts, truncated },
    { ...since, source: "outcome", found: job.finishedAt === null ? 0 : 1 },
  ];
}

function relatedOf(
  { job, queue, serving, holder }: JobFacts,
): readonly RelatedEvidence[] {
  const name = { kind: "name", value: job.queue } as const;
  const related: RelatedEvidence[] = [{
    title: sentence`Where it stands`,
    summary:
      sentence`State ${job.state}, attempt ${job.attempt} of ${job.maxAttempts}, priority ${job.priority}.`,
    provenance: "durable",
  }, {
    title: sentence`Queue ${name}`,
    summary: queue.pausedAt === null
      ? sentence`Not paused: ${queue.ready} available, ${queue.running} running.`
      : sentence`Paused since ${queue.pausedAt}: ${queue.ready} available, ${queue.running} running.`,
    provenance: "supporting",
  }];
  if (job.runAt !== null) {
    related.push({
      title: sentence`Schedule`,
      summary: sentence`It is due ${job.runAt}.`,
      provenance: "durable",
    });
  }
  if (job.deadlineAt !== null) {
    related.push({
      title: sentence`Deadline`,
      summary: sentence`Its deadline: ${job.deadlineAt}.`,
      provenance: "durable",
    });
  }
  return [
    ...related,
    ...executorEvidence(serving, holder),
  ];
}

function linkedOf(job: JobEvidence): readonly LinkedResource[] {
  const linked: LinkedResource[] = [{
    relation: sentence`Its queue`,
    resource: { type: "queue", id: job.queue },
  }];
  if (job.cronEntry !== null) {
    linked.push({
      relation: sentence`The cron entry that planned it`,
      resource: { type: "cron_entry", id: job.cronEntry },
    });
  }
  if (job.parentId !== null) {
    linked.push({
      relation: sentence`The job that inserted it`,
      resource: { type: "job", id: job.parentId },
    });
  }
  return linked;
}

function runbookOf(
  facts: JobFacts,
  { subject, trail }: {
    readonly subject: ResourceRef;
    readonly trail: ControlTrail;
  },
): Collected["runbook"] {
  const { job, explanation: { legal } } = facts;
  const cautions: CautionCode[] = [...trail.cautions];
  if (legal.includes("retry_job") && job.attempt > 0) {
    cautions.push("may_repeat");
  }
  if (job.state === "executing") cautions.push("run_continues");
  return {
    legal,
    cautions,
    prerequisites: jobPrerequisites(facts.told),
    targets: {
      subject: { page: "resource", resource: subject },
      queue: { page: "resource", resource: { type: "queue", id: job.queue } },
      executors: { page: "executors" },
      ...job.cronEntry === null ? {} : {
        cron_entry: {
          page: "resource",
          resource: { type: "cron_entry", id: job.cronEntry },
        },
      },
      audit: { page: "audit", resource: subject },
      forensics: { page: "forensics" },
    },
  };
}
