import type { JobId } from "../domain/job.ts";

/** Args as they are stored: a JSON object. */
export type JsonObject = { readonly [key: string]: unknown };

/** What a run is told about itself. */
export interface RunContext<Values extends object = object> {
  /** The job, as digits: good as a key for what must happen once. */
  readonly jobId: JobId;
  /** Counted from 1. */
  readonly attempt: number;
  /** When `attempt` has come to this, a failure discards the job. */
  readonly maxAttempts: number;
  /** Where the job waited. */
  readonly queue: string;
  /** The name of its worker. */
  readonly worker: string;
  /** The notes of whoever enqueued it, such as the id of a request. */
  readonly meta: JsonObject;
  /** Those of its worker and of the call. */
  readonly tags: readonly string[];
  /** 0 (first) to 9. */
  readonly priority: number;
  /** When it was enqueued, by the clock of the database. */
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
