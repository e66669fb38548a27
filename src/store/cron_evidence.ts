/** What pages and forensics read of many cron entries at once. */
import type { Database } from "../db/database.ts";
import { sql } from "../db/sql.ts";
import type { JobId } from "../domain/job.ts";
import type { JobState } from "../domain/state.ts";
import type { CronSlot } from "./cron_slots.ts";

/** Lists the newest `limit` slots of each of the entries, newest first. */
export async function listSlotsOfEntries(
  db: Database,
  { names, limit, before = null }: {
    readonly names: readonly string[];
    readonly limit: number;
    /** Planned before this instant: the key to go on from. */
    readonly before?: Date | null;
  },
): Promise<CronSlot[]> {
  return await db.query<CronSlot>(sql`
    select
      slot.entry_name as "entryName", slot.kind::text as "kind",
      slot.planned_at as "plannedAt", slot.state::text as "state",
      slot.job_id::text as "jobId", slot.blocked_by_id::text as "blockedById",
      slot.reason::text as "reason", slot.claimed_at as "claimedAt"
    from unnest(${names}::text[]) as entry (name),
      lateral (
        select *
        from yardmaster.cron_slots
        where entry_name = entry.name and kind in ('scheduled', 'manual')
          and planned_at < coalesce(${before}::timestamptz, 'infinity')
        order by planned_at desc
        limit ${limit}
      ) as slot
    order by slot.entry_name, slot.planned_at desc
  `);
}

/** Where a job of a slot stands. */
export interface SlotJob {
  readonly jobId: JobId;
  readonly state: JobState;
  readonly attempt: number;
  readonly finishedAt: Date | null;
  readonly tookMs: number | null;
}

/** The standing of jobs by id; those that are no longer kept are left out. */
export async function listSlotJobs(
  db: Database,
  jobIds: readonly JobId[],
): Promise<SlotJob[]> {
  if (jobIds.length === 0) return [];
  return await db.query<SlotJob>(sql`
    select
      jobs.id::text as "jobId",
      coalesce(standing.state::text, 'suspended') as "state",
      coalesce(standing.attempt, 0)::int as "attempt",
      standing.finished_at as "finishedAt", standing.took_ms as "tookMs"
    from yardmaster.jobs
    left join yardmaster.job_states as standing
      on standing.job_id = jobs.id
      and standing.job_id = any(${jobIds}::bigint[])
    where jobs.id = any(${jobIds}::bigint[])
  `);
}
