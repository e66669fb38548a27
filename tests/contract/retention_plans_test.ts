/**
 * What is pruned once a minute from tables in which nearly everything stays, on a
 * real Postgres: it reads a part of them, and goes on where it left off.
 */
import assert from "node:assert/strict";
import type { Database } from "../../src/db/database.ts";
import { sql } from "../../src/db/sql.ts";
import { pruneLimiterPartitions } from "../../src/store/limiter_retention.ts";
import { pruneReceipts } from "../../src/store/receipts.ts";
import {
  forgetClaimsOfGoneJobs,
  pruneUniqueKeys,
} from "../../src/store/unique_keys.ts";
import {
  blocksOf,
  explaining,
  type PlanNode,
  scansOf,
} from "../support/plans.ts";
import { usePostgres } from "../support/postgres.ts";

const testPostgres = usePostgres();
const DAY_MS = 86_400_000;
const PARTS = 4;

/** Claims without an end, receipts and keys of a limiter of a day. */
async function fill(db: Database): Promise<void> {
  await db.query(sql`
    insert into yardmaster.jobs (
      id, queue, worker, args, meta, tags, priority, max_attempts
    )
    select n, 'default', 'work', '{}', '{}', '{}', 0, 3
    from generate_series(1, 40000) as n
  `);
  // Ids so low are from long ago; the last hundred jobs are gone.
  await db.query(sql`
    insert into yardmaster.unique_keys (key, job_id, states)
    select md5(n::text), n, '{available}'
    from generate_series(1, 40100) as n
  `);
  await db.query(sql`
    insert into yardmaster.receipts (fingerprint, job_id, expires_at)
    select sha256(n::text::bytea), n, ${db.now} + interval '1 day'
    from generate_series(1, 40000) as n
  `);
  await db.query(sql`
    insert into yardmaster.limiters (
      name, kind, point, declared_capacity, per_ms, partition_by, weight,
      declared_at
    ) values
      ('daily', 'token_bucket', 'dispatch', 10, ${DAY_MS}::float8,
        '{customer}', 1, ${db.now}),
      ('hourly', 'token_bucket', 'dispatch', 10, 3600000, '{customer}', 1,
        ${db.now})
  `);
  // The oldest stay for the day; what is idle was counted later.
  await db.query(sql`
    insert into yardmaster.limiter_partitions (limiter, key, used, counted_at)
    select case when n <= 70000 then 'daily' else 'hourly' end, 'c' || n, 5,
      ${db.now} - interval '20 hours' + n * interval '1 ms'
    from generate_series(1, 70100) as n
  `);
  await db.query(sql`
    insert into yardmaster.lanes (
      id, queue, worker, limiters, keys, look_at, blocked_limiter, blocked_key,
      looks
    )
    select md5(n::text)::uuid, 'default', 'work', '{other}', array['c' || n],
      ${db.now}, 'other', 'c' || n, 0
    from generate_series(1, 10000) as n
  `);
  await db.query(sql`
    insert into yardmaster.limiter_grants (
      limiter, key, lease_id, job_id, weight
    )
    select 'other', 'c' || n, n, n, 1 from generate_series(1, 10000) as n
  `);
  await db.script("vacuum analyze");
}

Deno.test("what is pruned each minute reads a part of what stays, and comes to all of it", async () => {
  await using world = await testPostgres();
  await fill(world.db);
  const one = await world.connect();
  for (const mode of ["auto", "force_generic_plan"] as const) {
    await one.query(
      mode === "auto"
        ? sql`set plan_cache_mode = auto`
        : sql`set plan_cache_mode = force_generic_plan`,
    );
    const plans: PlanNode[] = [];
    const db = explaining(one, plans);
    const limit = 1_000;
    assert.equal(await pruneUniqueKeys(db, { limit }), 0);
    assert.equal(await pruneReceipts(db, { limit }), 0);
    await forgetClaimsOfGoneJobs(db, { goneBeforeMs: DAY_MS, limit });
    await pruneLimiterPartitions(db, { limit });
    assert.deepEqual(plans.flatMap(scansOf).filter(isBig), [], mode);
    const most = Math.max(...plans.map(blocksOf));
    // Ten thousand claims with the job of each.
    assert.ok(most < 60_000, `${mode}: one statement reads ${most} blocks`);
  }
});

Deno.test("claims and keys that hold nothing are found wherever they stand, a part at a time", async () => {
  await using world = await testPostgres();
  await fill(world.db);
  const { db } = world;
  let afterKey: string | null = null;
  let forgotten = 0;
  let looks = 0;
  do {
    const found = await forgetClaimsOfGoneJobs(db, {
      goneBeforeMs: DAY_MS,
      limit: 1_000,
      afterKey,
    });
    forgotten += found.forgotten;
    afterKey = found.throughKey;
    looks += 1;
  } while (afterKey !== null && looks < 10);
  assert.deepEqual([forgotten, looks], [100, PARTS + 1]);

  let afterUs: `${bigint}` | null = null;
  const pruned: number[] = [];
  do {
    const found = await pruneLimiterPartitions(db, { limit: 1_000, afterUs });
    pruned.push(found.pruned);
    afterUs = found.throughUs;
  } while (afterUs !== null && pruned.length < 10);
  assert.deepEqual(pruned, [0, 0, 0, 100]);
});

function isBig(table: string): boolean {
  return /^(jobs|unique_keys|receipts|limiter_partitions|lanes|limiter_grants)/
    .test(table);
}
