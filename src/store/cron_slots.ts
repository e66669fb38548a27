import type { Database } from "../db/database.ts";
import { sql } from "../db/sql.ts";
import type {
  CronSlotFacts,
  CronSlotKind,
  CronSlotState,
} from "../domain/cron_slot.ts";
import type { CronSlotReason } from "../domain/cron_slot_reason.ts";
import type { JobId } from "../domain/job.ts";

/** One instant of one entry, dealt with. */
export interface CronSlot extends CronSlotFacts {
  readonly entryName: string;
}

/** Slots on one page. */
const CRON_SLOTS_MAX = 1_000;

/** Which slots {@linkcode listCronSlots} returns. */
export interface CronSlotPage {
  readonly name: string;
  /** The newest so many. */
  readonly limit: number;
  /** Planned at this instant or later. */
  readonly since?: Date;
  /** Planned before this instant: the key to go on from. */
  readonly before?: Date;
}

/** Lists the slots of an entry, the newest planned instant first. */
export async function listCronSlots(
  db: Database,
  { name, limit, since, before }: CronSlotPage,
): Promise<CronSlot[]> {
  return await db.query<CronSlot>(sql`
    select
      entry_name as "entryName", kind::text as "kind",
      planned_at as "plannedAt", state::text as "state",
      job_id::text as "jobId", blocked_by_id::text as "blockedById",
      reason::text as "reason", claimed_at as "claimedAt"
    from yardmaster.cron_slots
    -- Both kinds are named, so that the primary key finds the newest of each.
    where entry_name = ${name} and kind in ('scheduled', 'manual')
      and planned_at >= coalesce(${since ?? null}::timestamptz, '-infinity')
      and planned_at < coalesce(${before ?? null}::timestamptz, 'infinity')
    order by planned_at desc, kind
    limit ${Math.min(limit, CRON_SLOTS_MAX)}
  `);
}

/** A slot to write. */
export interface NewCronSlot {
  readonly plannedAt: Date;
  readonly state: CronSlotState;
  readonly jobId: JobId | null;
  readonly blockedById: JobId | null;
  /** Null unless it is skipped. */
  readonly reason: CronSlotReason | null;
}

/** Slots of one entry, and what the entry knows afterwards. */
export interface CronSlotRecord {
  readonly name: string;
  readonly kind: CronSlotKind;
  readonly slots: readonly NewCronSlot[];
  /** Every planned instant up to this one was dealt with; null: as it was. */
  readonly evaluatedThrough: Date | null;
  /** See `cron_entries.active_from_id`; null: as it was. */
  readonly activeFromId: JobId | null;
}

/**
 * Records what became of instants, and moves the entry past them.
 *
 * The primary key has the last word: a slot that is there already fails the
 * statement, and with it the transaction and the job that it inserted.
 *
 * @returns Whether the entry is still there.
 */
export async function recordCronSlots(
  tx: Database,
  { name, kind, slots, evaluatedThrough, activeFromId }: CronSlotRecord,
): Promise<boolean> {
  const rows = await tx.query(sql`
    with slot as (
      insert into yardmaster.cron_slots (
        entry_name, kind, planned_at, state, job_id, blocked_by_id, reason,
        claimed_at
      )
      select
        ${name}, ${kind}::yardmaster.cron_slot_kind, planned_at,
        state::yardmaster.cron_slot_state, job_id, blocked_by_id,
        reason::yardmaster.cron_slot_reason, ${tx.now}
      from unnest(
        ${slots.map((slot) => slot.plannedAt)}::timestamptz[],
        ${slots.map((slot) => slot.state)}::text[],
        ${slots.map((slot) => slot.jobId)}::bigint[],
        ${slots.map((slot) => slot.blockedById)}::bigint[],
        ${slots.map((slot) => slot.reason)}::text[]
      ) as slot (planned_at, state, job_id, blocked_by_id, reason)
    )
    update yardmaster.cron_entries
    set
      evaluated_through = greatest(
        evaluated_through,
        ${evaluatedThrough}::timestamptz
      ),
      active_from_id = coalesce(${activeFromId}::bigint, active_from_id),
      last_run_at = case
        when ${slots.some((slot) => slot.state === "claimed")}::boolean
          then ${tx.now}
        else last_run_at
      end
    where name = ${name}
    returning name
  `);
  return rows.length === 1;
}

