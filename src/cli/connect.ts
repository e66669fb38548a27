import { existsSync } from "node:fs";
import type { Database } from "../db/database.ts";
import { parseSchemaName } from "../db/sql.ts";
import { type Flags, UsageError } from "./flags.ts";

/** A database that a command works on, and how to let go of it. */
export interface Connection {
  readonly db: Database;
  close(): Promise<void>;
}

/**
 * Opens the database that the flags name. A driver is loaded only if it is the
 * one: a host needs to have installed no other.
 *
 * @param env Read for `DATABASE_URL`, which `--database-url` and `--data-dir`
 * win over.
 * @throws {UsageError} If they name none, or two.
 */
export async function connect(
  { databaseUrl, dataDir, schema: given, command }: Flags,
  env: Readonly<Record<string, string | undefined>>,
): Promise<Connection> {
  const schema = schemaOf(given);
  if (databaseUrl !== null && dataDir !== null) {
    throw new UsageError("--database-url and --data-dir exclude each other");
  }
  if (dataDir !== null) {
    // It would be made, and then be empty.
    if (command !== "migrate up" && !existsSync(dataDir)) {
      throw new UsageError("--data-dir names a folder that is not there");
    }
    return await openFolder(dataDir, schema);
  }
  const url = databaseUrl ?? env.DATABASE_URL ?? "";
  if (url === "") {
    throw new UsageError(
      "--database-url is missing: give it, or --data-dir, or set DATABASE_URL",
    );
  }
  return await openServer(url, schema);
}

function schemaOf(given: string | null): string {
  try {
    return parseSchemaName(given ?? "yardmaster");
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    throw new UsageError(`--schema can not be used: ${message}`);
  }
}

async function openServer(url: string, schema: string): Promise<Connection> {
  if (!/^postgres(ql)?:\/\//.test(url) || !URL.canParse(url)) {
    throw new UsageError(
      "--database-url must look like postgres://user:password@host:5432/name",
    );
  }
  const { default: postgres } = await import("postgres");
  const { postgresJs } = await import("../db/postgres_js.ts");
  const pool = postgres(url, {
    max: 1,
    connect_timeout: 10,
    onnotice: () => {},
    connection: { application_name: "yardmaster cli" },
  });
  return {
    db: postgresJs(pool, { schema }),
    close: () => pool.end({ timeout: 5 }),
  };
}

async function openFolder(
  dataDir: string,
  schema: string,
): Promise<Connection> {
  const { PGlite } = await import("@electric-sql/pglite");
  const { pglite } = await import("../db/pglite.ts");
  const opened = await PGlite.create(dataDir);
  return {
    db: pglite(opened, { schema }),
    close: () => opened.close(),
  };
}
