import assert from "node:assert/strict";
import fc from "fast-check";
import type { Database } from "../../src/db/database.ts";
import { sql } from "../../src/db/sql.ts";
import {
  JOB_LISTS,
  JOB_ORDERS,
  type JobList,
  parseJobCursor,
} from "../../src/domain/job_cursor.ts";
import type { JobFilter } from "../../src/domain/job_filter.ts";
import { JOB_STATES, type JobState } from "../../src/domain/state.ts";
import { countJobs } from "../../src/store/job_counts.ts";
import { type JobPage, listJobs } from "../../src/store/search.ts";
import { givenExecutor, givenJob, type JobOf } from "../support/job_world.ts";
import { usePGlite } from "../support/pglite.ts";

const testDb = usePGlite();

async function idsOf(
  db: Database,
  state: JobList,
  filter: JobFilter = {},
): Promise<readonly string[]> {
  const { jobs } = await listJobs(db, {
    state,
    filter,
    from: null,
    way: "down",
    limit: 100,
  });
  return jobs.map((job) => job.jobId);
}

async function turn(
  db: Database,
  { state, from, way, limit }: {
    readonly state: JobList;
    readonly from: string | null;
    readonly way: "down" | "up";
    readonly limit: number;
  },
): Promise<JobPage> {
  const cursor = from === null ? null : parseJobCursor(from, JOB_ORDERS[state]);
  assert.ok(from === null || cursor !== null, `Cursor ${from} can be read`);
  return await listJobs(db, { state, filter: {}, from: cursor, way, limit });
}

Deno.test("listJobs() finds a job in the state in which it stands, and in no other", async () => {
  await using db = await testDb();
  const ids = new Map<JobState, string>();
  for (const state of JOB_STATES) {
    ids.set(state, await givenJob(db, { state, attempt: 1 }));
  }

  for (const state of JOB_STATES) {
    assert.deepEqual(await idsOf(db, state), [ids.get(state)], state);
  }
});

Deno.test("listJobs() lists all jobs as the list of their state does, the newest first", async () => {
  await using db = await testDb();
  const executorId = await givenExecutor(db);
  const ids: string[] = [];
  for (const state of [...JOB_STATES, ...JOB_STATES]) {
    const error = "no route";
    ids.unshift(
      await givenJob(db, { state, attempt: 2, executorId, error, tags: ["x"] }),
    );
    db.advanceMs(1_000);
  }
  const whole = { from: null, way: "down", limit: 100 } as const;

  const all = await turn(db, { ...whole, state: "all" });

  assert.deepEqual(all.jobs.map(({ jobId }) => jobId), ids);
  for (const state of JOB_STATES) {
    const { jobs } = await turn(db, { ...whole, state });
    assert.equal(jobs.length, 2);
    for (const job of jobs) {
      assert.deepEqual(
        all.jobs.find(({ jobId }) => jobId === job.jobId),
        { ...job, cursor: job.jobId },
      );
    }
  }
});

Deno.test("listJobs() tells what matters for a state, and the last error where it is about that", async () => {
  await using db = await testDb();
  const executorId = await givenExecutor(db);
  await givenJob(db, {
    state: "retryable",
    attempt: 2,
    error: "no route",
    dueInMs: 5_000,
  });
  await givenJob(db, { state: "executing", attempt: 1, executorId });
  await givenJob(db, {
    state: "completed",
    attempt: 1,
    executorId,
    tags: ["vip"],
  });

  const [retryable] =
    (await turn(db, { state: "retryable", from: null, way: "down", limit: 5 }))
      .jobs;
  const [executing] =
    (await turn(db, { state: "executing", from: null, way: "down", limit: 5 }))
      .jobs;
  const [completed] =
    (await turn(db, { state: "completed", from: null, way: "down", limit: 5 }))
      .jobs;

  assert.equal(retryable?.lastError, "no route");
  assert.equal(retryable?.runAt?.getTime(), db.nowAt().getTime() + 5_000);
  assert.equal(retryable?.attempt, 2);
  assert.equal(retryable?.maxAttempts, 5);
  assert.equal(executing?.claimedAt?.getTime(), db.nowAt().getTime());
  assert.equal(executing?.executorId, executorId);
  assert.equal(completed?.tookMs, 40);
  assert.deepEqual(completed?.tags, ["vip"]);
  assert.equal(completed?.lastError, null);
});

