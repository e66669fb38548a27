import type { Database } from "../db/database.ts";
import { sql } from "../db/sql.ts";
import { placed } from "./limited.ts";

/** What a pass of the stager did. */
export interface Staging {
  readonly staged: number;
  /** Where the staged jobs wait now. */
  readonly queues: readonly string[];
  /** Until the next one is due; `null` if none is planned. */
  readonly nextInMs: number | null;
}

/**
 * Moves due jobs from `scheduled` to `ready`, or to `limited` if their worker has
 * limiters, the longest due first. Processes that do it at the same time share
 * the work.
 */
export async function stageJobs(
  db: Database,
  { limit }: { readonly limit: number },
): Promise<Staging> {
  const rows = await db.query<Staging>(sql`
    with due as materialized (
      select ctid as place
      from yardmaster.scheduled
      where run_at <= ${db.now}
      order by run_at, job_id
      limit ${limit}
      for update skip locked
    ),
    taken as (
      delete from yardmaster.scheduled
      where ctid = any (array(select place from due))
      returning job_id, queue, worker, priority, attempt
    ),
    ${placed(sql`taken`)}
    staged as (select queue from taken)
    select
      count(*)::integer as "staged",
      coalesce(array_agg(distinct queue), '{}') as "queues",
      (
        select
          (extract(epoch from min(run_at) - ${db.now}) * 1000)::float8
        from yardmaster.scheduled
        where run_at > ${db.now}
      ) as "nextInMs"
    from staged
  `);
  return rows[0] ?? { staged: 0, queues: [], nextInMs: null };
}
