import assert from "node:assert/strict";
import { sql } from "../../src/db/sql.ts";
import { insertJobs, type JobInsert } from "../../src/store/jobs.ts";
import { usePGlite } from "../support/pglite.ts";

const testDb = usePGlite();

interface Written {
  readonly job: unknown;
  readonly place: unknown;
  readonly insertedAt: Date;
}

const PLAIN: JobInsert = {
  queue: "mail",
  worker: "greet",
  args: { name: 'Ann "\\" \u00e9 \u2028' },
  tags: ["a b", 'c"d'],
  priority: 3,
  maxAttempts: 7,
  runAt: null,
};

Deno.test("insertJobs() writes the same of a job alone, beside its like and beside others", async () => {
  await using db = await testDb();
  const [alone] = await insertJobs(db, [PLAIN]);
  const [beside, second] = await insertJobs(db, [
    PLAIN,
    { ...PLAIN, args: { name: "Bo" } },
  ]);
  const [among] = await insertJobs(db, [
    PLAIN,
    { ...PLAIN, delayMs: 60_000, meta: { why: "later" } },
  ]);
  const written = [];
  for (const answer of [alone, beside, among]) {
    assert.equal(answer?.status, "inserted");
    const [row] = await db.query<Written>(sql`
      select
        to_jsonb(jobs) - 'id' as "job", to_jsonb(ready) - 'job_id' as "place",
        yardmaster.job_inserted_at(jobs.id) as "insertedAt"
      from yardmaster.jobs
      join yardmaster.ready on ready.job_id = jobs.id
      where jobs.id = ${answer?.jobId ?? ""}::bigint
    `);
    assert.ok(row);
    written.push({ ...row, answer: { ...answer, jobId: "" } });
  }
  assert.deepEqual(written[1], written[0]);
  assert.deepEqual(written[2], written[0]);
  assert.deepEqual(written[0]?.insertedAt, db.nowAt());
  assert.ok(BigInt(second?.jobId ?? 0) > BigInt(beside?.jobId ?? 0));
});
