import type { Database } from "../db/database.ts";
import { sql } from "../db/sql.ts";
import type { JobId } from "../domain/job.ts";
import { placed } from "../store/limited.ts";

/** No plan of a host reaches it: `runAt` is in a year of four digits, before. */
const ASIDE_UNTIL = new Date(Date.UTC(9999, 11, 31));

/**
 * Keeps jobs that were enqueued since from being run, until they are put back.
 * Meanwhile they are planned for the end of time: so a later job can cancel
 * them, and meets their unique keys, as it would if they waited.
 */
export class SetAside {
  readonly #db: Database;
  readonly #queues: readonly string[];
  /** Those that waited when this began. */
  readonly known: readonly JobId[];
  readonly #aside = new Set<JobId>();

  private constructor(
    db: Database,
    { queues, known }: {
      readonly queues: readonly string[];
      readonly known: readonly JobId[];
    },
  ) {
    this.#db = db;
    this.#queues = queues;
    this.known = known;
  }

  /** Remembers what waits in these queues now. */
  static async begin(
    db: Database,
    queues: readonly string[],
  ): Promise<SetAside> {
    const wanted = sql`queue = any (${[...queues]}::text[])`;
    const rows = await db.query<{ readonly jobId: JobId }>(sql`
      select job_id::text as "jobId" from yardmaster.ready where ${wanted}
      union all
      select job_id::text from yardmaster.limited where ${wanted}
      union all
      select job_id::text from yardmaster.scheduled where ${wanted}
    `);
    return new SetAside(db, { queues, known: rows.map(({ jobId }) => jobId) });
  }

  /** Takes what came since out of the places from which it would be run. */
  async takeNew(): Promise<void> {
    const isNew = sql`
      queue = any (${[...this.#queues]}::text[])
        and not job_id = any (${[...this.known]}::bigint[])
    `;
    const returning = sql`returning job_id, queue, worker, priority, attempt`;
    const rows = await this.#db.query<{ readonly jobId: JobId }>(sql`
      with due as (
        delete from yardmaster.ready where ${isNew} ${returning}
      ),
      in_line as (
        delete from yardmaster.limited where ${isNew} ${returning}
      ),
      taken as (
        select * from due
        union all
        select * from in_line
      )
      insert into yardmaster.scheduled (
        job_id, queue, worker, priority, state, run_at, attempt
      )
      select job_id, queue, worker, priority, 'scheduled', ${ASIDE_UNTIL}, attempt
      from taken
      returning job_id::text as "jobId"
    `);
    for (const { jobId } of rows) this.#aside.add(jobId);
  }

  /** Puts back what was taken, and still waits. */
  async putBack(): Promise<void> {
    if (this.#aside.size === 0) return;
    await this.#db.query(sql`
      with due as (
        delete from yardmaster.scheduled
        where job_id = any (${[...this.#aside]}::bigint[])
          and run_at = ${ASIDE_UNTIL}
        returning job_id, queue, worker, priority, attempt
      ),
      ${placed(sql`due`)}
      counted as (select count(*) from due)
      select * from counted
    `);
    this.#aside.clear();
  }
}
