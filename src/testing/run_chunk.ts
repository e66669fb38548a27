import { assert } from "../assert.ts";
import { argsVersionOf, newerArgsMessage } from "../domain/args_version.ts";
import { ChunkCall, type ChunkSettler } from "../engine/chunk_call.ts";
import {
  Chunk,
  ChunkedRun,
  type ChunkWorker,
  takesChunks,
} from "../engine/chunk.ts";
import { type Clock, systemClock } from "../engine/clock.ts";
import { HookCalls } from "../engine/hook_calls.ts";
import type { Run } from "../engine/run.ts";
import type { RunContext } from "../engine/run_context.ts";
import { failed, returned, type Settlement } from "../engine/run_result.ts";
import { Sealer } from "../engine/sealer.ts";
import type { Failure } from "../engine/settler.ts";
import type { AnyWorker, Worker } from "../engine/worker.ts";
import { type OnEvent, quietly } from "../events.ts";
import { jobOf, outcomeOf, type RunOutcome } from "./told_job.ts";

/** One job of a chunk in a test. */
export interface ChunkJobOptions<Input> {
  /** As they would be enqueued: they go through JSON and the schema. */
  readonly args: Input;
  /** Of the args, to see them upgraded; the worker's own when left out. */
  readonly version?: number;
  /** What the job is told about itself, where the test cares. */
  readonly context?: Partial<RunContext>;
}

/** What {@linkcode runChunk} runs. */
export interface RunChunkOptions<Input> {
  /** From 1 to the size of the worker's chunks. Their ids are 1, 2, 3 and so on. */
  readonly jobs: readonly ChunkJobOptions<Input>[];
  /** Timers of the call and of hooks; those of the runtime when left out. */
  readonly clock?: Clock;
  /** Is told what became of hooks. */
  readonly onEvent?: OnEvent;
}

/**
 * Calls a worker that takes chunks once, with no database, as the engine does:
 * see `runWorker()`. It resolves when hooks have ended.
 *
 * @returns What each job came to, in the order of `jobs`.
 * @throws {TypeError} If the worker takes no chunks, or not so many jobs.
 */
export async function runChunk<Input, Output>(
  worker: Worker<Input, Output>,
  options: RunChunkOptions<Input>,
): Promise<RunOutcome<Output>[]> {
  const { clock = systemClock, jobs } = options;
  const given: AnyWorker = worker;
  assert(takesChunks(given), `${given.name} takes no chunks`);
  assert(
    jobs.length >= 1 && jobs.length <= given.chunk.size,
    `a chunk of ${given.name} has 1 to ${given.chunk.size} jobs`,
  );
  const onEvent = quietly(options.onEvent);
  const hooks = new HookCalls({ clock, onEvent, onRoom: () => {} });
  const runs = jobs.map((job, n) => toldRun(given, { ...job, n }));
  const [first] = runs;
  const chunk = new Chunk(given, null, (first as ChunkedRun).job);
  for (const run of runs) chunk.add(run);
  const settler = new ToldSettler({ hooks, onEvent });
  const sealer = new Sealer();
  const call = new ChunkCall(chunk, { settler, hooks, clock, sealer, onEvent });
  // A call that took too long may never end.
  await Promise.race([call.run(), settler.givenUp]);
  await hooks.idle();
  return runs.map((run) => settler.outcomes.get(run) as RunOutcome<Output>);
}

function toldRun(
  worker: ChunkWorker,
  { args, version, context = {}, n }: ChunkJobOptions<unknown> & {
    readonly n: number;
  },
): ChunkedRun {
  const jobId = context.jobId ?? `${BigInt(n + 1)}` as const;
  const told = { args, version, context: { ...context, jobId } };
  return new ToldRun(jobOf(worker, told), context);
}

/** A run that is told what the test wants it to be told. */
class ToldRun extends ChunkedRun {
  readonly #told: Partial<RunContext>;

  constructor(job: Run["job"], told: Partial<RunContext>) {
    super(job, 0);
    this.#told = told;
  }

  override get insertedAt(): Date {
    return this.#told.insertedAt ?? new Date(0);
  }
  override get signal(): AbortSignal {
    return this.#told.signal ?? super.signal;
  }
}

/** Keeps what became of each job, and tells its hooks as if it were written. */
class ToldSettler implements ChunkSettler {
  readonly outcomes = new Map<Run, RunOutcome<unknown>>();
  readonly givenUp: Promise<void>;
  readonly #hooks: HookCalls;
  readonly #onEvent: OnEvent;
  #giveUp = () => {};

  constructor({ hooks, onEvent }: {
    readonly hooks: HookCalls;
    readonly onEvent: OnEvent;
  }) {
    this.#hooks = hooks;
    this.#onEvent = onEvent;
    this.givenUp = new Promise((resolve) => this.#giveUp = resolve);
  }

  end(run: Run, { worker, value }: { worker: AnyWorker; value: unknown }) {
    if (run.settled) return;
    const settlement = returned(run, { ...this.#told, worker, value });
    this.#settle(run, { settlement, outcome: outcomeOf(value) });
  }

  fail(run: Run, failure: Failure): void {
    const settlement = failed(run, { ...this.#told, ...failure });
    const outcome = { kind: "failed", error: failure.error } as const;
    this.#settle(run, { settlement, outcome });
  }

  giveBack(run: Run): void {
    this.#stop(run, run.signal.reason);
  }

  turnAway(run: Run, { version: known }: AnyWorker): void {
    const version = argsVersionOf(run.job.meta);
    this.#stop(run, new Error(newerArgsMessage({ version, known })));
  }

  turnAwaySealed(run: Run, key: string): void {
    this.#stop(run, new Error(`The key ${key} is not known here`));
  }

  expire(run: Run): void {
    this.#stop(run, run.signal.reason);
  }

  letGo(): void {
    this.#giveUp();
  }

  get #told() {
    return { tookMs: 0, random: Math.random, onEvent: this.#onEvent };
  }

  #stop(run: Run, error: unknown): void {
    this.#settle(run, { outcome: { kind: "failed", error } });
  }

  #settle(run: Run, { settlement, outcome }: {
    readonly settlement?: Settlement;
    readonly outcome: RunOutcome<unknown>;
  }): void {
    run.settled = true;
    run.stopTimers();
    this.outcomes.set(run, outcome);
    if (settlement?.note === undefined) return;
    const { note, result } = settlement;
    this.#hooks.after(run, { note, result }).onAnswer?.("applied");
  }
}
