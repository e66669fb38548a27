import type { Database } from "../db/database.ts";
import type { JobId } from "../domain/job.ts";
import type { Notice } from "../store/notices.ts";
import type { EnqueueInputs, EnqueueResult } from "./enqueue.ts";
import type { EnqueueOptions } from "./enqueue_options.ts";
import type { AwaitJob } from "./job_end.ts";
import type { TickOptions, TickReport } from "./tick.ts";
import type { AnyWorker, Worker } from "./worker.ts";

/** Runs jobs, and takes them in. */
export interface Engine {
  /** Of this process; `null` while it runs nothing. */
  readonly executorId: number | null;
  /**
   * Starts to run jobs, until {@linkcode Engine.stop}.
   *
   * @throws What the database throws, when it can not be reached now. Later it
   * may come and go.
   */
  start(): Promise<void>;
  /**
   * Stops: claims nothing any more, lets runs end for `graceMs` (15 s), then
   * gives them back without burning an attempt.
   */
  stop(options?: { readonly graceMs?: number }): Promise<void>;
  /**
   * Does everything once that a started engine does all the time, for hosts with
   * no process of their own. Only while it is not started. A call that comes
   * while another is under way joins it, and is told what that one did.
   */
  tick(options: TickOptions): Promise<TickReport>;
  /** Enqueues a job. The types are those of the worker. */
  enqueue<Input>(
    worker: Worker<Input, unknown>,
    args: Input,
    options?: EnqueueOptions,
  ): Promise<EnqueueResult>;
  /** Enqueues many, in one statement for each 10,000; one answer for each. */
  enqueueMany<const Workers extends readonly AnyWorker[]>(
    inputs: EnqueueInputs<Workers>,
    options?: { readonly database?: Database },
  ): Promise<EnqueueResult[]>;
  /** Waits for the end of a job, wherever it runs. */
  readonly awaitJob: AwaitJob;
  /**
   * Cancels a job wherever it waits or runs.
   *
   * @returns False if it has ended already, or does not exist.
   */
  cancel(jobId: JobId): Promise<boolean>;
  /** Passes a hint on, to this process and to the others. */
  notify(notice: Notice): void;
}
