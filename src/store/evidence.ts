/**
 * What forensics reads of the tables of the engine. Every statement is bounded
 * and none of them locks, so that they work on a replica that may not write.
 */
import type { Database } from "../db/database.ts";
import { sql } from "../db/sql.ts";
import type { AttemptEventKind, JobState } from "../domain/state.ts";
import { EXPIRES_AT } from "./outputs.ts";

/** The most rows of one source that a bundle reads; one more tells "there are more". */
export const EVIDENCE_MAX = 200;
/** Rows that a count looks at before it says "or more". */
export const COUNT_MAX = 10_000;

/** A job: its definition, and where it stands. */
export interface JobEvidence {
  readonly id: `${bigint}`;
  readonly queue: string;
  readonly worker: string;
  readonly tags: readonly string[];
  readonly priority: number;
  readonly maxAttempts: number;
  readonly deadlineAt: Date | null;
  readonly cronEntry: string | null;
  readonly parentId: `${bigint}` | null;
  readonly insertedAt: Date;
  readonly state: JobState;
  readonly attempt: number;
  readonly runAt: Date | null;
  readonly leaseId: `${bigint}` | null;
  readonly executorId: number | null;
  readonly claimedAt: Date | null;
  readonly finishedAt: Date | null;
  readonly tookMs: number | null;
  readonly outputAt: Date | null;
  readonly outputAttempt: number | null;
  readonly outputExpiresAt: Date | null;
  readonly now: Date;
}

/** Finds a job with everything that says where it stands, at one instant. */
export async function findJobEvidence(
  db: Database,
  jobId: string,
): Promise<JobEvidence | null> {
  const [job] = await db.query<JobEvidence>(sql`
    select
      jobs.id, jobs.queue, jobs.worker, jobs.tags, jobs.priority,
      jobs.max_attempts as "maxAttempts", jobs.deadline_at as "deadlineAt",
      jobs.cron_entry as "cronEntry", jobs.parent_id as "parentId",
      yardmaster.job_inserted_at(jobs.id) as "insertedAt",
      coalesce(standing.state::text, 'suspended') as state,
      coalesce(standing.attempt, 0)::int as attempt,
      standing.run_at as "runAt", standing.lease_id as "leaseId",
      standing.executor_id as "executorId",
      standing.claimed_at as "claimedAt",
      standing.finished_at as "finishedAt", standing.took_ms as "tookMs",
      outputs.recorded_at as "outputAt", outputs.attempt as "outputAttempt",
      ${EXPIRES_AT} as "outputExpiresAt",
      ${db.now}::timestamptz as now
    from yardmaster.jobs
    left join yardmaster.job_states as standing
      on standing.job_id = jobs.id and standing.job_id = ${jobId}::bigint
    left join yardmaster.outputs
      on outputs.job_id = jobs.id and outputs.job_id = ${jobId}::bigint
    where jobs.id = ${jobId}::bigint
    limit 1
  `);
  return job ?? null;
}

/** What happened to a job on its way. */
export interface AttemptEventEvidence {
  readonly id: `${bigint}`;
  readonly attempt: number;
  readonly kind: AttemptEventKind;
  readonly executorId: number | null;
  readonly principal: string | null;
  readonly fingerprint: string | null;
  readonly message: string | null;
  readonly topFrame: string | null;
  readonly runAt: Date | null;
  readonly at: Date;
}

/** The newest events of a job, one more than {@linkcode EVIDENCE_MAX} at most. */
export async function listAttemptEvidence(
  db: Database,
  jobId: string,
): Promise<AttemptEventEvidence[]> {
  return await db.query<AttemptEventEvidence>(sql`
    select
      id, attempt, kind::text as kind, executor_id as "executorId", principal,
      fingerprint, message, top_frame as "topFrame", run_at as "runAt", at
    from yardmaster.attempt_events
    where job_id = ${jobId}::bigint
    order by id desc
    limit ${EVIDENCE_MAX + 1}
  `);
}

/** The planned instant that became a job. */
export interface SlotOfJob {
  readonly entryName: string;
  readonly kind: "scheduled" | "manual";
  readonly plannedAt: Date;
  readonly claimedAt: Date;
}

