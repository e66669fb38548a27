/** Jobs that older code put where their limiters do not hold. */
import assert from "node:assert/strict";
import type { Database } from "../../src/db/database.ts";
import { sql } from "../../src/db/sql.ts";
import { defineLimiter } from "../../src/domain/limiter.ts";
import type { JobId } from "../../src/domain/job.ts";
import { replaceMisplaced } from "../../src/store/limited.ts";
import {
  count,
  givenExecutor,
  givenLimits,
  givenWork,
} from "../support/limiter_world.ts";
import { usePostgres } from "../support/postgres.ts";

const testPostgres = usePostgres();

const PLAIN = 12_000;

/** Many that no limiter holds; rows of `jobs` are not needed for them. */
async function givenPlain(db: Database): Promise<void> {
  await db.query(sql`
    insert into yardmaster.ready (job_id, queue, worker, priority, attempt)
    select yardmaster.next_job_id(${db.now}), 'default', 'plain', 0, 0
    from generate_series(1, ${PLAIN}::integer)
  `);
}

async function readLimited(db: Database): Promise<JobId[]> {
  const rows = await db.query<{ jobId: JobId }>(sql`
    select job_id::text as "jobId" from yardmaster.limited order by job_id
  `);
  return rows.map(({ jobId }) => jobId);
}

Deno.test("replaceMisplaced() finds the newest at once and all others a part at a time, and reads no more of the ready jobs than that", async () => {
  await using world = await testPostgres();
  const { db } = world;
  await givenExecutor(db);
  await givenPlain(db);
  const [between] = await givenWork(db, [{}], { limited: false });
  await givenPlain(db);
  const [newest] = await givenWork(db, [{}], { limited: false });
  await givenLimits(db, [defineLimiter({ name: "all", concurrency: 5 })]);
  await world.db.script("analyze yardmaster.ready");

  let afterId: JobId | null = null;
  const parts: number[] = [];
  for (let part = 0; part < 4 && (part === 0 || afterId !== null); part++) {
    const found: Awaited<ReturnType<typeof replaceMisplaced>> =
      await replaceMisplaced(db, { limit: 100, afterId });
    parts.push(found.moved);
    afterId = found.throughId;
    if (part === 0) assert.deepEqual(await readLimited(db), [newest]);
  }

  assert.equal(afterId, null);
  assert.deepEqual(parts, [1, 1, 0]);
  assert.deepEqual(await readLimited(db), [between, newest]);
  assert.equal(await count(db, "ready"), 2 * PLAIN);
});

Deno.test("replaceMisplaced() that may move fewer than it found goes on behind the last of them", async () => {
  await using world = await testPostgres();
  const { db } = world;
  await givenWork(db, [{}, {}, {}, {}, {}], { limited: false });
  await givenLimits(db, [defineLimiter({ name: "all", concurrency: 5 })]);
  let afterId: JobId | null = null;
  const parts: number[] = [];
  do {
    const found: Awaited<ReturnType<typeof replaceMisplaced>> =
      await replaceMisplaced(db, { limit: 2, afterId });
    parts.push(found.moved);
    afterId = found.throughId;
  } while (afterId !== null && parts.length < 9);
  assert.deepEqual(parts, [2, 2, 1]);
  assert.equal(await count(db, "ready"), 0);
});
