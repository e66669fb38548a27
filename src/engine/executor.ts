import type { ClaimedJob, QueueDemand } from "../store/leases.ts";
import { LEASE_JOBS_MAX } from "../store/leases.ts";
import type { AbortKind } from "./abort_reason.ts";
import { isPlain, performRun, setTimers, timeoutError } from "./attempt.ts";
import type { ExecutorOptions } from "./executor_options.ts";
import { HookCalls } from "./hook_calls.ts";
import { isNewer, NewerArgs } from "./newer_args.ts";
import { Run } from "./run.ts";
import {
  expired,
  failed,
  givenBack,
  returned,
  type Settlement,
} from "./run_result.ts";
import { demandOf, QueueSlots } from "./slots.ts";
import { Waiters } from "./waiters.ts";
import type { AnyWorker } from "./worker.ts";

/** Runs claimed jobs, as many at a time as their queues allow. */
export class Executor {
  readonly #options: ExecutorOptions;
  readonly #queues = new Map<string, QueueSlots>();
  readonly #runs = new Set<Run>();
  #overstaying = 0;
  /** Nothing begins before the event loop has turned. */
  #turning = false;
  #firstQueue = 0;
  /** Jobs that went back without burning an attempt, since this process began. */
  givenBack = 0;
  readonly #idle = new Waiters();
  readonly #newerArgs: NewerArgs;
  /** What hooks of its workers are open. */
  readonly hooks: HookCalls;

  constructor(options: ExecutorOptions) {
    this.#options = options;
    this.#newerArgs = new NewerArgs(options.clock);
    this.hooks = new HookCalls({
      ...options,
      onRoom: () => {
        this.beginRuns();
        for (const name of this.#queues.keys()) options.onHungry(name);
      },
    });
    const nowMs = options.clock.monotonicMs();
    for (const [name, { limit }] of Object.entries(options.queues)) {
      this.#queues.set(name, new QueueSlots(name, { limit, nowMs }));
    }
  }

  get queues(): ReadonlyMap<string, QueueSlots> {
    return this.#queues;
  }

  get #full(): boolean {
    return this.#options.isFull() || this.hooks.full;
  }

  /** All that this process holds: what waits for a slot and what runs. */
  get runs(): ReadonlySet<Run> {
    return this.#runs;
  }

