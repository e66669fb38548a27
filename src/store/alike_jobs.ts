import type { Database } from "../db/database.ts";
import { sql } from "../db/sql.ts";
import type { JobId } from "../domain/job.ts";

/** Jobs that differ in their args only, are due at once and are not unique. */
export interface AlikeJobs {
  readonly queue: string;
  readonly worker: string;
  readonly tags: readonly string[];
  readonly priority: number;
  readonly maxAttempts: number;
  /** One of each job. */
  readonly args: readonly Readonly<Record<string, unknown>>[];
}

/**
 * Inserts what most inserts are: jobs of one worker. It writes what the statement
 * for all kinds would write, at less than half of its cost: `docs/operations/
 * benchmark.md` measures it.
 *
 * @returns One id for each job, in that order.
 */
export async function insertAlikeJobs(
  db: Database,
  { queue, worker, tags, priority, maxAttempts, args }: AlikeJobs,
): Promise<JobId[]> {
  const rows = await db.query<{ readonly jobId: JobId }>(sql`
    with first as materialized (
      select yardmaster.job_id_at(${db.now}) as id
    ),
    input as materialized (
      select
        -- As next_job_id() does, but its arithmetic only once.
        (select id from first)
          | (nextval('yardmaster.job_id_sequence') & 4194303) as id,
        row.args, row.place
      -- Selected, or the text would be read twice: to plan, and to run.
      from jsonb_array_elements((select ${JSON.stringify(args)}::text)::jsonb)
        with ordinality as row (args, place)
    ),
    defined as (
      insert into yardmaster.jobs (
        id, queue, worker, args, meta, tags, priority, max_attempts
      )
      select
        id, ${queue}::text, ${worker}::text, args, '{}', ${[...tags]}::text[],
        ${priority}::smallint, ${maxAttempts}::smallint
      from input
    ),
    due as (
      insert into yardmaster.ready (job_id, queue, worker, priority, attempt)
      select id, ${queue}::text, ${worker}::text, ${priority}::smallint, 0
      from input
    )
    select id::text as "jobId" from input order by place
  `);
  return rows.map(({ jobId }) => jobId);
}
