/** What the page of one job is made from. */
import { parseNewerArgs } from "../domain/args_version.ts";
import { parseUnknownKey } from "../domain/sealed_args.ts";
import type { Action } from "../domain/action.ts";
import { explainJob, type Explanation } from "../domain/explain.ts";
import type { ExplainFacts } from "../domain/explain_facts.ts";
import { CANCEL_FROM, DISCARD_FROM, RETRY_FROM } from "../domain/job.ts";
import { type Revealed, UNREVEALED } from "../control/reveal.ts";
import type { JobState } from "../domain/state.ts";
import type { Database } from "../db/database.ts";
import { type ChronologyItem, inOrder } from "../forensics/chronology.ts";
import { jobChronology } from "../forensics/job_chronology.ts";
import type { ResourceRef } from "../seams.ts";
import { findSlotOfJob } from "../store/evidence.ts";
import { findExplainFacts } from "../store/explain.ts";
import {
  type AttemptEventDetail,
  type JobDetail,
  listAttemptEvents,
} from "../store/job_detail.ts";
import {
  type ExecutorEvidence,
  findExecutorEvidence,
} from "../store/queue_evidence.ts";
import type { PageContext } from "./env.ts";
import { linksFor, type LinkTo } from "./links.ts";
import type { Paths } from "./paths.ts";
import type { Plain, Show } from "./render.ts";

/** What can be done to a job, and from where. */
const JOB_ACTIONS = [
  ["retry_job", RETRY_FROM],
  ["cancel_job", CANCEL_FROM],
  ["discard_job", DISCARD_FROM],
] as const satisfies readonly (readonly [Action, readonly JobState[]])[];

/** One action on a job. */
export interface JobAction {
  readonly action: typeof JOB_ACTIONS[number][0];
  /** Whether the state of the job has it. */
  readonly legal: boolean;
  /** Whether the actor may. */
  readonly allowed: boolean;
}

/** A job, why it is where it is, and everything that printing it depends on. */
export interface JobFacts {
  readonly job: JobDetail;
  /** Its args, where they are encrypted and the actor may see them. */
  readonly openedArgs: Revealed["args"];
  /** The same of its output. */
  readonly openedOutput: Revealed["output"];
  readonly explanation: Explanation;
  /** What it is explained with. */
  readonly told: ExplainFacts;
  /** The executor whose lease holds it, or which ran it last. */
  readonly executor: ExecutorEvidence | null;
  /** Newest first. */
  readonly timeline: readonly ChronologyItem[];
  readonly hasOlderEvents: boolean;
  /** What failed, newest first. */
  readonly errors: readonly AttemptEventDetail[];
  readonly actions: readonly JobAction[];
  readonly readOnly: boolean;
  /** Whether the actor may resume its queue. */
  readonly mayResume: boolean;
  readonly mayOpen: Readonly<
    Record<"forensics" | "audit" | "queues", boolean>
  >;
  readonly linkTo: LinkTo;
  readonly show: Show;
  readonly paths: Paths;
  readonly now: Date;
  readonly formToken: Plain;
}

/**
 * Reads what is known about a job, and asks what the actor may do with it;
 * `null` if it was let go a moment ago.
 */
export async function readJobFacts(
  c: PageContext,
  job: JobDetail,
): Promise<JobFacts | null> {
  const { db, may, show, paths, formToken, reveal, actor } = c.var;
  const told = await findExplainFacts(db, job.jobId);
  if (told === null) return null;
  const { events, hasOlder } = await listAttemptEvents(db, job.jobId);
  const holder = job.executorId === null
    ? null
    : await findExecutorEvidence(db, job.executorId);
  const resource: ResourceRef = { type: "job", id: job.jobId };
  const actions = await Promise.all(
    JOB_ACTIONS.map(async ([action, from]): Promise<JobAction> => ({
      action,
      legal: from.includes(job.state),
      allowed: await may(action, resource),
    })),
  );
  const { jobId, worker, args, output, outputAttempt: attempt } = job;
  const revealed = await reveal?.({
    ...{ actor, resource, worker, args },
    output: attempt === null ? null : { jobId, attempt, output },
  }) ?? UNREVEALED;
  return {
    job,
    openedArgs: revealed.args,
    openedOutput: revealed.output,
    explanation: explainJob(told),
    told,
    executor: holder,
    timeline: await timelineOf(db, { job, events }),
    hasOlderEvents: hasOlder,
    errors: events.filter(({ message }) =>
      message !== null && !isTurnedAway(message)
    ).toReversed(),
    actions,
    readOnly: actions.every(({ allowed }) => !allowed),
    mayResume: await may("resume_queue", { type: "queue", id: job.queue }),
    mayOpen: {
      forensics: await may("view_forensics", { type: "page", id: "forensics" }),
      audit: await may("view_audit", { type: "page", id: "audit" }),
      queues: await may("view_queues", { type: "page", id: "queues" }),
    },
    linkTo: await linksFor(c, [...neighboursOf(job), ...lanesOf(told)]),
    show,
    paths,
    now: job.now,
    formToken,
  };
}

/** Whether it tells why an executor could not do the job, and not an error. */
function isTurnedAway(message: string | null): boolean {
  return parseNewerArgs(message) !== null || parseUnknownKey(message) !== null;
}

/** What happened, newest first; errors have a place of their own on the page. */
async function timelineOf(
  db: Database,
  { job, events }: {
    readonly job: JobDetail;
    readonly events: readonly AttemptEventDetail[];
  },
): Promise<readonly ChronologyItem[]> {
  const { cronEntry } = job;
  const evidence = { ...job, id: job.jobId };
  return inOrder(jobChronology({
    job: evidence,
    slot: cronEntry === null
      ? null
      : await findSlotOfJob(db, { ...evidence, cronEntry }),
    // Messages of errors have a place of their own.
    attempts: events.map((event) => ({
      ...event,
      message: isTurnedAway(event.message) ? event.message : null,
    })),
  }));
}

/** The things that a job has to do with. */
function neighboursOf(job: JobDetail): readonly ResourceRef[] {
  const jobs = [
    job.parentId,
    job.cronPreviousId,
    job.cronNextId,
    job.uniqueHolderId,
  ].filter((id) => id !== null);
  return [
    { type: "queue", id: job.queue },
    ...job.cronEntry === null
      ? []
      : [{ type: "cron_entry", id: job.cronEntry } as const],
    ...jobs.map((id) => ({ type: "job", id }) as const),
  ];
}

/** Its limiters, and the jobs that hold what it waits for. */
function lanesOf({ lane }: ExplainFacts): readonly ResourceRef[] {
  if (lane === null) return [];
  const holders = lane.blockers.flatMap(({ holders }) => holders);
  return [
    ...lane.limiters.map((id): ResourceRef => ({ type: "limiter", id })),
    ...holders.map((id): ResourceRef => ({ type: "job", id })),
  ];
}
