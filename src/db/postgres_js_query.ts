/** One statement through postgres.js, and reading what comes back. */
import { QueryCancelledError } from "../errors.ts";
import type { Row } from "./database.ts";
import { isAboutNames } from "./postgres_js_names.ts";
import { readerOf } from "./values.ts";

/** `unknown` in `pg_type`: Postgres infers the type, and the driver adds nothing. */
const UNKNOWN_OID = 705;

/** What we use of a handle of postgres.js: a pool, a transaction or a reserved connection. */
export interface PostgresJsSql {
  /** Makes a statement of text with `$1 …`, to be sent when it is awaited. */
  unsafe(
    text: string,
    // deno-lint-ignore no-explicit-any -- the driver's own generic type is invariant.
    values?: any[],
    options?: { readonly prepare?: boolean },
  ): PostgresJsQuery;
  /** Wraps a value together with the `oid` of its type. */
  // deno-lint-ignore no-explicit-any -- see above.
  typed: any;
}

/** What we use of a query. */
export interface PostgresJsQuery extends PromiseLike<unknown> {
  /** What it was sent on; null before. */
  readonly state?: unknown;
  /** Why the driver sent it again: of its name, or of a table that changed. */
  readonly retried?: unknown;
  /** The same query, answered with bytes: no type of the host reads them. */
  raw(): PromiseLike<unknown>;
  /** What `cancel()` calls, once; null afterwards. */
  canceller?: ((query: PostgresJsQuery) => unknown) | null;
  /** Asks the server to give the statement up. */
  cancel(): unknown;
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

/** A statement, and how it is to be sent. */
export interface Sending {
  readonly text: string;
  readonly values: readonly (string | null)[];
  readonly signal: AbortSignal | undefined;
  /** Whether the driver names it in its connection. */
  readonly named: boolean;
}

/** Rows, and whether the server did not know the name of the statement. */
export interface Sent {
  readonly rows: Row[];
  readonly nameWasLost: boolean;
}

/** What we say to the driver of one statement, beyond what its types know. */
const OPTIONS = {
  // A statement that waits for a lock must not have others wait behind it.
  onexecute: () => false,
};

/**
 * Sends a statement and reads its rows.
 *
 * Raw, or what the host does with types would reach us.
 */
export async function sendQuery(
  handle: PostgresJsSql,
  { text, values, signal, named }: Sending,
): Promise<Sent> {
  const query = handle.unsafe(
    text,
    values.map((value) => handle.typed(value, UNKNOWN_OID)),
    { ...OPTIONS, prepare: named, ...(named && { simple: false }) },
  );
  if (values.length > 0 || named) inOneTrip(query);
  const rows = signal === undefined
    ? readRows(await query.raw() as RawRows)
    : await untilAborted(query, signal);
  return { rows, nameWasLost: isAboutNames(query.retried) };
}

/**
 * Sends the values with the statement. By itself the driver would ask for the
 * types of the parameters first and wait for them, which is a second way to the
 * server and back; ours are known.
 *
 * It is how postgres.js 3.4 works inside. A version that works in another way
 * does not look at this, and goes twice.
 */
function inOneTrip(query: PostgresJsQuery): void {
  Object.defineProperty(query, "describeFirst", {
    get: () => false,
    set: () => {},
  });
}

async function untilAborted(
  query: PostgresJsQuery,
  signal: AbortSignal,
): Promise<Row[]> {
  const answer = Promise.resolve(query.raw());
  let onAbort = () => {};
  const givenUp = new Promise<never>((_, reject) => {
    onAbort = () => {
      // A statement that was not sent may be what a new connection is opened
      // for. Were it cancelled, postgres.js 3.4.9 would never use that connection
      // nor its place in the pool again. So it runs later, for nobody.
      if (query.state) cancel(query);
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

/**
 * As `cancel()` does, which drops the promise of the request: where the server
 * takes no connection, it would reject, nobody could catch it, and the process
 * would end (postgres.js 3.4.9).
 */
function cancel(query: PostgresJsQuery): void {
  const { canceller } = query;
  if (typeof canceller !== "function") {
    query.cancel();
    return;
  }
  query.canceller = null;
  // If it can not be reached, the statement ends by itself.
  Promise.resolve(canceller(query)).catch(() => {});
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
