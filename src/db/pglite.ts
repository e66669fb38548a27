/**
 * The adapter for {@link https://pglite.dev | PGlite}, Postgres in the process:
 * `pglite(db)`.
 *
 * It is one connection: a statement can not be cancelled once it runs, and
 * inside of a transaction only the handle of that transaction answers.
 *
 * @module
 */
import type { Database, Row } from "./database.ts";
import {
  type Connection,
  databaseOn,
  type DatabaseOptions,
  type Session,
  transactionsOf,
} from "./session.ts";
import { FIRST_CREATED_TYPE, READ_TYPES, readerOf } from "./values.ts";

/** What we use of PGlite, or of one of its transactions. */
export interface PGliteHandle {
  /** Runs one statement with its values, and tells the types of its columns. */
  query(
    text: string,
    values?: unknown[],
    options?: Readonly<Record<string, unknown>>,
  ): Promise<{ readonly rows: unknown[]; readonly fields: PGliteField[] }>;
  /** Runs several statements without values, and answers for each. */
  exec(text: string): Promise<readonly { readonly command?: string }[]>;
}

/** A column of a result. */
export interface PGliteField {
  /** As the statement calls the column. */
  readonly name: string;
  /** The `oid` of its type in `pg_type`, by which we read it. */
  readonly dataTypeID: number;
}

/** What only the database itself has. */
interface PGliteRoot extends PGliteHandle {
  transaction<T>(work: (tx: PGliteHandle) => Promise<T>): Promise<T>;
  listen(
    channel: string,
    onNotice: (payload: string) => void,
  ): Promise<() => Promise<void>>;
}

/** Our readers win over whatever the host gave to `PGlite.create`. */
const PARSERS = Object.fromEntries(
  READ_TYPES.map((oid) => [oid, readerOf(oid)]),
);

/** Values are text already, for every type there is. */
const SERIALIZERS = new Proxy({}, { get: () => (text: string) => text });

/**
 * A database over PGlite.
 *
 * @param db What `PGlite.create()` returned, or the handle of a transaction
 * that the host has open, to write inside of it.
 * @throws {TypeError} If the name of the schema is not a plain identifier.
 */
export function pglite(
  db: PGliteHandle,
  options: DatabaseOptions = {},
): Database {
  return databaseOn(sessionOf(db), options);
}

function sessionOf(db: PGliteHandle): Session {
  const connection: Connection = {
    async query(text, values) {
      const { rows, fields } = await db.query(text, [...values], {
        parsers: PARSERS,
        serializers: SERIALIZERS,
      });
      return readCreated(rows as Row[], fields);
    },
    async script(text) {
      return (await db.exec(text)).at(-1)?.command;
    },
  };
  if (!isRoot(db)) {
    return {
      ...connection,
      transaction: transactionsOf(connection, "savepoint"),
    };
  }
  return {
    ...connection,
    // PGlite's own, so that it keeps everybody else waiting meanwhile.
    transaction: (work) => db.transaction((tx) => work(sessionOf(tx))),
    async listen(channel, onNotice, onReady) {
      const unlisten = await db.listen(channel, onNotice);
      onReady?.();
      return () => unlisten();
    },
  };
}

/**
 * Reads values of created types. PGlite does it for those only which were there
 * when it opened.
 */
function readCreated(rows: Row[], fields: readonly PGliteField[]): Row[] {
  for (const { name, dataTypeID } of fields) {
    if (dataTypeID < FIRST_CREATED_TYPE) continue;
    const read = readerOf(dataTypeID);
    for (const row of rows) {
      const value = row[name];
      if (typeof value === "string") row[name] = read(value);
    }
  }
  return rows;
}

function isRoot(db: PGliteHandle): db is PGliteRoot {
  return "transaction" in db && "listen" in db;
}
