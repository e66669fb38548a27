import type { Database } from "../db/database.ts";
import { migrationStatus } from "../db/migrate.ts";
import { mustWork } from "../db/schema_version.ts";

/** The SQLSTATEs of a table, and of a column, that is not there. */
const UNDEFINED: readonly unknown[] = ["42P01", "42703"];

/**
 * Says what to do where a table or a column is not there: a process that only
 * enqueues never asked whether this code can work with the schema.
 *
 * @throws {SchemaVersionError} If it can not.
 */
export async function orTellSchema<T>(
  db: Database,
  work: Promise<T>,
  action: "enqueue" | "forget" | "set a cron entry" = "enqueue",
): Promise<T> {
  try {
    return await work;
  } catch (error) {
    const isAboutSchema = error instanceof Error && "code" in error &&
      UNDEFINED.includes(error.code);
    if (isAboutSchema) mustWork(await migrationStatus(db), action);
    throw error;
  }
}
