/** Tables that are held alone, for a moment. */
import type { Database } from "../db/database.ts";
import { type Sql, sql } from "../db/sql.ts";

/** Below Postgres' own second for finding deadlocks. */
const WAIT_MS = 500;
/** Nobody else can work meanwhile, and the holder may have lost its network. */
const IDLE_MS = 2_000;

/**
 * Holds tables alone, all of them or none, and waits half as long as Postgres
 * does before it looks for deadlocks: in one with the engine, or with somebody
 * who enqueues, we give way. A `lock_timeout` begins anew with each table, while
 * whoever waits behind us counts from the first; so it is the statement that may
 * take so long.
 *
 * @throws With `55P03` when they were not free in time.
 */
export async function lockAlone(
  tx: Database,
  tables: readonly Sql[],
): Promise<void> {
  const list = tables.map((each) => sql`only ${each}`)
    .reduce((all, each) => sql`${all}, ${each}`);
  const [before] = await tx.query<{ setting: string }>(sql`
    select current_setting('statement_timeout') as "setting", set_config(
      'statement_timeout',
      least(
        ${WAIT_MS},
        extract(epoch from current_setting('deadlock_timeout')::interval) * 500
      )::integer || 'ms',
      true
    ), set_config(
      'idle_in_transaction_session_timeout',
      (extract(epoch from least(
        -- None, where the host began the transaction. Shorter ones stay.
        nullif(
          current_setting('idle_in_transaction_session_timeout')::interval,
          interval '0'
        ),
        ${IDLE_MS}::float8 * interval '1 ms'
      )) * 1000)::integer || 'ms',
      true
    )
  `);
  try {
    await tx.query(sql`lock table ${list} in access exclusive mode`);
  } catch (error) {
    throw isCancelled(error) ? new NotFree() : error;
  }
  await tx.query(sql`
    select set_config('statement_timeout', ${before?.setting ?? "0"}, true)
  `);
}

class NotFree extends Error {
  readonly code = "55P03";
  override readonly message = "The tables were not free in time";
}

function isCancelled(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "57014";
}
