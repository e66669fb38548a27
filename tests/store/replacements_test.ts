import assert from "node:assert/strict";
import { sql } from "../../src/db/sql.ts";
import type { JobId } from "../../src/domain/job.ts";
import { startExecutor } from "../../src/store/executors.ts";
import { insertJobs, type JobInsert } from "../../src/store/jobs.ts";
import { type ClaimedJob, claimJobs } from "../../src/store/leases.ts";
import { acknowledge } from "../../src/store/outcomes.ts";
import {
  type JobReplacement,
  type Overwrites,
  replaceJobs,
} from "../../src/store/replacements.ts";
import { cancelJob } from "../../src/store/transitions.ts";
import { type TestDb, usePGlite } from "../support/pglite.ts";

const testDb = usePGlite();

const INSERT: JobInsert = {
  queue: "default",
  worker: "work",
  args: { n: 1 },
  priority: 0,
  maxAttempts: 3,
};
const NEWEST: JobInsert = {
  queue: "other",
  worker: "play",
  args: { n: 2 },
  meta: { by: "newest" },
  tags: ["new"],
  priority: 4,
  maxAttempts: 7,
  delayMs: 5_000,
  deadlineMs: 60_000,
};

async function held(
  db: TestDb,
  key: string,
  rest: Partial<JobInsert> = {},
): Promise<JobId> {
  const unique = { key, states: ["available" as const], periodMs: null };
  const [answer] = await insertJobs(db, [{ ...INSERT, unique, ...rest }]);
  assert.equal(answer?.status, "inserted");
  return answer.jobId;
}

function with_(
  overwrites: Overwrites,
  rest: Partial<JobReplacement> & { readonly jobId: JobId },
): JobReplacement {
  const isWhole = overwrites.mode === "keep_last";
  const insert = isWhole ? NEWEST : { ...NEWEST, worker: "work" };
  return { key: "k", insert, overwrites, ...rest };
}

async function story(db: TestDb, jobId: JobId) {
  const [row] = await db.query<Record<string, unknown>>(sql`
    select
      jobs.queue, jobs.worker, args, meta, tags, jobs.priority,
      max_attempts as "maxAttempts", deadline_at as "deadlineAt",
      coalesce(
        (select concat_ws(' ', 'ready', queue, worker, priority, attempt)
          from yardmaster.ready where job_id = jobs.id),
        (select concat_ws(' ', state, queue, worker, priority, attempt)
          from yardmaster.scheduled where job_id = jobs.id)
      ) as place,
      (select run_at from yardmaster.scheduled where job_id = jobs.id)
        as "runAt",
      (select count(*)::integer from yardmaster.attempt_events
        where job_id = jobs.id and kind = 'replaced') as told
    from yardmaster.jobs
    where id = ${jobId}::bigint
  `);
  assert.ok(row);
  return row;
}

async function claimAll(db: TestDb): Promise<readonly [number, ClaimedJob[]]> {
  const executorId = await startExecutor(db, {
    name: "a",
    runtime: "Deno",
    queues: ["default"],
    workers: ["work"],
    lateAfterMs: 1_000,
    missingAfterMs: 2_000,
  });
  const queue = { queue: "default", declaredLimit: 100, held: 0, prefetch: 0 };
  const jobs = await claimJobs(db, {
    executorId,
    workers: ["work", "play"],
    queues: [{ ...queue, most: 100 }],
  });
  return [executorId, jobs];
}

/** Brings a job to its second attempt, in an hour. */
async function fail(db: TestDb): Promise<void> {
  const [executorId, runs] = await claimAll(db);
  const results = runs.map(({ leaseId, jobId, attempt }) => ({
    leaseId,
    jobId,
    attempt,
    to: "retryable" as const,
    delayMs: 3_600_000,
    tookMs: 1,
    event: { kind: "failed" as const },
  }));
  assert.deepEqual(await acknowledge(db, executorId, results), ["applied"]);
}

