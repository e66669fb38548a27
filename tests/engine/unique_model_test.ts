/**
 * Each mode of uniqueness against a small model of it: any calls, alone and in
 * bulk, among claims, ends, failures, cancels and a clock that moves.
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import { sql } from "../../src/db/sql.ts";
import type { JobId } from "../../src/domain/job.ts";
import type { UniqueMode, UniqueOptions } from "../../src/domain/unique_key.ts";
import { createEngine } from "../../src/engine/engine.ts";
import { defineWorker } from "../../src/engine/worker.ts";
import type { ClaimedJob } from "../../src/store/leases.ts";
import { stageJobs } from "../../src/store/scheduled.ts";
import { cancelJob } from "../../src/store/transitions.ts";
import { type TestDb, usePGlite } from "../support/pglite.ts";
import { runnerOn, type Told, told } from "../support/unique_modes.ts";

const testDb = usePGlite();

const PERIOD_MS = 3_000;
const WAIT_MS = 1_000;
const MAX_WAIT_MS = 2_500;
const ATTEMPTS = 4;
const lasting = { states: "incomplete", periodMs: PERIOD_MS } as const;
const debounce = { delayMs: WAIT_MS, maxWaitMs: MAX_WAIT_MS };

const MODES: Readonly<Record<UniqueMode, UniqueOptions>> = {
  reject: { ...lasting, onConflict: "reject" },
  replace: { ...lasting, onConflict: { replace: ["args", "runAt"] } },
  debounce: { onConflict: { debounce } },
  throttle: { onConflict: "throttle", periodMs: PERIOD_MS },
  keep_last: { onConflict: "keep_last" },
};

interface Call {
  readonly key: string;
  readonly delayMs: number;
}

interface ModelJob {
  readonly key: string;
  n: number;
  state: string;
  runAtMs: number | null;
  attempt: number;
  maxAttempts: number;
  readonly insertedMs: number;
}

const WAITING = ["available", "scheduled", "retryable"];

/** What a mode promises, in memory. */
class Model {
  readonly jobs: ModelJob[] = [];
  readonly claims = new Map<string, { job: ModelJob; expiresMs: number }>();
  readonly mode: UniqueMode;
  nowMs: number;

  constructor(mode: UniqueMode, nowMs: number) {
    this.mode = mode;
    this.nowMs = nowMs;
  }

  call({ key, delayMs }: Call, n: number): Told {
    const wait = this.mode === "debounce" ? WAIT_MS : delayMs;
    const claim = this.claims.get(key);
    if (claim !== undefined && claim.expiresMs > this.nowMs) {
      if (this.#holds(claim.job)) return this.#meet(claim.job, { n, wait });
    }
    const job: ModelJob = {
      key,
      n,
      state: "",
      runAtMs: null,
      attempt: 0,
      maxAttempts: ATTEMPTS,
      insertedMs: this.nowMs,
    };
    this.#plan(job, this.nowMs + wait);
    this.jobs.push(job);
    const lasts = ["debounce", "keep_last"].includes(this.mode);
    const expiresMs = lasts ? Infinity : this.nowMs + PERIOD_MS;
    this.claims.set(key, { job, expiresMs });
    return "inserted";
  }

  #holds({ state }: ModelJob): boolean {
    if (this.mode === "throttle") return true;
    return WAITING.includes(state) ||
      state === "executing" && ["reject", "replace"].includes(this.mode);
  }

  #meet(
    job: ModelJob,
    { n, wait }: { readonly n: number; readonly wait: number },
  ): Told {
    const isLeft = ["reject", "throttle"].includes(this.mode);
    if (isLeft || !WAITING.includes(job.state)) return "conflict";
    job.n = n;
    const isRetry = job.state === "retryable";
    if (this.mode !== "replace") job.maxAttempts = job.attempt + ATTEMPTS;
    if (this.mode === "debounce" && !isRetry) {
      const longest = job.insertedMs + MAX_WAIT_MS;
      this.#plan(job, Math.min(this.nowMs + wait, longest));
    } else if (this.mode !== "debounce") {
      this.#plan(job, this.nowMs + wait);
      const isPlanned = job.state === "scheduled";
      if (isRetry && isPlanned && this.mode === "replace") {
        job.state = "retryable";
      }
    }
    return "replaced";
  }

  #plan(job: ModelJob, atMs: number): void {
    job.state = atMs > this.nowMs ? "scheduled" : "available";
    job.runAtMs = atMs > this.nowMs ? atMs : null;
  }

  stage(): void {
    for (const job of this.jobs) {
      if (job.runAtMs === null || job.runAtMs > this.nowMs) continue;
      Object.assign(job, { state: "available", runAtMs: null });
    }
  }

  claim(): ModelJob[] {
    const claimed = this.jobs.filter(({ state }) => state === "available");
    for (const job of claimed) {
      job.state = "executing";
      job.attempt += 1;
    }
    return claimed;
  }
}

