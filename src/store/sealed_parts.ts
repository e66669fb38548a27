/** What is stored encrypted, found and rewritten without a lock on much else. */
import type { Database } from "../db/database.ts";
import { json, type Sql, sql } from "../db/sql.ts";
import { SEALED_KEY } from "../domain/sealed_args.ts";
import type { JsonObject } from "../domain/secret_paths.ts";

/** Where something encrypted is stored. */
export const SEALED_PLACES = ["jobs", "cron_entries", "outputs"] as const;
/** One of {@linkcode SEALED_PLACES}. */
export type SealedPlace = typeof SEALED_PLACES[number];

/** How a place is read: by a key that is unique and in order. */
interface PlaceColumns {
  readonly table: Sql;
  readonly id: Sql;
  readonly type: Sql;
  /** The JSON of which a part is encrypted. */
  readonly whole: Sql;
  /** That part; null where there is none. */
  readonly part: Sql;
  /** What is said of it besides. */
  readonly worker: Sql;
  readonly attempt: Sql;
  /** Before every id. */
  readonly first: string;
}

const ARGS = {
  whole: sql`args`,
  part: sql`args -> ${SEALED_KEY}::text`,
  worker: sql`worker`,
  attempt: sql`null::integer`,
};

const PLACES: Readonly<Record<SealedPlace, PlaceColumns>> = {
  jobs: {
    ...ARGS,
    table: sql`yardmaster.jobs`,
    id: sql`id`,
    type: sql`bigint`,
    first: "0",
  },
  cron_entries: {
    ...ARGS,
    table: sql`yardmaster.cron_entries`,
    id: sql`name`,
    type: sql`text`,
    first: "",
  },
  outputs: {
    table: sql`yardmaster.outputs`,
    id: sql`job_id`,
    type: sql`bigint`,
    whole: sql`output`,
    // Of this one key: what has others was returned like that.
    part: sql`case
      when output = jsonb_build_object(
        ${SEALED_KEY}::text, output -> ${SEALED_KEY}::text
      ) then output -> ${SEALED_KEY}::text
    end`,
    worker: sql`null::text`,
    attempt: sql`attempt`,
    first: "0",
  },
};

/** The id before the first of a place. */
export function beforeAll(place: SealedPlace): string {
  return PLACES[place].first;
}

/** An encrypted part, and whose it is. */
export interface SealedRow {
  readonly id: string;
  /** Of args. */
  readonly worker: string | null;
  /** Of an output. */
  readonly attempt: number | null;
  /** As it is stored, whatever its shape. */
  readonly part: unknown;
}

/** A stretch of a place that was looked at. */
export interface SealedStretch {
  readonly rows: readonly SealedRow[];
  /** Up to where; `null`: nothing is behind it. */
  readonly through: string | null;
}

/** So many are brought by one statement, unless they are as long as this. */
const FOUND_MAX = 100;
const FOUND_LENGTH_MAX = 16 * 1_048_576;

/**
 * Looks at the next 500 rows of a place and returns those that are encrypted, and
 * not with this key: at most 100, and at most 16 MiB if it is more than one.
 */
export async function findSealed(
  db: Database,
  { place, after, exceptKey }: {
    readonly place: SealedPlace;
    readonly after: string;
    readonly exceptKey: string;
  },
): Promise<SealedStretch> {
  const { table, id, type, part, worker, attempt } = PLACES[place];
  const rows = await db.query<
    Omit<SealedRow, "id"> & {
      readonly id: string | null;
      readonly through: string | null;
    }
  >(sql`
    with looked as materialized (
      select ${id} as id, ${part} ->> 'key' as key, ${part} is not null as sealed,
        coalesce(length(${part} ->> 'data'), 0) as chars
      from ${table}
      where ${id} > ${after}::${type}
      order by ${id}
      -- A literal: a generic plan would expect a tenth of the table.
      limit 500
    ),
    wanted as materialized (
      select id, row_number() over by_id as nth, sum(chars) over by_id as chars
      from looked
      where sealed and key is distinct from ${exceptKey}::text
      window by_id as (order by id)
    ),
    chosen as materialized (
      select id from wanted
      where nth = 1 or (nth <= ${FOUND_MAX} and chars <= ${FOUND_LENGTH_MAX})
    )
    select
      found.id::text as "id", found.worker, found.attempt, found.part,
      case
        when (select count(*) from chosen) < (select count(*) from wanted)
          then (select max(last.id) from chosen as last)
        when (select count(*) from looked) = 500
          then (select max(last.id) from looked as last)
      end::text as "through"
    from (select) as one
    left join (
      select ${id} as id, ${worker} as worker, ${attempt} as attempt,
        ${part} as part
      from ${table}
      where ${id} = any (array(select chosen.id from chosen))
    ) as found on true
    order by found.id
  `);
  return {
    rows: rows.flatMap(({ id, worker, attempt, part }) =>
      id === null ? [] : [{ id, worker, attempt, part }]
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
  const { table, id, type, whole } = PLACES[place];
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
      -- What was replaced meanwhile was encrypted anew, and what expired is gone.
      where stored.${whole} -> ${SEALED_KEY}::text = given.was
      order by stored.${id}
      for no key update of stored skip locked
    )
    update ${table} as stored
    set ${whole} = jsonb_set(
      stored.${whole}, ${[SEALED_KEY]}::text[], held.becomes
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
  const { table, id, type, part } = PLACES[place];
  const rows = await db.query<{
    readonly key: string | null;
    readonly count: number;
    readonly looked: number;
    readonly through: string | null;
  }>(sql`
    with looked as materialized (
      select
        ${id} as id, ${part} is not null as sealed,
        coalesce(${part} ->> 'key', '') as key
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
