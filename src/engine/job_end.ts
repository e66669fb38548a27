import { assert } from "../assert.ts";
import { isWhole } from "../domain/job.ts";
import type { AttemptEventKind } from "../domain/state.ts";
import type { FoundEnd } from "../store/job_ends.ts";
import type { JobOutput, JobRef, OutputOf } from "./job_output.ts";
import type { AnyWorker } from "./worker.ts";

/** How a job ended, or why nobody waits for it any more. */
export type JobEnd<Output = unknown> =
  | {
    readonly status: "completed";
    readonly attempt: number;
    readonly finishedAt: Date;
    /** What it left; `none` also when that has expired. */
    readonly output: JobOutput<Output>;
  }
  | {
    readonly status: "cancelled" | "discarded";
    readonly attempt: number;
    readonly finishedAt: Date;
    readonly why: EndReason;
    /** Of the error, or the reason that the run gave, if there is one. */
    readonly message: string | null;
  }
  /** It had not ended when the time was over: it goes on. */
  | { readonly status: "timed_out" }
  /** This process stopped before: the job goes on. */
  | { readonly status: "stopped" }
  /** There is no record of it, or it is another worker's. */
  | { readonly status: "unknown_job" };

/**
 * What ended a job that did not complete: its last attempt `failed` or
 * `timed_out`, or was `rescued` from a missing executor; its deadline passed
 * (`expired`); its run, or somebody, said so (`cancelled`, `discarded`).
 */
export type EndReason =
  | "failed"
  | "timed_out"
  | "rescued"
  | "expired"
  | "cancelled"
  | "discarded";

/** How long is waited. */
export interface AwaitOptions {
  /** Ends the waiting: the promise rejects with its reason. */
  readonly signal?: AbortSignal;
  /** Milliseconds from 1 to a day; 60,000 when left out. */
  readonly timeoutMs?: number;
}

/** Waits for the end of a job. With its worker, its output has its type. */
export interface AwaitJob {
  (job: JobRef, options?: AwaitOptions): Promise<JobEnd>;
  <W extends AnyWorker>(
    worker: W,
    job: JobRef,
    options?: AwaitOptions,
  ): Promise<JobEnd<OutputOf<W>>>;
}

const TIMEOUT_MS = 60_000;
const TIMEOUT_MS_MAX = 24 * 60 * 60 * 1_000;

/**
 * How long is waited, if the call says nothing.
 *
 * @throws {TypeError} If it is out of bounds.
 */
export function timeoutOf({ timeoutMs = TIMEOUT_MS }: AwaitOptions): number {
  assert(
    isWhole(timeoutMs, { least: 1, most: TIMEOUT_MS_MAX }),
    "timeoutMs of awaitJob() is whole milliseconds from 1 to a day",
  );
  return timeoutMs;
}

/** An output that an attempt left, as it is told. */
export interface OutputOfAttempt {
  readonly attempt: number;
  readonly told: JobOutput;
}

/** What those who wait are told. */
export function toJobEnd(
  found: FoundEnd,
  output: OutputOfAttempt | undefined,
): JobEnd {
  if (found.state === null) return { status: "unknown_job" };
  const { state, attempt, finishedAt, message } = found;
  if (state === "completed") {
    return { status: state, attempt, finishedAt, output: told(found, output) };
  }
  const why = REASONS[found.kind ?? state] ?? state;
  return { status: state, attempt, finishedAt, why, message };
}

/** Of an attempt that the outcome is not of, nothing is told. */
function told(
  { attempt, outputBytes }: Extract<FoundEnd, { state: string }>,
  output: OutputOfAttempt | undefined,
): JobOutput {
  if (output?.attempt === attempt) return output.told;
  const why = outputBytes === null ? "not_recorded" : "expired";
  return { status: "none", why };
}

const REASONS: Readonly<Partial<Record<AttemptEventKind, EndReason>>> = {
  failed: "failed",
  timed_out: "timed_out",
  rescued: "rescued",
  expired: "expired",
  cancelled: "cancelled",
  discarded: "discarded",
};
