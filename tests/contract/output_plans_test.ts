/**
 * Outputs and ends among 200,000 jobs: no statement about them reads a table that
 * grows from end to end, also when Postgres plans once for all values.
 */
import assert from "node:assert/strict";
import type { Database } from "../../src/db/database.ts";
import { sql } from "../../src/db/sql.ts";
import type { JobId } from "../../src/domain/job.ts";
import { listEnds, listOutputs } from "../../src/store/job_ends.ts";
import {
  emptyOutputs,
  pruneEmptyOutputs,
} from "../../src/store/output_retention.ts";
import { findOutput } from "../../src/store/outputs.ts";
import {
  createPartition,
  listMissingPartitions,
} from "../../src/store/partitions.ts";
import { generalPlan, greedy } from "../support/plans.ts";
import { usePostgres } from "../support/postgres.ts";

const testPostgres = usePostgres();

/** Half of them ended, and left an output; 300 of these have expired. */
async function fill(db: Database): Promise<void> {
  for (const each of await listMissingPartitions(db, { daysAhead: 2 })) {
    await createPartition(db, each);
  }
  await db.script(`
    insert into yardmaster.jobs (
      id, queue, worker, args, meta, tags, priority, max_attempts
    )
    select yardmaster.next_job_id(statement_timestamp()), 'default', 'work',
      '{}', '{}', '{}', 0, 3
    from generate_series(1, 200000) as n;
    insert into yardmaster.outcomes
    select id, case when id % 3 = 0 then 'discarded' else 'completed' end
        ::yardmaster.outcome_state, 1, 1, 0, statement_timestamp()
    from yardmaster.jobs order by id limit 100000;
    insert into yardmaster.attempt_events (job_id, attempt, kind, message, at)
    select job_id, 1, 'failed', 'no', finished_at
    from yardmaster.outcomes where state = 'discarded';
    insert into yardmaster.outputs (
      job_id, attempt, output, bytes, recorded_at, expires_at
    )
    select job_id, 1, '[1]', 3, finished_at - interval '9 days',
      finished_at + case when n <= 300 then -2 else 2 end * interval '1 day'
    from (
      select *, row_number() over () as n from yardmaster.outcomes
      where state = 'completed'
    ) as completed;
    -- Of jobs from before there were partitions.
    insert into yardmaster.outputs (
      job_id, attempt, output, recorded_at, expires_at
    )
    select n, 1, case when n > 300 then '[1]'::jsonb end, statement_timestamp(),
      statement_timestamp() + interval '2 days'
    from generate_series(1, 50000) as n;
    analyze;
  `);
}

Deno.test("statements about outputs and ends find their rows among many, also by a plan for all values", async () => {
  await using world = await testPostgres();
  const db = await world.connect();
  await fill(db);
  const rows = await db.query<{ id: JobId }>(sql`
    select id from yardmaster.jobs
    where random() < 0.002 order by random() limit 200
  `);
  const ids = rows.map(({ id }) => id);
  const [one] = ids;
  assert.ok(one !== undefined && ids.length > 100);
  const plans: Readonly<
    Record<string, (watched: Database) => Promise<unknown>>
  > = {
    listEnds: (watched) => listEnds(watched, ids),
    listOutputs: (watched) => listOutputs(watched, ids),
    findOutput: (watched) => findOutput(watched, one).catch(() => {}),
    emptyOutputs: (watched) => emptyOutputs(watched, { limit: 1_000 }),
    pruneEmptyOutputs: (watched) =>
      pruneEmptyOutputs(watched, { limit: 1_000 }),
  };
  const culprits: string[] = [];
  for (const [name, work] of Object.entries(plans)) {
    const found = greedy(await generalPlan(db, work));
    culprits.push(...found.map((each) => `${name}: ${each}`));
  }
  assert.deepEqual(culprits, []);
});
