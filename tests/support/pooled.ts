/** What `usePGlite()` opens behind a proxy that pools transactions. */
import postgres from "postgres";
import type { Database } from "../../src/db/database.ts";
import { postgresJs } from "../../src/db/postgres_js.ts";
import type { Sql } from "../../src/db/sql.ts";
import { cloneTemplate, dropDatabase, pooled } from "./postgres.ts";

/** A database that the statements of a test reach through the proxy. */
export interface PooledWorld {
  /** With a clock of the test's. */
  at(now: () => Sql): Database;
  close(): Promise<void>;
  /** Brings it back to what the migrations left; false if it can not be. */
  empty(): Promise<boolean>;
}

/** Makes one, migrated and empty. */
export async function openPooledWorld(): Promise<PooledWorld> {
  const admin = Deno.env.get("YARDMASTER_TEST_POSTGRES");
  if (!admin) throw new Error("Set YARDMASTER_TEST_POSTGRES beside the proxy");
  const direct = await cloneTemplate(admin);
  const options = { fetch_types: false, onnotice: () => {} };
  const openPool = () => postgres(pooled(direct), { ...options, max: 4 });
  let pool = openPool();
  const owner = postgres(direct, { ...options, max: 1 });
  const tables = await owner`
    select tablename as name from pg_tables where schemaname = 'yardmaster'
  `;
  const statement = emptying(tables.map(({ name }) => `'${name}'`).join());
  const shape = await shapeOf(owner);
  return {
    at: (now) => postgresJs(pool, { now }),
    async empty() {
      // What the last test left under way ends first.
      await pool.end({ timeout: 1 });
      pool = openPool();
      // A test may have broken the schema on purpose.
      const missing = await owner.unsafe(statement).catch((error) => error);
      return !(missing instanceof Error) && await shapeOf(owner) === shape;
    },
    async close() {
      await Promise.all([pool.end({ timeout: 1 }), owner.end({ timeout: 1 })]);
      await dropDatabase(direct);
    },
  };
}

/** Rows are deleted: few of them are gone faster than a table is truncated. */
function emptying(tables: string): string {
  return `
    do $$
    declare
      name text;
    begin
      -- Triggers keep the audit from being emptied.
      set local session_replication_role = replica;
      for name in
        select tablename from pg_tables
        where schemaname = 'yardmaster' and tablename not in (${tables})
      loop
        execute format('drop table yardmaster.%I', name);
      end loop;
      for name in
        select tablename from pg_tables
        where schemaname = 'yardmaster'
          and tablename not in ('schema_migrations', 'settings')
      loop
        execute format('delete from yardmaster.%I', name);
      end loop;
      insert into yardmaster.audit_head (only_row, last_id, hash)
      values (true, 0, decode(repeat('00', 32), 'hex'));
    end
    $$
  `;
}

/** Columns, constraints and triggers, as one text. */
async function shapeOf(owner: postgres.Sql): Promise<string> {
  const [row] = await owner`
    select concat(
      (select string_agg(concat(attrelid::regclass, attname), ',' order by 1)
       from pg_attribute join pg_class on pg_class.oid = attrelid
       where relnamespace = 'yardmaster'::regnamespace and not attisdropped),
      (select string_agg(concat(conrelid::regclass, conname), ',' order by 1)
       from pg_constraint where connamespace = 'yardmaster'::regnamespace),
      (select string_agg(concat(tgname, tgenabled), ',' order by 1)
       from pg_trigger where not tgisinternal)
    ) as shape
  `;
  return row?.["shape"];
}
