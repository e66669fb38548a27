import { isSealed } from "../domain/sealed_args.ts";
import type { OnEvent } from "../events.ts";
import { unawaited } from "../unawaited.ts";
import type { JobId } from "../domain/job.ts";
import { type AbortKind, AbortReason } from "./abort_reason.ts";
import type { AnyWorker } from "./any_worker.ts";
import { parseArgs } from "./args.ts";
import { setDeadline, timeoutError } from "./attempt.ts";
import type { Chunk, ChunkedRun } from "./chunk.ts";
import type { ChunkContext, ChunkJobRef } from "./chunk_worker.ts";
import type { Clock } from "./clock.ts";
import type { HookCalls } from "./hook_calls.ts";
import { isNewer } from "./newer_args.ts";
import type { Sealer } from "./sealer.ts";
import type { Settler } from "./settler.ts";
import { isVerdict } from "./verdict.ts";

/** Says what became of each run of a chunk. */
export type ChunkSettler = Pick<
  Settler,
  | "end"
  | "fail"
  | "giveBack"
  | "turnAway"
  | "turnAwaySealed"
  | "expire"
  | "letGo"
>;

/** What a call of a chunk goes through. */
export interface ChunkCallOptions {
  readonly settler: ChunkSettler;
  readonly hooks: HookCalls;
  readonly clock: Clock;
  readonly sealer: Sealer;
  readonly onEvent: OnEvent;
}

/** One call for many runs, each of which is settled by itself, and once. */
export class ChunkCall {
  readonly #chunk: Chunk;
  readonly #options: ChunkCallOptions;
  readonly #members = new Map<JobId, ChunkedRun>();
  readonly #answered = new Set<ChunkedRun>();
  readonly #beganMs: number;
  #pausedMs = 0;
  #stopTimeout = () => {};
  #controller: AbortController | null = null;
  #aborted: AbortKind | null = null;

  constructor(chunk: Chunk, options: ChunkCallOptions) {
    this.#chunk = chunk;
    this.#options = options;
    this.#beganMs = options.clock.monotonicMs();
  }

