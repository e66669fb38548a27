import type { Database } from "../db/database.ts";

/** How long one statement of a page may take before it is given up. */
export const READ_MAX_MS = 5_000;

/**
 * A reader for pages that gives a slow statement up, so that looking never slows
 * the engine down. What is given up throws `57014`, and the page says so.
 *
 * A driver that can not cancel goes on to the end.
 */
export function boundedReader(db: Database, maxMs = READ_MAX_MS): Database {
  return {
    schema: db.schema,
    get now() {
      return db.now;
    },
    query: async (statement, options) => {
      if (options?.signal) return await db.query(statement, options);
      const budget = new AbortController();
      const timer = setTimeout(() => budget.abort(), maxMs);
      try {
        return await db.query(statement, { signal: budget.signal });
      } finally {
        clearTimeout(timer);
      }
    },
    transaction: (work) => db.transaction(work),
    script: (text) => db.script(text),
  };
}
