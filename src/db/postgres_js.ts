/**
 * The adapter for {@link https://github.com/porsager/postgres | postgres.js}:
 * `postgresJs(sql)`.
 *
 * @module
 */
import type { Database, Row } from "./database.ts";
import {
  BOUND_IDLE,
  type Connection,
  databaseOn,
  type DatabaseOptions,
  inTurns,
  type Session,
  transactionsOf,
} from "./session.ts";
import { OneConnection } from "./postgres_js_connection.ts";
import {
  isAboutNames,
  isAboutStatement,
  StatementNames,
} from "./postgres_js_names.ts";
import {
  type PostgresJsSql,
  type Sending,
  sendQuery,
} from "./postgres_js_query.ts";

export type { PostgresJsQuery, PostgresJsSql } from "./postgres_js_query.ts";

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

/** Options of {@linkcode postgresJs}. */
export interface PostgresJsOptions extends DatabaseOptions {
  /**
   * Which statements the driver names in its connections, so that Postgres reads
   * and plans them once: all with `true`, none with `false`, and when left out
   * those that run all the time. Never more than the driver itself may: the
   * `prepare: false` of `postgres()` holds for ours as well.
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
  { prepare, ...options }: PostgresJsOptions = {},
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
  const names = new StatementNames(prepare);
  return databaseOn(sessionOf(handle, { names, connection }), options);
}

/** What a session knows beside its handle. */
interface Context {
  readonly names: StatementNames;
  /** Null for a pool, which replaces what breaks. */
  readonly connection: OneConnection | null;
}

function sessionOf(handle: AnyHandle, context: Context): Session {
  const { names, connection } = context;

  function send<T>(run: () => Promise<T>): Promise<T> {
    return connection ? connection.send(run) : run();
  }
  async function run(statement: Sending): Promise<Row[]> {
    const sent = await send(() => sendQuery(handle, statement));
    // The driver named it anew and all is well, but each such time leaves a name
    // behind that nobody knows.
    if (sent.nameWasLost) names.giveUp();
    return sent.rows;
  }
  const statements: Connection = {
    async query(text, values, signal, hot = false) {
      const named = names.for(hot);
      const statement = { text, values, signal, named };
      try {
        return await run(statement);
      } catch (error) {
        if (!named || !isAboutStatement(error)) throw error;
        if (isAboutNames(error)) names.giveUp();
        // In a transaction all is lost. Outside of one, nothing has happened.
        if (connection) throw error;
        return await run({ ...statement, named: false });
      }
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
  const { names } = context;
  const { begin, savepoint } = handle;
  if (begin) {
    return (work) => {
      const connection = new OneConnection();
      return connection.scope((scoped) =>
        begin.call(handle, (tx) => {
          // The first statement goes right behind it; if it fails, so does that.
          Promise.resolve(tx.unsafe(BOUND_IDLE)).catch(() => {});
          return scoped(() => work(sessionOf(tx, { names, connection })));
        }) as never
      );
    };
  }
  if (savepoint) {
    const connection = context.connection ?? new OneConnection();
    return inTurns((work) =>
      connection.scope((scoped) =>
        savepoint.call(
          handle,
          (tx) => scoped(() => work(sessionOf(tx, { names, connection }))),
        ) as never
      )
    );
  }
  return transactionsOf(statements, "ask");
}
