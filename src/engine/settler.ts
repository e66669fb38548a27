import type { OnEvent } from "../events.ts";
import { setTimers, timeoutError } from "./attempt.ts";
import type { Clock } from "./clock.ts";
import type { EndedRun } from "./ended_run.ts";
import type { HookCalls } from "./hook_calls.ts";
import { NewerArgs } from "./newer_args.ts";
import type { Run } from "./run.ts";
import {
  expired,
  failed,
  givenBack,
  type ResultContext,
  returned,
  type Settlement,
} from "./run_result.ts";
import { UnknownKeys } from "./unknown_keys.ts";
import type { AnyWorker } from "./worker.ts";

/** What the settler needs. */
export interface SettlerOptions {
  readonly clock: Clock;
  readonly random: () => number;
  readonly onEvent: OnEvent;
  readonly onResult: (result: EndedRun) => void;
  readonly hooks: HookCalls;
  /** Nobody waits for this run any more, and it still runs. */
  readonly onLetGo: (run: Run) => void;
}

/** Why an attempt failed. */
export interface Failure {
  readonly worker: AnyWorker;
  readonly kind: "failed" | "timed_out";
  readonly error: unknown;
}

/** Says what became of each run, once: to the database, hooks and telemetry. */
export class Settler {
  readonly #options: SettlerOptions;
  readonly #newerArgs: NewerArgs;
  readonly #unknownKeys: UnknownKeys;
  /** Jobs that went back without burning an attempt, since this process began. */
  givenBack = 0;

  constructor(options: SettlerOptions) {
    this.#options = options;
    this.#newerArgs = new NewerArgs(options.clock);
    this.#unknownKeys = new UnknownKeys(options.clock);
  }

  /** A run that returned, if it is still waited for. */
  end(
    run: Run,
    { worker, value }: {
      readonly worker: AnyWorker;
      readonly value: unknown;
    },
  ): void {
    if (run.settled) return;
    this.#settle(
      run,
      returned(run, { ...this.#context(run), worker, value }),
    );
  }

  /** A run whose attempt failed. */
  fail(run: Run, failure: Failure): void {
    const context = { ...this.#context(run), ...failure };
    this.#settle(run, failed(run, context), failure.error);
  }

  /**
   * A run that was told to stop and did, or did not begin. Its job goes back;
   * when it was taken from us the answer is `lost`, which is recorded.
   */
  giveBack(run: Run): void {
    this.#settle(run, givenBack(run, this.#context(run)));
  }

  /** A run whose args are newer than its worker. */
  turnAway(run: Run, worker: AnyWorker): void {
    const context = { ...this.#context(run), worker };
    this.#settle(run, this.#newerArgs.settle(run, context));
  }

  /** A run whose args are encrypted with a key that is not known here. */
  turnAwaySealed(run: Run, key: string): void {
    const context = { ...this.#context(run), key };
    this.#settle(run, this.#unknownKeys.settle(run, context));
  }

  /** Gives up a run, whatever it still does. */
  letGo(run: Run): void {
    this.#options.onLetGo(run);
  }

  /** Most runs have neither timeout nor deadline, and cost no timer. */
  setTimers(run: Run, worker: AnyWorker): "expired" | "running" {
    if (run.job.deadlineInMs === null && worker.timeoutMs === null) {
      return "running";
    }
    const answer = setTimers(run, {
      worker,
      clock: this.#options.clock,
      onExpired: () => this.#expire(run),
      onTimedOut: () => this.#timeOut(run, worker),
    });
    if (answer === "expired") this.expire(run);
    return answer;
  }

  /** A run whose deadline has passed. */
  expire(run: Run): void {
    run.abort("deadline");
    this.#settle(run, expired(run, this.#context(run)));
  }

  #expire(run: Run): void {
    if (run.settled) return;
    this.expire(run);
    this.letGo(run);
  }

  #timeOut(run: Run, worker: AnyWorker): void {
    if (run.settled) return;
    run.abort("timeout");
    const error = timeoutError(run, worker);
    this.fail(run, { worker, kind: "timed_out", error });
    this.letGo(run);
  }

  #settle(run: Run, settlement: Settlement, error?: unknown): void {
    const { result, end, note } = settlement;
    const { onResult, onEvent, hooks } = this.#options;
    run.settled = true;
    run.stopTimers();
    if (result.to === "available") this.givenBack += 1;
    onResult(note === undefined ? result : hooks.after(run, { note, result }));
    onEvent({
      type: "run_ended",
      worker: run.worker,
      queue: run.queue,
      end,
      attempt: run.attempt,
      tookMs: result.tookMs,
      ...(error !== undefined && { error }),
    });
  }

  #context(run: Run): ResultContext {
    const { clock, random, onEvent } = this.#options;
    const tookMs = run.startedMs === null
      ? 0
      : clock.monotonicMs() - run.startedMs - run.pausedMs;
    return { tookMs, random, onEvent };
  }
}
