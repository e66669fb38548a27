import assert from "node:assert/strict";
import type { Database } from "../../src/db/database.ts";
import { sql } from "../../src/db/sql.ts";
import {
  type InsertAnswer,
  insertJobs,
  type JobInsert,
} from "../../src/store/jobs.ts";
import {
  forgetReceipt,
  type JobReceipt,
  pruneReceipts,
} from "../../src/store/receipts.ts";
import { cancelJob } from "../../src/store/transitions.ts";
import { usePGlite } from "../support/pglite.ts";

const testDb = usePGlite();

const KEEP_MS = 60_000;
const plain: JobInsert = {
  queue: "default",
  worker: "work",
  args: {},
  priority: 0,
  maxAttempts: 3,
};

function receipt(
  place: number,
  { args = null, keepMs = KEEP_MS }: {
    readonly args?: number | null;
    readonly keepMs?: number;
  } = {},
): JobReceipt {
  return {
    fingerprint: digest(place),
    argsDigest: args === null ? null : digest(args),
    keepMs,
  };
}

function digest(place: number): string {
  return place.toString(16).padStart(64, "0");
}

function asking(place: number, rest: Partial<JobInsert> = {}): JobInsert {
  return { ...plain, receipt: receipt(place), ...rest };
}

async function insertOne(
  db: Database,
  insert: JobInsert,
): Promise<InsertAnswer> {
  const [answer] = await insertJobs(db, [insert]);
  assert.ok(answer);
  return answer;
}

async function count(db: Database): Promise<unknown> {
  const [row] = await db.query(sql`
    select
      (select count(*)::integer from yardmaster.jobs) as jobs,
      (select count(*)::integer from yardmaster.receipts) as receipts
  `);
  return row;
}

function conflictWith(jobId: string, rest: Partial<InsertAnswer> = {}) {
  return {
    status: "conflict",
    by: "receipt",
    jobId,
    isGone: false,
    hasOtherArgs: false,
    ...rest,
  };
}

Deno.test("insertJobs() answers with the job of a receipt, also inside of one batch", async () => {
  await using db = await testDb();
  const first = await insertOne(db, asking(1));
  const answers = await insertJobs(db, [
    plain,
    asking(1),
    asking(2),
    asking(2),
    asking(3, { delayMs: 1_000 }),
  ]);

  const [, , second] = answers;
  assert.equal(first.status, "inserted");
  assert.deepEqual(answers[1], conflictWith(first.jobId));
  assert.deepEqual(answers[3], conflictWith(second?.jobId ?? ""));
  assert.deepEqual(answers.map(({ status }) => status), [
    "inserted",
    "conflict",
    "inserted",
    "conflict",
    "inserted",
  ]);
  assert.deepEqual(await count(db), { jobs: 4, receipts: 3 });
});

Deno.test("insertJobs() inserts again from the instant at which a receipt expires, and not before", async () => {
  await using db = await testDb();
  const first = await insertOne(db, asking(1));
  db.advanceMs(KEEP_MS - 1);
  const before = await insertOne(db, asking(1));
  db.advanceMs(1);
  const [at, beside] = await insertJobs(db, [asking(1), asking(1)]);
  db.advanceMs(KEEP_MS - 1);
  const after = await insertOne(db, asking(1));

  assert.deepEqual(before, conflictWith(first.jobId));
  assert.ok(at?.status === "inserted" && at.jobId !== first.jobId);
  assert.deepEqual(beside, conflictWith(at.jobId));
  assert.deepEqual(after, conflictWith(at.jobId));
  assert.deepEqual(await count(db), { jobs: 2, receipts: 1 });
});

Deno.test("insertJobs() answers with a job that ended, and says when it is gone", async () => {
  await using db = await testDb();
  const { jobId } = await insertOne(db, asking(1));
  await cancelJob(db, { jobId, principal: null });
  const ended = await insertOne(db, asking(1));
  await db.query(sql`delete from yardmaster.jobs where id = ${jobId}`);
  const gone = await insertOne(db, asking(1));

  assert.deepEqual(ended, conflictWith(jobId));
  assert.deepEqual(gone, { ...conflictWith(jobId), isGone: true });
});

Deno.test("insertJobs() writes nothing for what a receipt answers", async () => {
  await using db = await testDb();
  await insertOne(db, asking(1));
  const versions = () =>
    db.query(sql`select xmin::text, ctid::text from yardmaster.receipts`);
  const before = await versions();
  await insertOne(db, asking(1));
  assert.deepEqual(await versions(), before);
});

