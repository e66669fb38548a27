/** A migration beside somebody who holds a table and does not let go. */
import assert from "node:assert/strict";
import { migrate } from "../../src/db/migrate.ts";
import { MIGRATIONS } from "../../src/db/migrations.gen.ts";
import { sql } from "../../src/db/sql.ts";
import { TablesHeldError } from "../../src/errors.ts";
import { usePostgres } from "../support/postgres.ts";

const testPostgres = usePostgres();

const NEXT = {
  version: (MIGRATIONS.at(-1)?.version ?? 0) + 1,
  name: "next",
  checksum: "0",
  compatibleFrom: 1,
  sql: "create table yardmaster.next_one (id bigint)",
};

Deno.test("migrate() gets in line for no longer than a moment, and says who holds the tables", async () => {
  await using world = await testPostgres();
  const { db } = world;
  const holder = await world.connect();
  const other = await world.connect();
  const options = { migrations: [...MIGRATIONS, NEXT], moments: 5 };
  await holder.transaction(async (tx) => {
    await tx.query(sql`
      select set_config('idle_in_transaction_session_timeout', '0', true),
        set_config('application_name', 'a dump', true)
    `);
    await tx.query(sql`select from yardmaster.ready`);
    const migrating = migrate(db, options);
    let isOver = false;
    const ended = assert.rejects(migrating, (error) => {
      assert.ok(error instanceof TablesHeldError);
      assert.equal(error.code, "55P03");
      assert.equal(error.holders.length, 1);
      assert.match(
        error.message,
        /in use by \d+ "a dump", idle in transaction for/,
      );
      return true;
    }).finally(() => isOver = true);
    // Who works meanwhile waits for moments, and never until the end of it all.
    let longestMs = 0;
    while (!isOver) {
      const sinceMs = performance.now();
      await other.query(sql`select from yardmaster.ready`);
      longestMs = Math.max(longestMs, performance.now() - sinceMs);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    await ended;
    // 1.5 s, by Postgres' clock; for ever if it were in line.
    assert.ok(longestMs < 10_000);
  });
  assert.equal((await migrate(db, options)).to, NEXT.version);
  await db.script(`
    drop table yardmaster.next_one;
    delete from yardmaster.schema_migrations where version = ${NEXT.version}
  `);
});
