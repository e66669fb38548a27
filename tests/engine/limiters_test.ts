/** Limiters in engines that really run. */
import assert from "node:assert/strict";
import type { Database } from "../../src/db/database.ts";
import { sql } from "../../src/db/sql.ts";
import { defineLimiter } from "../../src/domain/limiter.ts";
import type { JobId } from "../../src/domain/job.ts";
import { createEngine, type Engine } from "../../src/engine/engine.ts";
import { type AnyWorker, defineWorker } from "../../src/engine/worker.ts";
import { pruneStaleLanes } from "../../src/store/limited.ts";
import { count } from "../support/limiter_world.ts";
import { usePostgres } from "../support/postgres.ts";
import { until } from "../support/until.ts";

const testPostgres = usePostgres();

const perCustomer = defineLimiter({
  name: "per_customer",
  concurrency: 2,
  partitionBy: "customer",
});

function engine(
  database: Database,
  workers: readonly AnyWorker[],
  limit = 10,
): Engine {
  return createEngine({ database, workers, queues: { default: { limit } } });
}

async function ended(db: Database): Promise<number> {
  const [row] = await db.query<{ jobs: number }>(
    sql`select count(*)::integer as jobs from yardmaster.outcomes`,
  );
  return row?.jobs ?? 0;
}

/** A worker that knows how many of each customer run. */
function counting() {
  const running = new Map<number, number>();
  const seen = { most: 0 };
  const worker = defineWorker<{ customer: number }>({
    name: "sync",
    limiters: [perCustomer],
    async perform({ customer }) {
      const now = (running.get(customer) ?? 0) + 1;
      running.set(customer, now);
      seen.most = Math.max(seen.most, now);
      await new Promise((resolve) => setTimeout(resolve, 5));
      running.set(customer, (running.get(customer) ?? 1) - 1);
    },
  });
  return { worker, seen };
}

Deno.test("two engines run so many of each customer and no more, and all of them", async () => {
  await using world = await testPostgres();
  const { worker, seen } = counting();
  const engines = [engine(world.db, [worker]), engine(world.db, [worker])];
  const [first] = engines as [Engine, Engine];
  await Promise.all(engines.map((each) => each.start()));
  try {
    await first.enqueueMany(
      Array.from({ length: 60 }, (_, place) => {
        return { worker, args: { customer: place % 4 } };
      }),
    );
    await until("all have run", async () => await ended(world.db) === 60);
  } finally {
    await Promise.all(engines.map((each) => each.stop()));
  }
  assert.equal(seen.most, 2);
});

Deno.test("a rate lets jobs wait, on every path, and limits attempts and not jobs", async () => {
  await using world = await testPostgres();
  const rate = defineLimiter({
    name: "api",
    rate: { capacity: 4, perMs: 4_000 },
  });
  const claims: number[] = [];
  const worker = defineWorker<{ fails?: boolean }>({
    name: "call",
    limiters: [rate],
    backoff: () => 1,
    async perform({ fails }, { attempt, jobId }) {
      claims.push(await claimedAtMs(world.db, jobId));
      if (fails && attempt === 1) throw new Error("again");
    },
  });
  const running = engine(world.db, [worker]);
  await running.start();
  try {
    await running.enqueue(worker, {});
    await running.enqueue(worker, {}, { delayMs: 10 });
    await running.enqueueMany([
      { worker, args: {} },
      { worker, args: { fails: true } },
    ]);
    await until("all have run", async () => await ended(world.db) === 4);
  } finally {
    await running.stop();
  }
  assert.equal(claims.length, 5);
  const spanMs = Math.max(...claims) - Math.min(...claims);
  // A claim is written some statements after the instant at which it was decided.
  assert.ok(spanMs >= 900, `the fifth start came after ${spanMs} ms`);
});

/** When a job that runs was claimed, by the clock that counts: the database's. */
async function claimedAtMs(db: Database, jobId: JobId): Promise<number> {
  const [row] = await db.query<{ ms: number }>(sql`
    select extract(epoch from claimed_at)::float8 * 1000 as "ms"
    from yardmaster.leases
    where ${jobId}::bigint = any(job_ids)
  `);
  assert.ok(row);
  return row.ms;
}

Deno.test("tick() runs limited jobs too, within its budget and its number", async () => {
  await using world = await testPostgres();
  const { worker } = counting();
  const ticking = engine(world.db, [worker]);
  await ticking.enqueueMany(
    Array.from(
      { length: 5 },
      (_, customer) => ({ worker, args: { customer } }),
    ),
  );
  assert.equal(
    (await ticking.tick({ budgetMs: 60_000, maxJobs: 2 })).claimed,
    2,
  );
  const report = await ticking.tick({ budgetMs: 60_000 });
  assert.deepEqual([report.claimed, report.done], [3, true]);
});

Deno.test("limited jobs have their share of a queue in which others never end", async () => {
  await using world = await testPostgres();
  const { worker } = counting();
  // All of them together take seconds, whatever the machine.
  const other = defineWorker({
    name: "other",
    perform: () => new Promise<void>((resolve) => setTimeout(resolve, 2)),
  });
  const running = engine(world.db, [worker, other], 4);
  await running.enqueueMany(
    Array.from({ length: 20_000 }, () => ({ worker: other, args: {} })),
  );
  await running.enqueueMany(
    Array.from(
      { length: 20 },
      (_, customer) => ({ worker, args: { customer } }),
    ),
  );
  await running.start();
  try {
    await until("the limited ones ran", async () => {
      const [row] = await world.db.query<{ left: number }>(
        sql`select count(*)::integer as left from yardmaster.limited`,
      );
      return row?.left === 0;
    });
    const [row] = await world.db.query<{ left: boolean }>(
      sql`select exists (select from yardmaster.ready) as left`,
    );
    assert.equal(row?.left, true, "while others waited");
  } finally {
    await running.stop();
  }
});

Deno.test("a limiter that is declared later takes what waits in ready, and lets go again", async () => {
  await using world = await testPostgres();
  const before = defineWorker({ name: "sync", perform: () => {} });
  await engine(world.db, []).enqueueMany(
    Array.from({ length: 3 }, () => ({ worker: before, args: {} })),
  );
  const { worker } = counting();
  const places = async () => {
    const [row] = await world.db.query<{ ready: number; limited: number }>(sql`
      select (select count(*)::integer from yardmaster.ready) as ready,
        (select count(*)::integer from yardmaster.limited) as limited
    `);
    return [row?.ready, row?.limited];
  };
  const declaring = createEngine({ database: world.db, workers: [worker] });
  await declaring.tick({ budgetMs: 1 });
  assert.deepEqual(await places(), [0, 3]);
  const dropping = createEngine({ database: world.db, workers: [before] });
  await dropping.tick({ budgetMs: 1 });
  assert.deepEqual(await places(), [3, 0]);
  await pruneStaleLanes(world.db);
  assert.equal(await count(world.db, "lane_arrivals"), 0);
});

Deno.test("enqueue() refuses a weight that could never start, and says where it stands", async () => {
  await using world = await testPostgres();
  const rows = defineLimiter({
    name: "rows",
    rate: { capacity: 10, perMs: 1_000 },
    weight: "rows",
  });
  const worker = defineWorker<{ rows: number }>({
    name: "import",
    limiters: [rows],
    perform: () => {},
  });
  const answer = await engine(world.db, []).enqueue(worker, { rows: 11 });
  assert.equal(answer.status, "invalid");
  assert.deepEqual(answer.status === "invalid" && answer.issues, [{
    path: "args.rows",
    message:
      "is the weight for limiter rows and must be a whole number from 1 to 10",
  }]);
});
