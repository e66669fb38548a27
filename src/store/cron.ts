import type { Database } from "../db/database.ts";
import { type Sql, sql } from "../db/sql.ts";
import { CRON_UNFIRED_MAX } from "../domain/cron_due.ts";
import type { CronDefinition, CronSource } from "../domain/cron_entry.ts";
import {
  lastFiresBetween,
  parseCronExpression,
} from "../domain/cron_expression.ts";
import type { CronSlotReason } from "../domain/cron_slot_reason.ts";
import type { CronUniqueness } from "../domain/cron_uniqueness.ts";
import type { JobId } from "../domain/job.ts";
import { fireCronEntry } from "./cron_fire.ts";

/** A cron entry as it stands. */
export interface CronEntry extends CronDefinition {
  readonly uniqueness: CronUniqueness | null;
  readonly source: CronSource;
  readonly pausedAt: Date | null;
  /** The principal who paused it. */
  readonly pausedBy: string | null;
  /** When it last made a job. */
  readonly lastRunAt: Date | null;
  /** Every planned instant up to this one was dealt with. */
  readonly evaluatedThrough: Date;
  /** Every job of it with a smaller id has ended. */
  readonly activeFromId: `${bigint}`;
  readonly insertedAt: Date;
  /** When its definition last changed. A pause is no change of it. */
  readonly updatedAt: Date;
  /** Since when its expression and its zone are what they are. */
  readonly planSince: Date;
  /** When code stopped declaring it: it fires no more, its history stays. */
  readonly retiredAt: Date | null;
}

/** All but `evaluated_through`, which is not always read as it is. */
export const OTHER_COLUMNS: Sql = sql`
  name, source::text as "source", worker, queue, expression, timezone, args,
  meta, priority, max_attempts as "maxAttempts", tags,
  deadline_ms as "deadlineMs", overlap::text as "overlap",
  catch_up::text as "catchUp", catch_up_max as "catchUpMax",
  paused_at as "pausedAt", paused_by as "pausedBy",
  last_run_at as "lastRunAt", active_from_id::text as "activeFromId", inserted_at as "insertedAt",
  updated_at as "updatedAt", plan_since as "planSince",
  retired_at as "retiredAt", uniqueness
`;
const COLUMNS: Sql = sql`
  ${OTHER_COLUMNS}, evaluated_through as "evaluatedThrough"
`;

/** Entries on one page. */
const CRON_ENTRIES_MAX = 1_000;

/** Which entries {@linkcode listCronEntries} returns. */
export interface CronEntryPage {
  /** Names after this one. */
  readonly after?: string;
  /** {@linkcode CRON_ENTRIES_MAX} when left out. */
  readonly limit?: number;
  /** Also those that code no longer declares; not when left out. */
  readonly retired?: boolean;
}

/** Lists entries by name. */
export async function listCronEntries(
  db: Database,
  { after = "", limit = CRON_ENTRIES_MAX, retired = false }: CronEntryPage = {},
): Promise<CronEntry[]> {
  return await db.query<CronEntry>(sql`
    select ${COLUMNS}
    from yardmaster.cron_entries
    where name > ${after} and (retired_at is null or ${retired}::boolean)
    order by name
    limit ${limit}
  `);
}

/** Finds an entry, also one that is retired. */
export async function findCronEntry(
  db: Database,
  name: string,
): Promise<CronEntry | null> {
  const [entry] = await db.query<CronEntry>(sql`
    select ${COLUMNS} from yardmaster.cron_entries where name = ${name}
  `);
  return entry ?? null;
}

/** Finds an entry and holds it until the transaction ends. */
export async function lockCronEntry(
  tx: Database,
  name: string,
): Promise<CronEntry | null> {
  const [entry] = await tx.query<CronEntry>(sql`
    select ${COLUMNS}
    from yardmaster.cron_entries
    where name = ${name}
    for update
  `);
  return entry ?? null;
}

/** An entry that the transaction holds, and the instant since when. */
export interface HeldCronEntry extends CronEntry {
  readonly now: Date;
}

/**
 * Pauses an entry: its planned instants pass without a job.
 *
 * @returns Null if it is gone, retired or paused already.
 */
export async function pauseCronEntry(
  tx: Database,
  { name, principal }: { readonly name: string; readonly principal: string },
): Promise<CronEntry | null> {
  const [entry] = await tx.query<CronEntry>(sql`
    update yardmaster.cron_entries
    set paused_at = ${tx.now}, paused_by = ${principal}
    where name = ${name} and paused_at is null and retired_at is null
    returning ${COLUMNS}
  `);
  return entry ?? null;
}

