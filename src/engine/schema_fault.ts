import type { Database } from "../db/database.ts";
import { migrationStatus } from "../db/migrate.ts";
import { mustWork } from "../db/schema_version.ts";

/** The SQLSTATE of a table that is not there. */
const UNDEFINED_TABLE = "42P01";

/**
 * Says what to do where a table is not there: a process that only enqueues never
 * asked whether this code can work with the schema.
 *
 * @throws {SchemaVersionError} If it can not.
 */
export async function orTellSchema<T>(
  db: Database,
  work: Promise<T>,
  action: "enqueue" | "forget" = "enqueue",
): Promise<T> {
  try {
    return await work;
  } catch (error) {
    const isAboutSchema = error instanceof Error && "code" in error &&
      error.code === UNDEFINED_TABLE;
    if (isAboutSchema) mustWork(await migrationStatus(db), action);
    throw error;
  }
}
