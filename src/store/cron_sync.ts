import type { Database } from "../db/database.ts";
import { json, type Sql, sql } from "../db/sql.ts";
import type { CronDefinition, CronSource } from "../domain/cron_entry.ts";

/** What a sync did to an entry; one that stayed as it was is not mentioned. */
export interface CronSyncChange {
  readonly name: string;
  readonly change: "added" | "changed" | "retired";
}

/**
 * Makes the entries that code declares what the table holds.
 *
 * A declared entry takes over one of that name that was written at run time. A
 * pause survives. Entries of code that are not among them are retired: they
 * fire no more, and their history stays. So hand in all entries of the host, in
 * every process that syncs: none at all retires all that code declared before.
 *
 * A new plan counts from now: neither a new expression nor an entry that comes
 * back catches up what was before.
 */
export async function syncCronEntries(
  db: Database,
  definitions: readonly CronDefinition[],
): Promise<CronSyncChange[]> {
  return await db.transaction(async (tx) => {
    const names = definitions.map((definition) => definition.name);
    // What one process declares another may retire: without an order, two that
    // start at once would lock each other out.
    await tx.query(sql`
      select
      from yardmaster.cron_entries
      where name = any (${names}::text[]) or source = 'code'
      order by name
      for update
    `);
    return await syncHeldEntries(tx, definitions);
  });
}

async function syncHeldEntries(
  tx: Database,
  definitions: readonly CronDefinition[],
): Promise<CronSyncChange[]> {
  const names = definitions.map((definition) => definition.name);
  return await tx.query<CronSyncChange>(sql`
    with ${upserted(tx, { definitions, source: "code" })},
    retired as (
      update yardmaster.cron_entries
      set retired_at = ${tx.now}
      where source = 'code' and retired_at is null
        and name <> all (${names}::text[])
      returning name
    ),
    dropped as (
      update yardmaster.cron_slots as slot
      set state = 'skipped'
      from retired
      where slot.entry_name = retired.name and slot.state = 'queued'
    )
    select name, change from upserted
    union all
    select name, 'retired' from retired
    order by name
  `);
}

/** Why a write at run time did nothing. */
export type CronWrite =
  | { readonly ok: true; readonly change: "added" | "changed" | "unchanged" }
  /** Code declares it: change the code. */
  | { readonly ok: false; readonly refusal: "code_managed_entry" };

/**
 * Writes an entry at run time, whole: what the definition leaves to defaults is
 * set back to them. A pause survives.
 */
export async function upsertCronEntry(
  db: Database,
  definition: CronDefinition,
): Promise<CronWrite> {
  const [row] = await db.query<{
    readonly change: "added" | "changed" | null;
    readonly source: CronSource | null;
  }>(sql`
    with ${upserted(db, { definitions: [definition], source: "runtime" })},
    held as (
      select source::text as source
      from yardmaster.cron_entries
      where name = ${definition.name} and retired_at is null
    )
    select
      (select change from upserted) as "change",
      (select source from held) as "source"
  `);
  if (row?.change) return { ok: true, change: row.change };
  return row?.source === "code"
    ? { ok: false, refusal: "code_managed_entry" }
    : { ok: true, change: "unchanged" };
}

/**
 * Removes an entry that was written at run time: it fires no more, and its
 * history stays, as when code stops declaring one.
 *
 * @returns `code_managed_entry` if code declares it, `absent` if there is none.
 */
export async function removeCronEntry(
  db: Database,
  name: string,
): Promise<"removed" | "code_managed_entry" | "absent"> {
  const [row] = await db.query<{
    readonly removed: boolean;
    readonly found: boolean;
  }>(sql`
    with removed as (
      update yardmaster.cron_entries
      set retired_at = ${db.now}
      where name = ${name} and source = 'runtime' and retired_at is null
      returning name
    ),
    dropped as (
      update yardmaster.cron_slots as slot
      set state = 'skipped'
      from removed
      where slot.entry_name = removed.name and slot.state = 'queued'
    )
    select
      exists (select from removed) as "removed",
      exists (
        select from yardmaster.cron_entries
        where name = ${name} and retired_at is null
      ) as "found"
  `);
  if (row?.removed) return "removed";
  return row?.found ? "code_managed_entry" : "absent";
}

