import type { Database } from "../db/database.ts";
import { sql } from "../db/sql.ts";
import {
  beAlone,
  key,
  listPartitionsOfDay,
  name,
  PARTITIONED,
  type Partitioned,
  tryNow,
} from "./partition_ddl.ts";
import { lockAlone } from "./table_locks.ts";

export { PARTITIONED, type Partitioned } from "./partition_ddl.ts";

/** A day of ids of one table. */
export interface Partition {
  readonly table: Partitioned;
  /** Such as `20261121`, in UTC. */
  readonly day: string;
  /** From this id up to, and without, the other. */
  readonly fromId: `${bigint}`;
  readonly toId: `${bigint}`;
  /** Ids of this day are being written now, or were. */
  readonly begun: boolean;
}

/** What is told of a job goes with it; outputs have a time of their own. */
const HISTORY: readonly Partitioned[] = PARTITIONED.filter((table) =>
  table !== "outputs"
);

/** Moving rows out of the default partition keeps others out of it meanwhile. */
const ROWS_MOVED_MAX = 50_000;

/** The partitions that should exist, from today, and do not. */
export async function listMissingPartitions(
  db: Database,
  { daysAhead }: { readonly daysAhead: number },
): Promise<Partition[]> {
  return await db.query<Partition>(sql`
    with day as (
      select
        to_char(day, 'YYYYMMDD') as name,
        day at time zone 'UTC' as from_at,
        (day + interval '1 day') at time zone 'UTC' as to_at
      from generate_series(
        date_trunc('day', ${db.now} at time zone 'UTC'),
        date_trunc('day', ${db.now} at time zone 'UTC')
          + ${daysAhead}::integer * interval '1 day',
        interval '1 day'
      ) as day
    )
    select
      parent as "table",
      day.name as "day",
      yardmaster.job_id_at(day.from_at)::text as "fromId",
      yardmaster.job_id_at(day.to_at)::text as "toId",
      day.from_at <= ${db.now} as "begun"
    from day
    cross join unnest(${[...PARTITIONED]}::text[]) with ordinality
      as wanted (parent, place)
    where to_regclass(
      format('%I.%I', ${db.schema}::text, parent || '_' || day.name)
    ) is null
    order by day.name, place
  `);
}

/**
 * The days with partitions of these tables, all of whose ids are from before an
 * instant.
 */
export async function listOldDays(
  db: Database,
  { olderThanMs, tables = HISTORY }: {
    readonly olderThanMs: number;
    readonly tables?: readonly Partitioned[];
  },
): Promise<string[]> {
  const rows = await db.query<{ day: string }>(sql`
    with partition as (
      select distinct substring(child.relname from '_(\d{8})$') as day
      from pg_catalog.pg_inherits
      join pg_catalog.pg_class as child on child.oid = pg_inherits.inhrelid
      join pg_catalog.pg_class as parent on parent.oid = pg_inherits.inhparent
      join pg_catalog.pg_namespace on pg_namespace.oid = parent.relnamespace
      where pg_namespace.nspname = ${db.schema}
        and parent.relname = any (${[...tables]}::text[])
    )
    select day
    from partition
    where (to_date(day, 'YYYYMMDD') + 1)::timestamp at time zone 'UTC'
      <= ${db.now} - ${olderThanMs}::float8 * interval '1 ms'
    order by day
  `);
  return rows.map((row) => row.day);
}

/**
 * Creates a partition, moves into it what the default partition caught, and
 * attaches it.
 *
 * @returns False if it is for later: it exists by now, a lock was not free, or
 * the default partition caught so much that moving it would hold up the engine.
 * Nothing is lost then: the default partition goes on catching.
 */
export async function createPartition(
  db: Database,
  partition: Partition,
): Promise<boolean> {
  return await tryNow(db, async (tx) => {
    const { table, day, fromId, toId } = partition;
    const parent = sql`yardmaster.${name(table)}`;
    const fresh = sql`yardmaster.${name(`${table}_${day}`)}`;
    const caught = sql`yardmaster.${name(`${table}_default`)}`;
    const inRange = sql`
      ${key(table)} >= ${fromId}::bigint and ${key(table)} < ${toId}::bigint
    `;
    await beAlone(tx, table);
    const rows = await tx.query(sql`
      select from ${caught} where ${inRange} limit ${ROWS_MOVED_MAX + 1}
    `);
    if (rows.length > ROWS_MOVED_MAX) return false;
    if (partition.begun || rows.length > 0) {
      // Everybody waits where they have not chosen a partition yet. An insert
      // that has chosen the default one would fail, and a lookup would find
      // nothing there: an acknowledgement that looks a definition up would take
      // the job out of its lease and put it nowhere.
      await lockAlone(tx, [parent, caught]);
    }

    // Not `including all`: a partition may have no identity of its own.
    await tx.query(sql`
      create table ${fresh} (
        like ${parent} including defaults including constraints
          including indexes including storage
      )
    `);
    // First, so that nothing is caught between the move and the end.
    await lockAlone(tx, [caught]);
    await tx.query(sql`
      with moved as (
        delete from ${caught} where ${inRange} returning *
      )
      insert into ${fresh} select * from moved
    `);
    await tx.query(sql`
      alter table ${parent} attach partition ${fresh}
        for values from (${name(fromId)}) to (${name(toId)})
    `);
    return true;
  });
}

/**
 * Drops a day. What is still alive, and what ended within the window, is copied
 * to the default partition first, with its outcome and events.
 *
 * @returns False if it is for later: a lock was not free, or so much of the day
 * is still alive that copying it would hold up the engine.
 */
export async function dropDay(
  db: Database,
  { day, keepMs }: { readonly day: string; readonly keepMs: number },
): Promise<boolean> {
  return await tryNow(db, async (tx) => {
    await beAlone(tx, "jobs");
    const own = (await listPartitionsOfDay(tx, day))
      .filter((table) => HISTORY.includes(table));
    if (own.length === 0) return false;
    const of = (table: Partitioned) =>
      own.includes(table)
        ? sql`yardmaster.${name(`${table}_${day}`)}`
        : sql`yardmaster.${name(table)}`;
    const worthKeeping = sql`
      from ${of("jobs")} as job
      left join ${of("outcomes")} as outcome on outcome.job_id = job.id
      where (
        outcome.job_id is null
        or outcome.finished_at > ${tx.now}
          - ${keepMs}::float8 * interval '1 ms'
      )
    `;
    if (own.includes("jobs")) {
      const kept = await tx.query(sql`
        select ${worthKeeping} limit ${ROWS_MOVED_MAX + 1}
      `);
      if (kept.length > ROWS_MOVED_MAX) return false;
    }
    await lockAlone(
      tx,
      own.flatMap((table) =>
        [table, `${table}_default`, `${table}_${day}`].map((each) =>
          sql`yardmaster.${name(each)}`
        )
      ),
    );
    for (const table of own) {
      await tx.query(sql`
        alter table yardmaster.${name(table)}
          detach partition yardmaster.${name(`${table}_${day}`)}
      `);
    }
    for (const table of own) {
      // Jobs come first, and what was kept of them decides about the rest.
      const kept = table === "jobs" ? sql`select job.id ${worthKeeping}` : sql`
        select id from yardmaster.jobs_default
      `;
      await tx.query(sql`
        insert into yardmaster.${name(table)}
        select row.*
        from yardmaster.${name(`${table}_${day}`)} as row
        where row.${key(table)} in (${kept})
      `);
    }
    for (const table of own) {
      await tx.query(sql`drop table yardmaster.${name(`${table}_${day}`)}`);
    }
    return true;
  });
}
