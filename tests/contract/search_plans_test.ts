/**
 * What the pages of jobs ask, on a real Postgres with 200,000 of them: no page
 * reads a table from end to end, whichever kind of plan is made for it.
 */
import assert from "node:assert/strict";
import type { Database } from "../../src/db/database.ts";
import { sql } from "../../src/db/sql.ts";
import {
  JOB_LISTS,
  JOB_ORDERS,
  type JobList,
  parseJobCursor,
} from "../../src/domain/job_cursor.ts";
import type { JobFilter } from "../../src/domain/job_filter.ts";
import { countJobs } from "../../src/store/job_counts.ts";
import {
  findJobDetail,
  listAttemptEvents,
} from "../../src/store/job_detail.ts";
import { readQueueEvidence } from "../../src/store/queue_evidence.ts";
import { listQueueStatus } from "../../src/store/queue_status.ts";
import { listJobs } from "../../src/store/search.ts";
import {
  blocksOf,
  explaining,
  type PlanNode,
  scansOf,
} from "../support/plans.ts";
import { usePostgres } from "../support/postgres.ts";

const testPostgres = usePostgres();

// Leases, executors and queues are as many as there is capacity.
const GROWS = /^(jobs|outcomes|ready|limited|scheduled|attempt_events)/;
// Counting and looking at a queue end at 10,000 rows, in whatever order.
const GROWS_FOR_EVER = /^(jobs|outcomes|attempt_events)/;

/** Four states in one default partition, and no statistics that lie. */
async function fill(db: Database): Promise<void> {
  await db.query(sql`
    insert into yardmaster.jobs (
      id, queue, worker, args, meta, tags, priority, max_attempts, cron_entry
    )
    select n, (array['default', 'mail', 'sync', 'rare'])[1 + n % 3 + (n % 9000 = 1)::int],
      'worker_' || n % 5, jsonb_build_object('user_id', n % 5000), '{}',
      case when n % 10 = 0 then array['vip'] else '{}' end, n % 4, 5,
      case when n % 1000 = 0 then 'nightly' end
    from generate_series(1, 200000) as n
  `);
  await db.query(sql`
    insert into yardmaster.outcomes (job_id, state, attempt, took_ms, finished_at)
    select id, (array['completed', 'cancelled', 'discarded'])[
        1 + (id % 100 = 1)::int + 2 * (id % 100 = 2)::int
      ]::yardmaster.outcome_state, 1, 40, ${db.now}
    from yardmaster.jobs where id <= 150000
  `);
  await db.query(sql`
    insert into yardmaster.ready (job_id, queue, worker, priority, attempt)
    select id, queue, worker, priority, 0
    from yardmaster.jobs where id between 150001 and 165000
  `);
  await db.query(sql`
    insert into yardmaster.limited (
      job_id, queue, worker, priority, attempt, lane_id, weights
    )
    select id, queue, worker, priority, 0, md5((id % 500)::text)::uuid, '{1}'
    from yardmaster.jobs where id between 165001 and 175000
  `);
  await db.query(sql`
    insert into yardmaster.scheduled (
      job_id, queue, worker, priority, state, run_at, attempt
    )
    select id, queue, worker, priority,
      (case when id % 1000 = 0 then 'retryable' else 'scheduled' end)
        ::yardmaster.waiting_state, ${db.now} + id * interval '1 s', 1
    from yardmaster.jobs where id between 175001 and 199000
  `);
  await db.query(sql`
    insert into yardmaster.leases (executor_id, job_ids, attempts, claimed_at)
    select 1, array_agg(id), array_agg(1::smallint), ${db.now}
    from yardmaster.jobs where id between 199001 and 199900
    group by id / 20
  `);
  await db.query(sql`
    insert into yardmaster.attempt_events (job_id, attempt, kind, message, at)
    select job_id, 1, 'failed', 'boom', ${db.now}
    from yardmaster.outcomes where state = 'discarded'
  `);
  await db.script("analyze");
}

const EVERYTHING: JobFilter = {};
const FILTERS: readonly JobFilter[] = [
  EVERYTHING,
  { queue: "mail" },
  { queue: "nobody" },
  { worker: "worker_1*" },
  { tags: ["vip"] },
  { argsJson: '{"user_id": 77}' },
  { argsJson: '{"user_id": 123456789}' },
];

/** What is wrong with the plans of the lists. */
async function judgeLists(db: Database): Promise<readonly string[]> {
  const wrong: string[] = [];
  for (const state of JOB_LISTS) {
    for (const filter of FILTERS) {
      const plans: PlanNode[] = [];
      const watched = explaining(db, plans);
      const page = { state, filter, limit: 25 };
      const from = middleOf(state);
      await listJobs(watched, { ...page, from: null, way: "down" });
      await listJobs(watched, { ...page, from, way: "up" });

      const label = `${state} ${JSON.stringify(filter)}`;
      for (const table of plans.flatMap(scansOf)) {
        if (GROWS.test(table)) wrong.push(`${label} scans ${table}`);
      }
      const blocks = Math.max(...plans.map(blocksOf));
      const isPlain = filter === EVERYTHING && state !== "suspended";
      if (isPlain && blocks > 1_000) {
        wrong.push(`${label} reads ${blocks} blocks`);
      }
    }
  }
  return wrong;
}

function middleOf(state: JobList) {
  const texts = {
    inserted: "100000",
    due: "1893456000000000_100000",
    claimed: "20_100000",
  };
  const order = JOB_ORDERS[state];
  return parseJobCursor(texts[order], order);
}

Deno.test("listJobs() reads no big table from end to end, with 200,000 jobs", async () => {
  await using world = await testPostgres();
  await fill(world.db);
  const one = await world.connect();

  assert.deepEqual(await judgeLists(one), []);

  await one.query(sql`set plan_cache_mode = force_generic_plan`);
  assert.deepEqual(await judgeLists(one), []);

  const plans: PlanNode[] = [];
  const watched = explaining(one, plans);
  await countJobs(watched, {});
  await countJobs(watched, { queue: "mail", argsJson: '{"user_id": 77}' });
  await listQueueStatus(watched);
  await readQueueEvidence(watched, "mail");
  for (
    const id of [
      "77",
      "150002",
      "165002",
      "180000",
      "199500",
      "199950",
    ] as const
  ) {
    await findJobDetail(watched, id);
    await listAttemptEvents(watched, id);
  }
  const scans = plans.flatMap(scansOf);
  assert.deepEqual(scans.filter((table) => GROWS_FOR_EVER.test(table)), []);
  assert.equal(plans.length, 16);
});
