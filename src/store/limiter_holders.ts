/** Jobs that run and hold something of a limiter of concurrency. */
import type { Database } from "../db/database.ts";
import { sql } from "../db/sql.ts";
import type { JobId } from "../domain/job.ts";
import { HELD_BY_LEASES } from "./limited_locks.ts";

/** A job that runs, with what it holds. */
export interface LimiterHolder {
  readonly jobId: JobId;
  readonly key: string;
  readonly weight: number;
  readonly queue: string;
  readonly worker: string;
  readonly claimedAt: Date;
  /** `null` if nothing is left of its process. */
  readonly executor: string | null;
  /** How many hold it, of as many grants as are looked at. */
  readonly all: number;
}

// Written out: see `limiter_pressure.ts`.
/** Grants that are looked at. */
const GRANTS = sql`10000`;

/**
 * Who holds a limiter, or one key of it, the one that runs longest first. A grant
 * whose lease let go of its job holds nothing, and is not among them.
 */
export async function listLimiterHolders(
  db: Database,
  { limiter, key, limit }: {
    readonly limiter: string;
    readonly key: string | null;
    readonly limit: number;
  },
): Promise<LimiterHolder[]> {
  const isKey = key === null ? sql`true` : sql`key = ${key}`;
  return await db.query<LimiterHolder>(sql`
    with given as materialized (
      select key, lease_id, job_id, weight
      from yardmaster.limiter_grants
      where limiter = ${limiter} and ${isKey}
      order by key, lease_id, job_id
      limit ${GRANTS}
    ),
    ${HELD_BY_LEASES},
    holder as materialized (
      select given.*, count(*) over ()::integer as others
      from given join held using (lease_id, job_id)
      order by lease_id, job_id
      limit ${limit}
    )
    select holder.job_id as "jobId", holder.key as "key",
      holder.weight as "weight", job.queue as "queue", job.worker as "worker",
      leases.claimed_at as "claimedAt", executors.name as "executor",
      holder.others as "all"
    from holder
    join yardmaster.leases on leases.id = holder.lease_id
    left join yardmaster.executors on executors.id = leases.executor_id
    -- offset 0 keeps it a lookup for each job: a join might read the table.
    cross join lateral (
      select queue, worker from yardmaster.jobs
      where jobs.id = holder.job_id
      offset 0
    ) as job
    order by holder.lease_id, holder.job_id
  `);
}
