import type { Database } from "../db/database.ts";
import { sql } from "../db/sql.ts";
import type { JobId } from "../domain/job.ts";
import { placed } from "../store/limited.ts";

/** A job that waits, and where. */
interface Waiting {
  readonly jobId: JobId;
  readonly queue: string;
  readonly worker: string;
  readonly priority: number;
  readonly attempt: number;
}

/**
 * Keeps jobs that were enqueued since from being run, until they are put back.
 * Whoever looks at the tables meanwhile finds them suspended.
 */
export class SetAside {
  readonly #db: Database;
  readonly #queues: readonly string[];
  /** Those that waited when this began. */
  readonly known: readonly JobId[];
  readonly #aside: Waiting[] = [];

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
    const returning = sql`
      returning job_id::text as "jobId", queue, worker, priority, attempt
    `;
    const rows = await this.#db.query<Waiting>(sql`
      with due as (
        delete from yardmaster.ready where ${isNew} ${returning}
      ),
      in_line as (
        delete from yardmaster.limited where ${isNew} ${returning}
      )
      select * from due
      union all
      select * from in_line
    `);
    this.#aside.push(...rows);
  }

  /** Puts back what was taken. */
  async putBack(): Promise<void> {
    const aside = this.#aside.splice(0);
    if (aside.length === 0) return;
    await this.#db.query(sql`
      with due as materialized (
        select *
        from unnest(
          ${aside.map(({ jobId }) => jobId)}::bigint[],
          ${aside.map(({ queue }) => queue)}::text[],
          ${aside.map(({ worker }) => worker)}::text[],
          ${aside.map(({ priority }) => priority)}::smallint[],
          ${aside.map(({ attempt }) => attempt)}::smallint[]
        ) as due (job_id, queue, worker, priority, attempt)
      ),
      ${placed(sql`due`)}
      counted as (select count(*) from due)
      select * from counted
    `);
  }
}
