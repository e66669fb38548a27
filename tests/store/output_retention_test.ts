/** Outputs go in their own time, whatever becomes of their jobs. */
import assert from "node:assert/strict";
import { readOutput } from "../../src/engine/job_output.ts";
import { sql } from "../../src/db/sql.ts";
import type { JobId } from "../../src/domain/job.ts";
import {
  dropOutputs,
  emptyOutputs,
  pruneEmptyOutputs,
} from "../../src/store/output_retention.ts";
import {
  createPartition,
  dropDay,
  listMissingPartitions,
  listOldDays,
} from "../../src/store/partitions.ts";
import { pruneDefaultPartitions } from "../../src/store/retention.ts";
import { givenJob } from "../support/job_world.ts";
import { type TestDb, usePGlite } from "../support/pglite.ts";

const testDb = usePGlite();
const DAY_MS = 86_400_000;
const keepMs = 7 * DAY_MS;
const day = "20260115";
const all = { limit: 1_000 };

/** A job that completed, and left an output that is kept for so long. */
async function givenOutput(
  db: TestDb,
  { keepMs = 7 * DAY_MS as number | null } = {},
): Promise<JobId> {
  db.advanceMs(1);
  const id = await givenJob(db, { state: "completed", attempt: 1 });
  await db.query(sql`
    insert into yardmaster.outputs (
      job_id, attempt, output, recorded_at, expires_at
    )
    values (
      ${id}::bigint, 1, '[1]', ${db.now},
      ${db.now} + ${keepMs}::float8 * interval '1 ms'
    )
  `);
  return id;
}

async function createToday(db: TestDb): Promise<void> {
  for (const each of await listMissingPartitions(db, { daysAhead: 0 })) {
    assert.ok(await createPartition(db, each));
  }
}

/** What can be read of them; why not. */
async function told(db: TestDb, ids: readonly JobId[]): Promise<string[]> {
  const outputs = await Promise.all(ids.map((job) => readOutput(db, { job })));
  return outputs.map((each) =>
    each.status === "found" ? each.status : each.why
  );
}

async function rows(db: TestDb) {
  return await db.query<{ place: string; output: unknown }>(sql`
    select tableoid::regclass::text as place, output
    from yardmaster.outputs order by job_id
  `);
}

Deno.test("an output can be read to its last millisecond, and its content goes a day later", async () => {
  await using db = await testDb();
  const id = await givenOutput(db, { keepMs: 60_000 });
  const ids = [id];
  db.advanceMs(59_999);
  assert.deepEqual(await told(db, ids), ["found"]);
  db.advanceMs(1);
  assert.deepEqual(await told(db, ids), ["expired"]);
  db.advanceMs(DAY_MS - 1);
  assert.equal(await emptyOutputs(db, all), 0);
  db.advanceMs(1);
  assert.equal(await emptyOutputs(db, all), 1);
  assert.equal(await emptyOutputs(db, all), 0);
  assert.deepEqual(await told(db, ids), ["expired"]);
  assert.deepEqual((await rows(db)).map(({ output }) => output), [null]);
});

Deno.test("emptyOutputs() takes a bounded number, the oldest first", async () => {
  await using db = await testDb();
  const late = await givenOutput(db, { keepMs: 3 * 60_000 });
  const early = await givenOutput(db, { keepMs: 60_000 });
  db.advanceMs(2 * DAY_MS);
  assert.equal(await emptyOutputs(db, { limit: 1 }), 1);
  assert.deepEqual(
    await db.query(sql`
      select job_id from yardmaster.outputs where output is not null
    `),
    [{ job_id: late }],
  );
  assert.equal(await emptyOutputs(db, { limit: 1 }), 1);
  assert.deepEqual(await told(db, [late, early]), ["expired", "expired"]);
});

