/**
 * The adapter for {@link https://kysely.dev | Kysely}: `kysely(trx)`.
 *
 * @module
 */
import type { Database, Row } from "./database.ts";
import {
  BOUND_IDLE,
  type Connection,
  databaseOn,
  type DatabaseOptions,
  type Session,
  transactionsOf,
} from "./session.ts";

/** What we use of a Kysely instance, or of one of its transactions. */
export interface KyselyHandle {
  /** Whether it is the `trx` of a transaction that the host has open. */
  readonly isTransaction: boolean;
  /**
   * The same without the plugins of the host: they would rename our columns.
   */
  // deno-lint-ignore no-explicit-any -- a transaction narrows its type parameter.
  withoutPlugins(): any;
  /** Runs one statement that was compiled already. */
  // deno-lint-ignore no-explicit-any -- a compiled query has a tree of its own.
  executeQuery(query: any): Promise<{ readonly rows: unknown[] }>;
}

/** What only Kysely itself has. */
interface KyselyRoot extends KyselyHandle {
  transaction(): {
    execute<T>(work: (trx: KyselyHandle) => Promise<T>): Promise<T>;
  };
}

/**
 * A database over Kysely, with its dialect for node-postgres or PGlite.
 *
 * A statement can not be cancelled, nothing can be listened to, and on PGlite a
 * script is one statement: give Yardmaster itself the pool, and use this for
 * writing inside of a transaction.
 *
 * @param handle What `new Kysely()` made, or the `trx` of a transaction that the
 * host has open, to write inside of it. Its plugins do not see our statements.
 * @throws {TypeError} If the name of the schema is not a plain identifier; and
 * with the first statement, if the driver was told to read `int8` as a number.
 */
export function kysely(
  handle: KyselyHandle,
  options: DatabaseOptions = {},
): Database {
  return databaseOn(sessionOf(handle.withoutPlugins()), options);
}

function sessionOf(handle: KyselyHandle): Session {
  let checked: Promise<void> | undefined;
  const connection: Connection = {
    async query(text, values) {
      await (checked ??= mustReadInt8AsText(handle));
      return await execute(handle, text, values);
    },
    async script(text) {
      const rows = await execute(handle, text, []);
      return typeof rows[0]?.["command"] === "string"
        ? rows[0]["command"]
        : undefined;
    },
  };
  if (handle.isTransaction) {
    return {
      ...connection,
      transaction: transactionsOf(connection, "savepoint"),
    };
  }
  return {
    ...connection,
    transaction: (work) =>
      (handle as KyselyRoot).transaction().execute(async (trx) => {
        await execute(trx, BOUND_IDLE, []);
        return await work(sessionOf(trx));
      }),
  };
}

async function execute(
  handle: KyselyHandle,
  text: string,
  values: readonly (string | null)[],
): Promise<Row[]> {
  const { rows } = await handle.executeQuery({
    sql: text,
    parameters: values,
    query: { kind: "RawNode", sqlFragments: [text], parameters: [] },
    queryId: { queryId: crypto.randomUUID() },
  });
  return rows as Row[];
}

/**
 * Kysely gives rows as the driver was told to read them, and says no types. All
 * that our rows need beside the drivers' defaults is `int8` as text.
 */
async function mustReadInt8AsText(handle: KyselyHandle): Promise<void> {
  const [row] = await execute(
    handle,
    `select 1::bigint as "one", array[1]::bigint[] as "many"`,
    [],
  );
  const many = row?.["many"];
  if (
    typeof row?.["one"] === "string" && Array.isArray(many) &&
    typeof many[0] === "string"
  ) return;
  throw new TypeError(
    "Cannot use this Kysely: its driver must read int8 as text; for PGlite, " +
      "create it with parsers: { 20: (text) => text }; for node-postgres, set " +
      "no parser for type 20, or use nodePostgres(client)",
  );
}
