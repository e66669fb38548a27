import type { Database, Row } from "../db/database.ts";
import type { Sql } from "../db/sql.ts";
import type { Clock } from "./clock.ts";

/**
 * A database that never keeps its caller waiting for ever. A connection may be
 * half open: what is sent goes nowhere and no error comes. Then the statement is
 * given up, cancelled if the driver can, and its service tries again.
 *
 * Whether it was carried out is not known. Whoever tries again must be able to.
 */
export function withDeadline(
  database: Database,
  { clock, ms }: { readonly clock: Clock; readonly ms: number },
): Database {
  async function query<R = Row>(statement: Sql): Promise<R[]> {
    const giveUp = new AbortController();
    let stop = () => {};
    const late = new Promise<never>((_resolve, reject) => {
      stop = clock.after(ms, () => {
        const error = new Error(
          `Cannot wait for the database any longer: a statement took ${ms} ms`,
        );
        error.name = "DeadlineError";
        reject(error);
        giveUp.abort(error);
      });
    });
    const answer = database.query<R>(statement, { signal: giveUp.signal });
    // When it is given up, its own failure comes later and nobody waits for it.
    answer.catch(() => {});
    try {
      return await Promise.race([answer, late]);
    } finally {
      stop();
    }
  }

  const { listen } = database;
  return {
    schema: database.schema,
    // Asked each time: a test moves it.
    get now() {
      return database.now;
    },
    query,
    transaction: (work) => database.transaction(work),
    script: (text) => database.script(text),
    ...(listen && { listen: listen.bind(database) }),
  };
}
