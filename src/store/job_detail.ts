/** Everything that is recorded about one job. */
import type { Database } from "../db/database.ts";
import { sql } from "../db/sql.ts";
import type { JobId } from "../domain/job.ts";
import type { AttemptEventKind, JobState } from "../domain/state.ts";
import { EXPIRES_AT, isExpired, OUTPUT_BYTES } from "./outputs.ts";

/** A job: its definition, where it stands, and what lies around it. */
export interface JobDetail {
  readonly jobId: JobId;
  readonly queue: string;
  readonly worker: string;
  readonly args: unknown;
  readonly meta: unknown;
  readonly tags: readonly string[];
  readonly priority: number;
  readonly maxAttempts: number;
  readonly deadlineAt: Date | null;
  readonly uniqueKey: string | null;
  /** The job that holds its unique key now; another one, or itself. */
  readonly uniqueHolderId: JobId | null;
  /** Until then the same enqueue is answered with it; null without a receipt. */
  readonly receiptUntil: Date | null;
  readonly cronEntry: string | null;
  /** The jobs of the same cron entry before and after this one. */
  readonly cronPreviousId: JobId | null;
  readonly cronNextId: JobId | null;
  readonly parentId: JobId | null;
  readonly trace: string | null;
  readonly insertedAt: Date;

  readonly state: JobState;
  /** The attempt that runs, or as many as were made. */
  readonly attempt: number;
  readonly runAt: Date | null;
  readonly leaseId: `${bigint}` | null;
  readonly executorId: number | null;
  readonly claimedAt: Date | null;
  readonly finishedAt: Date | null;
  readonly tookMs: number | null;

  /** Null also when it has expired. */
  readonly output: unknown;
  readonly outputAttempt: number | null;
  readonly outputBytes: number | null;
  readonly outputAt: Date | null;
  readonly outputExpiresAt: Date | null;
  readonly now: Date;
}

/** Finds a job, as it is at one instant. */
export async function findJobDetail(
  db: Database,
  jobId: JobId,
): Promise<JobDetail | null> {
  const [job] = await db.query<JobDetail>(sql`
    select
      jobs.id as "jobId", jobs.queue, jobs.worker, jobs.args, jobs.meta,
      jobs.tags, jobs.priority, jobs.max_attempts as "maxAttempts",
      jobs.deadline_at as "deadlineAt", jobs.unique_key as "uniqueKey",
      unique_keys.job_id as "uniqueHolderId",
      (
        select expires_at from yardmaster.receipts
        where receipts.job_id = ${jobId}::bigint
      ) as "receiptUntil",
      jobs.cron_entry as "cronEntry", jobs.parent_id as "parentId",
      jobs.trace, yardmaster.job_inserted_at(jobs.id) as "insertedAt",
      (
        select max(id) from yardmaster.jobs as other
        where other.cron_entry = jobs.cron_entry and other.id < ${jobId}::bigint
      ) as "cronPreviousId",
      (
        select min(id) from yardmaster.jobs as other
        where other.cron_entry = jobs.cron_entry and other.id > ${jobId}::bigint
      ) as "cronNextId",

      coalesce(standing.state::text, 'suspended') as "state",
      coalesce(standing.attempt, 0)::integer as "attempt",
      standing.run_at as "runAt", standing.lease_id as "leaseId",
      standing.executor_id as "executorId",
      standing.claimed_at as "claimedAt",
      standing.finished_at as "finishedAt", standing.took_ms as "tookMs",
      case when not ${isExpired(db)} then outputs.output end as "output",
      outputs.attempt as "outputAttempt", ${OUTPUT_BYTES} as "outputBytes",
      outputs.recorded_at as "outputAt", ${EXPIRES_AT} as "outputExpiresAt",
      ${db.now}::timestamptz as "now"
    from yardmaster.jobs
    -- The id is said twice, so that each side finds its partition by itself.
    left join yardmaster.job_states as standing
      on standing.job_id = ${jobId}::bigint
    left join yardmaster.outputs on outputs.job_id = ${jobId}::bigint
    left join yardmaster.unique_keys on unique_keys.key = jobs.unique_key
    where jobs.id = ${jobId}::bigint
    limit 1
  `);
  return job ?? null;
}

/** Something that happened to a job, other than success. */
export interface AttemptEventDetail {
  readonly id: `${bigint}`;
  readonly attempt: number;
  readonly kind: AttemptEventKind;
  readonly executorId: number | null;
  /** The operator who did it, if one did. */
  readonly principal: string | null;
  readonly fingerprint: string | null;
  readonly template: string | null;
  readonly topFrame: string | null;
  readonly message: string | null;
  readonly stack: string | null;
  /** When the job was to run next. */
  readonly runAt: Date | null;
  readonly at: Date;
}

/** Events of one job that a page shows. */
const ATTEMPT_EVENTS_MAX = 50;

/** The newest events of a job, oldest first, and whether there are older ones. */
export async function listAttemptEvents(
  db: Database,
  jobId: JobId,
): Promise<{
  readonly events: readonly AttemptEventDetail[];
  readonly hasOlder: boolean;
}> {
  const events = await db.query<AttemptEventDetail>(sql`
    select
      id, attempt, kind::text as "kind", executor_id as "executorId", principal,
      fingerprint, template, top_frame as "topFrame", message, stack,
      run_at as "runAt", at
    from yardmaster.attempt_events
    where job_id = ${jobId}::bigint
    order by id desc
    limit ${ATTEMPT_EVENTS_MAX + 1}
  `);
  return {
    events: events.slice(0, ATTEMPT_EVENTS_MAX).toReversed(),
    hasOlder: events.length > ATTEMPT_EVENTS_MAX,
  };
}
