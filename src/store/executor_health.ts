import type { Database } from "../db/database.ts";
import { type Sql, sql } from "../db/sql.ts";

/**
 * How an executor is. A `missing` one was found to be so and its work was taken
 * from it, or is about to be.
 */
export type ExecutorHealth = "healthy" | "late" | "missing" | "stopped";

/**
 * How an executor is that has not stopped, by its last sign of life.
 *
 * @param executor What the statement calls the row.
 */
export function liveHealth(db: Database, executor = sql`executors`): Sql {
  return sql`
    case
      when ${db.now} >= ${executor}.beat_at + ${executor}.missing_after
        then 'missing'
      when ${db.now} >= ${executor}.beat_at + ${executor}.late_after
        then 'late'
      else 'healthy'
    end
  `;
}