  /**
   * What to claim now, with so much ahead that fast workers never wait.
   *
   * @param jobsMax Of all queues together.
   */
  demand(jobsMax: number): QueueDemand[] {
    if (this.#full) return [];
    const queues = [...this.#queues.values()];
    // Each pass begins with another, or a busy first one would starve the rest.
    this.#firstQueue = (this.#firstQueue + 1) % Math.max(queues.length, 1);
    return demandOf(queues, {
      first: this.#firstQueue,
      nowMs: this.#options.clock.monotonicMs(),
      jobsMax: Math.min(jobsMax, LEASE_JOBS_MAX),
    });
  }

  /** Takes claimed jobs in, and begins those for which there is a slot. */
  accept(jobs: readonly ClaimedJob[]): void {
    const nowMs = this.#options.clock.monotonicMs();
    for (const job of jobs) {
      const run = new Run(job, nowMs);
      this.#runs.add(run);
      this.#queues.get(job.queue)?.buffer(run);
    }
    this.beginRuns();
  }

  /** Begins what has a slot. */
  beginRuns(): void {
    for (const queue of this.#queues.values()) this.#begin(queue);
  }

  #begin(queue: QueueSlots): void {
    while (!this.#turning && !this.#full) {
      const run = queue.takeNext();
      if (run === null) break;
      void this.#run(run, queue);
    }
  }

  /** Gives back jobs that wait for a slot: no attempt is burnt. */
  giveBackBuffered(which: (run: Run) => boolean): void {
    for (const queue of this.#queues.values()) {
      for (const run of queue.takeBuffered(which)) {
        this.#runs.delete(run);
        this.#settle(run, givenBack(run, this.#context(run)));
      }
    }
    this.#tellIfIdle();
  }

  /** Gives back what runs, whatever it still does. */
  giveBackRuns(): void {
    for (const run of this.#runs) {
      if (run.settled) continue;
      this.#settle(run, givenBack(run, this.#context(run)));
      this.#letGo(run);
    }
  }

  /** Forgets what waits for a slot: others hold it by now. */
  dropBuffered(): void {
    for (const queue of this.#queues.values()) {
      for (const run of queue.takeBuffered(() => true)) this.#runs.delete(run);
    }
    this.#tellIfIdle();
  }

  /** Tells runs that nobody waits for them. What waits for a slot never runs. */
  abort(kind: AbortKind): void {
    for (const run of [...this.#runs]) run.abort(kind);
  }

  /** Whether there is nothing to wait for. */
  get isIdle(): boolean {
    return this.#runs.size === this.#overstaying;
  }

  /** Resolves when no run is waited for, and none waits for a slot. */
  idle(): Promise<void> {
    return this.isIdle ? Promise.resolve() : this.#idle.wait();
  }

  async #run(run: Run, queue: QueueSlots): Promise<void> {
    run.startedMs = this.#options.clock.monotonicMs();
    const worker = this.#options.workers.get(run.job.worker);
    try {
      if (worker !== undefined) await this.#perform(run, worker);
    } finally {
      run.stopTimers();
      queue.finish(run);
      this.#runs.delete(run);
      if (run.overstays) this.#overstaying -= 1;
      this.#afterRun(queue);
    }
  }

  #afterRun(queue: QueueSlots): void {
    const isHungry = queue.buffered <= queue.lowMark;
    if (isHungry && this.#options.onHungry(queue.name)) this.#turn();
    this.#begin(queue);
    this.#tellIfIdle();
  }

  /**
   * Lets a claim reach its socket before the jobs that are still here begin:
   * runs that never wait would keep the event loop to themselves until none is
   * left, and then wait for the database.
   */
  #turn(): void {
    if (this.#turning) return;
    this.#turning = true;
    setTimeout(() => {
      this.#turning = false;
      this.beginRuns();
    }, 0);
  }

  async #perform(run: Run, worker: AnyWorker): Promise<void> {
    // Cancelled, or lost, while it waited for its slot.
    if (run.aborted !== null) return this.#interrupted(run);
    if (this.#setTimers(run, worker) === "expired") return;
    if (isNewer(run, worker)) {
      const context = { ...this.#context(run), worker };
      return this.#settle(run, this.#newerArgs.settle(run, context));
    }
    try {
      const value = isPlain(worker)
        ? await worker.perform(run.job.args as never, run as never)
        : await performRun(run, {
          worker,
          hooks: this.hooks,
          clock: this.#options.clock,
          restartTimers: () => this.#setTimers(run, worker),
        });
      if (run.settled) return;
      this.#settle(
        run,
        returned(run, { ...this.#context(run), worker, value }),
      );
    } catch (error) {
      if (run.settled) return;
      // What a run throws once it was told to stop says nothing about the job.
      if (run.aborted !== null) return this.#interrupted(run);
      this.#fail(run, worker, { kind: "failed", error });
    }
  }

  /**
   * A run that was told to stop and did. Its job goes back; when it was taken
   * from us the answer is `lost`, which is recorded.
   */
  #interrupted(run: Run): void {
    this.#settle(run, givenBack(run, this.#context(run)));
  }

  #fail(
    run: Run,
    worker: AnyWorker,
    failure: { kind: "failed" | "timed_out"; error: unknown },
  ): void {
    const context = { ...this.#context(run), worker };
    this.#settle(run, failed(run, { ...context, ...failure }), failure.error);
  }

  /** Most runs have neither timeout nor deadline, and cost no timer. */
  #setTimers(run: Run, worker: AnyWorker): "expired" | "running" {
    if (run.job.deadlineInMs === null && worker.timeoutMs === null) {
      return "running";
    }
    const answer = setTimers(run, {
      worker,
      clock: this.#options.clock,
      onExpired: () => this.#expire(run),
      onTimedOut: () => this.#timeOut(run, worker),
    });
    if (answer === "expired") {
      run.abort("deadline");
      this.#settle(run, expired(run, this.#context(run)));
    }
    return answer;
  }

  #expire(run: Run): void {
    if (run.settled) return;
    run.abort("deadline");
    this.#settle(run, expired(run, this.#context(run)));
    this.#letGo(run);
  }

  #timeOut(run: Run, worker: AnyWorker): void {
    if (run.settled) return;
    run.abort("timeout");
    this.#fail(run, worker, { kind: "timed_out", error: timeoutError(worker) });
    this.#letGo(run);
  }

  #letGo(run: Run): void {
    run.overstays = true;
    this.#overstaying += 1;
    this.#tellIfIdle();
  }

  #settle(run: Run, settlement: Settlement, error?: unknown): void {
    const { result, end, note } = settlement;
    run.settled = true;
    run.stopTimers();
    if (result.to === "available") this.givenBack += 1;
    this.#options.onResult(
      note === undefined ? result : this.hooks.after(run, { note, result }),
    );
    this.#options.onEvent({
      type: "run_ended",
      worker: run.worker,
      queue: run.queue,
      end,
      attempt: run.attempt,
      tookMs: result.tookMs,
      ...(error !== undefined && { error }),
    });
  }

  #context(run: Run) {
    const { clock, random, onEvent } = this.#options;
    const tookMs = run.startedMs === null
      ? 0
      : clock.monotonicMs() - run.startedMs - run.pausedMs;
    return { tookMs, random, onEvent };
  }

  #tellIfIdle(): void {
    if (this.isIdle) this.#idle.release();
  }
}
