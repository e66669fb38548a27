import { assert } from "../assert.ts";
import type { HookName } from "../events.ts";
import type { RunWithArgs } from "./run_context.ts";

/** An attempt did its work. */
export interface SuccessEvent<Output = unknown> {
  /** Tells the events apart. */
  readonly state: "success";
  /** What the run came to, recorded or not. */
  readonly value: Output;
}

/** An attempt failed, and the job waits for another. */
export interface FailureEvent {
  /** Tells the events apart. */
  readonly state: "failure";
  /** The job goes on: there will be another attempt. */
  readonly terminal: false;
  /** It threw, or took longer than its timeout. */
  readonly kind: "failed" | "timed_out";
  /** What was thrown, as it is. */
  readonly error: unknown;
  /** Until the next attempt is due, in milliseconds. */
  readonly retryInMs: number;
}

/** No attempt is left, or none can help. */
export interface DiscardEvent {
  /** Tells the events apart. */
  readonly state: "discard";
  /** The job has ended. */
  readonly terminal: true;
  /** `discarded`: the run said so itself. */
  readonly kind: "failed" | "timed_out" | "discarded";
  /** Of an attempt that failed. */
  readonly error?: unknown;
  /** As the run gave it. */
  readonly reason?: string;
}

/**
 * What a worker wants to be told of its runs. A hook decides nothing: what it
 * returns is ignored, what it throws is told to telemetry, and after five
 * seconds nobody waits for it any more.
 */
export interface WorkerHooks<Args = unknown, Output = unknown> {
  /**
   * Called before `perform`, which waits for it. Neither the timeout nor the
   * deadline runs meanwhile.
   */
  readonly onStart?: (run: RunWithArgs<Args>) => unknown;
  /** Called once the job is completed, with its output recorded. */
  readonly onSuccess?: (
    run: RunWithArgs<Args>,
    event: SuccessEvent<Output>,
  ) => unknown;
  /** Called once a failed attempt is recorded, and the job waits for another. */
  readonly onFailure?: (run: RunWithArgs<Args>, event: FailureEvent) => unknown;
  /**
   * Called once the job is discarded, by its run or after its last attempt. Then
   * `onFailure` is not.
   */
  readonly onDiscard?: (run: RunWithArgs<Args>, event: DiscardEvent) => unknown;
}

/** A hook that is due once the end of a run is written. */
export type HookNote =
  | { readonly hook: "onSuccess"; readonly event: SuccessEvent }
  | { readonly hook: "onFailure"; readonly event: FailureEvent }
  | { readonly hook: "onDiscard"; readonly event: DiscardEvent };

/** The hooks of any worker. */
export type AnyHooks = {
  readonly [Name in keyof WorkerHooks]?: (run: never, event: never) => unknown;
};

const HOOK_NAMES = ["onStart", "onSuccess", "onFailure", "onDiscard"] as const;

/**
 * The hooks of a definition, or `null` if it has none.
 *
 * @throws {TypeError} If one is no function.
 */
export function hooksOf(
  definition: AnyHooks & { readonly name: string },
): AnyHooks | null {
  const hooks: { [Name in HookName]?: (run: never, event: never) => unknown } =
    {};
  for (const name of HOOK_NAMES) {
    const hook = definition[name];
    if (hook === undefined) continue;
    assert(
      typeof hook === "function",
      `${name} of ${definition.name} is a function`,
    );
    hooks[name] = hook;
  }
  return Object.keys(hooks).length === 0 ? null : hooks;
}

/** A run, and the hooks of its worker. */
export interface HookedRun extends RunWithArgs {
  readonly hooks: AnyHooks | null;
}