Deno.test("replaceJobs() overwrites the fields it names while the job waits, and nothing afterwards", async () => {
  await using db = await testDb();
  const jobId = await held(db, "k");
  const fields = ["args", "priority", "runAt"] as const;
  const replacement = with_({ mode: "replace", fields }, { jobId });
  const inFive = new Date(db.nowAt().getTime() + 5_000);
  assert.deepEqual(await replaceJobs(db, [replacement]), [
    { replaced: true, queue: "default", runAt: inFive },
  ]);
  assert.deepEqual(await story(db, jobId), {
    queue: "default",
    worker: "work",
    args: { n: 2 },
    meta: {},
    tags: [],
    priority: 4,
    maxAttempts: 3,
    deadlineAt: null,
    place: "scheduled default work 4 0",
    runAt: inFive,
    told: 1,
  });
  const back = with_({ mode: "replace", fields: ["runAt"] }, {
    jobId,
    insert: INSERT,
  });
  assert.deepEqual(await replaceJobs(db, [back]), [
    { replaced: true, queue: "default", runAt: null },
  ]);
  assert.equal((await story(db, jobId)).place, "ready default work 4 0");
  await cancelJob(db, { jobId, principal: null });
  assert.deepEqual(await replaceJobs(db, [replacement]), [
    { replaced: false, isMoving: false },
  ]);
});

Deno.test("replaceJobs() leaves a job that runs, and one that holds the key no longer", async () => {
  await using db = await testDb();
  const running = await held(db, "k");
  await claimAll(db);
  const other = await held(db, "other");
  const last: Overwrites = { mode: "keep_last" };
  const answers = await replaceJobs(db, [
    with_(last, { jobId: running }),
    with_(last, { jobId: other }),
    with_(last, { key: "unknown", jobId: other }),
  ]);
  assert.deepEqual(
    answers,
    Array(3).fill({ replaced: false, isMoving: false }),
  );
  assert.deepEqual((await story(db, other)).args, { n: 1 });
});

Deno.test("replaceJobs() of keep_last leaves nothing of a job but its id, and gives it all its attempts", async () => {
  await using db = await testDb();
  const jobId = await held(db, "k", { meta: { by: "first" }, tags: ["old"] });
  await fail(db);
  assert.equal((await story(db, jobId)).place, "retryable default work 0 1");
  await replaceJobs(db, [with_({ mode: "keep_last" }, { jobId })]);
  assert.deepEqual(await story(db, jobId), {
    queue: "other",
    worker: "play",
    args: { n: 2 },
    meta: { by: "newest" },
    tags: ["new"],
    priority: 4,
    // One was made.
    maxAttempts: 8,
    deadlineAt: new Date(db.nowAt().getTime() + 60_000),
    place: "scheduled other play 4 1",
    runAt: new Date(db.nowAt().getTime() + 5_000),
    told: 1,
  });
});

Deno.test("replaceJobs() of a debounce puts a job off until its longest wait, and no longer", async () => {
  await using db = await testDb();
  const jobId = await held(db, "k", { delayMs: 5_000 });
  const longest = new Date(db.nowAt().getTime() + 12_000);
  const debounced = with_({ mode: "debounce", maxWaitMs: 12_000 }, { jobId });
  for (const left of [5_000, 5_000, 4_000, 1_000]) {
    const runAt = new Date(
      Math.min(db.nowAt().getTime() + 5_000, longest.getTime()),
    );
    assert.deepEqual(await replaceJobs(db, [debounced]), [
      { replaced: true, queue: "default", runAt },
    ]);
    assert.equal(runAt.getTime() - db.nowAt().getTime(), left);
    db.advanceMs(left === 5_000 ? 4_000 : 3_000);
  }
  assert.deepEqual(await replaceJobs(db, [debounced]), [
    { replaced: true, queue: "default", runAt: null },
  ]);
  assert.equal((await story(db, jobId)).place, "ready default work 0 0");
});