Deno.test("listJobs() narrows by everything that a filter can ask", async () => {
  const wanted: JobOf = {
    queue: "mail",
    worker: "send_mail",
    tags: ["vip", "eu"],
    args: { customer: { id: 7 }, n: 1 },
    meta: { source: "shop" },
    cronEntry: "nightly",
    attempt: 1,
  };
  const filters: readonly JobFilter[] = [
    { queue: "mail" },
    { worker: "send_mail" },
    { worker: "send_*" },
    { tags: ["eu", "vip"] },
    { argsJson: '{"customer": {"id": 7}}' },
    { metaJson: '{"source": "shop"}' },
    { cronEntry: "nightly" },
    { queue: "mail", worker: "send*", tags: ["vip"], argsJson: '{"n": 1}' },
  ];
  for (const state of JOB_STATES) {
    await using db = await testDb();
    await givenJob(db, {
      state,
      queue: "other",
      worker: "resize_%",
      attempt: 1,
    });
    const id = await givenJob(db, { ...wanted, state });
    for (const list of [state, "all"] as const) {
      for (const filter of filters) {
        assert.deepEqual(
          await idsOf(db, list, filter),
          [id],
          `${list} ${JSON.stringify(filter)}`,
        );
      }
      assert.equal((await idsOf(db, list, { worker: "resize_%*" })).length, 1);
      assert.deepEqual(await idsOf(db, list, { worker: "send" }), []);
    }
  }
});

Deno.test("listJobs() shows each job once, down the pages and up again", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...JOB_LISTS),
      fc.array(fc.nat({ max: 3 }), { maxLength: 14 }),
      fc.integer({ min: 1, max: 5 }),
      async (state, moments, limit) => {
        await using db = await testDb();
        for (const moment of moments) {
          const of = state === "all" ? JOB_STATES[moment] : state;
          await givenJob(db, {
            state: of ?? "available",
            attempt: 1,
            dueInMs: moment * 1_000,
          });
        }
        const whole =
          (await turn(db, { state, from: null, way: "down", limit: 200 })).jobs
            .map(({ jobId }) => jobId);
        assert.equal(new Set(whole).size, moments.length);

        const down: JobPage[] = [];
        let from: string | null = null;
        do {
          const page: JobPage = await turn(db, {
            state,
            from,
            way: "down",
            limit,
          });
          down.push(page);
          from = page.hasMore ? page.jobs.at(-1)?.cursor ?? null : null;
        } while (from !== null);
        assert.deepEqual(
          down.flatMap((page) => page.jobs.map(({ jobId }) => jobId)),
          whole,
        );

        const up: string[] = [];
        let before = down.at(-1)?.jobs.at(-1)?.cursor ?? null;
        if (before !== null) up.unshift(whole.at(-1) ?? "");
        while (before !== null) {
          const page: JobPage = await turn(db, {
            state,
            from: before,
            way: "up",
            limit,
          });
          up.unshift(...page.jobs.map(({ jobId }) => jobId));
          before = page.hasMore ? page.jobs[0]?.cursor ?? null : null;
        }
        assert.deepEqual(up, whole);
      },
    ),
    { numRuns: 40 },
  );
});

Deno.test("listJobs() shows each job that stays once, while others come and go", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom("all", "available", "scheduled"),
      fc.array(fc.boolean(), { minLength: 8, maxLength: 20 }),
      async (state, stays) => {
        await using db = await testDb();
        const of = state === "scheduled" ? state : "available";
        const staying: string[] = [];
        const leaving: string[] = [];
        for (const stay of stays) {
          const id = await givenJob(db, { state: of });
          (stay ? staying : leaving).push(id);
        }
        const seen: string[] = [];
        let from: string | null = null;
        do {
          const page = await turn(db, { state, from, way: "down", limit: 3 });
          seen.push(...page.jobs.map(({ jobId }) => jobId));
          from = page.hasMore ? page.jobs.at(-1)?.cursor ?? null : null;
          const gone = leaving.pop() ?? "0";
          await db.query(
            sql`delete from yardmaster.ready where job_id = ${gone}`,
          );
          await db.query(
            sql`delete from yardmaster.scheduled where job_id = ${gone}`,
          );
          await db.query(sql`delete from yardmaster.jobs where id = ${gone}`);
          db.advanceMs(1);
          await givenJob(db, { state: of });
        } while (from !== null && seen.length < 100);
        for (const id of staying) {
          assert.equal(seen.filter((each) => each === id).length, 1);
        }
      },
    ),
    { numRuns: 20 },
  );
});

