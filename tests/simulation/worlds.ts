/** Where commands are run: in PGlite, or over two connections to Postgres. */
import postgres from "postgres";
import { postgresJs } from "../../src/db/postgres_js.ts";
import { sql } from "../../src/db/sql.ts";
import type { TestDb } from "../support/pglite.ts";
import type { TestPostgres } from "../support/postgres.ts";
import type { Real } from "./step.ts";
import { WITHOUT_DAYS } from "./without_days.ts";

/** A world of its own for each run. */
export type Open = () => Promise<Real & AsyncDisposable>;

/** When every world begins. */
export const BEGIN_MS = Date.parse("2026-01-15T12:00:00Z");

/** One connection to an empty PGlite. */
export function inPGlite(testDb: () => Promise<TestDb>): Open {
  return async () => {
    const db = await testDb();
    return {
      connections: [db],
      setNow: (at) => db.setNow(at),
      [Symbol.asyncDispose]: () => db[Symbol.asyncDispose](),
    };
  };
}

/** Two connections to a Postgres that is emptied before each run. */
export async function overTwoConnections(
  testPostgres: () => Promise<TestPostgres>,
  work: (open: Open) => Promise<void>,
): Promise<void> {
  await using world = await testPostgres();
  const options = { max: 1, fetch_types: false, onnotice: () => {} };
  await using stack = new AsyncDisposableStack();
  const pools = [postgres(world.url, options), postgres(world.url, options)];
  for (const pool of pools) stack.defer(() => pool.end({ timeout: 1 }));

  let at = new Date(BEGIN_MS);
  const now = () => sql`${at}::timestamptz`;
  const connections = pools.map((pool, n) =>
    // One names its statements, so that plans for any values are met as well.
    postgresJs(pool, { now, prepare: n === 1 })
  );
  await work(async () => {
    await world.reset();
    await pools[0]?.unsafe(WITHOUT_DAYS);
    return {
      connections,
      setNow: (to) => at = to,
      async [Symbol.asyncDispose]() {},
    };
  });
}