/**
 * Finds the slot of a job. No index leads from a job to its slot, so it walks
 * back from the insertion along the slots of its entry, a week at most.
 */
export async function findSlotOfJob(
  db: Database,
  { id, cronEntry, insertedAt }: {
    readonly id: string;
    readonly cronEntry: string;
    readonly insertedAt: Date;
  },
): Promise<SlotOfJob | null> {
  const [slot] = await db.query<SlotOfJob>(sql`
    select
      entry_name as "entryName", kind::text as kind,
      planned_at as "plannedAt", claimed_at as "claimedAt"
    from yardmaster.cron_slots
    where entry_name = ${cronEntry}
      and kind in ('scheduled', 'manual')
      and planned_at > ${insertedAt}::timestamptz - interval '7 days'
      and planned_at < ${insertedAt}::timestamptz + interval '1 hour'
      and job_id = ${id}::bigint
    order by planned_at desc
    limit 1
  `);
  return slot ?? null;
}

/** Who looked at a plan of changes to a thing, and what came of it. */
export interface PreviewEvidence {
  readonly id: `${bigint}`;
  readonly action: string;
  readonly createdBy: string;
  readonly createdAt: Date;
  readonly expiresAt: Date;
  readonly status: "ready" | "drifted" | "expired" | "consumed" | "withdrawn";
  readonly closedAt: Date | null;
  readonly auditId: `${bigint}` | null;
}

/** The newest previews of a target, never their tokens. */
export async function listPreviewEvidence(
  db: Database,
  { type, id }: { readonly type: string; readonly id: string },
): Promise<PreviewEvidence[]> {
  return await db.query<PreviewEvidence>(sql`
    select
      id, action, created_by as "createdBy", created_at as "createdAt",
      expires_at as "expiresAt",
      case
        when status = 'ready' and expires_at <= ${db.now} then 'expired'
        else status::text
      end as status,
      closed_at as "closedAt", audit_id as "auditId"
    from yardmaster.previews
    where target_type = ${type} and target_id = ${id}
    order by id desc
    limit ${EVIDENCE_MAX + 1}
  `);
}

/** Since when evidence is kept; null: nothing was ever let go. */
export interface Horizons {
  readonly audit: Date | null;
  /** Of jobs that ended, of cron slots and of coverage. */
  readonly history: Date | null;
  /** The instant of this answer. */
  readonly now: Date;
}

/** The setting in which retention writes since when it keeps history. */
const HISTORY_KEPT_FROM = "history_kept_from";

/**
 * Reads since when evidence is kept. The audit counts from 1, so its first event
 * tells whether older ones are gone; retention writes down what it lets go.
 */
export async function readHorizons(db: Database): Promise<Horizons> {
  const [row] = await db.query<{
    readonly audit: Date | null;
    readonly history: string | null;
    readonly now: Date;
  }>(sql`
    select
      ${db.now}::timestamptz as now,
      (
        select case when first.id > 1 then first.at end
        from (
          select id, at from yardmaster.audit_events order by id limit 1
        ) as first
      ) as audit,
      (
        select value from yardmaster.settings where name = ${HISTORY_KEPT_FROM}
      ) as history
  `);
  if (row === undefined) throw new Error("Cannot read the clock: no row came");
  return {
    now: row.now,
    audit: row.audit,
    history: instantOf(row.history),
  };
}

function instantOf(text: string | null): Date | null {
  const at = new Date(text ?? NaN);
  return Number.isNaN(at.getTime()) ? null : at;
}

/**
 * Records that history from before the window may be gone. A window that grows
 * brings nothing back, so the instant never moves backwards.
 */
export async function recordHistoryKeptFrom(
  db: Database,
  { keepMs }: { readonly keepMs: number },
): Promise<void> {
  await db.query(sql`
    insert into yardmaster.settings (name, value)
    values (
      ${HISTORY_KEPT_FROM},
      -- One form for all sessions, which compares as text.
      to_char(
        (${db.now} - ${keepMs}::float8 * interval '1 ms') at time zone 'UTC',
        'YYYY-MM-DD"T"HH24:MI:SS"Z"'
      )
    )
    on conflict (name) do update
      set value = greatest(settings.value, excluded.value)
  `);
}
