/** Limiters are exact, whoever claims at the same time. */
import assert from "node:assert/strict";
import type { Database } from "../../src/db/database.ts";
import { sql } from "../../src/db/sql.ts";
import { defineLimiter } from "../../src/domain/limiter.ts";
import type { JobId } from "../../src/domain/job.ts";
import { replaceMisplaced } from "../../src/store/limited.ts";
import { cancelJob } from "../../src/store/transitions.ts";
import {
  claimLimited,
  complete,
  count,
  givenExecutor,
  givenLimits,
  givenWork,
} from "../support/limiter_world.ts";
import { usePostgres } from "../support/postgres.ts";

const testPostgres = usePostgres();
const CLAIMERS = 8;

interface Claimer {
  readonly db: Database;
  readonly executorId: number;
}

async function claimers(
  world: { connect(): Promise<Database> },
): Promise<Claimer[]> {
  return await Promise.all(Array.from({ length: CLAIMERS }, async () => {
    const db = await world.connect();
    return { db, executorId: await givenExecutor(db) };
  }));
}

Deno.test("a bucket admits exactly what refilled, with eight that claim at once", async () => {
  await using world = await testPostgres();
  const limiter = defineLimiter({
    name: "api",
    rate: { capacity: 40, perMs: 1_000 },
    weight: "pages",
  });
  await givenLimits(world.db, [limiter]);
  await givenWork(
    world.db,
    Array.from({ length: 400 }, (_, place) => ({ pages: 1 + place % 3 })),
  );
  const all = await claimers(world);
  const [before] = await world.db.query<{ at: Date }>(
    sql`select ${world.db.now} as "at"`,
  );
  assert.ok(before);
  const giveUpAt = performance.now() + 2_000;
  const pages = await Promise.all(all.map(async ({ db, executorId }) => {
    let sum = 0;
    while (performance.now() < giveUpAt) {
      for (const job of await claimLimited(db, executorId, { most: 7 })) {
        sum += Number(job.args.pages);
      }
    }
    return sum;
  }));

  const total = pages.reduce((sum, each) => sum + each, 0);
  const [part] = await world.db.query<
    Record<
      "used" | "sinceFirstMs" | "sinceBeforeMs",
      number
    >
  >(sql`
    select used,
      extract(epoch from counted_at - (
        select min(claimed_at) from yardmaster.leases
      ))::float8 * 1000 as "sinceFirstMs",
      extract(epoch from counted_at - ${before.at}::timestamptz)::float8 * 1000
        as "sinceBeforeMs"
    from yardmaster.limiter_partitions
  `);
  assert.ok(part);
  // What is used still, and what came back since the first was admitted: that
  // was before its lease was written, and after all was ready.
  const least = part.used + part.sinceFirstMs * 40 / 1_000;
  const most = part.used + part.sinceBeforeMs * 40 / 1_000;
  assert.ok(total >= least - 1e-6, `${total} of ${least}: some were lost`);
  assert.ok(total <= most + 0.1, `${total} of ${most}: too many`);
});

Deno.test("concurrency of each key is never exceeded, and no grant is lost, with eight that claim and end", async () => {
  await using world = await testPostgres();
  const perKey = defineLimiter({
    name: "per_key",
    concurrency: 2,
    partitionBy: "key",
  });
  const inAll = defineLimiter({ name: "in_all", concurrency: 5 });
  await givenLimits(world.db, [perKey, inAll]);
  const wanted = 240;
  await givenWork(
    world.db,
    Array.from({ length: wanted }, (_, place) => ({ key: place % 6 })),
  );
  const all = await claimers(world);
  const running = new Map<unknown, number>();
  let most = 0;
  let mostOfKey = 0;
  let done = 0;
  const add = (key: unknown, by: number) => {
    running.set(key, (running.get(key) ?? 0) + by);
  };
  const giveUpAt = performance.now() + 120_000;
  await Promise.all(all.map(async ({ db, executorId }) => {
    let ended: JobId[] = [];
    while (done < wanted && performance.now() < giveUpAt) {
      const jobs = await claimLimited(db, executorId, { most: 3, ended });
      for (const job of jobs) add(job.args.key, 1);
      const counts = [...running.values()];
      most = Math.max(most, counts.reduce((sum, each) => sum + each, 0));
      mostOfKey = Math.max(mostOfKey, ...counts);
      // From here on others may start: what runs is less than what is counted.
      for (const job of jobs) add(job.args.key, -1);
      ended = await complete(db, executorId, jobs);
      done += jobs.length;
    }
  }));
  assert.equal(done, wanted);
  assert.ok(most <= 5, `${most} at once`);
  assert.ok(mostOfKey <= 2, `${mostOfKey} of one key at once`);
  assert.equal(await count(world.db, "limited"), 0);
});

Deno.test("no job is overlooked that comes while a claim finds its lane empty", async () => {
  await using world = await testPostgres();
  const perKey = defineLimiter({
    name: "per_key",
    concurrency: 100,
    partitionBy: "key",
  });
  await givenLimits(world.db, [perKey]);
  const all = await claimers(world);
  const producers = all.slice(0, 3);
  const rounds = 60;
  let claimed = 0;
  let producing = producers.length;
  const giveUpAt = performance.now() + 120_000;
  await Promise.all([
    ...producers.map(async ({ db }) => {
      for (let round = 0; round < rounds; round++) {
        await givenWork(db, [{ key: round % 2 }]);
      }
      producing -= 1;
    }),
    ...all.slice(3).map(async ({ db, executorId }) => {
      while (
        (producing > 0 || claimed < rounds * producers.length) &&
        performance.now() < giveUpAt
      ) {
        const jobs = await claimLimited(db, executorId, { most: 5 });
        claimed += jobs.length;
        await complete(db, executorId, jobs);
      }
    }),
  ]);
  assert.equal(claimed, rounds * producers.length);
});

Deno.test("a job that is cancelled, moved and claimed at once ends in one place", async () => {
  await using world = await testPostgres();
  await givenLimits(world.db, []);
  const limiter = defineLimiter({ name: "all", concurrency: 1_000 });
  const jobIds = await givenWork(
    world.db,
    Array.from({ length: 60 }, () => ({})),
    { limited: false },
  );
  assert.equal(await count(world.db, "ready"), 60);
  await givenLimits(world.db, [limiter]);
  const all = await claimers(world);
  const [mover, canceller, claimer] = all as [Claimer, Claimer, Claimer];
  let cancelled = 0;
  let claimed = 0;
  await Promise.all([
    (async () => {
      for (let round = 0; round < 30; round++) {
        await replaceMisplaced(mover.db, { limit: 2 });
      }
    })(),
    (async () => {
      for (const jobId of jobIds.filter((_, place) => place % 2 === 0)) {
        const moved = await cancelJob(canceller.db, { jobId, principal: null });
        if (moved?.before === "available") cancelled += 1;
      }
    })(),
    (async () => {
      const { db, executorId } = claimer;
      // At last there is something to claim: half of them nobody cancels.
      for (
        let round = 0;
        round < 1_000 && (round < 30 || claimed === 0);
        round++
      ) {
        claimed += (await claimLimited(db, executorId, { most: 2 })).length;
      }
    })(),
  ]);
  const standing = await world.db.query<{ jobs: number; places: number }>(sql`
    select count(distinct job_id)::integer as "jobs",
      count(*)::integer as "places"
    from yardmaster.job_states
  `);
  assert.deepEqual(standing, [{ jobs: 60, places: 60 }]);
  assert.ok(cancelled > 0 && claimed > 0);
});
