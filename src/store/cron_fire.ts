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
import { type CronInserted, insertCronJobs } from "./cron_jobs.ts";
import {
  findFollowUp,
  listActiveCronJobs,
  type NewCronSlot,
  recordCronSlots,
} from "./cron_slots.ts";
import { cancelJob } from "./transitions.ts";
import { lockUniqueKey } from "./unique_holders.ts";

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
 *
 * The overlap policy says whether an instant asks for a job at all. Then the job
 * is inserted like any other: another may hold its key, and a limiter may refuse
 * it. An instant without a job is in the way of no other.
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
  const { slots, cancelledIds } = await fireInstants(tx, {
    firing,
    active,
    followUp: await followUpWaits(tx, firing),
  });

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

interface Meeting {
  readonly firing: CronFiring;
  /** The jobs of the entry that have not ended. */
  readonly active: readonly JobId[];
  readonly followUp: Firing["followUp"];
}

async function fireInstants(
  tx: Database,
  { firing, active, followUp }: Meeting,
): Promise<CronFired> {
  const { entry: { overlap } } = firing;
  const busy = active.length > 0;
  const slots: NewCronSlot[] = [];
  let instants = firing.instants;
  for (;;) {
    const decisions = decideOverlap({ instants, overlap, busy, followUp });
    const fired = overlap === "cancel_previous" && busy
      ? await cancelAndInsert(tx, { firing, active, decisions })
      : {
        inserted: await insertClaimed(tx, { firing, decisions }),
        cancelledIds: [],
      };
    const { inserted, cancelledIds } = fired;
    const [first, ...rest] = instants;
    const isInNobodysWay = first !== undefined &&
      isWithoutJob(inserted.get(first)) && rest.length > 0 &&
      (overlap === "skip" || overlap === "queue_one");
    const decided = isInNobodysWay ? decisions.slice(0, 1) : decisions;
    for (const decision of decided) {
      slots.push(toSlot(decision, { inserted, active }));
    }
    if (!isInNobodysWay) return { slots, cancelledIds };
    instants = rest;
  }
}

function isWithoutJob(answer: CronInserted | undefined): boolean {
  return answer !== undefined && answer.jobId === null;
}

async function followUpWaits(
  tx: Database,
  { entry, instants }: CronFiring,
): Promise<Firing["followUp"]> {
  if (entry.overlap !== "queue_one" || instants.length === 0) return false;
  return await findFollowUp(tx, entry.name) !== null;
}

/** What was inserted, and what was cancelled for it. */
interface Followed {
  readonly inserted: ReadonlyMap<Date, CronInserted>;
  readonly cancelledIds: readonly JobId[];
}

/** Rolls back what was cancelled for a job that is not made. */
class NothingFollows extends Error {
  readonly inserted: Followed["inserted"];

  constructor(inserted: Followed["inserted"]) {
    super("Another job holds the key, or a limiter is full");
    this.inserted = inserted;
  }
}

/** Cancels what was before, if something follows it. */
async function cancelAndInsert(
  tx: Database,
  { firing, active, decisions }: Pick<Meeting, "firing" | "active"> & {
    readonly decisions: readonly FireDecision[];
  },
): Promise<Followed> {
  const { entry: { uniqueness = null }, principal = null } = firing;
  // The key before the jobs, as an insert takes them.
  if (uniqueness !== null) await lockUniqueKey(tx, uniqueness.key);
  try {
    return await tx.transaction(async (own) => {
      const cancelledIds = await cancelAll(own, { active, principal });
      const inserted = await insertClaimed(own, { firing, decisions });
      const follows = [...inserted.values()].some(({ jobId, reason }) =>
        jobId !== null || reason === "overwrote"
      );
      if (!follows) throw new NothingFollows(inserted);
      return { inserted, cancelledIds };
    });
  } catch (error) {
    if (!(error instanceof NothingFollows)) throw error;
    return { inserted: error.inserted, cancelledIds: [] };
  }
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

/** Asks for the jobs of the instants that the overlap policy lets through. */
async function insertClaimed(
  tx: Database,
  { firing, decisions }: {
    readonly firing: CronFiring;
    readonly decisions: readonly FireDecision[];
  },
): Promise<Followed["inserted"]> {
  const { entry, kind, principal } = firing;
  const claimed = decisions.filter(({ state }) => state === "claimed");
  const by = principal === undefined ? {} : { principal };
  const answers = await insertCronJobs(
    tx,
    claimed.map(({ plannedAt }) => {
      return { entry, facts: { kind, plannedAt, ...by } };
    }),
  );
  return new Map(claimed.flatMap(({ plannedAt }, index) => {
    const answer = answers[index];
    return answer === undefined ? [] : [[plannedAt, answer] as const];
  }));
}

function toSlot(
  { plannedAt, state, blockedBy }: FireDecision,
  { inserted, active }: Pick<Followed, "inserted"> & Pick<Meeting, "active">,
): NewCronSlot {
  const before = blockedBy === "active"
    ? active.at(-1)
    : blockedBy === null
    ? undefined
    : inserted.get(blockedBy)?.jobId;
  const slot = { plannedAt, state, jobId: null, blockedById: before ?? null };
  if (state === "queued") return { ...slot, reason: null };
  const answer = inserted.get(plannedAt);
  if (answer === undefined) return { ...slot, reason: "overlap" };
  if (answer.jobId !== null) {
    return { ...slot, jobId: answer.jobId, reason: null };
  }
  const { reason, holderId } = answer;
  // What it cancelled is not what kept it from a job of its own.
  return { ...slot, state: "skipped", reason, blockedById: holderId };
}
