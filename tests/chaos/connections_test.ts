/** Connections break in the middle of everything; the process goes on. */
import assert from "node:assert/strict";
import postgres from "postgres";
import { postgresJs } from "../../src/db/postgres_js.ts";
import { sql } from "../../src/db/sql.ts";
import { createEngine } from "../../src/engine/engine.ts";
import { defineWorker } from "../../src/engine/worker.ts";
import { usePostgres } from "../support/postgres.ts";
import { until } from "../support/until.ts";

const testPostgres = usePostgres();
const JOBS = 400;

Deno.test("an engine whose connections break again and again loses no job and ends none twice", async () => {
  await using world = await testPostgres();
  const pool = postgres(world.url, {
    max: 3,
    onnotice: () => {},
    // With it, postgres.js 3.4.9 reads types whenever it connects, and when that
    // breaks leaves a rejection that nobody can catch.
    fetch_types: false,
    backoff: () => 0.01,
  });
  const failed: string[] = [];
  const ran = new Map<string, number>();
  const step = defineWorker({
    name: "step",
    maxAttempts: 3,
    perform: async (_args, { jobId }) => {
      ran.set(jobId, (ran.get(jobId) ?? 0) + 1);
      await new Promise((resolve) => setTimeout(resolve, 5));
    },
  });
  const engine = createEngine({
    database: postgresJs(pool),
    workers: [step],
    queues: { default: { limit: 8 } },
    pollMs: 50,
    onEvent: (event) => {
      if (event.type === "service_failed") failed.push(event.service);
      if (event.type === "acknowledgement_failed") failed.push("acknowledger");
    },
  });
  await engine.start();
  await engine.enqueueMany(
    Array.from({ length: JOBS }, (_, n) => ({ worker: step, args: { n } })),
  );

  async function completed(): Promise<number> {
    const rows = await world.db.query(sql`
      select from yardmaster.outcomes where state = 'completed'
    `);
    return rows.length;
  }
  let breaks = 0;
  await until("all jobs are completed", async () => {
    const done = await completed();
    if (done > (breaks + 1) * 40 && breaks < 6) {
      breaks += 1;
      await world.db.query(sql`
        select pg_terminate_backend(pid) from pg_stat_activity
        where datname = current_database() and pid <> pg_backend_pid()
      `).catch(() => {});
    }
    return done === JOBS;
  });

  await engine.stop();
  await pool.end();
  assert.ok(breaks >= 3 && failed.length > 0);
  const [left] = await world.db.query<{ leases: number; ready: number }>(sql`
    select
      (select count(*)::integer from yardmaster.leases) as leases,
      (select count(*)::integer from yardmaster.ready) as ready
  `);
  assert.deepEqual(left, { leases: 0, ready: 0 });
  // Only a claim whose answer was lost runs again, and nothing had begun then.
  const attempts = await world.db.query(sql`
    select job_id from yardmaster.outcomes where attempt <> 1
  `);
  assert.deepEqual(attempts, []);
  assert.equal(ran.size, JOBS);
});
