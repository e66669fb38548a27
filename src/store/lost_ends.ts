import type { Database } from "../db/database.ts";
import { sql } from "../db/sql.ts";
import type { JobId } from "../domain/job.ts";
import type { LeaseId } from "./leases.ts";

/** A job in a lease. */
export interface Place {
  readonly leaseId: LeaseId;
  readonly jobId: JobId;
}

/** An end that was told, and of which the lease knew nothing. */
interface MissedEnd extends Place {
  readonly attempt: number;
  readonly to: string;
}

/** Of a job in its lease. */
export function keyOf({ leaseId, jobId }: Place): string {
  return `${leaseId} ${jobId}`;
}

/** Of many. */
export function keysOf(places: readonly Place[]): ReadonlySet<string> {
  return new Set(places.map(keyOf));
}

/**
 * Looks again for ends that were missed, and records those that are lost. A
 * statement of its own: what waited for a lease that its first try held, on its
 * way to a slow disk, began before that was written, and does not see it.
 */
export function tellLost(
  db: Database,
  { executorId, missed }: {
    readonly executorId: number;
    readonly missed: readonly MissedEnd[];
  },
): Promise<Place[]> {
  return db.query<Place>(sql`
    with lost as materialized (
      select lease_id, job_id, attempt
      from unnest(
        ${missed.map((result) => result.leaseId)}::bigint[],
        ${missed.map((result) => result.jobId)}::bigint[],
        ${missed.map((result) => result.attempt)}::smallint[],
        ${missed.map((result) => result.to)}::text[]
      ) as missed (lease_id, job_id, attempt, state)
      where (
        select true
        from yardmaster.outcomes
        where outcomes.job_id = missed.job_id
          and outcomes.attempt = missed.attempt
          and outcomes.state::text = missed.state
        limit 1
      ) is null
    ),
    told as (
      insert into yardmaster.attempt_events (
        job_id, attempt, kind, executor_id, at
      )
      select job_id, attempt, 'lost', ${executorId}::integer, ${db.now}
      from lost
    )
    select job_id::text as "jobId", lease_id::text as "leaseId" from lost
  `);
}
