/** What executors do: claim, and tell how runs ended, in time or long after. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { afterFailure } from "../../src/domain/job.ts";
import { claimJobs } from "../../src/store/leases.ts";
import {
  acknowledge,
  type RunEvent,
  type RunResult,
} from "../../src/store/outcomes.ts";
import { retryJob } from "../../src/store/transitions.ts";
import { stageSome } from "./commands_on_jobs.ts";
import type { Model, ModelDemand } from "./model.ts";
import type { ModelJob, ModelRun } from "./model_types.ts";
import {
  type Command,
  inOrder,
  pick,
  rarely,
  type Step,
  step,
  turn,
  which,
} from "./step.ts";
import { outputOf } from "../support/outputs.ts";

const claim = fc.record({
  executor: which,
  workers: fc.constantFrom(["send", "shrink"], ["send", "shrink"], ["send"]),
  queues: fc.constantFrom(["mail", "pictures"], ["pictures", "mail"], ["mail"]),
  most: fc.integer({ min: 1, max: 4 }),
  held: fc.constantFrom(0, 0, 0, 0, 2, 9),
  after: rarely(6, which),
  fromDead: rarely(6, fc.constant(true)),
  on: turn,
}).map(({ executor, workers, queues, most, held, after, fromDead, on }) =>
  step(`claim ${most} of ${queues}`, on, async ({ model, db }) => {
    const executorId = pick(executorsOf(model, { fromDead }), executor);
    if (executorId === undefined) return;
    const behind = after === null ? undefined : pick(inOrder(model), after);
    const mark = behind && { priority: behind.priority, jobId: behind.id };
    const queue = { declaredLimit: 5, prefetch: 2, held, most };
    await claimFor({ model, db }, {
      executorId,
      workers,
      queues: queues.map((name) => ({
        ...queue,
        queue: name,
        ...(mark && { after: mark }),
      })),
    });
  })
);

async function claimFor(
  { model, db }: Omit<Step, "real">,
  demand: ModelDemand,
): Promise<void> {
  const runs = await claimJobs(db, demand);
  const expected = model.claim(demand);
  assert.deepEqual(
    runs.map(({ leaseId: _, args, meta, tags, ...run }) => {
      assert.deepEqual([args, meta, tags], [{}, {}, []]);
      return run;
    }),
    expected.map((job) => toClaimed(job, model.nowMs)),
  );
  assert.ok(new Set(runs.map(({ leaseId }) => leaseId)).size <= 1);
  const { executorId } = demand;
  for (const { leaseId, jobId, attempt } of runs) {
    model.begin({ leaseId, jobId, attempt, executorId });
  }
}

/** Those that are known to have stopped ask as well, and must get nothing. */
function executorsOf(
  { executors }: Model,
  { fromDead }: { readonly fromDead: boolean | null },
): number[] {
  return [...executors].flatMap(([id, { stoppedAt }]) =>
    (stoppedAt !== null) === (fromDead ?? false) ? [id] : []
  );
}

function toClaimed(job: ModelJob, nowMs: number) {
  const { queue, worker, priority, maxAttempts, deadlineAt } = job;
  const deadlineInMs = deadlineAt === null ? null : deadlineAt - nowMs;
  const attempt = job.at.attempt + 1;
  const jobId = job.id;
  return {
    jobId,
    attempt,
    queue,
    worker,
    priority,
    maxAttempts,
    deadlineInMs,
  };
}

/** Some are kept shorter than the history, others longer. */
function kept(leaseId: string, attempt: number) {
  const days = Number(leaseId) % 4 === 1 ? 3.25 : 20.25;
  return outputOf({ attempt }, { keepMs: days * DAY_MS });
}

type End = "completes" | "fails" | "snoozes" | "cancels" | "lets go";
const ENDS = ["completes", "completes", "fails", "snoozes", "cancels"] as const;
const DELAY_MS = 500;
const DAY_MS = 86_400_000;

/** As a run ends, its attempts decide whether another follows. */
function toResult(run: ModelRun, end: End, maxAttempts: number): RunResult {
  const { leaseId, jobId, attempt } = run;
  const common = { leaseId, jobId, attempt, tookMs: 7 };
  const told = (kind: RunEvent["kind"]) => ({ event: { kind } });
  switch (end) {
    case "completes":
      return Number(leaseId) % 4 !== 0
        ? { ...common, to: "completed", output: kept(leaseId, attempt) }
        : { ...common, to: "completed" };
    case "fails": {
      const next = afterFailure({ attempt, maxAttempts }, () => DELAY_MS);
      return next.to === "outcomes"
        ? { ...common, to: "discarded", ...told("failed") }
        : { ...common, to: "retryable", delayMs: 500, ...told("failed") };
    }
    case "snoozes":
      return { ...common, to: "scheduled", delayMs: 500, ...told("snoozed") };
    case "cancels":
      return { ...common, to: "cancelled", ...told("cancelled") };
    case "lets go":
      return { ...common, to: "available", ...told("given_back") };
  }
}

