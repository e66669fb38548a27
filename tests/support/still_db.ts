import type { Database } from "../../src/db/database.ts";
import { type Sql, sql } from "../../src/db/sql.ts";

/** A database whose clock stands still until a test moves it. */
export interface StillDb extends Database {
  /** Moves the clock, also backwards. */
  advanceMs(ms: number): void;
  nowAt(): Date;
}

/** Stops the clock of a database that is shared by several connections. */
export function stillDb(db: Database): StillDb {
  let nowAt = new Date("2026-01-15T12:00:00Z");
  return Object.assign(stopped(db, () => sql`${nowAt}::timestamptz`), {
    advanceMs(ms: number) {
      nowAt = new Date(nowAt.getTime() + ms);
    },
    nowAt: () => nowAt,
  });
}

function stopped(db: Database, now: () => Sql): Database {
  return Object.defineProperty(
    {
      schema: db.schema,
      now: now(),
      query: db.query.bind(db),
      script: db.script.bind(db),
      transaction: <T>(work: (tx: Database) => Promise<T>) =>
        db.transaction((tx) => work(stopped(tx, now))),
    },
    "now",
    { get: now },
  );
}