interface World {
  readonly model: Model;
  readonly one: (call: Call, n: number) => Promise<Told>;
  readonly many: (calls: readonly Call[], n: number) => Promise<Told[]>;
  readonly db: TestDb;
  readonly runner: Awaited<ReturnType<typeof runnerOn>>;
  /** What runs, in the tables and in the model. */
  readonly running: Map<ModelJob, ClaimedJob>;
  nextN: number;
}

type Step = (world: World) => Promise<void>;

const anyCall = fc.record({
  key: fc.constantFrom("a", "a", "b"),
  delayMs: fc.constantFrom(0, 0, 700),
});

const single: fc.Arbitrary<Step> = anyCall.map((call) => async (world) => {
  const n = world.nextN++;
  assert.equal(await world.one(call, n), world.model.call(call, n));
});

const bulk: fc.Arbitrary<Step> = fc.array(anyCall, {
  minLength: 2,
  maxLength: 4,
}).map((calls) => async (world) => {
  const n = world.nextN;
  world.nextN += calls.length;
  const expected = calls.map((call, index) =>
    world.model.call(call, n + index)
  );
  assert.deepEqual(await world.many(calls, n), expected);
});

const claim: Step = async ({ db, model, runner, running }) => {
  await stageJobs(db, { limit: 100 });
  model.stage();
  const jobs = model.claim();
  const runs = await runner.claim();
  assert.deepEqual(
    runs.map(({ args }) => args.n).toSorted(),
    jobs.map(({ n }) => n).toSorted(),
  );
  for (const job of jobs) {
    const run = runs.find(({ args }) => args.n === job.n);
    if (run) running.set(job, run);
  }
};

const end = fc.constantFrom("completed" as const, "retryable" as const).map(
  (to): Step => async ({ model, runner, running }) => {
    const [first] = running;
    if (first === undefined) return;
    const [job, run] = first;
    running.delete(job);
    assert.deepEqual(await runner.end([run], { to }), ["applied"]);
    const isOver = to === "completed";
    job.state = to;
    job.runAtMs = isOver ? null : model.nowMs + 1_000;
  },
);

const cancel: Step = async ({ db, model }) => {
  const job = model.jobs.find(({ state }) => WAITING.includes(state));
  if (job === undefined) return;
  const [row] = await db.query<{ id: JobId }>(sql`
    select id::text as id from yardmaster.jobs
    where (args ->> 'n')::integer = ${job.n}
  `);
  assert.ok(row);
  await cancelJob(db, { jobId: row.id, principal: null });
  Object.assign(job, { state: "cancelled", runAtMs: null });
};

const wait = fc.constantFrom(1, 400, 999, 1_000, 2_500).map(
  (ms): Step => (world) => {
    world.db.advanceMs(ms);
    world.model.nowMs += ms;
    return Promise.resolve();
  },
);

const steps = fc.array(
  fc.oneof(
    { weight: 5, arbitrary: single },
    { weight: 2, arbitrary: bulk },
    { weight: 3, arbitrary: fc.constant(claim) },
    { weight: 2, arbitrary: end },
    { weight: 1, arbitrary: fc.constant(cancel) },
    { weight: 3, arbitrary: wait },
  ),
  { minLength: 5, maxLength: 25 },
);

async function compare({ db, model }: World): Promise<void> {
  const rows = await db.query<Record<string, unknown>>(sql`
    select args ->> 'key' as key, (args ->> 'n')::integer as n, state::text,
      run_at as "runAt", max_attempts as "maxAttempts"
    from yardmaster.jobs
    join yardmaster.job_states on job_states.job_id = jobs.id
    order by jobs.id
  `);
  assert.deepEqual(
    rows,
    model.jobs.map(({ key, n, state, runAtMs, maxAttempts }) => {
      const runAt = runAtMs === null ? null : new Date(runAtMs);
      return { key, n, state, runAt, maxAttempts };
    }),
  );
}

async function open(mode: UniqueMode, db: TestDb): Promise<World> {
  const engine = createEngine({ database: db, notify: false });
  const worker = defineWorker({
    name: "work",
    maxAttempts: ATTEMPTS,
    unique: { keys: ["key"], ...MODES[mode] },
    perform: () => {},
  });
  const toInput = ({ key, delayMs }: Call, n: number) => {
    const options = mode === "debounce" ? {} : { delayMs };
    return { worker, args: { key, n }, options };
  };
  return {
    db,
    model: new Model(mode, db.nowAt().getTime()),
    runner: await runnerOn(db),
    running: new Map(),
    nextN: 1,
    async one(call, n) {
      const { args, options } = toInput(call, n);
      return told(await engine.enqueue(worker, args, options));
    },
    async many(calls, n) {
      const inputs = calls.map((call, index) => toInput(call, n + index));
      return (await engine.enqueueMany(inputs)).map(told);
    },
  };
}

for (const mode of Object.keys(MODES) as UniqueMode[]) {
  Deno.test(`${mode} does what its model does, after any steps`, async () => {
    await fc.assert(
      fc.asyncProperty(steps, async (steps) => {
        await using db = await testDb();
        const world = await open(mode, db);
        for (const step of steps) {
          await step(world);
          await compare(world);
        }
      }),
      { numRuns: 25 },
    );
  });
}
