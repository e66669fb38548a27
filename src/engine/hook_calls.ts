import type { HookName, HookOutcome, OnEvent } from "../events.ts";
import type { Acknowledgement } from "../store/outcomes.ts";
import type { EndedRun } from "./ended_run.ts";
import type { Clock } from "./clock.ts";
import type { HookedRun, HookNote } from "./hooks.ts";
import { Waiters } from "./waiters.ts";

/** What {@linkcode HookCalls} needs. */
export interface HookCallsOptions {
  readonly clock: Clock;
  readonly onEvent: OnEvent;
  /** There are few enough hooks again. */
  readonly onRoom: () => void;
}

/** Nobody waits longer for a hook. */
export const HOOK_MS_MAX = 5_000;
/** So many hooks run at a time. */
const AT_A_TIME_MAX = 1_000;
/** With so many open no run begins: more than ends that are unwritten. */
const OPEN_MAX = 8_000;

interface Call {
  readonly worker: string;
  readonly hook: HookName;
  readonly invoke: () => unknown;
}

/**
 * Calls hooks so that nothing they do reaches the job: a hook may throw, never
 * end, or reject when nobody waits any more.
 *
 * Those after a run are called when its end is written. By then it can not
 * change, not even by a hook that takes the whole process down; the price is
 * that a process which dies in between has called no hook.
 */
export class HookCalls {
  readonly #options: HookCallsOptions;
  #waiting: Call[] = [];
  #underWay = 0;
  /** Under way, waiting, or due once an end is written. */
  #open = 0;
  readonly #idle = new Waiters();

  constructor(options: HookCallsOptions) {
    this.#options = options;
  }

  /** No run should begin before some hooks have ended. */
  get full(): boolean {
    return this.#open >= OPEN_MAX;
  }

  get isIdle(): boolean {
    return this.#open === 0;
  }

  /** Resolves when no hook is under way, nor due. */
  idle(): Promise<void> {
    return this.isIdle ? Promise.resolve() : this.#idle.wait();
  }

  /** @returns What to wait for before the run goes on, if there is anything. */
  start(run: HookedRun): Promise<void> | null {
    const onStart = run.hooks?.onStart;
    if (onStart === undefined) return null;
    return this.#call({
      worker: run.worker,
      hook: "onStart",
      invoke: () => onStart(run as never, undefined as never),
    });
  }

  /**
   * Prepares a hook for when the end of its run is written.
   *
   * @returns The result, with what is to be called then.
   */
  after(
    run: HookedRun,
    { note, result }: { readonly note: HookNote; readonly result: EndedRun },
  ): EndedRun {
    const { hook, event } = note;
    const invoke = run.hooks?.[hook];
    if (invoke === undefined) return result;
    this.#open += 1;
    const onAnswer = (answer: Acknowledgement) => {
      // Somebody else decided how the job goes on.
      if (answer === "lost") return this.#close();
      this.#waiting.push({
        worker: run.worker,
        hook,
        invoke: () => invoke(run as never, event as never),
      });
      this.#next();
    };
    return { ...result, onAnswer };
  }

  /** Calls no hook any more that has not begun. */
  drop(): void {
    const dropped = this.#waiting;
    this.#waiting = [];
    for (const call of dropped) {
      this.#tell(call, { outcome: "dropped", tookMs: 0 });
      this.#close();
    }
  }

  #next(): void {
    while (this.#underWay < AT_A_TIME_MAX) {
      const call = this.#waiting.shift();
      if (call === undefined) return;
      const ending = this.#call(call);
      if (ending === null) {
        this.#close();
        continue;
      }
      this.#underWay += 1;
      void ending.then(() => {
        this.#underWay -= 1;
        this.#close();
        this.#next();
      });
    }
  }

  #close(): void {
    const wasFull = this.full;
    this.#open -= 1;
    if (wasFull && !this.full) this.#options.onRoom();
    if (this.isIdle) this.#idle.release();
  }

  /** Calls a hook. Never throws; what it returns never rejects. */
  #call(call: Call): Promise<void> | null {
    const { clock } = this.#options;
    const beganMs = clock.monotonicMs();
    const tell = (outcome: HookOutcome, error?: unknown) =>
      this.#tell(call, {
        outcome,
        tookMs: clock.monotonicMs() - beganMs,
        ...(outcome === "ok" ? {} : { error }),
      });
    try {
      const answer = call.invoke();
      if (typeof answer !== "object" || answer === null) {
        tell("ok");
        return null;
      }
      return this.#bounded(Promise.resolve(answer), tell);
    } catch (error) {
      tell("threw", error);
      return null;
    }
  }

  /** Waits for a hook, but not for ever. What comes later is ignored. */
  #bounded(
    ending: Promise<unknown>,
    tell: (outcome: HookOutcome, error?: unknown) => void,
  ): Promise<void> {
    const { clock } = this.#options;
    return new Promise((resolve) => {
      let isOver = false;
      const over = (outcome: HookOutcome, error?: unknown) => {
        if (isOver) return;
        isOver = true;
        stop();
        tell(outcome, error);
        resolve();
      };
      const stop = clock.after(
        HOOK_MS_MAX,
        () => over("timed_out", tooLong()),
      );
      ending.then(() => over("ok"), (error) => over("threw", error));
    });
  }

  #tell(
    { worker, hook }: Call,
    facts: {
      readonly outcome: HookOutcome;
      readonly tookMs: number;
      readonly error?: unknown;
    },
  ): void {
    this.#options.onEvent({ type: "hook_ran", worker, hook, ...facts });
  }
}

function tooLong(): Error {
  const error = new Error(`The hook took longer than ${HOOK_MS_MAX} ms`);
  error.name = "TimeoutError";
  return error;
}
