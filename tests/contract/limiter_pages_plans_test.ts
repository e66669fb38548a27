/**
 * What the pages of limiters ask, on a real Postgres with a million partitions
 * of which a thousand are in use: it grows with those in use, and with nothing
 * else, whichever kind of plan is made for it.
 */
import assert from "node:assert/strict";
import type { Database } from "../../src/db/database.ts";
import { sql } from "../../src/db/sql.ts";
import {
  listLimiterFacts,
  readStanding,
} from "../../src/store/limiter_blockers.ts";
import { listHoldingLimiters } from "../../src/store/holding_limiters.ts";
import { listLimiterHolders } from "../../src/store/limiter_holders.ts";
import {
  listLimiterLines,
  listLineJobs,
  readWeightsAhead,
} from "../../src/store/limiter_lines.ts";
import { listActivePartitions } from "../../src/store/limiter_pressure.ts";
import { findLimiter, type LimiterRow } from "../../src/store/limiters.ts";
import { listLimiterStatus } from "../../src/store/limiter_status.ts";
import {
  blocksOf,
  explaining,
  type PlanNode,
  scansOf,
} from "../support/plans.ts";
import { usePostgres } from "../support/postgres.ts";

const testPostgres = usePostgres();

/** They grow with the keys that there ever were. */
const BIG =
  /^(jobs|limited|lanes|limiter_partitions|limiter_facts|limiter_grants)/;

/** A rate and a concurrency of a million keys, in use a thousand of each. */
async function fill(db: Database): Promise<void> {
  await db.query(sql`
    insert into yardmaster.limiters (
      name, kind, point, declared_capacity, per_ms, partition_by, weight,
      declared_at
    ) values
      ('rate', 'token_bucket', 'dispatch', 10, 60000, '{customer}', 1,
        ${db.now}),
      ('running', 'concurrency', 'dispatch', 2, null, '{customer}', 1,
        ${db.now})
  `);
  await db.query(sql`
    insert into yardmaster.limiter_partitions (limiter, key, used, counted_at)
    select case when n % 2 = 0 then 'rate' else 'running' end, 'c' || n,
      n % 10 + 1, ${db.now} - case when n <= 2000 then interval '1 s'
        else interval '1 hour' end
    from generate_series(1, 1000000) as n
  `);
  await db.query(sql`
    insert into yardmaster.lanes (
      id, queue, worker, limiters, keys, look_at, blocked_limiter, blocked_key,
      looks
    )
    select md5(n::text)::uuid, 'default', 'work', '{rate}',
      array['c' || n * 2], ${db.now} + n * interval '1 ms', 'rate',
      'c' || n * 2, 0
    from generate_series(1, 30000) as n
  `);
  await db.query(sql`
    insert into yardmaster.jobs (
      id, queue, worker, args, meta, tags, priority, max_attempts
    )
    select n, 'default', 'work', '{}', '{}', '{}', 0, 3
    from generate_series(1, 200000) as n
  `);
  await db.query(sql`
    insert into yardmaster.limited (
      job_id, queue, worker, priority, attempt, lane_id, weights
    )
    select n, 'default', 'work', 0, 0,
      md5((case when n <= 100000 then 1 else n % 30000 + 1 end)::text)::uuid,
      '{1}'
    from generate_series(1, 198000) as n
  `);
  await db.query(sql`
    with lease as (
      insert into yardmaster.leases (executor_id, job_ids, attempts, claimed_at)
      select 1, array_agg(id), array_agg(1::smallint), ${db.now}
      from yardmaster.jobs where id > 198000
      group by id / 100
      returning id, job_ids
    )
    insert into yardmaster.limiter_grants (
      limiter, key, lease_id, job_id, weight
    )
    select 'running', 'c' || (job_id % 1000) * 2 + 1, lease.id, job_id, 1
    from lease, unnest(lease.job_ids) as job_id
  `);
  await db.query(sql`
    insert into yardmaster.limiter_facts (
      limiter, key, kind, at, details
    )
    select 'rate', 'c' || n % 1000 * 2, 'blocked', ${db.now},
      '{"code": "limit_reached", "used": 10, "capacity": 10}'
    from generate_series(1, 200000) as n
  `);
  await db.script("analyze");
}

