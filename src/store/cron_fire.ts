import type { Database } from "../db/database.ts";
import { sql } from "../db/sql.ts";
import {
  decideOverlap,
  type FireDecision,
  type Firing,
} from "../domain/cron_due.ts";
import type { CronDefinition } from "../domain/cron_entry.ts";
import type { CronSlotKind } from "../domain/cron_slot.ts";
import type { JobId } from "../domain/job.ts";
import {
  findFollowUp,
  listActiveCronJobs,
  type NewCronSlot,
  recordCronSlots,
} from "./cron_slots.ts";
import { admitInserted } from "./enqueue_gate.ts";
import { insertJobs, type JobInsert } from "./jobs.ts";
import { cancelJob } from "./transitions.ts";

/** What firing must know of an entry, which the transaction holds. */
export interface FiringEntry extends CronDefinition {
  readonly activeFromId: `${bigint}`;
}

/** The instants that fire. */
export interface CronFiring {
  readonly entry: FiringEntry;
  readonly kind: CronSlotKind;
  /** In order; none of them dealt with before. */
  readonly instants: readonly Date[];
  /** Instants that do not fire, and leave a trace. */
  readonly unfired?: readonly NewCronSlot[];
  /** Moves the entry past its planned instants. */
  readonly evaluatedThrough?: Date;
  /** Of the operator who asked for it. */
  readonly principal?: string;
}

/** What came of a firing. */
export interface CronFired {
  readonly slots: readonly NewCronSlot[];
  readonly cancelledIds: readonly JobId[];
}

/**
 * Fires instants of an entry: decides by its overlap policy, inserts the jobs
 * and records the slots. All in the caller's transaction, which holds the entry
 * since before it looked, so that nobody else decides meanwhile.
 */
export async function fireCronEntry(
  tx: Database,
  firing: CronFiring,
): Promise<CronFired> {
  const { entry, instants } = firing;
  const active = instants.length > 0 && entry.overlap !== "allow"
    ? await listActiveCronJobs(tx, {
      name: entry.name,
      fromId: entry.activeFromId,
    })
    : [];
  const decisions = decideOverlap({
    instants,
    overlap: entry.overlap,
    busy: active.length > 0,
    followUp: await followUpWaits(tx, firing),
  });
  const cancelledIds = entry.overlap === "cancel_previous"
    ? await cancelAll(tx, { active, principal: firing.principal ?? null })
    : [];
  const jobIds = await insertClaimed(tx, { firing, decisions });
  const slots = decisions.map((decision) =>
    toSlot(decision, { jobIds, active })
  );

  const busyWith = active.find((id) => !cancelledIds.includes(id));
  const firstJob = slots.find((slot) => slot.jobId !== null)?.jobId;
  await recordCronSlots(tx, {
    name: entry.name,
    kind: firing.kind,
    slots: [...firing.unfired ?? [], ...slots],
    evaluatedThrough: firing.evaluatedThrough ?? null,
    // With `allow` nobody looked at what is active.
    activeFromId: entry.overlap === "allow"
      ? null
      : busyWith ?? firstJob ?? null,
  });
  return { slots, cancelledIds };
}

async function followUpWaits(
  tx: Database,
  { entry, instants }: CronFiring,
): Promise<Firing["followUp"]> {
  if (entry.overlap !== "queue_one" || instants.length === 0) return false;
  return await findFollowUp(tx, entry.name) !== null;
}

/** Jobs may be claimed while we look: look again so many times. */
const LOOKS_MAX = 5;

