/** Processes die with `kill -9` in the middle of work; others take over. */
import assert from "node:assert/strict";
import { join } from "node:path";
import postgres from "postgres";
import { sql } from "../../src/db/sql.ts";
import { createEngine } from "../../src/engine/engine.ts";
import { type TestPostgres, usePostgres } from "../support/postgres.ts";
import { until } from "../support/until.ts";
import { ledgerWorkers, makeLedger } from "./ledger.ts";

const testPostgres = usePostgres();
const JOBS = 120;

/** A worker process, which ends with the test whatever happens. */
function spawnWorker(url: string, { name, notify }: {
  readonly name: string;
  readonly notify: boolean;
}) {
  const child = new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "-A",
      "--no-check",
      join(import.meta.dirname ?? ".", "kill_worker.ts"),
      url,
      name,
    ],
    env: { NOTIFY: notify ? "on" : "off" },
    stdout: "null",
    stderr: "inherit",
  }).spawn();
  return {
    tell(signal: Deno.Signal): void {
      child.kill(signal);
    },
    async end(signal: Deno.Signal): Promise<number> {
      try {
        child.kill(signal);
      } catch {
        // It has ended already.
      }
      return (await child.status).code;
    },
  };
}

async function enqueue(
  { db }: TestPostgres,
  { notify }: { readonly notify: boolean },
): Promise<void> {
  const engine = createEngine({ database: db, notify });
  const [step] = ledgerWorkers(null as never, "test");
  assert.ok(step);
  await engine.enqueueMany(
    Array.from({ length: JOBS }, (_, n) => ({ worker: step, args: { n } })),
  );
  await engine.stop();
}

async function count(world: TestPostgres, state: string): Promise<number> {
  const rows = await world.db.query(sql`
    select from yardmaster.job_states where state::text = ${state}
  `);
  return rows.length;
}

for (const notify of [true, false]) {
  Deno.test(`kill -9 in the middle of work loses no job and ends none twice, with hints ${notify ? "on" : "off"}`, async () => {
    await using world = await testPostgres();
    const pool = postgres(world.url, { max: 1, onnotice: () => {} });
    await makeLedger(pool);
    const victims = [1, 2].map((number) =>
      spawnWorker(world.url, { name: `victim-${number}`, notify })
    );
    const survivors: ReturnType<typeof spawnWorker>[] = [];
    try {
      await enqueue(world, { notify });
      await until(
        "some work is done and some is under way",
        async () =>
          await count(world, "completed") > 10 &&
          await count(world, "executing") > 0,
      );
      survivors.push(spawnWorker(world.url, { name: "survivor", notify }));
      await Promise.all(victims.map((victim) => victim.end("SIGKILL")));

      await until(
        "all jobs are completed",
        async () => await count(world, "completed") === JOBS,
      );

      // The one that held nothing is found missing when its time has come.
      await until("both victims are missing", async () => {
        const missing = await world.db.query(sql`
          select from yardmaster.executors
          where stopped_at >= beat_at + missing_after
        `);
        return missing.length === victims.length;
      });

      assert.equal(await survivors[0]?.end("SIGTERM"), 0);
      await assertLedger(world, pool);
    } finally {
      for (const each of [...victims, ...survivors]) await each.end("SIGKILL");
      await pool.end();
    }
  });
}

Deno.test("a process that was frozen comes back as a zombie: it is told, and starts as another", async () => {
  await using world = await testPostgres();
  const pool = postgres(world.url, { max: 1, onnotice: () => {} });
  await makeLedger(pool);
  const frozen = spawnWorker(world.url, { name: "frozen", notify: true });
  const others: ReturnType<typeof spawnWorker>[] = [];
  try {
    await enqueue(world, { notify: true });
    await until(
      "some work is under way",
      async () =>
        await count(world, "completed") > 10 &&
        await count(world, "executing") > 0,
    );
    frozen.tell("SIGSTOP");
    others.push(spawnWorker(world.url, { name: "other", notify: true }));
    await until(
      "all jobs are completed without it",
      async () => await count(world, "completed") === JOBS,
    );

    frozen.tell("SIGCONT");

    await until("its late results are refused", async () => {
      const lost = await world.db.query(sql`
        select from yardmaster.attempt_events where kind = 'lost'
      `);
      return lost.length > 0;
    });
    await until("it has started as another", async () => {
      const rows = await world.db.query(sql`
        select from yardmaster.executors
        where name = 'frozen' and stopped_at is null
      `);
      return rows.length === 1;
    });
    const [twice] = await pool`
      select count(*)::integer as jobs from yardmaster.outcomes
      where attempt > 1
    `;
    assert.ok(twice?.jobs > 0);
    assert.equal(await count(world, "completed"), JOBS);
  } finally {
    for (const each of [frozen, ...others]) await each.end("SIGKILL");
    await pool.end();
  }
});

/** Nothing lost, nothing ended twice, and what ran twice is on record. */
async function assertLedger(
  world: TestPostgres,
  pool: postgres.Sql,
): Promise<void> {
  const outcomes = await world.db.query(sql`
    select from yardmaster.outcomes where state = 'completed'
  `);
  assert.equal(outcomes.length, JOBS);
  for (const table of [sql`ready`, sql`scheduled`, sql`leases`]) {
    const left = await world.db.query(sql`select from yardmaster.${table}`);
    assert.equal(left.length, 0);
  }

  // The attempt that the outcome names is one that ended.
  const unproven = await pool`
    select outcomes.job_id
    from yardmaster.outcomes
    left join public.ledger
      on ledger.job_id = outcomes.job_id
      and ledger.attempt = outcomes.attempt
      and ledger.what = 'ended'
    where ledger.job_id is null
  `;
  assert.equal(unproven.length, 0);
  // No attempt of a job was ever given to two processes.
  const twice = await pool`
    select job_id, attempt from public.ledger where what = 'began'
    group by job_id, attempt having count(*) > 1
  `;
  assert.equal(twice.length, 0);
  // Every further attempt is explained by the rescue of the one before.
  const [facts] = await pool`
    select
      (select count(*)::integer from yardmaster.attempt_events
        where kind = 'rescued') as rescued,
      (select sum(attempt - 1)::integer from yardmaster.outcomes) as again,
      (select count(*)::integer from yardmaster.executors
        where stopped_at >= beat_at + missing_after) as missing
  `;
  assert.ok(facts?.rescued > 0);
  assert.equal(facts?.again, facts?.rescued);
  assert.equal(facts?.missing, 2);
}
