import { assert } from "../assert.ts";
import type { Database, QueryOptions, Row } from "./database.ts";
import { parseSchemaName, type Sql, sql, WRITTEN_SCHEMA } from "./sql.ts";
import { writeValue } from "./values.ts";
import {
  QueryCancelledError,
  TransactionAbortedError,
  TransactionEndedError,
} from "../errors.ts";

/** What a host may say about any database. */
export interface DatabaseOptions {
  /** The schema of all our tables. `yardmaster` by default. */
  readonly schema?: string;
  /**
   * What a statement takes for now: for tests, which move the clock. The
   * database's own clock by default.
   */
  readonly now?: () => Sql;
  /**
   * Where notices are heard: a database on a direct connection, if this one goes
   * through a proxy that pools transactions. There, listening would seem to work,
   * and nothing would be heard.
   */
  readonly listenOn?: Pick<Database, "listen">;
}

/** A driver, reduced to text: what an adapter has to write. */
export interface Session {
  query(
    text: string,
    values: readonly (string | null)[],
    signal: AbortSignal | undefined,
    hot?: boolean,
  ): Promise<Row[]>;
  /** Answers with the command of the last statement, such as `COMMIT`. */
  script(text: string): Promise<string | undefined>;
  transaction<T>(
    work: (session: Session) => Promise<T>,
    signal?: AbortSignal,
  ): Promise<T>;
  listen?: NonNullable<Database["listen"]>;
}

/** The database that everything else sees, on the session of one driver. */
export function databaseOn(
  session: Session,
  options: DatabaseOptions,
): Database {
  const { schema = WRITTEN_SCHEMA, now = statementTimestamp } = options;
  return open(hearing(session, options), {
    schema: parseSchemaName(schema),
    now,
  }).database;
}

/** The session that hears notices where the host said. */
function hearing(session: Session, { listenOn }: DatabaseOptions): Session {
  if (listenOn === undefined) return session;
  const { query, script, transaction } = session;
  const listen = listenOn.listen?.bind(listenOn);
  return { query, script, transaction, ...(listen && { listen }) };
}

function statementTimestamp(): Sql {
  return sql`statement_timestamp()`;
}

/** A handle, and how to end it. */
interface Handle {
  readonly database: Database;
  end(): void;
}

function open(
  session: Session,
  options: Required<Omit<DatabaseOptions, "listenOn">>,
): Handle {
  const { schema, now } = options;
  let ended = false;

  // A driver's handle that outlives its transaction may run a statement on
  // whatever the connection does next, and nobody would roll it back.
  function mustBeOpen(): void {
    if (ended) throw new TransactionEndedError();
  }

  const { listen } = session;
  const database: Database = {
    schema,
    get now() {
      return now();
    },

    async query<R = Row>(statement: Sql, options?: QueryOptions): Promise<R[]> {
      mustBeOpen();
      const { text, values } = statement.render(schema);
      const written = values.map((value, index) =>
        writeValue(value, index + 1)
      );
      const signal = options?.signal;
      if (signal?.aborted) throw new QueryCancelledError(signal.reason);
      return await session.query(text, written, signal, options?.hot) as R[];
    },

    async transaction<T>(
      work: (tx: Database) => Promise<T>,
      { signal }: QueryOptions = {},
    ): Promise<T> {
      mustBeOpen();
      return await session.transaction(async (inner) => {
        const handle = open(inner, options);
        try {
          return await work(handle.database);
        } finally {
          handle.end();
        }
      }, signal);
    },

    async script(text: string): Promise<void> {
      mustBeOpen();
      await session.script(text);
    },

    ...(listen && {
      listen: (channel, onNotice, onReady) => {
        mustBeOpen();
        // One driver pastes the name into its statements as it is.
        assert(/^[a-z_][a-z0-9_]{0,62}$/.test(channel), "channel is plain");
        return listen(channel, onNotice, onReady);
      },
    }),
  };
  return {
    database,
    end() {
      ended = true;
    },
  };
}

/**
 * Ends a transaction of ours in which nothing is asked for so long, and lets go
 * of what it holds: its process may have lost the network, which Postgres by
 * itself learns after two hours, and everybody else would wait for its rows and
 * tables. A shorter limit of the host stays.
 */
export const BOUND_IDLE = `
  select set_config('idle_in_transaction_session_timeout', '10s', true)
  where current_setting('idle_in_transaction_session_timeout')::interval
    not between interval '1 ms' and interval '10 s'
`;

/** In one trip. */
const BEGIN = `begin; ${BOUND_IDLE}`;

/** One connection, which has no transactions of its own but by statements. */
export type Connection = Pick<Session, "query" | "script">;

/**
 * Transactions of one connection, by statements. Inside of one, it is a
 * savepoint, also inside of what the host began.
 *
 * @param opening `ask` if only the connection knows whether one is open.
 */
export function transactionsOf(
  connection: Connection,
  opening: "begin" | "savepoint" | "ask",
): Session["transaction"] {
  return inTurns((work) => transact(connection, { opening, work }));
}

/**
 * Lets transactions of one connection run one after the other: savepoints that
 * interleave would take each other's work away.
 */
export function inTurns(
  transaction: Session["transaction"],
): Session["transaction"] {
  let last: Promise<unknown> = Promise.resolve();
  return (work) => {
    const turn = last.then(() => transaction(work));
    last = turn.catch(() => {});
    return turn;
  };
}

async function transact<T>(connection: Connection, { opening, work }: {
  readonly opening: "begin" | "savepoint" | "ask";
  readonly work: (session: Session) => Promise<T>;
}): Promise<T> {
  const nested = opening === "ask"
    ? await savepointOrBegin(connection)
    : opening === "savepoint";
  if (opening !== "ask") {
    await connection.script(nested ? "savepoint yardmaster" : BEGIN);
  }

  let result: T;
  try {
    result = await work({
      ...connection,
      transaction: transactionsOf(connection, "savepoint"),
    });
  } catch (error) {
    await undo(connection, nested);
    throw error;
  }

  const done = await connection.script(
    nested ? "release savepoint yardmaster" : "commit",
  );
  if (done === "ROLLBACK") throw new TransactionAbortedError();
  return result;
}

async function undo(connection: Connection, nested: boolean): Promise<void> {
  try {
    if (!nested) {
      await connection.script("rollback");
      return;
    }
    await connection.script("rollback to savepoint yardmaster");
    await connection.script("release savepoint yardmaster");
  } catch {
    // The first fault is the one to tell, also when the connection is gone.
  }
}

/** Answers true if it is a savepoint in a transaction that was open. */
async function savepointOrBegin(connection: Connection): Promise<boolean> {
  try {
    await connection.script("savepoint yardmaster");
    return true;
  } catch (error) {
    // 25P01: none is open. No other question leaves nothing behind either way.
    if (
      !(error instanceof Error && "code" in error && error.code === "25P01")
    ) {
      throw error;
    }
    await connection.script(BEGIN);
    return false;
  }
}
