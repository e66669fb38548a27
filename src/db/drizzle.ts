/**
 * The adapter for {@link https://orm.drizzle.team | Drizzle}: `drizzle(tx)`.
 *
 * @module
 */
import type { Database } from "./database.ts";
import { nodePostgres } from "./node_postgres.ts";
import { pglite } from "./pglite.ts";
import { postgresJs } from "./postgres_js.ts";
import type { DatabaseOptions } from "./session.ts";

/** What we use of a Drizzle database, or of one of its transactions. */
export interface DrizzleHandle {
  /** Where Drizzle keeps the handle of its driver. */
  readonly _: { readonly session: object };
}

/**
 * A database over what Drizzle runs on: postgres.js, node-postgres or PGlite.
 *
 * It writes with the driver's own handle below Drizzle, on the same connection,
 * so neither sees the types that the other configures.
 *
 * @param handle What `drizzle()` returned, or the `tx` of a transaction that the
 * host has open, to write inside of it.
 * @throws {TypeError} If Drizzle runs on another driver, or the name of the
 * schema is not a plain identifier.
 */
export function drizzle(
  handle: DrizzleHandle,
  options: DatabaseOptions = {},
): Database {
  const { client } = handle._.session as { readonly client?: unknown };
  // Each driver's handle is known by what only it has. It is checked here once,
  // and the cast is what that check earns.
  if (has(client, "unsafe")) return postgresJs(client as never, options);
  if (has(client, "exec")) return pglite(client as never, options);
  if (has(client, "query")) return nodePostgres(client as never, options);
  throw new TypeError(
    "Cannot use this Drizzle database: it must run on postgres.js, " +
      "node-postgres or PGlite",
  );
}

function has(client: unknown, method: string): boolean {
  return (typeof client === "object" || typeof client === "function") &&
    client !== null && method in client;
}
