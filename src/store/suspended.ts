/**
 * Jobs that stand nowhere, because something outside of them has to let them go
 * on.
 */
import type { Database } from "../db/database.ts";
import { type Sql, sql } from "../db/sql.ts";
import type { JobId } from "../domain/job.ts";

/** How a job that stands nowhere ends. */
export interface SuspendedEnding {
  readonly jobId: JobId;
  readonly principal: string | null;
  readonly state: "cancelled" | "discarded";
}

/**
 * Whether a job stands nowhere, and holds its definition if so.
 *
 * There is no other row of it that could be held. So whoever ends it, and
 * whoever lets it go on, holds this one first and looks where it stands in a
 * later statement: one that began before it had the row would not see what the
 * other did.
 *
 * @param tx A transaction: the row is held until it ends.
 */
export async function holdSuspended(
  tx: Database,
  jobId: JobId,
): Promise<boolean> {
  const rows = await tx.query(sql`
    select
    from yardmaster.jobs
    where id = ${jobId}::bigint and ${standsNowhere(jobId)}
    for update
  `);
  return rows.length === 1;
}

/**
 * Ends a job that is held and stands nowhere.
 *
 * @returns Its queue; `null` if it stands somewhere, or is not there.
 */
export async function endSuspended(
  tx: Database,
  { jobId, principal, state }: SuspendedEnding,
): Promise<string | null> {
  const [row] = await tx.query<{ readonly queue: string }>(sql`
    with nowhere as materialized (
      select
        id as job_id, queue,
        coalesce(
          (
            select max(attempt)
            from yardmaster.attempt_events
            where job_id = ${jobId}::bigint
          ),
          0
        ) as attempt
      from yardmaster.jobs
      where id = ${jobId}::bigint and ${standsNowhere(jobId)}
    ),
    told as (
      insert into yardmaster.attempt_events (
        job_id, attempt, kind, principal, at
      )
      select
        job_id, attempt, ${state}::yardmaster.attempt_event_kind, ${principal},
        ${tx.now}
      from nowhere
    ),
    outcome as (
      insert into yardmaster.outcomes (
        job_id, state, attempt, took_ms, finished_at
      )
      select
        job_id, ${state}::yardmaster.outcome_state, attempt, 0, ${tx.now}
      from nowhere
    )
    select queue from nowhere
  `);
  return row?.queue ?? null;
}

/** Its snapshot shows a job in one place, or in none. */
function standsNowhere(jobId: JobId): Sql {
  return sql`
    not exists (
      select from yardmaster.scheduled where job_id = ${jobId}::bigint
    )
    and not exists (
      select from yardmaster.ready where job_id = ${jobId}::bigint
    )
    and not exists (
      select from yardmaster.limited where job_id = ${jobId}::bigint
    )
    and not exists (
      select from yardmaster.leases
      where job_ids @> array[${jobId}::bigint]
    )
    and not exists (
      select from yardmaster.outcomes where job_id = ${jobId}::bigint
    )
  `;
}
