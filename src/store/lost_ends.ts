import type { Database } from "../db/database.ts";
import { type Sql, sql } from "../db/sql.ts";
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
  readonly event?: { readonly kind: string };
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
 * Looks for ends that were missed because they were applied before, and records
 * those that are lost. A statement of its own: what waited for a lease that its
 * first try held, on its way to a slow disk, began before that was written, and
 * does not see it.
 */
export function tellLost(
  db: Database,
  { executorId, missed }: {
    readonly executorId: number;
    readonly missed: readonly MissedEnd[];
  },
): Promise<Place[]> {
  return db.query<Place>(sql`
    with missed as materialized (
      select *
      from unnest(
        ${missed.map((result) => result.leaseId)}::bigint[],
        ${missed.map((result) => result.jobId)}::bigint[],
        ${missed.map((result) => result.attempt)}::smallint[],
        ${missed.map((result) => result.to)}::text[],
        ${missed.map(({ event }) => event?.kind ?? null)}::text[]
      ) as missed (lease_id, job_id, attempt, state, kind)
    ),
    lost as materialized (
      select lease_id, job_id, attempt
      from missed
      where not coalesce(${hasEnded(executorId)}, false)
        and not coalesce(${waitsAgain()}, false)
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

/**
 * Whether the job ended as told. No attempt of it ends for two processes, and
 * this one may be known as another executor by now; but where the attempt was
 * given back, or snoozed, its number came again, maybe elsewhere.
 */
function hasEnded(executorId: number): Sql {
  return sql`(
    select outcomes.executor_id = ${executorId}::integer or (
      select true
      from yardmaster.attempt_events as told
      where told.job_id = missed.job_id and told.attempt = missed.attempt
        and told.kind in ('given_back', 'snoozed')
      limit 1
    ) is null
    from yardmaster.outcomes
    where outcomes.job_id = missed.job_id
      and outcomes.attempt = missed.attempt
      and outcomes.state::text = missed.state
    limit 1
  )`;
}

/**
 * Whether the job waits as told, or did: then that is the last that happened to
 * this attempt, but for what operators did to the job while it waited. Whoever
 * takes a job from its run leaves an event of it.
 */
function waitsAgain(): Sql {
  return sql`(
    select told.kind::text = missed.kind
    from yardmaster.attempt_events as told
    where told.job_id = missed.job_id and told.attempt = missed.attempt
      and told.kind not in ('lost', 'retried', 'replaced')
      and missed.state in ('retryable', 'scheduled', 'available')
    order by told.id desc
    limit 1
  )`;
}