/** Runs of one executor end: of some leases, together. */
const end = fc.record({
  which: fc.array(fc.tuple(which, fc.constantFrom(...ENDS)), {
    minLength: 1,
    maxLength: 4,
  }),
  on: turn,
}).map(({ which, on }) =>
  step(`end ${which}`, on, async ({ model, db }) => {
    const held = model.runs.filter((run) => isHeld(model, run));
    const [first] = which;
    const executorId = pick(held, first?.[0] ?? 0)?.executorId;
    const own = held.filter((run) => run.executorId === executorId);
    const ends = new Map(which.map(([n, how]) => [pick(own, n), how]));
    await acknowledgeAll({ model, db }, ends);
  })
);

/** A run that has lost its lease tells how it ended, also long after. */
const tellLate = fc.record({
  n: which,
  /** Null: just as somebody else, or itself, has told already. */
  how: fc.option(fc.constantFrom<End>(...ENDS, "lets go"), { freq: 2 }),
  on: turn,
}).map(({ n, how, on }) =>
  step(`tell late ${n} ${how}`, on, async ({ model, db }) => {
    const lost = model.runs.filter((run) => !isHeld(model, run));
    const told = lost.filter(({ jobId }) =>
      AS_ENDED[model.jobs.get(jobId)?.at.state ?? ""] !== undefined
    );
    const run = pick(how === null ? told : lost, n);
    if (run === undefined) return;
    const state = model.jobs.get(run.jobId)?.at.state ?? "";
    const end = how ?? AS_ENDED[state] ?? "completes";
    await acknowledgeAll({ model, db }, new Map([[run, end]]));
  })
);

/** What a run tells, so that its job stands where it stands already. */
const AS_ENDED: Readonly<Record<string, End>> = {
  completed: "completes",
  cancelled: "cancels",
  discarded: "fails",
};

/** A process that ends in peace gives back what it holds. */
const giveBack = fc.tuple(which, turn).map(([n, on]) =>
  step(`give back ${n}`, on, async ({ model, db }) => {
    const held = model.runs.filter((run) => isHeld(model, run));
    const executorId = pick(held, n)?.executorId;
    const own = held.filter((run) => run.executorId === executorId);
    const how: End = "lets go";
    await acknowledgeAll({ model, db }, new Map(own.map((run) => [run, how])));
  })
);

async function acknowledgeAll(
  { model, db }: Omit<Step, "real">,
  ends: ReadonlyMap<ModelRun | undefined, End>,
): Promise<void> {
  const told = [...ends].flatMap(([run, how]) => {
    const most = run && model.jobs.get(run.jobId)?.maxAttempts;
    return run ? [{ run, result: toResult(run, how, most ?? 1) }] : [];
  });
  const [first] = told;
  if (first === undefined) return;
  const { executorId } = first.run;
  const results = told.map(({ result }) => result);
  assert.deepEqual(
    await acknowledge(db, executorId, results),
    model.acknowledge(executorId, results),
  );
}

function isHeld(model: Model, { jobId, leaseId }: ModelRun): boolean {
  return model.jobs.get(jobId)?.at.leaseId === leaseId;
}

/** A moment of an ordinary process: what is due runs, and ends one way or another. */
const work = fc.record({
  executor: which,
  ends: fc.array(fc.constantFrom(...ENDS), { minLength: 1, maxLength: 4 }),
  on: turn,
}).map(({ executor, ends, on }) =>
  step(`work ${ends}`, on, async ({ model, db }) => {
    const executorId = pick(executorsOf(model, { fromDead: false }), executor);
    if (executorId === undefined) return;
    await stageSome({ model, db }, 10);
    await workSome({ model, db }, { executorId, ends });
  })
);

/** What ended is wanted once more, and runs again: attempts and outputs add up. */
const again = fc.record({ n: which, executor: which, on: turn })
  .map(({ n, executor, on }) =>
    step(`again ${n}`, on, async ({ model, db }) => {
      const ended = inOrder(model).filter(({ at }) => at.finishedAt !== null);
      const jobId = pick(ended, n)?.id;
      const executorId = pick(
        executorsOf(model, { fromDead: false }),
        executor,
      );
      if (jobId === undefined || executorId === undefined) return;
      const principal = "ann";
      const moved = await retryJob(db, { jobId, principal });
      assert.deepEqual(moved, model.retry(jobId, principal));
      const ends: End[] = Array.from({ length: 4 }, () => "completes");
      await workSome({ model, db }, { executorId, ends });
    })
  );

async function workSome(
  { model, db }: Omit<Step, "real">,
  { executorId, ends }: {
    readonly executorId: number;
    readonly ends: readonly End[];
  },
): Promise<void> {
  const begun = model.runs.length;
  const queue = { declaredLimit: 5, prefetch: 0, held: 0, most: ends.length };
  await claimFor({ model, db }, {
    executorId,
    workers: ["send", "shrink"],
    queues: ["mail", "pictures"].map((name) => ({ ...queue, queue: name })),
  });
  const own = model.runs.slice(begun);
  await acknowledgeAll(
    { model, db },
    new Map(ends.map((how, n) => [own[n], how])),
  );
}

/** What happens often, more than once. */
export const ON_RUNS: readonly fc.Arbitrary<Command>[] = [
  work,
  work,
  work,
  work,
  again,
  again,
  again,
  claim,
  claim,
  claim,
  end,
  end,
  end,
  tellLate,
  tellLate,
  giveBack,
];