Deno.test("outputs outlive the history of their jobs, and a day of them goes when the last has expired", async () => {
  await using db = await testDb();
  await createToday(db);
  const many = await Promise.all(
    Array.from(
      { length: 1_001 },
      () => givenOutput(db, { keepMs: 30 * DAY_MS }),
    ),
  );
  const [first] = many;
  assert.ok(first);
  const brief = await givenOutput(db, { keepMs: 60_000 });
  db.advanceMs(9 * DAY_MS);
  assert.equal(await dropOutputs(db, day), false);
  assert.ok(await dropDay(db, { day, keepMs }));
  assert.deepEqual(await db.query(sql`select from yardmaster.jobs`), []);

  assert.equal(await dropOutputs(db, day), false);
  assert.deepEqual(await told(db, [first, brief]), ["found", "expired"]);

  db.advanceMs(30 * DAY_MS);
  const tables = ["outputs"] as const;
  assert.deepEqual(await listOldDays(db, { olderThanMs: keepMs, tables }), [
    day,
  ]);
  assert.ok(await dropOutputs(db, day));
  assert.deepEqual(await rows(db), []);
  assert.deepEqual(await told(db, [first, brief]), [
    "unknown_job",
    "unknown_job",
  ]);
  assert.equal(await dropOutputs(db, day), false);
});

Deno.test("a few outputs that outlive their day do not keep it, nor does a job that lives", async () => {
  await using db = await testDb();
  await createToday(db);
  const gone = await givenOutput(db);
  const long = await givenOutput(db, { keepMs: 30 * DAY_MS });
  const again = await givenOutput(db);
  // An operator sent it back to work.
  await db.query(sql`
    delete from yardmaster.outcomes where job_id = ${again}::bigint
  `);
  db.advanceMs(9 * DAY_MS);
  assert.ok(await dropDay(db, { day, keepMs }));
  assert.ok(await dropOutputs(db, day));

  assert.deepEqual(await told(db, [gone, long, again]), [
    "unknown_job",
    "found",
    "expired",
  ]);
  assert.deepEqual(
    (await rows(db)).map(({ place }) => place),
    ["yardmaster.outputs_default", "yardmaster.outputs_default"],
  );

  db.advanceMs(30 * DAY_MS);
  assert.equal(await emptyOutputs(db, all), 2);
  assert.equal(await pruneEmptyOutputs(db, all), 1);
  assert.equal(await pruneEmptyOutputs(db, all), 0);
  assert.deepEqual(await told(db, [long, again]), ["unknown_job", "expired"]);
});

Deno.test("what the default partition prunes of a job leaves its output its time", async () => {
  await using db = await testDb();
  const long = await givenOutput(db, { keepMs: 30 * DAY_MS });
  db.advanceMs(keepMs + DAY_MS);
  assert.equal(await pruneDefaultPartitions(db, { keepMs, limit: 10 }), 1);
  assert.deepEqual(await told(db, [long]), ["found"]);
  assert.equal(await pruneEmptyOutputs(db, all), 0);
  db.advanceMs(30 * DAY_MS);
  await emptyOutputs(db, all);
  assert.equal(await pruneEmptyOutputs(db, all), 1);
  assert.deepEqual(await rows(db), []);
});

Deno.test("an output of the release before has the standard time, also when it was written over one with a time", async () => {
  await using db = await testDb();
  const plain = await givenOutput(db, { keepMs: null });
  const over = await givenOutput(db, { keepMs: 60_000 });
  db.advanceMs(DAY_MS);
  await db.query(sql`
    update yardmaster.outputs
    set attempt = 2, output = '[2]', recorded_at = ${db.now}
    where job_id = ${over}::bigint
  `);
  assert.deepEqual(await told(db, [plain, over]), ["found", "found"]);
  db.advanceMs(5 * DAY_MS);
  assert.equal(await emptyOutputs(db, all), 2);
  assert.equal(await emptyOutputs(db, all), 0);
  assert.deepEqual(await told(db, [plain, over]), ["found", "found"]);
  db.advanceMs(DAY_MS);
  assert.deepEqual(await told(db, [plain, over]), ["expired", "found"]);
  db.advanceMs(DAY_MS);
  assert.deepEqual(await told(db, [plain, over]), ["expired", "expired"]);
});
