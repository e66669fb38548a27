import type { Database } from "../db/database.ts";
import { migrate, migrationPlan, migrationStatus } from "../db/migrate.ts";
import type { Report } from "./report.ts";

/** Brings the schema to the version of this code. */
export async function migrateUp(db: Database): Promise<Report> {
  const report = await migrate(db);
  const { schema, from, to, applied } = report;
  const steps = applied.map(({ version, name }) => `  ${version} ${name}`);
  const said = applied.length === 0
    ? `The schema "${schema}" is at version ${to}; there was nothing to do.`
    : `The schema "${schema}" went from version ${from} to ${to}:`;
  return { exit: 0, lines: [said, ...steps], json: { ...report } };
}

/** Says where the schema stands; pending or changed migrations are a finding. */
export async function showMigrationStatus(db: Database): Promise<Report> {
  const status = await migrationStatus(db);
  const { schema, state, version, target, pending, works, message } = status;
  const lines = [
    message === ""
      ? `The schema "${schema}" is at version ${version}, as it must be.`
      : sentence(message),
    ...pending.map(({ version, name }) => `  pending: ${version} ${name}`),
  ];
  return {
    exit: works && pending.length === 0 ? 0 : 1,
    lines,
    json: {
      schema,
      state,
      works,
      version,
      target,
      pending: pending.map(({ version, name }) => ({ version, name })),
      message,
    },
  };
}

/** Prints the SQL that `migrate up` would run, to be read or kept. */
export async function showMigrationPlan(db: Database): Promise<Report> {
  const { schema, state, message } = await migrationStatus(db);
  const planned = await migrationPlan(db);
  // It would refuse to run: that is what must be known, not the SQL.
  const refused = state === "changed" || state === "newer";
  const lines = refused
    ? [sentence(message)]
    : planned.length === 0
    ? [`-- The schema "${schema}" needs no migration.`]
    : planned.flatMap(({ version, name, sql }) => [
      `-- ${version} ${name}`,
      sql.trimEnd(),
      "",
    ]);
  const json = { schema, state, message, planned: refused ? [] : planned };
  return { exit: refused ? 1 : 0, lines, json };
}

function sentence(message: string): string {
  return `${message.slice(0, 1).toUpperCase()}${message.slice(1)}.`;
}
