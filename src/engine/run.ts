import { type JobId, jobInsertedAt } from "../domain/job.ts";
import type { ClaimedJob } from "../store/leases.ts";
import { type AbortKind, AbortReason } from "./abort_reason.ts";
import type { AnyHooks } from "./hooks.ts";
import type { WrappedRun } from "./middleware.ts";
import type { JsonObject } from "./run_context.ts";

const NO_VALUES: object = Object.freeze({});

/**
 * One attempt of one job in this process, and what its `perform` is told. There
 * may be tens of thousands a second, so what few ask for is made when asked.
 */
export class Run implements WrappedRun {
  readonly job: ClaimedJob;
  /** When this process learned of it, on its own clock. */
  readonly claimedMs: number;
  startedMs: number | null = null;
  /** How long its `onStart` took, which counts neither as run nor as delay. */
  pausedMs = 0;
  /** Once they were read. */
  args: unknown = undefined;
  /** Who is told of it, from then on. */
  hooks: AnyHooks | null = null;
  values: object = NO_VALUES;
  /** Of a worker that chooses it for each run, once its args were read. */
  timeoutMs: number | null = null;
  /** Its result is on the way; what it does from now on changes nothing. */
  settled = false;
  aborted: AbortKind | null = null;
  /** It was given up and still runs: it keeps its slot, and nobody waits. */
  overstays = false;
  #controller: AbortController | null = null;
  #stopTimers: (() => void)[] | null = null;

  constructor(job: ClaimedJob, claimedMs: number) {
    this.job = job;
    this.claimedMs = claimedMs;
  }

  /** Since when it waits for a slot, on the same clock. */
  get waitsSinceMs(): number {
    return this.claimedMs;
  }

  get jobId(): JobId {
    return this.job.jobId;
  }
  get attempt(): number {
    return this.job.attempt;
  }
  get maxAttempts(): number {
    return this.job.maxAttempts;
  }
  get queue(): string {
    return this.job.queue;
  }
  get worker(): string {
    return this.job.worker;
  }
  get meta(): JsonObject {
    return this.job.meta;
  }
  get tags(): readonly string[] {
    return this.job.tags;
  }
  get priority(): number {
    return this.job.priority;
  }
  get insertedAt(): Date {
    return jobInsertedAt(this.job.jobId);
  }
  get signal(): AbortSignal {
    this.#controller ??= new AbortController();
    if (this.aborted !== null && !this.#controller.signal.aborted) {
      this.#controller.abort(new AbortReason(this.aborted));
    }
    return this.#controller.signal;
  }

  /** Tells the run that nobody waits for it; the first reason stays. */
  abort(kind: AbortKind): void {
    if (this.aborted !== null) return;
    this.aborted = kind;
    this.#controller?.abort(new AbortReason(kind));
  }

  /** A timer that ends with the run. */
  addTimer(stop: () => void): void {
    (this.#stopTimers ??= []).push(stop);
  }

  stopTimers(): void {
    if (this.#stopTimers === null) return;
    for (const stop of this.#stopTimers) stop();
    this.#stopTimers = null;
  }
}
