/**
 * The adapter for {@link https://node-postgres.com | node-postgres}:
 * `nodePostgres(pool)`.
 *
 * @module
 */
import type { Database, Row } from "./database.ts";
import { QueryCancelledError } from "../errors.ts";
import { type ListeningClient, listenWith } from "./node_postgres_listen.ts";
import {
  type Connection,
  databaseOn,
  type DatabaseOptions,
  type Session,
  transactionsOf,
} from "./session.ts";
import { readerOf } from "./values.ts";

const CONNECT_LIMIT_MS = 10_000;
/** As postgres.js; Linux would begin to ask after two hours. */
const KEEP_ALIVE_MS = 60_000;
/** A request to cancel is answered in milliseconds, or by nobody. */
const CANCEL_LIMIT_MS = 2_000;

/** What we use of a pool or a client. */
export interface PgHandle {
  /** Runs one statement, as node-postgres takes it. */
  // deno-lint-ignore no-explicit-any -- the driver has seven overloads of it.
  query(config: any): Promise<any>;
}

/** What we use of a client. */
interface PgClient extends PgHandle, ListeningClient {
  readonly host: string;
  readonly port: number;
  readonly processID: number | null;
  readonly secretKey: unknown;
}

interface PgPoolClient extends PgClient {
  release(error?: Error | boolean): void;
}

interface PgPool extends PgHandle {
  readonly totalCount: number;
  readonly options: ClientOptions;
  readonly Client: new (options: ClientOptions) => PgClient;
  connect(
    callBack: (error: Error | null | undefined, client?: PgPoolClient) => void,
  ): void;
}

interface ClientOptions {
  readonly password?: unknown;
  readonly keepAlive?: boolean;
  readonly keepAliveInitialDelayMillis?: number;
  readonly connectionTimeoutMillis?: number;
}

interface PgCanceller {
  readonly connection: { on(event: "error", listener: () => void): void };
  cancel(client: object, query: object): void;
}

/**
 * A database over node-postgres.
 *
 * @param handle A `Pool`; or a `Client`, also one on which the host has begun a
 * transaction, to write inside of it. Only a pool can listen.
 * @throws {TypeError} If the name of the schema is not a plain identifier.
 */
export function nodePostgres(
  handle: PgHandle,
  options: DatabaseOptions = {},
): Database {
  const session = isPool(handle)
    ? sessionOfPool(handle)
    : sessionOfClient(handle as PgClient);
  return databaseOn(session, options);
}

function isPool(handle: PgHandle): handle is PgPool {
  return "totalCount" in handle && "connect" in handle;
}

function sessionOfClient(client: PgClient): Session {
  const connection = connectionOf(client);
  return { ...connection, transaction: transactionsOf(connection, "ask") };
}

function sessionOfPool(pool: PgPool): Session {
  return {
    query(text, values, signal) {
      // To cancel a statement, we have to know which connection runs it.
      return signal === undefined
        ? runQuery(pool, { text, values })
        : onOneClient(
          pool,
          (client) => connectionOf(client).query(text, values, signal),
          signal,
        );
    },
    script: (text) => runScript(pool, text),
    transaction(work, signal) {
      return onOneClient(
        pool,
        (client) => transactionsOf(connectionOf(client), "begin")(work),
        signal,
      );
    },
    listen: (channel, onNotice, onReady) =>
      listenWith(() => new pool.Client(listeningOptions(pool.options)), {
        channel,
        onNotice,
        onReady,
      }),
  };
}

/**
 * Without a limit, a server that does not answer would be waited for for ever.
 * A pool hides its password from being copied, so it is copied by name.
 */
function listeningOptions(options: ClientOptions): ClientOptions {
  const { password, connectionTimeoutMillis, keepAliveInitialDelayMillis } =
    options;
  return {
    ...options,
    password,
    keepAlive: true,
    keepAliveInitialDelayMillis: keepAliveInitialDelayMillis || KEEP_ALIVE_MS,
    connectionTimeoutMillis: connectionTimeoutMillis || CONNECT_LIMIT_MS,
  };
}

