/** Many cron entries at once: one statement for each step, and not one for each. */
import type { Database } from "../db/database.ts";
import { json, sql } from "../db/sql.ts";
import type { JobId } from "../domain/job.ts";
import { type HeldCronEntry, OTHER_COLUMNS } from "./cron.ts";
import { insertCronJobs } from "./cron_jobs.ts";
import type { NewCronSlot } from "./cron_slots.ts";

/**
 * Holds entries that may be due and whose jobs need not look at others; see
 * {@linkcode holdCronEntry} of each. Those that somebody else holds are left out.
 */
export async function holdAllowedEntries(
  tx: Database,
  names: readonly string[],
): Promise<HeldCronEntry[]> {
  return await tx.query<HeldCronEntry>(sql`
    select
      ${OTHER_COLUMNS},
      greatest(evaluated_through, (
        select max(planned_at)
        from yardmaster.cron_slots
        where entry_name = cron_entries.name and kind = 'scheduled'
      )) as "evaluatedThrough",
      ${tx.now} as "now"
    from yardmaster.cron_entries
    where name = any (${[...names]}::text[]) and retired_at is null
      and overlap = 'allow' and uniqueness is null
    order by name
    for update skip locked
  `);
}

/** What one of those entries does. */
export interface AllowedFiring {
  readonly entry: HeldCronEntry;
  /** In order; none of them dealt with before. Each becomes a job. */
  readonly fire: readonly Date[];
  /** Instants that do not fire, and leave a trace. */
  readonly unfired: readonly NewCronSlot[];
  readonly evaluatedThrough: Date;
}

/** What came of it. */
export interface AllowedFired {
  readonly entry: HeldCronEntry;
  readonly slots: readonly NewCronSlot[];
}

/**
 * Fires entries that the transaction holds, as {@linkcode fireCronEntry} fires
 * each of them.
 */
export async function fireAllowedEntries(
  tx: Database,
  firings: readonly AllowedFiring[],
): Promise<AllowedFired[]> {
  const asked = firings.flatMap(({ entry, fire }) =>
    fire.map((plannedAt) => ({ entry, plannedAt }))
  );
  const inserted = await insertCronJobs(
    tx,
    asked.map(({ entry, plannedAt }) => {
      return { entry, facts: { kind: "scheduled", plannedAt } as const };
    }),
  );
  let place = 0;
  const fired = firings.map(({ entry, fire, unfired }): AllowedFired => {
    const slots = fire.map((plannedAt) =>
      toSlot(plannedAt, inserted[place++]?.jobId)
    );
    return { entry, slots: [...unfired, ...slots] };
  });
  await recordSlots(tx, { firings, fired });
  return fired;
}

/** Without a job, a limiter refused it. */
function toSlot(plannedAt: Date, jobId: JobId | null = null): NewCronSlot {
  return jobId === null
    ? { ...NO_JOB, plannedAt, state: "skipped", reason: "limited" }
    : { ...NO_JOB, plannedAt, state: "claimed", jobId };
}

const NO_JOB = { jobId: null, blockedById: null, reason: null } as const;

/** See {@linkcode recordCronSlots}: the primary key has the last word. */
async function recordSlots(
  tx: Database,
  { firings, fired }: {
    readonly firings: readonly AllowedFiring[];
    readonly fired: readonly AllowedFired[];
  },
): Promise<void> {
  const slots = fired.flatMap(({ entry, slots }) =>
    slots.map(({ plannedAt, state, jobId, reason }) => {
      return {
        name: entry.name,
        planned_at: plannedAt.toISOString(),
        state,
        job_id: jobId,
        reason,
      };
    })
  );
  const entries = firings.map(({ entry, evaluatedThrough }, index) => {
    return {
      name: entry.name,
      evaluated_through: evaluatedThrough.toISOString(),
      ran: fired[index]?.slots.some(({ state }) => state === "claimed") ??
        false,
    };
  });
  await tx.query(sql`
    with slot as (
      insert into yardmaster.cron_slots (
        entry_name, kind, planned_at, state, job_id, reason, claimed_at
      )
      select name, 'scheduled', planned_at, state, job_id, reason, ${tx.now}
      from jsonb_to_recordset(${json(slots)}) as slot (
        name text, planned_at timestamptz, state yardmaster.cron_slot_state,
        job_id bigint, reason yardmaster.cron_slot_reason
      )
    )
    update yardmaster.cron_entries as entry
    set
      evaluated_through = greatest(
        entry.evaluated_through, dealt.evaluated_through
      ),
      last_run_at = case when dealt.ran then ${tx.now} else last_run_at end
    from jsonb_to_recordset(${json(entries)}) as dealt (
      name text, evaluated_through timestamptz, ran boolean
    )
    where entry.name = dealt.name
  `);
}
