import type { Database } from "./database.ts";
import { inOneMoment, lockTables, MOMENTS_MAX } from "./migration_locks.ts";
import { MIGRATIONS } from "./migrations.gen.ts";
import {
  type AppliedMigration,
  compareSchema,
  type Migration,
  mustWork,
  type SchemaComparison,
} from "./schema_version.ts";
import { inSchema, sql } from "./sql.ts";

/** What {@linkcode migrate} did. */
export interface MigrationReport {
  /** The schema of the tables, such as `yardmaster`. */
  readonly schema: string;
  /** The version before; 0 if there was none. */
  readonly from: number;
  /** The version now. */
  readonly to: number;
  /** What this call ran, in order; empty if the schema stood there already. */
  readonly applied: readonly {
    readonly version: number;
    readonly name: string;
  }[];
}

/** Where a schema stands. */
export interface MigrationStatus extends SchemaComparison {
  readonly schema: string;
  readonly applied: readonly AppliedMigration[];
}

/** A migration that is to come, with the SQL that would run. */
export interface PlannedMigration {
  readonly version: number;
  readonly name: string;
  readonly checksum: string;
  readonly sql: string;
}

/** For tests. */
export interface MigrateOptions {
  /** Others than ours. */
  readonly migrations?: readonly Migration[];
  /** How often a moment is looked for, before somebody is waited for. */
  readonly moments?: number;
}

/**
 * Brings the schema to the version of this code, and creates it first.
 *
 * Each migration is one transaction together with its row in the ledger, behind
 * a lock that ends with it. So processes that start at once take turns, and
 * after a fault the next call goes on where this one stopped.
 *
 * @throws {SchemaVersionError} If the schema is newer than this code can work
 * with, or was made by a migration that has changed since.
 * @throws {TablesHeldError} If somebody holds a table for longer than about half
 * a minute. It says who.
 */
export async function migrate(
  db: Database,
  { migrations = MIGRATIONS, moments = MOMENTS_MAX }: MigrateOptions = {},
): Promise<MigrationReport> {
  const applied: Migration[] = [];
  const first = await readStatus(db, migrations);
  for (let turn = 0; turn <= migrations.length; turn++) {
    const step = await inOneMoment(db, {
      moments,
      work: () => db.transaction((tx) => migrateOnce(tx, migrations)),
    });
    if (step === null) break;
    applied.push(step);
  }
  const { version } = await readStatus(db, migrations);
  return {
    schema: db.schema,
    from: first.version,
    to: version,
    applied: applied.map(({ version, name }) => ({ version, name })),
  };
}

/** Where the schema stands. Changes nothing, and needs no right but to read. */
export async function migrationStatus(
  db: Database,
  { migrations = MIGRATIONS }: MigrateOptions = {},
): Promise<MigrationStatus> {
  return await readStatus(db, migrations);
}

/** What {@linkcode migrate} would run now. */
export async function migrationPlan(
  db: Database,
  { migrations = MIGRATIONS }: MigrateOptions = {},
): Promise<readonly PlannedMigration[]> {
  const status = await readStatus(db, migrations);
  return status.pending.map(({ version, name, checksum, sql }) => ({
    version,
    name,
    checksum,
    sql: inSchema(sql, db.schema),
  }));
}

/**
 * Refuses to go on with a schema that this code can not work with.
 *
 * @throws {SchemaVersionError} If it is missing, more than one version older,
 * newer than this code can work with, or made by a migration that has changed.
 */
export async function requireSchema(
  db: Database,
  { migrations = MIGRATIONS }: MigrateOptions = {},
): Promise<void> {
  mustWork(await readStatus(db, migrations), "start");
}

/** The next migration, or null if there is none. */
async function migrateOnce(
  tx: Database,
  migrations: readonly Migration[],
): Promise<Migration | null> {
  await tx.query(sql`
    select pg_advisory_xact_lock(
      hashtextextended('migrations of ' || ${tx.schema}, 0)
    )
  `);
  const status = await readStatus(tx, migrations);
  if (status.state === "changed" || status.state === "newer") {
    mustWork(status, "migrate");
  }
  const [next] = status.pending;
  if (next === undefined) return null;

  if (status.version === 0) await tx.script(inSchema(LEDGER, tx.schema));
  else await lockTables(tx);
  await tx.script(inSchema(next.sql, tx.schema));
  await tx.query(sql`
    insert into yardmaster.schema_migrations (
      version, name, checksum, compatible_from, applied_at
    )
    values (
      ${next.version}::integer, ${next.name}, ${next.checksum},
      ${next.compatibleFrom}::integer, ${tx.now}
    )
  `);
  return next;
}

// Only a name with a dot behind it becomes that of the schema, so it is written
// with one and taken apart. Where the schema is there, no right to create one is
// needed.
const LEDGER = `
  do $$
  declare
    name text := (parse_ident('yardmaster.schema_migrations'))[1];
  begin
    if not exists (select from pg_catalog.pg_namespace where nspname = name) then
      execute format('create schema %I', name);
    end if;
  end
  $$;
  create table if not exists yardmaster.schema_migrations (
    version         integer not null,
    name            text not null,
    checksum        text not null,
    -- The oldest code that works once this has run.
    compatible_from integer not null,
    applied_at      timestamptz not null,

    constraint schema_migrations_run_once primary key (version),
    constraint schema_migrations_count_from_1 check (version >= 1)
  );
`;

async function readStatus(
  db: Database,
  known: readonly Migration[],
): Promise<MigrationStatus> {
  // Not to_regclass(): it may answer from before the lock was granted, because
  // a session learns of new names only when it locks a table.
  const [found] = await db.query<{ readonly exists: boolean }>(sql`
    select exists (
      select from pg_catalog.pg_class
      join pg_catalog.pg_namespace on pg_namespace.oid = relnamespace
      where nspname = ${db.schema} and relname = 'schema_migrations'
    ) as "exists"
  `);
  const applied = found?.exists ? await readLedger(db) : [];
  const { schema } = db;
  return {
    schema,
    applied,
    ...compareSchema(schema, { applied, known }),
  };
}

async function readLedger(db: Database): Promise<AppliedMigration[]> {
  return await db.query<AppliedMigration>(sql`
    select
      version, name, checksum,
      compatible_from as "compatibleFrom",
      applied_at as "appliedAt"
    from yardmaster.schema_migrations
    order by version
  `);
}