Deno.test("insertJobs() tells a key that was used for other args, also inside of one batch", async () => {
  await using db = await testDb();
  const of = (args: number) => ({ ...plain, receipt: receipt(1, { args }) });
  const [first, other, same] = await insertJobs(db, [of(7), of(8), of(7)]);
  const later = await insertOne(db, of(8));

  assert.ok(first);
  const used = { ...conflictWith(first.jobId), hasOtherArgs: true };
  assert.deepEqual(other, used);
  assert.deepEqual(same, conflictWith(first.jobId));
  assert.deepEqual(later, used);
  db.advanceMs(KEEP_MS);
  assert.equal((await insertOne(db, of(8))).status, "inserted");
  assert.deepEqual(await insertOne(db, of(7)), {
    ...used,
    jobId: (await insertOne(db, of(8))).jobId,
  });
});

Deno.test("insertJobs() answers the same beside its like and beside others", async () => {
  await using db = await testDb();
  const of = (place: number, args = place) => ({
    ...plain,
    receipt: receipt(place, { args }),
  });
  const [gone, held] = await insertJobs(db, [of(1), of(2)]);
  assert.ok(gone && held);
  await db.query(sql`delete from yardmaster.jobs where id = ${gone.jobId}`);
  const asked = [of(1), of(2), of(2, 9), of(3), of(3), of(3, 9)];
  const ask = async (others: readonly JobInsert[]) => {
    const answers = await insertJobs(db, [...asked, ...others]);
    const fresh = answers[3]?.jobId;
    assert.equal(await forgetReceipt(db, digest(3)), true);
    return answers.slice(0, asked.length).map((answer) =>
      answer.jobId === fresh ? { ...answer, jobId: "fresh" } : answer
    );
  };
  const beside = await ask([]);

  assert.deepEqual(beside.slice(0, 3), [
    { ...conflictWith(gone.jobId), isGone: true },
    conflictWith(held.jobId),
    { ...conflictWith(held.jobId), hasOtherArgs: true },
  ]);
  assert.equal(beside[3]?.status, "inserted");
  assert.deepEqual(beside.slice(4), [
    conflictWith("fresh"),
    { ...conflictWith("fresh"), hasOtherArgs: true },
  ]);
  assert.deepEqual(await ask([plain]), beside);
  assert.deepEqual(await ask([{ ...plain, delayMs: 1_000 }]), beside);
});

const unique = {
  key: "k",
  states: ["available", "completed"],
  periodMs: null,
} as const;

Deno.test("insertJobs() leaves no receipt of what another unique job refuses", async () => {
  await using db = await testDb();
  const holder = await insertOne(db, { ...plain, unique });
  const both = asking(1, { unique });
  const [refused, beside, other] = await insertJobs(db, [
    both,
    both,
    asking(2),
  ]);

  const byUnique = { ...conflictWith(holder.jobId), by: "unique" };
  assert.deepEqual(refused, byUnique);
  assert.deepEqual(beside, byUnique);
  assert.equal(other?.status, "inserted");
  assert.deepEqual(await count(db), { jobs: 2, receipts: 1 });
  await cancelJob(db, { jobId: holder.jobId, principal: null });
  assert.equal((await insertOne(db, both)).status, "inserted");
});

Deno.test("insertJobs() asks the receipt before the uniqueness, and claims nothing for what it answers", async () => {
  await using db = await testDb();
  const first = await insertOne(db, asking(1, { unique }));
  await cancelJob(db, { jobId: first.jobId, principal: null });
  const again = await insertOne(db, asking(1, { unique }));
  const fresh = await insertOne(db, asking(2, { unique }));

  assert.deepEqual(again, conflictWith(first.jobId));
  assert.equal(fresh.status, "inserted");
  assert.deepEqual(
    await db.query(sql`select job_id::text as id from yardmaster.unique_keys`),
    [{ id: fresh.jobId }],
  );
});

Deno.test("forgetReceipt() says whether a receipt held, and lets the same be asked for again", async () => {
  await using db = await testDb();
  await insertOne(db, asking(1));

  assert.equal(await forgetReceipt(db, digest(2)), false);
  assert.equal(await forgetReceipt(db, digest(1)), true);
  assert.equal(await forgetReceipt(db, digest(1)), false);
  assert.equal((await insertOne(db, asking(1))).status, "inserted");
  db.advanceMs(KEEP_MS);
  assert.equal(await forgetReceipt(db, digest(1)), false);
});

Deno.test("pruneReceipts() deletes what expired, so much at a time, and leaves what holds", async () => {
  await using db = await testDb();
  const short = [1, 2, 3].map((place) => asking(place));
  const keepMs = KEEP_MS + 1;
  await insertJobs(db, [
    ...short,
    { ...plain, receipt: receipt(4, { keepMs }) },
  ]);

  assert.equal(await pruneReceipts(db, { limit: 10 }), 0);
  db.advanceMs(KEEP_MS);
  assert.equal(await pruneReceipts(db, { limit: 2 }), 2);
  assert.equal(await pruneReceipts(db, { limit: 2 }), 1);
  assert.deepEqual(await count(db), { jobs: 4, receipts: 1 });
});