  get #worker(): AnyWorker {
    return this.#chunk.worker;
  }

  /** Resolves when the code of the worker has ended. Never throws. */
  async run(): Promise<void> {
    for (const run of this.#chunk.runs) {
      run.startedMs = this.#beganMs;
      run.onAborted = (kind) => this.#told(kind);
    }
    this.#startTimers();
    this.#turnSomeAway();
    await this.#readArgs();
    await this.#tellStart();
    const runs = this.#waiting();
    for (const run of runs) this.#members.set(run.jobId, run);
    if (runs.length > 0) await this.#perform(runs);
    this.#stopTimeout();
  }

  async #perform(runs: readonly ChunkedRun[]): Promise<void> {
    const { clock, onEvent } = this.#options;
    const beganMs = clock.monotonicMs();
    try {
      // Frozen, so that who takes jobs out of the list takes a copy.
      const jobs = Object.freeze([...runs]);
      const answer: unknown = await this.#worker.perform(
        jobs as never,
        this.#context() as never,
      );
      this.#endRest(answer);
    } catch (error) {
      for (const run of this.#unsettled()) this.#fail(run, error);
    }
    onEvent({
      type: "chunk_ended",
      worker: this.#worker.name,
      queue: this.#chunk.first.queue,
      jobs: runs.length,
      tookMs: clock.monotonicMs() - beganMs,
    });
  }

  /** Jobs that can not go into the call, before anything was read of them. */
  #turnSomeAway(): void {
    const { settler, sealer } = this.#options;
    for (const run of this.#waiting()) {
      const { args } = run.job;
      const key = isSealed(args) ? sealer.unknownKeyOf(args) : null;
      if (isNewer(run, this.#worker)) settler.turnAway(run, this.#worker);
      else if (key !== null) settler.turnAwaySealed(run, key);
    }
  }

  /** What can not be read fails alone. */
  async #readArgs(): Promise<void> {
    const { sealer } = this.#options;
    await Promise.all(
      this.#waiting().map(async (run) => {
        const { args, meta } = run.job;
        try {
          run.args = await parseArgs(this.#worker, { args, meta, sealer });
          run.hooks = this.#worker.hooks;
        } catch (error) {
          if (!run.settled) this.#fail(run, error);
        }
      }),
    );
  }

  /** Neither the timeout nor a deadline runs while `onStart` does. */
  async #tellStart(): Promise<void> {
    const { hooks, clock } = this.#options;
    if (this.#worker.hooks === null) return;
    const runs = this.#waiting();
    const starting = runs.map((run) => hooks.start(run))
      .filter((started) => started !== null);
    if (starting.length === 0) return;
    this.#stopTimeout();
    for (const run of runs) run.stopTimers();
    const sinceMs = clock.monotonicMs();
    await Promise.all(starting);
    const pausedMs = clock.monotonicMs() - sinceMs;
    this.#pausedMs += pausedMs;
    for (const run of runs) run.pausedMs += pausedMs;
    this.#startTimers();
  }

  /** The deadline of each job, and the timeout of the call. */
  #startTimers(): void {
    const { settler, clock } = this.#options;
    for (const run of this.#waiting()) {
      const onExpired = () => {
        if (run.settled) return;
        settler.expire(run);
        settler.letGo(run);
      };
      const answer = setDeadline(run, { clock, onExpired });
      if (answer === "expired") settler.expire(run);
    }
    const { timeoutMs } = this.#worker;
    if (typeof timeoutMs !== "number") return;
    const spentMs = clock.monotonicMs() - this.#beganMs - this.#pausedMs;
    this.#stopTimeout = clock.after(timeoutMs - spentMs, () => this.#timeOut());
  }

  #timeOut(): void {
    const { settler } = this.#options;
    const worker = this.#worker;
    const late = this.#unsettled();
    // Those with an answer too: then nobody waits for anything of the call.
    for (const run of this.#chunk.runs) run.abort("timeout");
    for (const run of late) {
      const error = timeoutError(run, worker);
      settler.fail(run, { worker, kind: "timed_out", error });
    }
    for (const run of this.#chunk.runs) settler.letGo(run);
  }

  #unsettled(): ChunkedRun[] {
    return this.#chunk.runs.filter((run) => !run.settled);
  }

  /** Those that are still waited for; of others nothing has begun. */
  #waiting(): ChunkedRun[] {
    const unsettled = this.#unsettled();
    for (const run of unsettled) {
      if (run.aborted !== null) this.#options.settler.giveBack(run);
    }
    return unsettled.filter((run) => !run.settled);
  }

  /** One of its runs was told that nobody waits for it. */
  #told(kind: AbortKind): void {
    const isGone = (run: ChunkedRun) => run.settled || run.aborted !== null;
    if (!this.#chunk.runs.every(isGone)) return;
    this.#aborted ??= kind;
    this.#controller?.abort(new AbortReason(this.#aborted));
  }

  #signal(): AbortSignal {
    this.#controller ??= new AbortController();
    if (this.#aborted !== null) {
      this.#controller.abort(new AbortReason(this.#aborted));
    }
    return this.#controller.signal;
  }

  #context(): ChunkContext {
    const worker = this.#worker;
    const { settler } = this.#options;
    const signal = () => this.#signal();
    return {
      worker: worker.name,
      queue: this.#chunk.first.queue,
      get signal() {
        return signal();
      },
      complete: (job, output) => {
        if (output instanceof Promise) {
          unawaited(output);
          throw new TypeError(
            "Cannot complete: the output is a promise, and the work of the job " +
              "may still fail; await it first",
          );
        }
        this.#answer(job, (run) => settler.end(run, { worker, value: output }));
      },
      fail: (job, error) => this.#answer(job, (run) => this.#fail(run, error)),
      decide: (job, verdict) => {
        if (!isVerdict(verdict)) {
          throw new TypeError(
            "Cannot decide: the answer is what snooze(), cancel() or " +
              "discard() returned",
          );
        }
        this.#answer(
          job,
          (run) => settler.end(run, { worker, value: verdict }),
        );
      },
    };
  }

  /** @throws {TypeError} If the job is not here, or was answered before. */
  #answer(job: ChunkJobRef, settle: (run: ChunkedRun) => void): void {
    const run = this.#members.get(job?.jobId);
    if (run === undefined) {
      throw new TypeError(
        `Cannot answer: ${job?.jobId} is no job of this call`,
      );
    }
    if (this.#answered.has(run)) {
      throw new TypeError(`Cannot answer: ${run.jobId} has its answer already`);
    }
    this.#answered.add(run);
    // By an operator, a deadline or a timeout; or the call has returned.
    if (!run.settled) settle(run);
  }

  /** What a run throws once it was told to stop says nothing about the job. */
  #fail(run: ChunkedRun, error: unknown): void {
    const { settler } = this.#options;
    if (run.aborted !== null) return settler.giveBack(run);
    settler.fail(run, { worker: this.#worker, kind: "failed", error });
  }

  #endRest(answer: unknown): void {
    const { settler } = this.#options;
    const worker = this.#worker;
    if (answer !== undefined && !isVerdict(answer)) {
      throw new TypeError(
        `perform of ${worker.name} returned something: a chunk returns nothing ` +
          `or one verdict, and gives each job its own answer by complete()`,
      );
    }
    for (const run of this.#unsettled()) {
      settler.end(run, { worker, value: answer });
    }
  }
}
