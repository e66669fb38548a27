/** What is stored encrypted, found and rewritten without a lock on much else. */
import type { Database } from "../db/database.ts";
import { json, type Sql, sql } from "../db/sql.ts";
import { SEALED_KEY } from "../domain/sealed_args.ts";
import type { JsonObject } from "../domain/secret_paths.ts";

/** Where something encrypted is stored. */
export const SEALED_PLACES = ["jobs", "cron_entries"] as const;
/** One of {@linkcode SEALED_PLACES}. */
export type SealedPlace = typeof SEALED_PLACES[number];

/** How a place is read: by a key that is unique and in order. */
interface PlaceColumns {
  readonly table: Sql;
  readonly id: Sql;
  readonly type: Sql;
  /** Before every id. */
  readonly first: string;
}

const PLACES: Readonly<Record<SealedPlace, PlaceColumns>> = {
  jobs: {
    table: sql`yardmaster.jobs`,
    id: sql`id`,
    type: sql`bigint`,
    first: "0",
  },
  cron_entries: {
    table: sql`yardmaster.cron_entries`,
    id: sql`name`,
    type: sql`text`,
    first: "",
  },
};

/** The id before the first of a place. */
export function beforeAll(place: SealedPlace): string {
  return PLACES[place].first;
}

/** An encrypted part, and whose it is. */
export interface SealedRow {
  readonly id: string;
  readonly worker: string;
  /** As it is stored, whatever its shape. */
  readonly part: unknown;
}

/** A stretch of a place that was looked at. */
export interface SealedStretch {
  readonly rows: readonly SealedRow[];
  /** Up to where; `null`: nothing is behind it. */
  readonly through: string | null;
}

/**
 * Looks at the next 500 rows of a place and returns those that are encrypted, and
 * not with this key: at most 100, each of which may have a MiB.
 */
export async function findSealed(
  db: Database,
  { place, after, exceptKey }: {
    readonly place: SealedPlace;
    readonly after: string;
    readonly exceptKey: string;
  },
): Promise<SealedStretch> {
  const { table, id, type } = PLACES[place];
  const rows = await db.query<{
    readonly id: string | null;
    readonly worker: string;
    readonly part: unknown;
    readonly through: string | null;
  }>(sql`
    with looked as materialized (
      select ${id} as id, worker, args -> ${SEALED_KEY}::text as part
      from ${table}
      where ${id} > ${after}::${type}
      order by ${id}
      -- A literal: a generic plan would expect a tenth of the table.
      limit 500
    ),
    chosen as materialized (
      select id, worker, part
      from looked
      where part is not null
        and part ->> 'key' is distinct from ${exceptKey}::text
      order by id
      limit 100
    )
    select
      chosen.id::text as "id", chosen.worker, chosen.part,
      case
        when (select count(*) from chosen) = 100
          then (select max(last.id) from chosen as last)
        when (select count(*) from looked) = 500
          then (select max(last.id) from looked as last)
      end::text as "through"
    from (select) as one
    left join chosen on true
    order by chosen.id
  `);
  return {
    rows: rows.flatMap(({ id, worker, part }) =>
      id === null ? [] : [{ id, worker, part }]
    ),
    through: rows[0]?.through ?? null,
  };
}

/** What takes the place of an encrypted part. */
export interface Resealed {
  readonly id: string;
  /** The part as it was read. */
  readonly was: unknown;
  readonly becomes: unknown;
}

/**
 * Puts other encrypted parts in the place of those that were read, if they are
 * still there. What somebody else holds at this moment is left out.
 *
 * @returns How many it changed.
 */
export async function reseal(
  db: Database,
  { place, parts }: {
    readonly place: SealedPlace;
    readonly parts: readonly Resealed[];
  },
): Promise<number> {
  if (parts.length === 0) return 0;
  const { table, id, type } = PLACES[place];
  const rows = await db.query(sql`
    with given as materialized (
      select *
      from jsonb_to_recordset(${json(parts)}) as row (
        id ${type}, was jsonb, becomes jsonb
      )
    ),
    held as materialized (
      select stored.${id} as id, given.becomes
      from ${table} as stored
      join given on given.id = stored.${id}
      -- What was replaced meanwhile was encrypted anew.
      where stored.args -> ${SEALED_KEY}::text = given.was
      order by stored.${id}
      for no key update of stored skip locked
    )
    update ${table} as stored
    set args = jsonb_set(
      stored.args, ${[SEALED_KEY]}::text[], held.becomes
    )
    from held
    where stored.${id} = held.id
    returning stored.${id}
  `);
  return rows.length;
}

/** How many of a stretch are encrypted with each key. */
export interface KeyCounts {
  readonly counts: readonly { readonly key: string; readonly count: number }[];
  readonly through: string | null;
}

/** Counts the next rows of a place by their keys. */
export async function countSealed(
  db: Database,
  { place, after }: { readonly place: SealedPlace; readonly after: string },
): Promise<KeyCounts> {
  const { table, id, type } = PLACES[place];
  const rows = await db.query<{
    readonly key: string | null;
    readonly count: number;
    readonly looked: number;
    readonly through: string | null;
  }>(sql`
    with looked as materialized (
      select
        ${id} as id, args -> ${SEALED_KEY}::text is not null as sealed,
        coalesce(args #>> ${[SEALED_KEY, "key"]}::text[], '') as key
      from ${table}
      where ${id} > ${after}::${type}
      order by ${id}
      limit 5000
    ),
    counted as (
      select key, count(*)::integer as count
      from looked where sealed group by key
    )
    select
      counted.key, counted.count, (select count(*) from looked)::integer
        as "looked",
      (select max(id) from looked)::text as "through"
    from (select) as one
    left join counted on true
    order by counted.key
  `);
  const counts = rows.flatMap(({ key, count }) =>
    key === null ? [] : [{ key, count }]
  );
  const [first] = rows;
  const isFull = first !== undefined && first.looked >= 5_000;
  return { counts, through: isFull ? first.through : null };
}

/** The args of cron entries as they are stored, by the names of the entries. */
export async function findCronArgs(
  db: Database,
  names: readonly string[],
): Promise<ReadonlyMap<string, JsonObject>> {
  const rows = await db.query<
    { readonly name: string; readonly args: JsonObject }
  >(sql`
    select name, args from yardmaster.cron_entries
    where name = any (${[...names]}::text[])
  `);
  return new Map(rows.map(({ name, args }) => [name, args]));
}
