import type { Database } from "../db/database.ts";
import { sql } from "../db/sql.ts";
import type { JobId } from "../domain/job.ts";

/** Jobs that differ in their args only, are due at once and are not unique. */
export interface AlikeJobs {
  readonly queue: string;
  readonly worker: string;
  /** As JSON. */
  readonly meta: string;
  readonly tags: readonly string[];
  readonly priority: number;
  readonly maxAttempts: number;
  /** Those of each job, as JSON. */
  readonly args: readonly string[];
}

interface Inserted {
  readonly jobIds: string;
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
  { queue, worker, meta, tags, priority, maxAttempts, args }: AlikeJobs,
): Promise<JobId[]> {
  const statement = sql`
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
      from jsonb_array_elements((select ${`[${args.join()}]`}::text)::jsonb)
        with ordinality as row (args, place)
    ),
    defined as (
      insert into yardmaster.jobs (
        id, queue, worker, args, meta, tags, priority, max_attempts
      )
      select
        id, ${queue}::text, ${worker}::text, args,
        -- Selected, so that the text is read once and not for each job.
        (select ${meta}::text::jsonb), ${[...tags]}::text[],
        ${priority}::smallint, ${maxAttempts}::smallint
      from input
    ),
    due as (
      insert into yardmaster.ready (job_id, queue, worker, priority, attempt)
      select id, ${queue}::text, ${worker}::text, ${priority}::smallint, 0
      from input
    )
    -- One cell: to take apart a thousand rows would cost a tenth of it all.
    select string_agg(id::text, ',' order by place) as "jobIds" from input
  `;
  const [row] = await db.query<Inserted>(statement, { hot: true });
  return (row?.jobIds ?? "").split(",") as JobId[];
}
