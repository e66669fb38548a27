import type { Database } from "../db/database.ts";
import type { Action } from "../domain/action.ts";
import { isAlive } from "../domain/explain_places.ts";
import { explainQueue } from "../domain/explain_queue.ts";
import type { QueueFacts } from "../domain/explain_queue_facts.ts";
import { groupSentence, queueSentence } from "../domain/explain_queue_words.ts";
import { known } from "../domain/explain_numbers.ts";
import { type Sentence, sentence } from "../domain/sentence.ts";
import type { ResourceRef } from "../seams.ts";
import { COUNT_MAX, readHorizons } from "../store/evidence.ts";
import { readQueueFacts } from "../store/explain_queue.ts";
import {
  type ExecutorEvidence,
  listExecutorEvidence,
  type QueueEvidence,
  readQueueEvidence,
} from "../store/queue_evidence.ts";
import {
  type Bundle,
  bundle,
  type Collected,
  type Diagnosis,
  type RelatedEvidence,
} from "./bundle.ts";
import type { ChronologyItem } from "./chronology.ts";
import { controlTrail } from "./control_trail.ts";
import { executorEvidence } from "./executor_evidence.ts";

/**
 * Everything about one queue. A queue without a record in which jobs wait, or
 * which an executor serves, is a queue all the same.
 */
export async function collectQueue(
  db: Database,
  subject: ResourceRef,
): Promise<Bundle | null> {
  const queue = await readQueueEvidence(db, subject.id);
  const serving = await listExecutorEvidence(db, subject.id);
  const known = queue.recorded || serving.length > 0 || queue.ready > 0 ||
    queue.running > 0 || queue.scheduled > 0;
  if (!known) return null;

  const horizons = await readHorizons(db);
  const trail = await controlTrail(db, {
    resource: subject,
    since: queue.insertedAt,
    horizons,
  });
  return bundle({
    subject: { ...subject, resource: subject, label: null },
    seenAt: queue.now,
    diagnosis: diagnosisOf(await readQueueFacts(db, subject.id)),
    continuity: trail.continuity,
    chronology: [...queueChronology(queue, serving), ...trail.chronology],
    related: relatedOf(queue, serving),
    linked: [],
    sources: [
      {
        source: "queue",
        wantedFrom: queue.insertedAt,
        keptFrom: null,
        found: queue.recorded ? 1 : 0,
      },
      ...trail.sources,
    ],
    runbook: {
      ...runbookOf({ queue, serving, subject }),
      cautions: trail.cautions,
    },
  });
}

/** How the queue is, and why its jobs are where they are, most of them first. */
function diagnosisOf(facts: QueueFacts): Diagnosis {
  const { code, reasons } = explainQueue(facts);
  return {
    code,
    detail: queueSentence(facts),
    provenance: code === "queue_paused" ? "durable" : "supporting",
    also: reasons.map((each) => ({
      code: each.reason.code,
      detail: sentence`Of ${known(each.jobs)}: ${groupSentence(each)}`,
      provenance: "supporting",
    })),
  };
}

function readyOf({ ready, running, oldestReadyAt }: QueueEvidence): Sentence {
  const more = ready >= COUNT_MAX ? sentence` or more` : sentence``;
  return oldestReadyAt === null
    ? sentence`No job is available, ${running} running.`
    : sentence`${ready}${more} available, the oldest of them inserted ${oldestReadyAt}; ${running} running.`;
}

/** The beginnings that rows still tell of; pauses are told by the audit. */
function queueChronology(
  queue: QueueEvidence,
  serving: readonly ExecutorEvidence[],
): readonly ChronologyItem[] {
  const plain = {
    sequence: 0n,
    notes: [],
    resource: null,
    audit: null,
  } as const;
  const items = serving.map((executor): ChronologyItem => ({
    ...plain,
    at: executor.startedAt,
    source: "executors",
    sequence: BigInt(executor.id),
    provenance: "supporting",
    label: sentence`Executor ${executor.id} began to serve it`,
    notes: [sentence`Its last heartbeat was ${executor.beatAt}.`],
  }));
  return queue.insertedAt === null ? items : [...items, {
    ...plain,
    at: queue.insertedAt,
    source: "queue",
    provenance: "durable",
    label: sentence`First declared`,
  }];
}

function relatedOf(
  queue: QueueEvidence,
  serving: readonly ExecutorEvidence[],
): readonly RelatedEvidence[] {
  const limit = queue.limit === null
    ? sentence`No limit is recorded.`
    : queue.chosenLimit === null
    ? sentence`${queue.limit} at a time for each executor, as code declares it.`
    : sentence`${queue.limit} at a time for each executor, as an operator chose it.`;
  return [
    { title: sentence`Limit`, summary: limit, provenance: "durable" },
    {
      title: sentence`Ready and running`,
      summary: readyOf(queue),
      provenance: "supporting",
    },
    {
      title: sentence`Scheduled`,
      summary: queue.nextRunAt === null
        ? sentence`None among the first ${COUNT_MAX} of all queues.`
        : sentence`${queue.scheduled} among the first ${COUNT_MAX} of all queues; the next is due ${queue.nextRunAt}.`,
      provenance: "supporting",
    },
    ...executorEvidence(serving, null),
  ];
}

function runbookOf(
  { queue, serving, subject }: {
    readonly queue: QueueEvidence;
    readonly serving: readonly ExecutorEvidence[];
    readonly subject: ResourceRef;
  },
): Omit<Collected["runbook"], "cautions"> {
  const legal: Action[] = !queue.recorded
    ? []
    : queue.pausedAt === null
    ? ["pause_queue", "scale_queue"]
    : ["resume_queue", "scale_queue"];
  return {
    legal,
    prerequisites: {
      queue_open: !queue.recorded
        ? "unknown"
        : queue.pausedAt === null
        ? "met"
        : "missing",
      executor_alive: serving.some(isAlive) ? "met" : "missing",
    },
    targets: {
      subject: { page: "resource", resource: subject },
      executors: { page: "executors" },
      audit: { page: "audit", resource: subject },
      forensics: { page: "forensics" },
    },
  };
}
