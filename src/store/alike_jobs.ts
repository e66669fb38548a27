import type { Database } from "../db/database.ts";
import { type Sql, sql } from "../db/sql.ts";
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
  jobs: AlikeJobs,
): Promise<JobId[]> {
  const statement = sql`
    with ${firstId(db)}
    input as materialized (
      select ${ID_FROM_FIRST} as id, row.args, row.place
      -- Selected, or the text would be read twice: to plan, and to run.
      from jsonb_array_elements((select ${`[${jobs.args.join()}]`}::text)::jsonb)
        with ordinality as row (args, place)
    ),
    ${alikeInserts(jobs, sql`input`)}
    -- One cell: to take apart a thousand rows would cost a tenth of it all.
    select string_agg(id::text, ',' order by place) as "jobIds" from input
  `;
  const [row] = await db.query<Inserted>(statement, { hot: true });
  return (row?.jobIds ?? "").split(",") as JobId[];
}

/** The id of an instant; {@linkcode ID_FROM_FIRST} makes those of jobs of it. */
export function firstId(db: Database): Sql {
  return sql`
    first as materialized (
      select yardmaster.job_id_at(${db.now}) as id
    ),
  `;
}

/** As next_job_id() does, but its arithmetic only once. */
export const ID_FROM_FIRST = sql`
  (select id from first)
    | (nextval('yardmaster.job_id_sequence') & 4194303)
`;

/**
 * The last parts of an insert of alike jobs: their definitions, and where they
 * stand.
 *
 * @param made Rows with an `id` and `args`.
 */
export function alikeInserts(
  { queue, worker, meta, tags, priority, maxAttempts }: AlikeJobs,
  made: Sql,
): Sql {
  return sql`
    defined as (
      insert into yardmaster.jobs (
        id, queue, worker, args, meta, tags, priority, max_attempts
      )
      select
        id, ${queue}::text, ${worker}::text, args,
        -- Selected, so that the text is read once and not for each job.
        (select ${meta}::text::jsonb), ${[...tags]}::text[],
        ${priority}::smallint, ${maxAttempts}::smallint
      from ${made}
    ),
    due as (
      insert into yardmaster.ready (job_id, queue, worker, priority, attempt)
      select id, ${queue}::text, ${worker}::text, ${priority}::smallint, 0
      from ${made}
    )
  `;
}
