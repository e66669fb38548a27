import { performRun, setTimers, timeoutError } from "../engine/attempt.ts";
import { type Clock, systemClock } from "../engine/clock.ts";
import { takesChunks } from "../engine/chunk.ts";
import { wrapped } from "../engine/engine_middleware.ts";
import { HookCalls } from "../engine/hook_calls.ts";
import type { Middleware } from "../engine/middleware.ts";
import { Run } from "../engine/run.ts";
import type { RunContext } from "../engine/run_context.ts";
import { failed, returned, type Settlement } from "../engine/run_result.ts";
import { Sealer } from "../engine/sealer.ts";
import type { AnyWorker, Worker } from "../engine/worker.ts";
import { type OnEvent, quietly } from "../events.ts";
import { runLimited } from "./limited_run.ts";
import { runChunk } from "./run_chunk.ts";
import type { TestLimiter } from "./test_limiter.ts";
import { jobOf, outcomeOf, type RunOutcome } from "./told_job.ts";

/** What {@linkcode runWorker} runs. */
export interface RunWorkerOptions<Input> {
  /** As a call would enqueue them. */
  readonly args: Input;
  /** Of the args, to see them upgraded; the worker's own when left out. */
  readonly version?: number;
  /** What the host puts around every run, outside of the worker's own. */
  readonly middleware?: readonly Middleware[];
  /** What the run is told about itself, where the test cares. */
  readonly context?: Partial<RunContext>;
  /** Limiters of its worker that are asked first, and told when it has ended. */
  readonly limiters?: readonly TestLimiter[];
  /** How long the run waits for them, by `clock`; not at all when left out. */
  readonly waitMs?: number;
  /** Timers of the run and of its hooks; those of the runtime when left out. */
  readonly clock?: Clock;
  /** Is told what became of hooks. */
  readonly onEvent?: OnEvent;
}

/**
 * Runs a worker in this process, with no database, as the engine does: args go
 * through JSON, lose what the worker redacts, and go through its schema; its
 * hooks, its middleware and its timeout are in force, and the limiters that are
 * handed in. It resolves when its hooks have ended. A worker that takes chunks is
 * called with this job alone; for more there is `runChunk()`.
 */
export async function runWorker<Input, Output>(
  worker: Worker<Input, Output>,
  options: RunWorkerOptions<Input>,
): Promise<RunOutcome<Output>> {
  const run = () => runNow(worker, options);
  return await runLimited(worker, { ...options, run });
}

async function runNow<Input, Output>(
  given: Worker<Input, Output>,
  options: RunWorkerOptions<Input>,
): Promise<RunOutcome<Output>> {
  if (takesChunks(given)) {
    const [only] = await runChunk(given, { ...options, jobs: [options] });
    return only as RunOutcome<Output>;
  }
  const worker = wrapped(given, options.middleware ?? []);
  const { clock = systemClock } = options;
  const onEvent = quietly(options.onEvent);
  const hooks = new HookCalls({ clock, onEvent, onRoom: () => {} });
  const told = { tookMs: 0, random: Math.random, onEvent, worker };
  let run: Run;
  try {
    run = new ToldRun(worker, options);
  } catch (error) {
    return { kind: "failed", error };
  }
  try {
    const value = await timed(run, { worker, hooks, clock });
    const settlement = returned(run, { ...told, value });
    await tell(run, { hooks, settlement });
    return outcomeOf(value);
  } catch (error) {
    const kind = run.aborted === "timeout" ? "timed_out" : "failed";
    const settlement = failed(run, { ...told, kind, error });
    await tell(run, { hooks, settlement });
    return { kind: "failed", error };
  }
}

/** As the executor does, but for a job that was never claimed. */
async function timed(
  run: Run,
  { worker, hooks, clock }: {
    readonly worker: AnyWorker;
    readonly hooks: HookCalls;
    readonly clock: Clock;
  },
): Promise<unknown> {
  run.startedMs = clock.monotonicMs();
  return await new Promise((resolve, reject) => {
    const onTimedOut = () => {
      run.abort("timeout");
      reject(timeoutError(run, worker));
    };
    const restartTimers = () =>
      void setTimers(run, { worker, clock, onExpired: () => {}, onTimedOut });
    restartTimers();
    const sealer = new Sealer();
    performRun(run, { worker, hooks, clock, sealer, restartTimers })
      .finally(() => run.stopTimers())
      .then(resolve, reject);
  });
}

/** As the acknowledger does once the end of the run is written. */
async function tell(
  run: Run,
  { hooks, settlement: { note, result } }: {
    readonly hooks: HookCalls;
    readonly settlement: Settlement;
  },
): Promise<void> {
  run.settled = true;
  if (note === undefined) return;
  hooks.after(run, { note, result }).onAnswer?.("applied");
  await hooks.idle();
}

/** A run that is told what the test wants it to be told. */
class ToldRun extends Run {
  readonly #told: Partial<RunContext>;

  constructor(
    worker: AnyWorker,
    { args, version, context = {} }: RunWorkerOptions<unknown>,
  ) {
    super(jobOf(worker, { args, version, context }), 0);
    this.#told = context;
    if (context.values !== undefined) this.values = context.values;
  }

  override get insertedAt(): Date {
    return this.#told.insertedAt ?? new Date(0);
  }
  override get signal(): AbortSignal {
    return this.#told.signal ?? super.signal;
  }
}
