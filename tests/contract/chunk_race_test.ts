/** Chunks of two processes on one database: each job once, and fenced. */
import assert from "node:assert/strict";
import type { Database } from "../../src/db/database.ts";
import { sql } from "../../src/db/sql.ts";
import {
  type ChunkJob,
  defineChunkWorker,
} from "../../src/engine/chunk_worker.ts";
import { createEngine, type Engine } from "../../src/engine/engine.ts";
import type { YardmasterEvent } from "../../src/events.ts";
import { stopExecutor } from "../../src/store/executors.ts";
import { rescueLeases } from "../../src/store/leases.ts";
import { usePostgres } from "../support/postgres.ts";
import { until } from "../support/until.ts";

const testPostgres = usePostgres();

type Args = { readonly tenant: number; readonly n: number };

async function count(db: Database, state: string): Promise<number> {
  const [row] = await db.query<{ jobs: number }>(sql`
    select count(*)::integer as "jobs"
    from yardmaster.job_states
    where state::text = ${state}
  `);
  return row?.jobs ?? 0;
}

const JOBS = 3_000;
const WAIT_MS = 300;

function job(n: number): Args {
  return { tenant: n % 3, n };
}

async function enqueueAll(db: Database, { worker, jobs }: {
  readonly worker: ReturnType<typeof defineChunkWorker<Args>>;
  readonly jobs: number;
}): Promise<void> {
  const host = createEngine({ database: db });
  for (let n = 0; n < jobs; n += 500) {
    await host.enqueueMany(
      Array.from({ length: 500 }, (_, k) => ({ worker, args: job(n + k) })),
    );
  }
}

Deno.test("two processes run every job of many chunks exactly once, in calls that are full and of one partition", async () => {
  await using world = await testPostgres();
  const { db } = world;
  const seen: number[] = [];
  const calls: number[] = [];
  const wrong: string[] = [];
  const beganMs = performance.now();

  async function process(name: string): Promise<Engine> {
    let running = 0;
    const worker = defineChunkWorker<Args>({
      name: "work",
      chunk: { size: 50, waitMs: WAIT_MS, by: ["tenant"] },
      backoff: () => 1,
      async perform(jobs, chunk) {
        running += 1;
        if (running > 2) wrong.push(`${name} runs ${running} calls`);
        if (new Set(jobs.map(({ args }) => args.tenant)).size !== 1) {
          wrong.push("a call holds more than one tenant");
        }
        calls.push(jobs.length);
        await new Promise((resolve) => setTimeout(resolve, 5));
        for (const job of jobs) {
          // Some need a second attempt.
          if (job.args.n % 100 === 0 && job.attempt === 1) {
            chunk.fail(job, new Error("once more"));
          } else seen.push(job.args.n);
        }
        running -= 1;
      },
    });
    const engine = createEngine({
      name,
      database: await world.connect(),
      workers: [worker],
      queues: { default: { limit: 2 } },
      notify: false,
      pollMs: 20,
    });
    await engine.start();
    return engine;
  }
  const engines = await Promise.all(["a", "b"].map(process));
  const worker = defineChunkWorker<Args>({
    name: "work",
    chunk: { size: 50 },
    perform: () => {},
  });
  await enqueueAll(db, { worker, jobs: JOBS });
  await until(
    "all are done",
    async () => await count(db, "completed") === JOBS,
  );
  const tookMs = performance.now() - beganMs;
  await Promise.all(engines.map((engine) => engine.stop()));

  assert.deepEqual(wrong, []);
  assert.deepEqual(
    seen.toSorted((a, b) => a - b),
    Array.from({ length: JOBS }, (_, n) => n),
  );
  assert.ok(calls.every((jobs) => jobs <= 50));
  // A call that is not full has waited; of each tenant and process one at a time.
  const waited = calls.filter((jobs) => jobs < 50).length;
  const most = 3 * 2 * (tookMs / WAIT_MS + 1);
  assert.ok(
    waited <= most,
    `${waited} of ${calls.length} calls in ${tookMs} ms`,
  );
  assert.deepEqual(await db.query(sql`select from yardmaster.leases`), []);
});

/** A process whose calls the test ends, and what it was told. */
async function heldProcess(db: Database) {
  const events: YardmasterEvent[] = [];
  const told: string[] = [];
  const gate = Promise.withResolvers<void>();
  const under: { jobs: readonly ChunkJob<Args>[] } = { jobs: [] };
  const worker = defineChunkWorker<Args>({
    name: "work",
    chunk: { size: 4 },
    async perform(jobs) {
      under.jobs = jobs;
      await gate.promise;
    },
    onSuccess: ({ args }) => void told.push(`done ${args.n}`),
  });
  const engine = createEngine({
    database: db,
    workers: [worker],
    queues: { default: { limit: 1 } },
    notify: false,
    pollMs: 20,
    onEvent: (event) => events.push(event),
  });
  await engine.enqueueMany(
    Array.from({ length: 4 }, (_, n) => ({ worker, args: job(n) })),
  );
  await engine.start();
  await until("the call is under way", () => under.jobs.length === 4);
  return { engine, worker, under, told, events, open: () => gate.resolve() };
}

Deno.test("a call that lost some of its jobs ends the others, and is told lost for those", async () => {
  await using world = await testPostgres();
  const { db } = world;
  const { engine, under, told, events, open } = await heldProcess(
    await world.connect(),
  );
  const [first, second] = under.jobs;
  const operator = createEngine({ database: db, notify: false });
  assert.equal(await operator.cancel(first?.jobId ?? "0"), true);
  await until("its own signal says so", () => first?.signal.aborted ?? false);
  assert.equal(second?.signal.aborted, false);
  open();
  await until(
    "the others are done",
    async () => await count(db, "completed") === 3,
  );
  await engine.stop();
  assert.deepEqual(told.toSorted(), ["done 1", "done 2", "done 3"]);
  assert.equal(await count(db, "cancelled"), 1);
  const lost = events.filter(({ type }) => type === "acknowledgements_lost");
  assert.deepEqual(lost, [{ type: "acknowledgements_lost", jobs: 1 }]);
});

Deno.test("a process that was taken for dead writes nothing of its chunk, and another runs all of it", async () => {
  await using world = await testPostgres();
  const { db } = world;
  const late = await heldProcess(await world.connect());
  await stopExecutor(db, late.engine.executorId ?? 0);
  // Its own lifeline may have been faster.
  await rescueLeases(db, { limit: 20 });
  assert.equal(await count(db, "available"), 4);
  await until(
    "its signals say so",
    () => late.under.jobs.every(({ signal }) => signal.aborted),
  );

  const calls: number[] = [];
  const other = createEngine({
    database: await world.connect(),
    workers: [{
      ...late.worker,
      hooks: null,
      perform: (jobs: readonly ChunkJob[]) => void calls.push(jobs.length),
    }],
    queues: { default: { limit: 1 } },
    notify: false,
    pollMs: 20,
  });
  await other.start();
  await until(
    "the other has run them",
    async () => await count(db, "completed") === 4,
  );
  late.open();
  await late.engine.stop();
  await other.stop();

  assert.deepEqual([calls, late.told], [[4], []]);
  const attempts = await db.query<{ attempt: number }>(sql`
    select distinct attempt from yardmaster.outcomes
  `);
  assert.deepEqual(attempts, [{ attempt: 2 }]);
});
