/** A job of which much is told, and what stays of it. */
import assert from "node:assert/strict";
import type { Database } from "../../src/db/database.ts";
import { sql } from "../../src/db/sql.ts";
import type { JobId } from "../../src/domain/job.ts";
import { EVENTS_KEPT } from "../../src/domain/state.ts";
import { createEngine } from "../../src/engine/engine.ts";
import { LongHistories } from "../../src/engine/long_histories.ts";
import { snooze } from "../../src/engine/verdict.ts";
import { defineWorker } from "../../src/engine/worker.ts";
import { collectJob } from "../../src/forensics/job.ts";
import { trimHistories } from "../../src/store/long_histories.ts";
import { givenJob } from "../support/job_world.ts";
import { usePGlite } from "../support/pglite.ts";

const testDb = usePGlite();

/** A job that snoozed so many times; each event says the how manieth it is. */
async function snoozed(db: Database, times: number): Promise<JobId> {
  const jobId = await givenJob(db, { worker: "sleepy" });
  await db.query(sql`
    insert into yardmaster.attempt_events (job_id, attempt, kind, message, at)
    select ${jobId}::bigint, 1, 'snoozed', nth::text, ${db.now}
    from generate_series(1, ${times}::integer) as nth
  `);
  return jobId;
}

async function told(db: Database, jobId: JobId): Promise<number[]> {
  const rows = await db.query<{ nth: number }>(sql`
    select message::integer as "nth" from yardmaster.attempt_events
    where job_id = ${jobId}::bigint and message is not null
    order by id
  `);
  return rows.map(({ nth }) => nth);
}

Deno.test("trimHistories() keeps the first event and the newest, and takes a little at a time", async () => {
  await using db = await testDb();
  const long = await snoozed(db, 250);
  const short = await snoozed(db, EVENTS_KEPT + 1);
  const jobIds = [long, short, "1"] as const;
  assert.equal(await trimHistories(db, { jobIds, limit: 100 }), 100);
  assert.deepEqual((await told(db, long)).slice(0, 2), [1, 102]);
  assert.equal(await trimHistories(db, { jobIds, limit: 100 }), 49);
  assert.equal(await trimHistories(db, { jobIds, limit: 100 }), 0);
  const left = await told(db, long);
  assert.deepEqual([left.length, left[0], left[1], left.at(-1)], [
    EVENTS_KEPT + 1,
    1,
    151,
    250,
  ]);
  assert.equal((await told(db, short)).length, EVENTS_KEPT + 1);
});

Deno.test("a job that snoozes for ever writes no more than is kept of it, without anybody counting", async () => {
  await using db = await testDb();
  const worker = defineWorker({ name: "sleepy", perform: () => snooze(1) });
  const jobId = await snoozed(db, 130);
  const engine = createEngine({
    database: db,
    workers: [worker],
    queues: { default: { limit: 1 } },
    notify: false,
    random: () => 0,
  });
  await engine.tick({ budgetMs: 60_000, maxJobs: 1 });
  const left = await told(db, jobId);
  assert.equal(left[0], 1);
  // The newest is the one of this run, and has no number.
  assert.equal(left.length, EVENTS_KEPT);
});

Deno.test("runs with nothing to tell are never looked at, and of the others one in twenty-five", async () => {
  await using db = await testDb();
  const asked: number[] = [];
  const draws = [0.5, 0.039, 0.041];
  const histories = new LongHistories({
    database: {
      ...db,
      query: (statement, options) => {
        asked.push(1);
        return db.query(statement, options);
      },
    },
    random: () => draws.shift() ?? 1,
  });
  histories.saw({ jobId: "1" });
  assert.deepEqual(await histories.runOnce(), { worked: false });
  assert.deepEqual([draws.length, asked.length], [3, 0]);
  for (let nth = 0; nth < 3; nth++) histories.saw({ jobId: "1", event: {} });
  await histories.runOnce();
  await histories.runOnce();
  assert.equal(asked.length, 1);
});

Deno.test("forensics calls a history partial of which something may be gone", async () => {
  await using db = await testDb();
  for (const [times, truncated] of [[100, false], [101, true]] as const) {
    const id = await snoozed(db, times);
    const bundle = await collectJob(db, { type: "job", id });
    const source = bundle?.completeness.sources.find((each) =>
      each.source === "attempt_events"
    );
    assert.equal(source?.truncated, truncated);
  }
});
