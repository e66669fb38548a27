/**
 * The adapter for {@link https://github.com/porsager/postgres | postgres.js}:
 * `postgresJs(sql)`.
 *
 * @module
 */
import type { Database, Row } from "./database.ts";
import { QueryCancelledError } from "../errors.ts";
import {
  type Connection,
  databaseOn,
  type DatabaseOptions,
  inTurns,
  type Session,
  transactionsOf,
} from "./session.ts";
import { OneConnection } from "./postgres_js_connection.ts";
import { readerOf } from "./values.ts";

/** `unknown` in `pg_type`: Postgres infers the type, and the driver adds nothing. */
const UNKNOWN_OID = 705;

/** What we use of a handle of postgres.js: a pool, a transaction or a reserved connection. */
export interface PostgresJsSql {
  unsafe(
    text: string,
    // deno-lint-ignore no-explicit-any -- the driver's own generic type is invariant.
    values?: any[],
    options?: { readonly prepare?: boolean },
  ): PostgresJsQuery;
  // deno-lint-ignore no-explicit-any -- see above.
  typed: any;
}

/** What we use of a query. */
interface PostgresJsQuery extends PromiseLike<unknown> {
  /** What it was sent on; null before. */
  readonly state?: unknown;
  raw(): PromiseLike<unknown>;
  cancel(): unknown;
}

/** What only some handles have. */
interface AnyHandle extends PostgresJsSql {
  begin?<T>(work: (sql: AnyHandle) => Promise<T>): Promise<T>;
  savepoint?<T>(work: (sql: AnyHandle) => Promise<T>): Promise<T>;
  listen?(
    channel: string,
    onNotice: (payload: string) => void,
    onReady?: () => void,
  ): Promise<{ unlisten(): Promise<void> }>;
  readonly options?: {
    readonly transform?: {
      readonly column?: { readonly from?: (name: string) => string };
    };
  };
}

/** A Buffer, without its type. */
interface Utf8 {
  toString(encoding: "utf8"): string;
}

/** A result in raw form: the columns, and per row the bytes of each. */
interface RawRows extends ReadonlyArray<readonly (Utf8 | null)[]> {
  readonly columns?: readonly {
    readonly name: string;
    readonly type: number;
  }[];
}

/** Options of {@linkcode postgresJs}. */
export interface PostgresJsOptions extends DatabaseOptions {
  /**
   * Lets the driver name statements in its connections, which saves it one of
   * two round trips. Off by default: a proxy that pools transactions may not
   * know the names.
   */
  readonly prepare?: boolean;
}

/**
 * A database over postgres.js.
 *
 * Behind a proxy that pools transactions, give the driver `prepare: false`: it
 * names what it sends itself, such as `commit`.
 *
 * A pool that serves nothing else is best created with `fetch_types: false`: we
 * read no types, and when a connection breaks while postgres.js 3.4.9 reads them,
 * it leaves a rejection that nobody can catch, which ends a process on Node.
 *
 * @param sql What `postgres()` returned; the handle of a transaction that the
 * host has open, to write inside of it; or a reserved connection.
 * @throws {TypeError} If the name of the schema is not a plain identifier, or
 * the handle renames columns in a way that changes camel case.
 */
export function postgresJs(
  sql: PostgresJsSql,
  { prepare = false, ...options }: PostgresJsOptions = {},
): Database {
  const handle = sql as AnyHandle;
  const rename = handle.options?.transform?.column?.from;
  if (rename && rename("jobId") !== "jobId") {
    throw new TypeError(
      `Cannot use this handle of postgres.js: it renames the column "jobId" ` +
        `to "${rename("jobId")}"; hand in one without "transform.column.from"`,
    );
  }
  const connection = handle.begin ? null : new OneConnection();
  return databaseOn(sessionOf(handle, { prepare, connection }), options);
}

/** What a session knows beside its handle. */
interface Context {
  readonly prepare: boolean;
  /** Null for a pool, which replaces what breaks. */
  readonly connection: OneConnection | null;
}

function sessionOf(handle: AnyHandle, context: Context): Session {
  const { prepare, connection } = context;

  function send<T>(run: () => Promise<T>): Promise<T> {
    return connection ? connection.send(run) : run();
  }
  const statements: Connection = {
    query(text, values, signal) {
      return send(() =>
        runQuery(
          handle.unsafe(
            text,
            values.map((value) => handle.typed(value, UNKNOWN_OID)),
            { prepare },
          ),
          signal,
        )
      );
    },
    async script(text) {
      const result = await send(async () => await handle.unsafe(text)) as
        | { readonly command?: string }
        | readonly { readonly command?: string }[];
      const last = "command" in result
        ? result
        : (result as readonly { readonly command?: string }[]).at(-1);
      return last?.command;
    },
  };

  const { listen } = handle;
  return {
    ...statements,
    transaction: transactionOf(handle, { statements, context }),
    ...(listen && {
      async listen(channel, onNotice, onReady) {
        const stop = await listen.call(handle, channel, onNotice, onReady);
        return async () => {
          await stop.unlisten();
        };
      },
    }),
  };
}

/**
 * The driver's own, where the handle has it: it fails a transaction in which a
 * statement failed outside of its `savepoint()`.
 */
function transactionOf(handle: AnyHandle, { statements, context }: {
  readonly statements: Connection;
  readonly context: Context;
}): Session["transaction"] {
  const { prepare } = context;
  const { begin, savepoint } = handle;
  if (begin) {
    return (work) => {
      const connection = new OneConnection();
      return connection.scope((scoped) =>
        begin.call(
          handle,
          (tx) => scoped(() => work(sessionOf(tx, { prepare, connection }))),
        ) as never
      );
    };
  }
  if (savepoint) {
    const connection = context.connection ?? new OneConnection();
    return inTurns((work) =>
      connection.scope((scoped) =>
        savepoint.call(
          handle,
          (tx) => scoped(() => work(sessionOf(tx, { prepare, connection }))),
        ) as never
      )
    );
  }
  return transactionsOf(statements, "ask");
}

/** Reads the raw result: what the host does with types must not reach us. */
async function runQuery(
  query: PostgresJsQuery,
  signal: AbortSignal | undefined,
): Promise<Row[]> {
  if (signal === undefined) return readRows(await query.raw() as RawRows);
  const answer = Promise.resolve(query.raw());
  let onAbort = () => {};
  const givenUp = new Promise<never>((_, reject) => {
    onAbort = () => {
      // A statement that was not sent may be what a new connection is opened
      // for. Were it cancelled, postgres.js 3.4.9 would never use that connection
      // nor its place in the pool again. So it runs later, for nobody.
      if (query.state) query.cancel();
      else reject(new QueryCancelledError(signal.reason));
    };
  });
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    return readRows(await Promise.race([answer, givenUp]) as RawRows);
  } finally {
    signal.removeEventListener("abort", onAbort);
    answer.catch(() => {});
  }
}

/** Loops by index: a claim reads thousands of cells, and iterators cost half. */
function readRows(raw: RawRows): Row[] {
  const columns = raw.columns ?? [];
  const readers = columns.map(({ type }) => readerOf(type));
  const rows: Row[] = [];
  for (const cells of raw) {
    const row: Row = {};
    for (let index = 0; index < columns.length; index++) {
      const column = columns[index];
      const read = readers[index];
      if (column === undefined || read === undefined) continue;
      const cell = cells[index] ?? null;
      // The bytes are a Buffer. To name its encoding is twice as fast on Deno.
      row[column.name] = cell === null ? null : read(cell.toString("utf8"));
    }
    rows.push(row);
  }
  return rows;
}
