import type { Database } from "../db/database.ts";
import { sql } from "../db/sql.ts";

/** What a process says about itself when it starts to run jobs. */
export interface ExecutorStart {
  readonly name: string;
  /** Such as `deno 2.9.6`. */
  readonly runtime: string;
  readonly queues: readonly string[];
  readonly workers: readonly string[];
  readonly lateAfterMs: number;
  readonly missingAfterMs: number;
}

/** Makes this process known. Its id is never used again by another. */
export async function startExecutor(
  db: Database,
  start: ExecutorStart,
): Promise<number> {
  const rows = await db.query<{ id: number }>(sql`
    insert into yardmaster.executors (
      name, runtime, queues, workers, started_at, beat_at, late_after,
      missing_after
    )
    values (
      ${start.name}, ${start.runtime}, ${[...start.queues]}::text[],
      ${[...start.workers]}::text[], ${db.now}, ${db.now},
      ${start.lateAfterMs}::float8 * interval '1 ms',
      ${start.missingAfterMs}::float8 * interval '1 ms'
    )
    returning id
  `);
  const [row] = rows;
  if (row === undefined) throw new TypeError("insert returned no row");
  return row.id;
}

/**
 * Says that this process is alive.
 *
 * @returns False if it was found missing meanwhile: its jobs were taken from it,
 * and it must start as another.
 */
export async function beatExecutor(
  db: Database,
  executorId: number,
): Promise<boolean> {
  const rows = await db.query(sql`
    update yardmaster.executors
    -- Also back, when the clock was set back: a beat that lies ahead would hide
    -- for as long that this process died.
    set started_at = least(started_at, ${db.now}), beat_at = ${db.now}
    where id = ${executorId}::integer and stopped_at is null
    returning id
  `);
  return rows.length === 1;
}

/** Records that this process runs no jobs any more, by its own will. */
export async function stopExecutor(
  db: Database,
  executorId: number,
): Promise<void> {
  await db.query(sql`
    update yardmaster.executors
    set
      beat_at = greatest(beat_at, ${db.now}),
      stopped_at = greatest(beat_at, ${db.now})
    where id = ${executorId}::integer and stopped_at is null
  `);
}

/**
 * Takes up an executor that stopped by its own will, so that a process that
 * only runs now and then does not leave a row each time.
 *
 * @returns False if it was found missing, or pruned.
 */
export async function resumeExecutor(
  db: Database,
  executorId: number,
): Promise<boolean> {
  const rows = await db.query(sql`
    update yardmaster.executors
    set beat_at = greatest(beat_at, ${db.now}), stopped_at = null
    where id = ${executorId}::integer
      and (stopped_at is null or stopped_at < beat_at + missing_after)
    returning id
  `);
  return rows.length === 1;
}

/**
 * Marks the executors that have not beaten for too long, so that they claim
 * nothing any more and their leases can be rescued. Any process may do it.
 */
export async function markMissingExecutors(db: Database): Promise<number[]> {
  const rows = await db.query<{ id: number }>(sql`
    update yardmaster.executors
    set stopped_at = ${db.now}
    where stopped_at is null and beat_at <= ${db.now} - missing_after
    returning id
  `);
  return rows.map((row) => row.id);
}
