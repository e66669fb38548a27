import assert from "node:assert/strict";
import { sql } from "../../src/db/sql.ts";
import {
  type InsertAnswer,
  insertJobs,
  type JobInsert,
  type JobUnique,
} from "../../src/store/jobs.ts";
import { cancelJob, retryJob } from "../../src/store/transitions.ts";
import {
  forgetClaimsOfGoneJobs,
  pruneUniqueKeys,
} from "../../src/store/unique_keys.ts";
import { type TestDb, usePGlite } from "../support/pglite.ts";

const testDb = usePGlite();

const insert: JobInsert = {
  queue: "default",
  worker: "work",
  args: { n: 1 },
  priority: 0,
  maxAttempts: 3,
};
const unique: JobUnique = {
  key: "k",
  states: ["available", "scheduled", "executing", "retryable"],
  periodMs: null,
};

async function enqueue(
  db: TestDb,
  rest: Partial<JobUnique> = {},
): Promise<InsertAnswer> {
  const [answer] = await insertJobs(db, [
    { ...insert, unique: { ...unique, ...rest } },
  ]);
  assert.ok(answer);
  return answer;
}

Deno.test("insertJobs() answers conflict with the holder, also inside of one batch", async () => {
  await using db = await testDb();
  const first = await enqueue(db);
  assert.equal(first.status, "inserted");
  const answers = await insertJobs(db, [
    insert,
    { ...insert, unique },
    { ...insert, unique: { ...unique, key: "other" } },
    { ...insert, unique: { ...unique, key: "other" } },
  ]);
  assert.deepEqual(answers.map((answer) => answer.status), [
    "inserted",
    "conflict",
    "inserted",
    "conflict",
  ]);
  assert.equal(answers[1]?.jobId, first.jobId);
  assert.equal(answers[3]?.jobId, answers[2]?.jobId);
});

Deno.test("insertJobs() takes a key over when its period has passed or its holder left the states", async () => {
  await using db = await testDb();
  const first = await enqueue(db, { periodMs: 1_000 });
  db.advanceMs(999);
  assert.equal((await enqueue(db)).status, "conflict");
  db.advanceMs(1);
  const second = await enqueue(db);
  assert.equal(second.status, "inserted");
  assert.notEqual(second.jobId, first.jobId);

  assert.equal((await enqueue(db)).status, "conflict");
  await cancelJob(db, { jobId: second.jobId, principal: null });
  const third = await enqueue(db, { states: ["cancelled"] });
  assert.equal(third.status, "inserted");
  // It is held in other states than it is in.
  assert.equal((await enqueue(db)).status, "inserted");
});

Deno.test("insertJobs() finds a holder that was taken back from its end", async () => {
  await using db = await testDb();
  const { jobId } = await enqueue(db);
  await cancelJob(db, { jobId, principal: null });
  await retryJob(db, { jobId, principal: null });
  const answer = await enqueue(db);
  assert.deepEqual([answer.status, answer.jobId], ["conflict", jobId]);
});

Deno.test("pruneUniqueKeys() forgets what has expired, and forgetClaimsOfGoneJobs() what is held by nobody", async () => {
  await using db = await testDb();
  await enqueue(db, { key: "short", periodMs: 1_000 });
  const { jobId } = await enqueue(db, { key: "gone" });
  await enqueue(db, { key: "kept" });
  await db.query(sql`delete from yardmaster.jobs where id = ${jobId}::bigint`);
  db.advanceMs(2_000);
  assert.equal(await pruneUniqueKeys(db, { limit: 10 }), 1);
  // A job that was inserted so lately can not be gone.
  const { forgotten } = await forgetClaimsOfGoneJobs(db, {
    goneBeforeMs: 3_000,
    limit: 10,
  });
  assert.equal(forgotten, 0);
  const pruning = { goneBeforeMs: 500, limit: 10 };
  assert.deepEqual(await forgetClaimsOfGoneJobs(db, pruning), {
    forgotten: 1,
    throughKey: null,
  });
  assert.deepEqual(
    await db.query(sql`select key from yardmaster.unique_keys`),
    [{ key: "kept" }],
  );
});

Deno.test("forgetClaimsOfGoneJobs() that may forget fewer than there are goes on behind the last of them", async () => {
  await using db = await testDb();
  for (const key of ["a", "b", "c", "d"]) await enqueue(db, { key });
  await db.query(sql`delete from yardmaster.jobs`);
  db.advanceMs(2_000);
  const pruning = { goneBeforeMs: 500, limit: 2 };
  const first = await forgetClaimsOfGoneJobs(db, { ...pruning, afterKey: "a" });
  assert.deepEqual(first, { forgotten: 2, throughKey: "c" });
  const second = await forgetClaimsOfGoneJobs(db, {
    ...pruning,
    afterKey: first.throughKey,
  });
  assert.deepEqual(second, { forgotten: 1, throughKey: null });
  // At the end it begins anew.
  assert.equal((await forgetClaimsOfGoneJobs(db, pruning)).forgotten, 1);
});

Deno.test("insertJobs() looks at no lease for a key whose holder has ended, or waits", async () => {
  await using db = await testDb();
  const scans = async () => {
    const [row] = await db.query<{ scans: string }>(sql`
      select seq_scan + coalesce(idx_scan, 0) as scans
      from pg_stat_xact_all_tables
      where relid = 'yardmaster.leases'::regclass
    `);
    return row?.scans ?? "0";
  };
  const states = [...unique.states, "completed"] as const;
  await enqueue(db, { key: "waits", states });
  const ended = await enqueue(db, { key: "ended", states });
  await db.query(sql`
    with gone as (
      delete from yardmaster.ready where job_id = ${ended.jobId}::bigint
      returning job_id
    )
    insert into yardmaster.outcomes (
      job_id, state, attempt, took_ms, finished_at
    )
    select job_id, 'completed', 1, 1, ${db.now} from gone
  `);

  const before = await scans();
  for (const key of ["waits", "ended"]) {
    const answer = await enqueue(db, { key, states });
    assert.equal(answer.status, "conflict");
  }
  assert.equal(await scans(), before);
});
