/**
 * The statements of explanations among a million waiting jobs: none of them reads
 * a table that grows from end to end, also when Postgres plans once for all
 * values.
 */
import assert from "node:assert/strict";
import type { Database } from "../../src/db/database.ts";
import { Sql } from "../../src/db/sql.ts";
import { sql } from "../../src/db/sql.ts";
import { writeValue } from "../../src/db/values.ts";
import { explainQueue, limitedOf } from "../../src/domain/explain_queue.ts";
import { tellJob } from "../../src/domain/explain_told.ts";
import type { JobId } from "../../src/domain/job.ts";
import { findExplainFacts } from "../../src/store/explain.ts";
import {
  listBusyQueueFacts,
  readQueueFacts,
} from "../../src/store/explain_queue.ts";
import { givenExecutor, givenQueue } from "../support/job_world.ts";
import { usePostgres } from "../support/postgres.ts";

const testPostgres = usePostgres();

interface PlanNode {
  readonly "Node Type": string;
  readonly "Relation Name"?: string;
  readonly "Actual Loops": number;
  readonly "Actual Rows": number;
  readonly "Rows Removed by Filter"?: number;
  readonly Plans?: readonly PlanNode[];
}

// Executors, queues and leases are as many as there is capacity.
const GROWS = /^(jobs|outcomes|ready|scheduled|attempt_events|limited)/;
/** The head of a queue, and the pages of a sample. */
const ROWS_MAX = 400_000;

/** Answers as before, and keeps the generic plan of each statement. */
function watched(db: Database, plans: PlanNode[]): Database {
  return {
    ...db,
    now: db.now,
    async query<R>(statement: Sql): Promise<R[]> {
      const { text, values } = statement.render(db.schema);
      const literals = values.map((value, index) => literal(value, index));
      await db.script(`
        deallocate all;
        set plan_cache_mode = force_generic_plan;
        prepare watched as ${text};
      `);
      const using = literals.length === 0 ? "" : `(${literals.join()})`;
      const [row] = await db.query<
        { "QUERY PLAN": readonly { Plan: PlanNode }[] }
      >(
        new Sql([`explain (analyze, format json) execute watched${using}`], []),
      );
      plans.push(...(row?.["QUERY PLAN"] ?? []).map(({ Plan }) => Plan));
      return await db.query<R>(statement);
    },
  };
}

function literal(value: unknown, index: number): string {
  const text = writeValue(value, index + 1);
  return text === null ? "null" : `'${text.replaceAll("'", "''")}'`;
}

/** Tables that were read from end to end, or of which too much was. */
function greedy(plan: PlanNode): string[] {
  const table = plan["Relation Name"] ?? "";
  const loops = plan["Actual Loops"];
  const rows = loops *
    (plan["Actual Rows"] + (plan["Rows Removed by Filter"] ?? 0));
  const isWrong = GROWS.test(table) &&
    (plan["Node Type"] === "Seq Scan" && rows > 100 || rows > ROWS_MAX);
  const below = (plan.Plans ?? []).flatMap(greedy);
  return isWrong
    ? [`${plan["Node Type"]} of ${table}: ${rows}`, ...below]
    : below;
}

async function fill(db: Database): Promise<void> {
  await db.script(`
    insert into yardmaster.jobs (
      id, queue, worker, args, meta, tags, priority, max_attempts
    )
    select yardmaster.next_job_id(statement_timestamp()),
      case when n % 50 = 0 then 'other' else 'mail' end,
      case when n % 4 = 0 then 'legacy' else 'send_mail' end,
      '{}', '{}', '{}', 3, 3
    from generate_series(1, 1060000) as n;
    insert into yardmaster.outcomes
    select id, 'completed', 1, 1, 0, statement_timestamp()
    from yardmaster.jobs order by id limit 10000;
    insert into yardmaster.ready
    select id, queue, worker, priority, 0 from yardmaster.jobs
    order by id offset 10000 limit 1000000;
    insert into yardmaster.scheduled
    select id, queue, worker, priority, 'scheduled',
      statement_timestamp() + interval '1 hour', 0
    from yardmaster.jobs order by id offset 1010000 limit 20000;
    insert into yardmaster.limited
    select id, queue, worker, priority, 0, md5((id % 500)::text)::uuid, '{1}'
    from yardmaster.jobs order by id offset 1030000;
    analyze;
  `);
}

Deno.test("a job and a queue are explained among a million jobs, by plans for all values that read no table from end to end", async () => {
  await using world = await testPostgres();
  const db = await world.connect();
  await fill(db);
  await givenQueue(db, { name: "mail", limit: 10 });
  await givenExecutor(db, { queues: ["mail", "other"] });
  const [last] = await db.query<{ id: JobId }>(sql`
    select max(job_id) as id from yardmaster.ready
    where queue = 'mail' and worker = 'send_mail'
  `);
  assert.ok(last);
  const plans: PlanNode[] = [];
  const own = watched(db, plans);

  const facts = await findExplainFacts(own, last.id);
  const queue = await readQueueFacts(own, "mail");
  const busy = await listBusyQueueFacts(own);

  assert.ok(facts);
  assert.ok(plans.length > 10);
  assert.deepEqual(plans.flatMap(greedy), []);
  // What a sample says is near the truth.
  const [behind] = tellJob(facts).reasons;
  assert.ok(behind?.code === "job_behind");
  const { count, precision } = behind.evidence.ahead;
  assert.equal(precision, "about");
  assert.ok(Math.abs(count - 735_000) < 73_500, `${count} ahead`);
  assert.equal(queue.ready.precision, "about");
  assert.ok(Math.abs(queue.ready.count - 980_000) < 98_000);
  const unknown = explainQueue(queue).reasons.find(({ reason }) =>
    reason.code === "job_worker_unknown"
  );
  assert.ok(Math.abs((unknown?.jobs.count ?? 0) - 245_000) < 30_000);
  assert.deepEqual(busy.map((each) => each.queue.name), ["mail", "other"]);
  assert.deepEqual(
    busy.map((each) => [limitedOf(each), each.limitedCapped]),
    [[10_000, true], [600, false]],
  );
});
