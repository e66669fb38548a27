import type { Database } from "../db/database.ts";
import { sql } from "../db/sql.ts";
import type { CronOverlap } from "../domain/cron_entry.ts";
import { type HeldCronEntry, OTHER_COLUMNS } from "./cron.ts";

/**
 * Holds an entry that may be due; null when it is gone, retired, or somebody
 * else holds it at this moment and so deals with it, or changes it.
 *
 * An instant that has a slot already counts as dealt with, whatever the entry
 * says.
 */
export async function holdCronEntry(
  tx: Database,
  name: string,
): Promise<HeldCronEntry | null> {
  const [entry] = await tx.query<HeldCronEntry>(sql`
    select
      ${OTHER_COLUMNS},
      greatest(evaluated_through, (
        select max(planned_at)
        from yardmaster.cron_slots
        where entry_name = ${name} and kind = 'scheduled'
      )) as "evaluatedThrough",
      ${tx.now} as "now"
    from yardmaster.cron_entries
    where name = ${name} and retired_at is null
    for update skip locked
  `);
  return entry ?? null;
}

/**
 * Bounds how long the transaction waits for a lock. A call that asked for a key
 * holds it until its host commits; the other entries of the pass must not wait
 * for that, and what is not done now is done by a later pass.
 */
export async function waitBriefly(tx: Database): Promise<void> {
  await tx.query(sql`select set_config('lock_timeout', '2s', true)`);
}

/** What a scheduler must know of every entry to find those that are due. */
export interface CronPlanRow {
  readonly name: string;
  readonly expression: string;
  readonly timezone: string;
  readonly evaluatedThrough: Date;
  readonly overlap: CronOverlap;
  /** Whether its jobs ask for a unique key. */
  readonly unique: boolean;
  /** Whether a follow-up waits for the job before it. */
  readonly followUp: boolean;
  readonly now: Date;
}

/** Lists what a scheduler looks at in each pass. */
export async function listCronPlans(
  db: Database,
  { limit }: { readonly limit: number },
): Promise<CronPlanRow[]> {
  return await db.query<CronPlanRow>(sql`
    select
      entry.name, entry.expression, entry.timezone,
      entry.overlap::text as "overlap",
      entry.uniqueness is not null as "unique",
      entry.evaluated_through as "evaluatedThrough",
      exists (
        select
        from yardmaster.cron_slots as slot
        where slot.entry_name = entry.name and slot.state = 'queued'
      ) as "followUp",
      ${db.now} as "now"
    from yardmaster.cron_entries as entry
    where entry.retired_at is null
    order by entry.name
    limit ${limit}
  `);
}