/**
 * Resumes an entry from its next planned instant on. What was planned during
 * the pause is not caught up; the newest instants of it that nobody has looked
 * at yet leave a `paused` slot.
 *
 * @returns Null if it is gone, retired or not paused.
 */
export async function resumeCronEntry(
  tx: Database,
  { name }: { readonly name: string },
): Promise<CronEntry | null> {
  const held = await holdPausedEntry(tx, name);
  if (held === null) return null;
  const [entry] = await tx.query<CronEntry>(sql`
    with passed as (
      insert into yardmaster.cron_slots (
        entry_name, kind, planned_at, state, claimed_at
      )
      select ${name}, 'scheduled', planned_at, 'paused', ${tx.now}
      from unnest(${pausedInstants(held)}::timestamptz[]) as planned_at
      on conflict do nothing
    )
    update yardmaster.cron_entries
    set
      paused_at = null,
      paused_by = null,
      evaluated_through = greatest(evaluated_through, ${tx.now})
    where name = ${name} and paused_at is not null and retired_at is null
    returning ${COLUMNS}
  `);
  return entry ?? null;
}

async function holdPausedEntry(
  tx: Database,
  name: string,
): Promise<HeldCronEntry | null> {
  const [entry] = await tx.query<HeldCronEntry>(sql`
    select ${COLUMNS}, ${tx.now} as "now"
    from yardmaster.cron_entries
    where name = ${name} and paused_at is not null and retired_at is null
    for update
  `);
  return entry ?? null;
}

/** Instants of a pause that no slot tells of yet. */
function pausedInstants(entry: HeldCronEntry): Date[] {
  const { evaluatedThrough, pausedAt } = entry;
  const parsed = parseCronExpression(entry.expression, entry.timezone);
  if (!parsed.ok || pausedAt === null) return [];
  return lastFiresBetween(parsed.expression, {
    after: evaluatedThrough > pausedAt ? evaluatedThrough : pausedAt,
    through: entry.now,
    limit: CRON_UNFIRED_MAX,
  });
}

/** What came of a run that an operator asked for. */
export interface CronRunNow {
  /** As the entry's overlap policy decided, and what its worker declares. */
  readonly decision: "claimed" | "queued" | "skipped";
  /** Why it was skipped; null unless it was. */
  readonly reason: CronSlotReason | null;
  /** Null unless it was claimed. */
  readonly jobId: JobId | null;
  /**
   * The newest job of this entry that had not ended, or the one that holds the
   * unique key, if there was one.
   */
  readonly blockedById: JobId | null;
  /** The jobs that it cancelled: whoever runs one must hear of it. */
  readonly cancelledIds: readonly JobId[];
  readonly queue: string;
  readonly plannedAt: Date;
}

/**
 * Runs an entry now, because an operator asks for it: a slot of its own kind,
 * which takes no planned instant away and works while the entry is paused.
 *
 * The overlap policy counts here too. An operator who wants a second run beside
 * one that has not ended is told by the decision, and can cancel that job.
 *
 * @returns Null if it is gone or retired.
 */
export async function runCronEntryNow(
  tx: Database,
  { name, principal }: { readonly name: string; readonly principal: string },
): Promise<CronRunNow | null> {
  const [entry] = await tx.query<HeldCronEntry>(sql`
    select ${COLUMNS}, ${tx.now} as "now"
    from yardmaster.cron_entries
    where name = ${name} and retired_at is null
    for update
  `);
  if (entry === undefined) return null;

  const plannedAt = await nextManualInstant(tx, entry);
  const fired = await fireCronEntry(tx, {
    entry,
    kind: "manual",
    instants: [plannedAt],
    principal,
  });
  const [slot] = fired.slots;
  if (slot === undefined) return null;
  return {
    decision: slot.state === "claimed" || slot.state === "queued"
      ? slot.state
      : "skipped",
    reason: slot.reason,
    jobId: slot.jobId,
    blockedById: slot.blockedById,
    cancelledIds: fired.cancelledIds,
    queue: entry.queue,
    plannedAt,
  };
}

/** Two runs that were asked for in the same instant are two slots. */
async function nextManualInstant(
  tx: Database,
  { name }: HeldCronEntry,
): Promise<Date> {
  const [row] = await tx.query<{ readonly plannedAt: Date }>(sql`
    select
      greatest(
        date_trunc('milliseconds', ${tx.now}),
        max(planned_at) + interval '1 ms'
      ) as "plannedAt"
    from yardmaster.cron_slots
    where entry_name = ${name} and kind = 'manual'
  `);
  if (row === undefined) throw new Error("An aggregate returned no row");
  return row.plannedAt;
}