Deno.test("listJobs() orders by microseconds where milliseconds are the same", async () => {
  await using db = await testDb();
  const ids = [];
  for (const micros of [3, 1, 2]) {
    const id = await givenJob(db, { state: "scheduled" });
    await db.query(sql`
      update yardmaster.scheduled
      set run_at = ${db.now} + ${micros} * interval '1 microsecond'
      where job_id = ${id}
    `);
    ids[micros] = id;
  }
  const seen: (string | undefined)[] = [];
  let from: string | null = null;
  for (let page = 0; page < 3; page++) {
    const { jobs }: JobPage = await turn(db, {
      state: "scheduled",
      from,
      way: "down",
      limit: 1,
    });
    seen.push(jobs[0]?.jobId);
    from = jobs[0]?.cursor ?? null;
  }
  assert.deepEqual(seen, [ids[1], ids[2], ids[3]]);
});

Deno.test("countJobs() counts each state, and what a filter likes of it", async () => {
  await using db = await testDb();
  for (const queue of ["mail", "mail", "sync"]) {
    await givenJob(db, { state: "available", queue });
    await givenJob(db, {
      state: "completed",
      queue,
      attempt: 1,
      args: { queue },
    });
    await givenJob(db, { state: "retryable", queue, attempt: 1 });
  }
  await givenJob(db, { state: "executing", attempt: 1 });

  const counts = await countJobs(db, {});
  const mail = await countJobs(db, { queue: "mail" });
  const args = await countJobs(db, { argsJson: '{"queue": "sync"}' });

  assert.deepEqual(counts.available, { count: 3, isExact: true });
  assert.deepEqual(counts.completed, { count: 3, isExact: true });
  assert.deepEqual(counts.retryable, { count: 3, isExact: true });
  assert.deepEqual(counts.scheduled, { count: 0, isExact: true });
  assert.deepEqual(counts.executing, { count: 1, isExact: true });
  assert.deepEqual(mail.available, { count: 2, isExact: true });
  assert.deepEqual(mail.completed, { count: 2, isExact: true });
  assert.deepEqual(args.completed, { count: 1, isExact: true });
  assert.deepEqual(args.available, { count: 0, isExact: true });
});

Deno.test("countJobs() says when it did not look at all of them", async () => {
  await using db = await testDb();
  await db.query(sql`
    insert into yardmaster.jobs (
      id, queue, worker, args, meta, tags, priority, max_attempts
    )
    select n, 'mail', 'send_mail', '{}', '{}', '{}', 3, 5
    from generate_series(1, 10100) as n
  `);
  await db.query(sql`
    insert into yardmaster.outcomes (job_id, state, attempt, took_ms, finished_at)
    select id, 'cancelled', 1, 1, ${db.now} from yardmaster.jobs
  `);
  assert.deepEqual((await countJobs(db, {})).cancelled, {
    count: 10_001,
    isExact: false,
  });
  assert.deepEqual((await countJobs(db, { queue: "sync" })).cancelled, {
    count: 0,
    isExact: false,
  });

  const searched = await listJobs(db, {
    state: "cancelled",
    filter: { queue: "sync" },
    from: null,
    way: "down",
    limit: 25,
  });
  assert.deepEqual(searched, { jobs: [], hasMore: false, stoppedAt: null });
});

Deno.test("listJobs() stops after its window and says where", async () => {
  await using db = await testDb();
  await db.query(sql`
    insert into yardmaster.jobs (
      id, queue, worker, args, meta, tags, priority, max_attempts
    )
    select n, case when n = 7 then 'rare' else 'mail' end, 'send_mail', '{}',
      '{}', '{}', 3, 5
    from generate_series(1, 10100) as n
  `);
  const search = {
    state: "suspended",
    filter: { queue: "rare" },
    way: "down",
    limit: 25,
  } as const;

  const first = await listJobs(db, { ...search, from: null });
  const second = await listJobs(db, {
    ...search,
    from: parseJobCursor(first.stoppedAt ?? "", "inserted"),
  });

  assert.deepEqual(first, { jobs: [], hasMore: false, stoppedAt: "101" });
  assert.deepEqual(second.jobs.map(({ jobId }) => jobId), ["7"]);
  assert.equal(second.stoppedAt, null);
});
