import type { JobId } from "../domain/job.ts";

/** Args as they are stored: a JSON object. */
export type JsonObject = { readonly [key: string]: unknown };

/** What a run is told about itself. */
export interface RunContext<Values extends object = object> {
  readonly jobId: JobId;
  /** Counted from 1. */
  readonly attempt: number;
  readonly maxAttempts: number;
  readonly queue: string;
  readonly worker: string;
  readonly meta: JsonObject;
  readonly tags: readonly string[];
  readonly priority: number;
  readonly insertedAt: Date;
  /**
   * Says that nobody waits for this run any more; its `reason` is an
   * `AbortReason`, whose `kind` says why.
   */
  readonly signal: AbortSignal;
  /** What the middleware around it gave to `next`, such as a transaction. */
  readonly values: Values;
}

/** A run as hooks and middleware see it: with its args. */
export interface RunWithArgs<Args = unknown> extends RunContext {
  /** As its worker's schema reads them. */
  readonly args: Args;
}
