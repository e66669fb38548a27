/** A process that freezes at a statement, with its connections left open. */
import type { Database, QueryOptions, Row } from "../../src/db/database.ts";
import type { Sql } from "../../src/db/sql.ts";

/** A statement that is sent, as whoever may freeze there sees it. */
export interface Statement {
  readonly text: string;
  /** The transaction it is in, outermost, or null. */
  readonly tx: Database | null;
  /** Such as `with one as (…`, short enough to be told. */
  readonly told: string;
}

/** What is called back. */
export interface Watch {
  readonly after: (statement: Statement) => Promise<void>;
  /** Before each statement and each transaction. */
  readonly before?: () => Promise<void>;
}

/**
 * A database that calls back after each statement, or right after a transaction
 * has begun (with an empty text). When what is called back never resolves, the
 * process is frozen there, as Postgres sees it: nothing follows, not even the
 * end of the transaction.
 */
export function watched(
  db: Database,
  { after, before = () => Promise.resolve() }: Watch,
  outermost: Database | null = null,
): Database {
  const { listen } = db;
  const tell = (text: string) =>
    after({ text, tx: outermost, told: told(text) });
  return {
    schema: db.schema,
    get now() {
      return db.now;
    },
    async query<R = Row>(statement: Sql, options?: QueryOptions): Promise<R[]> {
      await before();
      const rows = await db.query<R>(statement, options);
      await tell(statement.render(db.schema).text);
      return rows;
    },
    async script(text) {
      await before();
      await db.script(text);
      await tell(text);
    },
    async transaction(work, options) {
      await before();
      return await db.transaction(async (tx) => {
        const inner = watched(tx, { after, before }, outermost ?? tx);
        if (outermost === null) await after({ text: "", tx, told: "begin" });
        return await work(inner);
      }, options);
    },
    ...(listen && { listen: listen.bind(db) }),
  };
}

/** Never resolves. */
export function forEver(): Promise<never> {
  return new Promise(() => {});
}

function told(text: string): string {
  return text.replace(/--.*$/gm, "").replace(/\s+/g, " ").trim().slice(0, 90);
}