/**
 * Lists the jobs of an entry that have not ended, oldest first: whoever
 * enqueued them, wherever they stand.
 */
export async function listActiveCronJobs(
  db: Database,
  { name, fromId }: { readonly name: string; readonly fromId: string },
): Promise<JobId[]> {
  const rows = await db.query<{ readonly jobId: JobId }>(sql`
    select jobs.id::text as "jobId"
    from yardmaster.jobs
    where jobs.cron_entry = ${name}
      and jobs.id >= ${fromId}::bigint
      and not exists (
        select
        from yardmaster.outcomes
        where outcomes.job_id = jobs.id
        -- Few jobs come this far. Without this line, a generic plan joins them
        -- with all outcomes that there are: 8,659 buffers instead of 8.
        offset 0
      )
    order by jobs.id
    limit 1000
  `);
  return rows.map((row) => row.jobId);
}

/** Finds the follow-up of an entry that waits for the job before it. */
export async function findFollowUp(
  db: Database,
  name: string,
): Promise<Pick<CronSlot, "kind" | "plannedAt"> | null> {
  const [slot] = await db.query<Pick<CronSlot, "kind" | "plannedAt">>(sql`
    select kind::text as "kind", planned_at as "plannedAt"
    from yardmaster.cron_slots
    where entry_name = ${name} and state = 'queued'
  `);
  return slot ?? null;
}

/** What became of a follow-up. */
export interface SettledFollowUp extends Omit<NewCronSlot, "state"> {
  readonly name: string;
  readonly kind: CronSlotKind;
  /** `paused`: its turn came in a pause, so it passes. */
  readonly state: "claimed" | "skipped" | "paused";
}

/**
 * Ends the wait of a follow-up: it has a job now, or passes without one.
 *
 * @returns Whether it still waited.
 */
export async function settleFollowUp(
  tx: Database,
  settled: SettledFollowUp,
): Promise<boolean> {
  const { name, kind, plannedAt, state, jobId, blockedById, reason } = settled;
  const rows = await tx.query(sql`
    with slot as (
      update yardmaster.cron_slots
      set
        state = ${state}::yardmaster.cron_slot_state,
        job_id = ${jobId}::bigint,
        blocked_by_id = coalesce(${blockedById}::bigint, blocked_by_id),
        reason = ${reason}::yardmaster.cron_slot_reason,
        claimed_at = ${tx.now}
      where entry_name = ${name}
        and kind = ${kind}::yardmaster.cron_slot_kind
        and planned_at = ${plannedAt}
        and state = 'queued'
      returning job_id
    )
    update yardmaster.cron_entries
    set
      last_run_at = case
        when slot.job_id is null then last_run_at else ${tx.now}
      end,
      active_from_id = coalesce(slot.job_id, active_from_id)
    from slot
    where name = ${name}
    returning name
  `);
  return rows.length === 1;
}

/**
 * Prunes slots that were planned longer ago than `keepMs`, the oldest first.
 *
 * @returns How many there were, `limit` at most.
 */
export async function pruneCronSlots(
  db: Database,
  { keepMs, limit }: { readonly keepMs: number; readonly limit: number },
): Promise<number> {
  const rows = await db.query(sql`
    delete from yardmaster.cron_slots
    where ctid = any (array(
      select ctid
      from yardmaster.cron_slots
      -- A follow-up waits as long as the job before it runs.
      where planned_at < ${db.now} - ${keepMs}::float8 * interval '1 ms'
        and state <> 'queued'
      order by planned_at
      limit ${limit}
      for update skip locked
    ))
    returning planned_at
  `);
  return rows.length;
}