/** @param signal Gives up what runs; the pool then replaces the connection. */
async function onOneClient<T>(
  pool: PgPool,
  work: (client: PgPoolClient) => Promise<T>,
  signal?: AbortSignal,
): Promise<T> {
  // A client that is out of the pool has nobody to hear that its connection
  // broke, and an error that nobody hears ends the process.
  let broken: Error | undefined;
  function onError(error: Error): void {
    broken = error;
  }
  const client = await takeClient(pool, onError);
  // Nobody waits any more, and the connection is as good as it was.
  if (signal?.aborted) {
    client.off("error", onError);
    client.release(broken);
    throw new QueryCancelledError(signal.reason);
  }
  let isReleased = false;
  function release(isSpent: boolean): void {
    if (!isReleased) client.release(broken ?? isSpent);
    isReleased = true;
  }
  // A connection may be half open: neither the answer nor an error ever comes,
  // and the pool would be short of it for a quarter of an hour. Whoever is
  // released as broken is closed with what it runs.
  const stopWaiting = afterAbort(signal, () => release(true));
  try {
    return await work(client);
  } finally {
    stopWaiting();
    client.off("error", onError);
    // The request to cancel may arrive when the statement has ended, and would
    // then take the next one, which may be the host's.
    release(signal?.aborted ?? false);
  }
}

/**
 * By a callback and not by the promise, which is heard a moment later: the word
 * that a connection is ready and the one that it ends may arrive in one piece.
 */
function takeClient(
  pool: PgPool,
  onError: (error: Error) => void,
): Promise<PgPoolClient> {
  return new Promise((resolve, reject) =>
    pool.connect((error, client) => {
      if (client === undefined) return reject(error);
      client.on("error", onError);
      resolve(client);
    })
  );
}

/**
 * Calls back when a signal was aborted and nothing came of it.
 *
 * @returns What stops it.
 */
function afterAbort(
  signal: AbortSignal | undefined,
  callBack: () => void,
): () => void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  function wait(): void {
    timer = setTimeout(callBack, CANCEL_LIMIT_MS);
  }
  signal?.addEventListener("abort", wait, { once: true });
  return () => {
    clearTimeout(timer);
    signal?.removeEventListener("abort", wait);
  };
}

function connectionOf(client: PgClient): Connection {
  return {
    async query(text, values, signal) {
      function cancel(): void {
        cancelOn(client);
      }
      if (signal?.aborted) throw new QueryCancelledError(signal.reason);
      signal?.addEventListener("abort", cancel, { once: true });
      try {
        return await runQuery(client, { text, values });
      } finally {
        signal?.removeEventListener("abort", cancel);
      }
    },
    script: (text) => runScript(client, text),
  };
}

async function runQuery(handle: PgHandle, { text, values }: {
  readonly text: string;
  readonly values: readonly (string | null)[];
}): Promise<Row[]> {
  const result = await handle.query({
    text,
    values: [...values],
    types: { getTypeParser: readerOf },
  });
  return result.rows as Row[];
}

async function runScript(
  handle: PgHandle,
  text: string,
): Promise<string | undefined> {
  const result = await handle.query({ text });
  const last = Array.isArray(result) ? result.at(-1) : result;
  return (last as { readonly command?: string } | undefined)?.command;
}

/**
 * Asks Postgres to cancel what the connection runs. As a request of the
 * protocol, and not as `pg_cancel_backend()`: a proxy gives out process ids of
 * its own.
 */
function cancelOn(client: PgClient): void {
  const { host, port, processID, secretKey } = client;
  const Client = client.constructor as new (options: object) => PgCanceller;
  const canceller = new Client({ host, port });
  // If it can not be reached, the statement ends by itself.
  canceller.connection.on("error", () => {});
  const query = {};
  canceller.cancel({ activeQuery: query, processID, secretKey }, query);
}
