import type { Database } from "../db/database.ts";
import { sql } from "../db/sql.ts";
import type { Middleware } from "../engine/middleware.ts";
import type { RunEnd } from "../events.ts";

/** Catches what the first run threw that failed. */
export class FirstFailure {
  readonly #db: Database;
  #thrown: { readonly error: unknown } | null = null;
  #failed = false;

  constructor(db: Database) {
    this.#db = db;
  }

  /** These, and outside of them what sees the errors. */
  around(middleware: readonly Middleware[] = []): readonly Middleware[] {
    const watch: Middleware = async (_run, next) => {
      try {
        return await next();
      } catch (error) {
        this.#thrown ??= { error };
        throw error;
      }
    };
    return [watch, ...middleware];
  }

  /** A run ended so. */
  saw(end: RunEnd): void {
    if (end === "failed" || end === "timed_out") this.#failed = true;
  }

  /**
   * Does nothing while no run has failed.
   *
   * @throws What was thrown; of what threw before `perform`, such as args that are
   * not valid, an error with the words that are kept of it.
   */
  async rethrow(): Promise<void> {
    if (!this.#failed) {
      // Of a run that was cancelled, say: what it threw is no failure.
      this.#thrown = null;
      return;
    }
    if (this.#thrown !== null) throw this.#thrown.error;
    const [told] = await this.#db.query<{ readonly message: string | null }>(
      sql`
        select message
        from yardmaster.attempt_events
        where kind in ('failed', 'timed_out')
        order by id desc
        limit 1
      `,
    );
    throw new Error(told?.message ?? "A run failed");
  }
}