/** Asks everything that the pages ask. */
async function askAll(
  db: Database,
  [rate, running]: readonly [LimiterRow, LimiterRow],
): Promise<void> {
  await listLimiterStatus(db);
  const holding = await listHoldingLimiters(db);
  assert.deepEqual(holding.map(({ name, lines }) => [name, lines]), [
    ["rate", { count: 100, capped: true }],
  ]);
  const pressed = await listActivePartitions(db, rate, { atMs: null });
  assert.ok(pressed.partitions.length >= 2_000);
  const held = await listActivePartitions(db, running, { atMs: null });
  assert.equal(held.partitions.length, 1_000);
  const place = { limiter: "rate", limit: 16 };
  const { lines: [line], count, capped } = await listLimiterLines(db, {
    ...place,
    key: null,
    after: null,
  });
  assert.ok(line);
  assert.deepEqual([count, capped], [2_000, true]);
  const after = { lookUs: line.lookUs, id: line.id };
  await listLimiterLines(db, { ...place, key: null, after });
  await listLimiterLines(db, { ...place, key: line.key, after: null });
  await listLimiterLines(db, { ...place, key: line.key, after });
  const from = { priority: 0, jobId: "50000" } as const;
  const page = { id: "c4ca4238-a0b9-2382-0dcc-509a6f75849b", limit: 26 };
  const jobs = await listLineJobs(db, { ...page, from, way: "down" });
  assert.equal(jobs.length, 26);
  await listLineJobs(db, { ...page, from, way: "up" });
  await readWeightsAhead(db, { id: page.id, before: from });
  await listLimiterHolders(db, { limiter: "running", key: null, limit: 16 });
  await listLimiterHolders(db, { limiter: "running", key: "c1", limit: 16 });
  await readStanding(db, { limiter: "rate", key: "c999998" });
  await listLimiterFacts(db, { limiter: "rate", limit: 21 });
  await listLimiterFacts(db, { limiter: "rate", key: "c2", limit: 21 });
}

Deno.test("the pages of limiters read what is in use, with a million partitions that are not", async () => {
  await using world = await testPostgres();
  await fill(world.db);
  const one = await world.connect();
  const rate = await findLimiter(one, "rate");
  const running = await findLimiter(one, "running");
  assert.ok(rate && running);
  for (const mode of ["auto", "force_generic_plan"] as const) {
    await one.query(
      mode === "auto"
        ? sql`set plan_cache_mode = auto`
        : sql`set plan_cache_mode = force_generic_plan`,
    );
    const plans: PlanNode[] = [];
    await askAll(explaining(one, plans), [rate, running]);
    assert.deepEqual(
      plans.flatMap(scansOf).filter((table) => BIG.test(table)),
      [],
      mode,
    );
    const most = Math.max(
      ...plans.map(blocksOf),
    );
    assert.ok(most < 12_000, `${mode}: one statement reads ${most} blocks`);
    // Of those that wait, and not of those whose row was read by its time; and
    // of concurrency none, as all that cools down was read.
    assert.ok(await blocksOfKeys(one, rate) < 9_000, mode);
    assert.ok(await blocksOfKeys(one, running) < 3_000, mode);
  }
});

/** What finding the keys in use reads; four blocks for each one looked up. */
async function blocksOfKeys(
  db: Database,
  limiter: LimiterRow,
): Promise<number> {
  const plans: PlanNode[] = [];
  await listActivePartitions(explaining(db, plans), limiter, { atMs: null });
  return Math.max(...plans.map(blocksOf));
}