Deno.test("replaceJobs() of a debounce gives a job that failed the newest args, and leaves its backoff", async () => {
  await using db = await testDb();
  const jobId = await held(db, "k");
  await fail(db);
  const { runAt } = await story(db, jobId);
  const debounced = with_({ mode: "debounce", maxWaitMs: null }, { jobId });
  assert.deepEqual(await replaceJobs(db, [debounced]), [
    { replaced: true, queue: "default", runAt },
  ]);
  const after = await story(db, jobId);
  assert.deepEqual(after.args, { n: 2 });
  assert.equal(after.place, "retryable default work 0 1");
  assert.equal(after.maxAttempts, 8);
});

Deno.test("replaceJobs() of several for one job writes what they would one by one, and tells it once", async () => {
  await using db = await testDb();
  const jobId = await held(db, "k");
  const of = (fields: JobInsert) => ({ jobId, insert: fields });
  const answers = await replaceJobs(db, [
    with_(
      { mode: "replace", fields: ["args", "tags"] },
      of({ ...NEWEST, args: { n: 3 }, tags: ["a"] }),
    ),
    with_(
      { mode: "replace", fields: ["priority", "tags"] },
      of({ ...NEWEST, priority: 7, tags: ["b"] }),
    ),
    with_({ mode: "debounce", maxWaitMs: null }, of(NEWEST)),
  ]);
  const runAt = new Date(db.nowAt().getTime() + 5_000);
  assert.deepEqual(
    answers,
    Array(3).fill({ replaced: true, queue: "other", runAt }),
  );
  const { args, tags, priority, told } = await story(db, jobId);
  assert.deepEqual([args, tags, priority, told], [{ n: 2 }, ["b"], 7, 1]);
});

Deno.test("replaceJobs() of a job that failed, to now and then to later, plans it as it would one by one", async () => {
  await using db = await testDb();
  const places: unknown[] = [];
  const toNow = { ...INSERT, delayMs: 0 };
  for (const inOne of [true, false]) {
    const key = `k${inOne}`;
    const jobId = await held(db, key);
    await fail(db);
    const replacements = [toNow, { ...INSERT, delayMs: 5_000 }].map((insert) =>
      with_({ mode: "replace", fields: ["runAt"] }, { key, jobId, insert })
    );
    if (inOne) await replaceJobs(db, replacements);
    else for (const each of replacements) await replaceJobs(db, [each]);
    places.push((await story(db, jobId)).place);
  }
  assert.deepEqual(places, Array(2).fill("scheduled default work 0 1"));
});

Deno.test("replaceJobs() hands a job whose args are of another worker to that worker, in its queue", async () => {
  await using db = await testDb();
  const modes: readonly Overwrites[] = [
    { mode: "replace", fields: ["args"] },
    { mode: "debounce", maxWaitMs: null },
  ];
  for (const [place, overwrites] of modes.entries()) {
    const key = `k${place}`;
    const jobId = await held(db, key, { delayMs: 60_000 });
    const other = { key, jobId, insert: NEWEST };
    await replaceJobs(db, [with_(overwrites, other)]);
    const { queue, worker, place: stands } = await story(db, jobId);
    assert.deepEqual([queue, worker], ["other", "play"]);
    assert.equal(stands, "scheduled other play 0 0");
    // What says nothing of the args leaves both.
    const fields = ["priority"] as const;
    await replaceJobs(db, [
      with_({ mode: "replace", fields }, { ...other, insert: INSERT }),
    ]);
    const { worker: still } = await story(db, jobId);
    assert.equal(still, "play");
  }
});

Deno.test("replaceJobs() lets notes of the args go with the args", async () => {
  await using db = await testDb();
  const notes = { __args_version__: 2, __redacted_fields__: ["a"] };
  const jobId = await held(db, "k", { meta: { by: "first", ...notes } });
  const newer = { ...INSERT, meta: { by: "second", __args_version__: 3 } };
  const say = async (fields: readonly ("args" | "meta")[]) => {
    const replacing = { mode: "replace" as const, fields };
    await replaceJobs(db, [with_(replacing, { jobId, insert: newer })]);
    return (await story(db, jobId)).meta;
  };
  assert.deepEqual(await say(["meta"]), { by: "second", ...notes });
  assert.deepEqual(await say(["args"]), { by: "second", __args_version__: 3 });
});
