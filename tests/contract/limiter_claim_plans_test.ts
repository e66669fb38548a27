/**
 * What claims of jobs with limiters read: their statements are named, and planned
 * when there was next to nothing.
 */
import assert from "node:assert/strict";
import type { Database } from "../../src/db/database.ts";
import { sql } from "../../src/db/sql.ts";
import {
  claimLimited,
  givenExecutor,
  givenLimits,
  givenWork,
  PER_CUSTOMER,
} from "../support/limiter_world.ts";
import { usePostgres } from "../support/postgres.ts";

const testPostgres = usePostgres();

/** After so many runs by their values Postgres plans a statement for all. */
const RUNS = 8;
const JOBS = 3_000;
const CUSTOMERS = 100;

/** Notes the rows that each transaction read without an index. */
function scanning(db: Database, scanned: Map<string, number>): Database {
  return {
    ...db,
    get now() {
      return db.now;
    },
    async transaction<T>(work: (tx: Database) => Promise<T>): Promise<T> {
      return await db.transaction(async (tx) => {
        const result = await work(tx);
        const rows = await tx.query<{ name: string; rows: number }>(sql`
          select relname::text as "name", seq_tup_read::integer as "rows"
          from pg_stat_xact_user_tables
          where relname in ('limited', 'limiter_grants', 'jobs')
        `);
        for (const { name, rows: read } of rows) {
          scanned.set(name, (scanned.get(name) ?? 0) + read);
        }
        return result;
      });
    },
  };
}

Deno.test("a claim of limited jobs reads its tables by their indexes, also where it was planned when they were empty", async () => {
  await using world = await testPostgres();
  const db = await world.connect();
  await givenLimits(db, [PER_CUSTOMER]);
  const executorId = await givenExecutor(db);
  // Nobody cleans up in between, and so nobody makes Postgres plan anew.
  for (const table of ["limited", "lanes", "limiter_grants"]) {
    await db.script(
      `alter table yardmaster.${table} set (autovacuum_enabled = false)`,
    );
    await db.script(`vacuum analyze yardmaster.${table}`);
  }
  for (let run = 0; run < RUNS; run++) {
    await givenWork(db, [{ customer: `before ${run}` }]);
    assert.equal((await claimLimited(db, executorId)).length, 1);
  }
  await givenWork(
    db,
    Array.from({ length: JOBS }, (_, n) => ({ customer: n % CUSTOMERS })),
  );

  const scanned = new Map<string, number>();
  const watched = scanning(db, scanned);
  const jobs = await claimLimited(watched, executorId, { most: 150 });
  assert.equal(jobs.length, 150);
  assert.deepEqual([...scanned.values()].filter((rows) => rows > 0), []);
});
