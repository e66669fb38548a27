import assert from "node:assert/strict";
import { sql } from "../../src/db/sql.ts";
import { createEngine } from "../../src/engine/engine.ts";
import { defineWorker } from "../../src/engine/worker.ts";
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

for (const meta of [{}, { by: 'Ann "\\"', __args_version__: 2 }]) {
  const plain = { ...PLAIN, meta };
  const what = Object.keys(meta).length === 0 ? "without" : "with";
  Deno.test(`insertJobs() writes the same of a job ${what} meta alone, beside its like and beside others`, () =>
    writesTheSame(plain));
}

async function writesTheSame(plain: JobInsert): Promise<void> {
  await using db = await testDb();
  const [alone] = await insertJobs(db, [plain]);
  const [beside, second] = await insertJobs(db, [
    plain,
    { ...plain, args: { name: "Bo" }, meta: { ...plain.meta } },
  ]);
  const [among] = await insertJobs(db, [
    plain,
    { ...plain, delayMs: 60_000, meta: { why: "later" } },
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
}

Deno.test("insertJobs() keeps the meta of each where they differ", async () => {
  await using db = await testDb();
  const metas = [{ n: 1 }, { n: 2 }, {}];
  await insertJobs(db, metas.map((meta) => ({ ...PLAIN, meta })));
  assert.deepEqual(
    await db.query(sql`select meta from yardmaster.jobs order by id`),
    metas.map((meta) => ({ meta })),
  );
});

Deno.test("enqueueMany() takes the short way for a worker whose args have a version", async () => {
  await using db = await testDb();
  const texts: string[] = [];
  const watched: typeof db = {
    ...db,
    now: db.now,
    query(statement, options) {
      texts.push(statement.render("yardmaster").text);
      return db.query(statement, options);
    },
  };
  const engine = createEngine({ database: watched, notify: false });
  const versioned = defineWorker({
    name: "versioned",
    version: 3,
    upgrade: { 1: (args) => args, 2: (args) => args },
    perform: () => {},
  });
  const inputs = [1, 2].map((n) => ({ worker: versioned, args: { n } }));
  const results = await engine.enqueueMany(inputs);
  assert.deepEqual(results.map(({ status }) => status), [
    "inserted",
    "inserted",
  ]);
  assert.equal(texts.length, 1);
  assert.ok(texts[0]?.includes("jsonb_array_elements"));
  assert.deepEqual(
    await db.query(sql`select args, meta from yardmaster.jobs order by id`),
    [1, 2].map((n) => ({ args: { n }, meta: { __args_version__: 3 } })),
  );
});