async function cancelAll(
  tx: Database,
  { active, principal }: {
    readonly active: readonly JobId[];
    readonly principal: string | null;
  },
): Promise<JobId[]> {
  for (let look = 1;; look++) {
    const waits = active.length < 2 || look === LOOKS_MAX;
    try {
      // A savepoint: what it holds is let go of when it looks again.
      return await tx.transaction(async (own) => {
        await lockLeasesOf(own, active);
        const cancelledIds: JobId[] = [];
        for (const jobId of active) {
          // Null: it ended by itself a moment ago.
          const moved = await cancelJob(own, { jobId, principal, waits });
          if (moved !== null) cancelledIds.push(jobId);
        }
        return cancelledIds;
      });
    } catch (error) {
      const isHeld = error instanceof Error && "code" in error &&
        error.code === "55P03";
      if (waits || !isHeld) throw error;
    }
  }
}

/**
 * In the order of their ids, which is that of acknowledge(). Locked one by one in
 * the order of the jobs, they could lock out an acknowledgement of several.
 *
 * What is claimed after this is in leases of whatever order: for none of these
 * may we wait while we hold another.
 */
async function lockLeasesOf(
  tx: Database,
  jobIds: readonly JobId[],
): Promise<void> {
  if (jobIds.length < 2) return;
  await tx.query(sql`
    select
    from yardmaster.leases
    where job_ids && ${[...jobIds]}::bigint[]
    order by id
    for update
  `);
}

/** Inserts the jobs of the claimed instants, but for those a limiter refuses. */
async function insertClaimed(
  tx: Database,
  { firing, decisions }: {
    readonly firing: CronFiring;
    readonly decisions: readonly FireDecision[];
  },
): Promise<ReadonlyMap<Date, JobId>> {
  const { entry, kind, principal } = firing;
  const claimed = decisions.filter(({ state }) => state === "claimed");
  const answers = await insertJobs(
    tx,
    claimed.map(({ plannedAt }) =>
      cronJob(entry, {
        kind,
        plannedAt,
        ...(principal === undefined ? {} : { principal }),
      })
    ),
  );
  const refused = await admitInserted(tx, answers.map(({ jobId }) => jobId));
  const jobIds = new Map<Date, JobId>();
  for (const [index, { plannedAt }] of claimed.entries()) {
    const answer = answers[index];
    if (answer === undefined || refused.has(answer.jobId)) continue;
    jobIds.set(plannedAt, answer.jobId);
  }
  return jobIds;
}

/** Why a job of an entry was made; it finds it in its meta, as `cron`. */
export interface CronJobFacts {
  readonly kind: CronSlotKind;
  readonly plannedAt: Date;
  /** Of the operator who asked for it. */
  readonly principal?: string;
}

/**
 * The job of a slot. Its args were checked by nobody: what its worker refuses
 * fails when it runs, and a worker that no process knows leaves it waiting,
 * where pages show it. A plan that fires and is seen to fail is better than one
 * that stops in silence.
 */
export function cronJob(
  entry: CronDefinition,
  { kind, plannedAt, principal }: CronJobFacts,
): JobInsert {
  return {
    queue: entry.queue,
    worker: entry.worker,
    args: entry.args,
    meta: {
      ...entry.meta,
      cron: {
        name: entry.name,
        kind,
        plannedAt: plannedAt.toISOString(),
        expression: entry.expression,
        timezone: entry.timezone,
        ...(principal === undefined ? {} : { principal }),
      },
    },
    tags: entry.tags,
    priority: entry.priority,
    maxAttempts: entry.maxAttempts,
    deadlineMs: entry.deadlineMs,
    cronEntry: entry.name,
    limited: true,
  };
}

function toSlot(
  { plannedAt, state, blockedBy }: FireDecision,
  { jobIds, active }: {
    readonly jobIds: ReadonlyMap<Date, JobId>;
    readonly active: readonly JobId[];
  },
): NewCronSlot {
  const blockedById = blockedBy === "active"
    ? active.at(-1)
    : blockedBy === null
    ? undefined
    : jobIds.get(blockedBy);
  const jobId = jobIds.get(plannedAt) ?? null;
  return {
    plannedAt,
    state: state === "claimed" && jobId === null ? "skipped" : state,
    jobId,
    blockedById: blockedById ?? null,
  };
}
