/** What is common to those who make and drop time partitions. */
import { assert } from "../assert.ts";
import type { Database } from "../db/database.ts";
import { Sql, sql } from "../db/sql.ts";

/** The tables with one time partition for each day of ids. */
export const PARTITIONED = [
  "jobs",
  "outcomes",
  "attempt_events",
  "outputs",
] as const;
/** One of {@linkcode PARTITIONED}. */
export type Partitioned = typeof PARTITIONED[number];

/**
 * Waiting for a lock of ours makes everybody wait behind us; rather than that
 * the work is left to a later pass. It is below Postgres' own second for finding
 * deadlocks, or half of what is set there: in one with the engine, or with
 * somebody who enqueues, we give way.
 */
const LOCK_TIMEOUT_MS = 500;

/** Somebody else was faster, or the lock was not free: try again later. */
const LATER_CODES: readonly string[] = [
  "55P03", // lock_not_available
  "40P01", // deadlock_detected
  "42P07", // duplicate_table
  "42P17", // the partition would overlap another
  "42P01", // it was dropped meanwhile
  "23505", // two processes create one name
];

/** The partitions of a day that exist. */
export async function listPartitionsOfDay(
  db: Database,
  day: string,
): Promise<Partitioned[]> {
  const rows = await db.query<{ table: Partitioned }>(sql`
    select parent as "table"
    from unnest(${[...PARTITIONED]}::text[]) with ordinality
      as wanted (parent, place)
    join pg_catalog.pg_inherits on pg_inherits.inhrelid = to_regclass(
      format('%I.%I', ${db.schema}::text, parent || '_' || ${day}::text)
    )
    order by place
  `);
  return rows.map((row) => row.table);
}

/** Runs DDL that gives up rather than wait. */
export async function tryNow(
  db: Database,
  work: (tx: Database) => Promise<boolean>,
): Promise<boolean> {
  try {
    return await db.transaction(async (tx) => {
      await tx.query(sql`
        select set_config(
          'lock_timeout',
          least(
            ${LOCK_TIMEOUT_MS},
            extract(epoch from current_setting('deadlock_timeout')::interval)
              * 500
          )::integer || 'ms',
          true
        )
      `);
      return await work(tx);
    });
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : null;
    if (typeof code === "string" && LATER_CODES.includes(code)) return false;
    throw error;
  }
}

/**
 * Leaves the work to another process that does the same. The lock keeps only its
 * own kind out: nobody who reads or writes notices it.
 */
export async function beAlone(tx: Database, table: Partitioned): Promise<void> {
  await tx.query(sql`
    lock table yardmaster.${name(`${table}_default`)}
      in share update exclusive mode nowait
  `);
}

/** The column that places a row. */
export function key(table: Partitioned): Sql {
  return table === "jobs" ? sql`id` : sql`job_id`;
}

/** DDL can not bind; so a name of ours, or a number, is written out. */
export function name(text: string): Sql {
  assert(/^[a-z0-9_-]{1,63}$/.test(text), "only our own names are written out");
  return new Sql([text], []);
}
