import type { Database, QueryOptions, Row } from "../db/database.ts";
import type { Sql } from "../db/sql.ts";
import type { Clock } from "./clock.ts";

/** How long is waited, on which clock. */
export interface Patience {
  readonly clock: Clock;
  readonly ms: number;
}

/**
 * A database that never keeps its caller waiting for ever. A connection may be
 * half open: what is sent goes nowhere and no error comes. Then the statement is
 * given up, cancelled if the driver can, and its service tries again. A
 * transaction is given up when for so long none of its statements ends.
 *
 * Whether it was carried out is not known. Whoever tries again must be able to.
 */
export function withDeadline(database: Database, patience: Patience): Database {
  return bounded(database, { ...patience, onStep: () => {} });
}

interface Bounds extends Patience {
  /** A statement begins or ends; throws when nothing more should be sent. */
  readonly onStep: () => void;
}

function bounded(database: Database, bounds: Bounds): Database {
  const { listen } = database;
  return {
    schema: database.schema,
    // Asked each time: a test moves it.
    get now() {
      return database.now;
    },
    async query<R = Row>(statement: Sql, options?: QueryOptions): Promise<R[]> {
      bounds.onStep();
      const rows = await within(
        bounds,
        (signal) => database.query<R>(statement, { ...options, signal }),
      );
      bounds.onStep();
      return rows;
    },
    transaction(work) {
      return within(bounds, (signal, again) => {
        function onStep(): void {
          // Nobody waits for it any more, so it must not go on when it wakes up.
          signal.throwIfAborted();
          again();
          bounds.onStep();
        }
        return database.transaction(
          (tx) => work(bounded(tx, { ...bounds, onStep })),
          { signal },
        );
      });
    },
    script: (text) => database.script(text),
    ...(listen && { listen: listen.bind(database) }),
  };
}

/** @param ask Is given what gives it up, and what begins the wait anew. */
async function within<T>(
  { clock, ms }: Patience,
  ask: (signal: AbortSignal, again: () => void) => Promise<T>,
): Promise<T> {
  const giveUp = new AbortController();
  let stop = () => {};
  let again = () => {};
  const late = new Promise<never>((_resolve, reject) => {
    again = () => {
      stop();
      stop = clock.after(ms, () => {
        const error = new Error(
          `Cannot wait for the database any longer: a statement took ${ms} ms`,
        );
        error.name = "DeadlineError";
        reject(error);
        giveUp.abort(error);
      });
    };
  });
  again();
  const answer = ask(giveUp.signal, () => again());
  // When it is given up, its own failure comes later and nobody waits for it.
  answer.catch(() => {});
  try {
    return await Promise.race([answer, late]);
  } finally {
    again = () => {};
    stop();
  }
}