/** The definition as the table holds it, in the order of the columns below. */
const DEFINED: Sql = sql`
  worker, queue, expression, timezone, args, meta, priority, max_attempts,
  tags, deadline_ms, overlap, catch_up, catch_up_max, uniqueness
`;

/**
 * Writes definitions. An entry of the other source is only ever taken over by
 * code, or after code has let go of it.
 */
function upserted(
  db: Database,
  { definitions, source }: {
    readonly definitions: readonly CronDefinition[];
    readonly source: CronSource;
  },
): Sql {
  return sql`
    declared as (
      select *
      from jsonb_to_recordset(${json(definitions.map(toRow))}) as (
        name text, worker text, queue text, expression text, timezone text,
        args jsonb, meta jsonb, priority smallint, max_attempts smallint,
        tags text[], deadline_ms float8, overlap yardmaster.cron_overlap,
        catch_up yardmaster.cron_catch_up, catch_up_max integer,
        uniqueness jsonb
      )
    ),
    upserted as (
      insert into yardmaster.cron_entries as held (
        name, source, ${DEFINED}, evaluated_through, inserted_at, updated_at,
        plan_since
      )
      select
        name, ${source}::yardmaster.cron_source, ${DEFINED}, ${db.now},
        ${db.now}, ${db.now}, ${db.now}
      from declared
      -- In order, so that two processes that start at once take turns.
      order by name
      on conflict (name) do update
      set
        source = excluded.source,
        (${DEFINED}) = row (${prefixed("excluded")}),
        evaluated_through = case
          when ${samePlan()} then held.evaluated_through else ${db.now}
        end,
        plan_since = case
          when ${samePlan()} then held.plan_since else ${db.now}
        end,
        updated_at = ${db.now},
        retired_at = null
      where
        (excluded.source = 'code' or held.source = 'runtime'
          or held.retired_at is not null)
        and (
          (held.source, held.retired_at, ${prefixed("held")})
          is distinct from
          (excluded.source, null::timestamptz, ${prefixed("excluded")})
        )
      returning
        name,
        case when xmax = 0 then 'added' else 'changed' end as change
    )
  `;
}

function samePlan(): Sql {
  return sql`(
    held.retired_at is null
    and held.expression = excluded.expression
    and held.timezone = excluded.timezone
  )`;
}

/** {@linkcode DEFINED}, of one of the two rows that an upsert knows. */
function prefixed(row: "held" | "excluded"): Sql {
  return row === "held"
    ? sql`
      held.worker, held.queue, held.expression, held.timezone, held.args,
      held.meta, held.priority, held.max_attempts, held.tags,
      held.deadline_ms, held.overlap, held.catch_up, held.catch_up_max,
      held.uniqueness
    `
    : sql`
      excluded.worker, excluded.queue, excluded.expression,
      excluded.timezone, excluded.args, excluded.meta, excluded.priority,
      excluded.max_attempts, excluded.tags, excluded.deadline_ms,
      excluded.overlap, excluded.catch_up, excluded.catch_up_max,
      excluded.uniqueness
    `;
}

function toRow(definition: CronDefinition): Record<string, unknown> {
  return {
    name: definition.name,
    worker: definition.worker,
    queue: definition.queue,
    expression: definition.expression,
    timezone: definition.timezone,
    args: definition.args,
    meta: definition.meta,
    priority: definition.priority,
    max_attempts: definition.maxAttempts,
    tags: definition.tags,
    deadline_ms: definition.deadlineMs,
    overlap: definition.overlap,
    catch_up: definition.catchUp,
    catch_up_max: definition.catchUpMax,
    uniqueness: definition.uniqueness ?? null,
  };
}
