import type { Sql } from "./sql.ts";

/** One row, as an adapter returns it. */
export type Row = Record<string, unknown>;

/**
 * A host's Postgres, as everything here sees it.
 *
 * Adapters agree on the types of a row, whatever their driver does: `int8` is
 * text, `jsonb` is a value, `timestamptz` is a `Date`, `bytea` is a
 * `Uint8Array`, an array of `int8` is an array of text. A failed statement
 * throws the driver's own error, which has the SQLSTATE as `code`.
 */
export interface Database {
  /** The schema that this handle works in. */
  readonly schema: string;

  /**
   * The instant that a statement takes for now, as a fragment of SQL. The
   * database's clock by default; a test binds an instant of its own.
   */
  readonly now: Sql;

  /** Runs one statement. */
  query<R = Row>(statement: Sql, options?: QueryOptions): Promise<R[]>;

  /**
   * Runs `work` in a transaction: commits when it resolves, rolls back when it
   * throws. Inside a transaction it is a savepoint. `work` must use the handle
   * that it is given: with one connection, the outer one would wait for ever.
   *
   * @param options `signal` gives the connection up, where the driver can, if
   * the transaction does not end soon after. It does not stop `work`.
   */
  transaction<T>(
    work: (tx: Database) => Promise<T>,
    options?: QueryOptions,
  ): Promise<T>;

  /**
   * Listens on a channel until the returned function is called. Absent where a
   * connection can not be kept. A notice is only ever a hint.
   *
   * @param onReady Called when listening starts and after each reconnection:
   * what was sent in between is lost.
   */
  listen?(
    channel: string,
    onNotice: (payload: string) => void,
    onReady?: () => void,
  ): Promise<() => Promise<void>>;

  /** Runs SQL text of several statements. For migrations only. */
  script(text: string): Promise<void>;
}

/** Options of one statement. */
export interface QueryOptions {
  /** Cancels the statement, where the driver can; it then throws `57014`. */
  readonly signal?: AbortSignal;
  /**
   * It runs all the time, its text is always the same, and its best plan does
   * not depend on its values: a driver may name it, and Postgres plan it once.
   */
  readonly hot?: boolean;
}
