/** The moment in which a migration has all tables for itself. */
import { TablesHeldError } from "../errors.ts";
import type { Database } from "./database.ts";
import { sql } from "./sql.ts";

/** About ten seconds of looking for such a moment, at first. */
export const MOMENTS_MAX = 400;
const MOMENT_MS = 16;
/** Then what is held is waited for, one table at a time; so often. */
const ROUNDS_MAX = 3;
/** Above Postgres' own second, after which a vacuum of its own gives way. */
const WAIT_MS = 1_500;

/** Somebody uses a table now. */
class TablesInUse extends Error {}

/**
 * Runs `work`, which calls {@linkcode lockTables}, until nobody uses a table.
 *
 * Whoever waited for one table with others in hand would sooner or later be in a
 * deadlock with those who work. And whoever gets in line holds up everybody who
 * comes after: nobody knows for how long, when the first of the line is a dump,
 * or a process that has lost its network.
 *
 * @throws {TablesHeldError} If there is no such moment; it says who is in the way.
 */
export async function inOneMoment<T>(
  db: Database,
  { moments, work }: {
    readonly moments: number;
    readonly work: () => Promise<T>;
  },
): Promise<T> {
  for (let round = 0; round <= ROUNDS_MAX; round++) {
    if (round > 0) await waitForHeld(db);
    for (let moment = 0; moment < moments; moment++) {
      try {
        return await work();
      } catch (error) {
        if (!(error instanceof TablesInUse)) throw error;
        await new Promise((resolve) =>
          setTimeout(resolve, MOMENT_MS * (1 + Math.random()))
        );
      }
    }
  }
  throw new TablesHeldError(db.schema, await listHolders(db));
}

/** All of them or none, without waiting. */
export async function lockTables(tx: Database): Promise<void> {
  const [found] = await tx.query<{ readonly names: string | null }>(sql`
    select string_agg(format('%I.%I', nspname, relname), ', ') as "names"
    from pg_catalog.pg_class
    join pg_catalog.pg_namespace on pg_namespace.oid = relnamespace
    where nspname = ${tx.schema} and relkind in ('r', 'p')
      and not relispartition
  `);
  if (!found?.names) return;
  try {
    await tx.script(
      `lock table ${found.names} in access exclusive mode nowait`,
    );
  } catch (error) {
    throw hasCode(error, ["55P03"]) ? new TablesInUse() : error;
  }
}

/**
 * Gets in line for each table that somebody holds, with no other in hand and for
 * a moment: that is when a vacuum of Postgres' own lets go.
 */
async function waitForHeld(db: Database): Promise<void> {
  const held = await db.query<{ readonly name: string }>(sql`
    select distinct format('%I.%I', nspname, relname) as "name"
    from ${HELD}
    where nspname = ${db.schema}
    limit 100
  `);
  for (const { name } of held) {
    try {
      await db.transaction(async (tx) => {
        await tx.query(sql`
          select set_config('statement_timeout', ${`${WAIT_MS}ms`}, true)
        `);
        await tx.script(`lock table only ${name} in access exclusive mode`);
      });
    } catch (error) {
      // It took too long, there was a lock_timeout or a deadlock, or it is gone.
      if (!hasCode(error, ["57014", "55P03", "40P01", "42P01"])) throw error;
    }
  }
}

/** Tables of any schema, and who holds a lock on them that is not ours. */
const HELD = sql`
  (
    select pid, nspname, relname
    from pg_catalog.pg_locks
    join pg_catalog.pg_class on pg_class.oid = pg_locks.relation
    join pg_catalog.pg_namespace on pg_namespace.oid = relnamespace
    where granted and relkind in ('r', 'p') and pid <> pg_backend_pid()
      and database = (
        select oid from pg_catalog.pg_database
        where datname = current_database()
      )
  ) as held
`;

/** Those who have been at it longest, each as a few words. */
async function listHolders(db: Database): Promise<string[]> {
  const rows = await db.query<{ readonly told: string }>(sql`
    select format(
      '%s%s%s',
      pid,
      ' "' || nullif(application_name, '') || '"',
      ', ' || state || ' for '
        || extract(epoch from statement_timestamp() - state_change)::integer
        || ' s'
    ) as "told"
    from pg_catalog.pg_stat_activity
    where pid in (select pid from ${HELD} where nspname = ${db.schema})
    order by xact_start
    limit 5
  `);
  return rows.map(({ told }) => told);
}

function hasCode(error: unknown, codes: readonly string[]): boolean {
  return error instanceof Error && "code" in error &&
    codes.includes(String(error.code));
}
