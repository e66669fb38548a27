/** A process that loses its network in the middle of a transaction of ours. */
import assert from "node:assert/strict";
import { Kysely, PostgresDialect } from "kysely";
import pg from "pg";
import postgres from "postgres";
import type { Database } from "../../src/db/database.ts";
import { kysely } from "../../src/db/kysely.ts";
import { postgresJs } from "../../src/db/postgres_js.ts";
import { sql } from "../../src/db/sql.ts";
import { lockAlone } from "../../src/store/table_locks.ts";
import { openProxy } from "../chaos/faults/tcp_proxy.ts";
import { type TestPostgres, usePostgres } from "../support/postgres.ts";

const testPostgres = usePostgres();

// The pool at the dead end of the wire is left as it is.
Deno.test.sanitizer({ ops: false, resources: false });

/** Comes back when a statement of another process got through after all. */
async function loseWhile(
  world: TestPostgres,
  holds: (tx: Database) => Promise<unknown>,
): Promise<void> {
  await using proxy = openProxy(world.directUrl);
  const pool = postgres(proxy.through(world.directUrl), {
    max: 1,
    fetch_types: false,
  });
  const held = Promise.withResolvers<void>();
  const lost = postgresJs(pool).transaction(async (tx) => {
    await holds(tx);
    held.resolve();
    // It waits for an answer that never comes.
    await new Promise(() => {});
  });
  lost.catch(held.reject);
  await held.promise;
  proxy.forget();
  await world.db.query(sql`
    insert into yardmaster.queues (name, inserted_at)
    values ('other', ${world.db.now})
  `);
  await pool.end({ timeout: 0 });
}

Deno.test("lockAlone() lets go of its tables when its process is lost", async () => {
  await using world = await testPostgres();
  await loseWhile(world, async (tx) => {
    await lockAlone(tx, [sql`yardmaster.queues`]);
    // Sooner than any other transaction of ours would be ended.
    assert.deepEqual(
      await tx.query(sql`
        select current_setting('idle_in_transaction_session_timeout') as "limit"
      `),
      [{ limit: "2s" }],
    );
  });
});

Deno.test("lockAlone() leaves a shorter limit of the host as it is", async () => {
  await using world = await testPostgres();
  for (const [set, expected] of [["0", "2s"], ["500", "500ms"], ["5s", "2s"]]) {
    await world.db.transaction(async (tx) => {
      await tx.query(sql`
        select set_config(
          'idle_in_transaction_session_timeout', ${set ?? ""}, true
        )
      `);
      await lockAlone(tx, [sql`yardmaster.queues`]);
      assert.equal(await idleLimit(tx), expected);
    });
  }
});

Deno.test("a transaction of Kysely is bounded as those of the other drivers are", async () => {
  await using world = await testPostgres();
  const pool = new pg.Pool({ connectionString: world.directUrl, max: 1 });
  const host = new Kysely<unknown>({ dialect: new PostgresDialect({ pool }) });
  assert.equal(await kysely(host).transaction(idleLimit), "10s");
  await host.destroy();
});

async function idleLimit(db: Database): Promise<string | undefined> {
  const [row] = await db.query<{ limit: string }>(sql`
    select current_setting('idle_in_transaction_session_timeout') as "limit"
  `);
  return row?.limit;
}
