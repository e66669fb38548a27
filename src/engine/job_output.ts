import type { Database } from "../db/database.ts";
import { type JobId, parseJobId } from "../domain/job.ts";
import type { JsonOf } from "../domain/output.ts";
import { findOutput } from "../store/outputs.ts";
import type { Verdict } from "./verdict.ts";
import type { AnyWorker, Worker } from "./worker.ts";

/** A job, by its id or as an enqueue answered it. */
export type JobRef = JobId | { readonly id: JobId };

/** What a run of a worker leaves, as it comes back from the database. */
export type OutputOf<W> = W extends Worker<infer _, infer Output>
  ? JsonOf<Exclude<Output, Verdict | void>>
  : never;

/** The recorded output of a job, or why there is none. */
export type JobOutput<Output = unknown> =
  | {
    readonly status: "found";
    readonly output: Output;
    /** The attempt that returned it. */
    readonly attempt: number;
    /** Of its JSON text in UTF-8. */
    readonly bytes: number;
    readonly recordedAt: Date;
    readonly expiresAt: Date;
  }
  | { readonly status: "none"; readonly why: NoOutput };

/**
 * Why there is no output:
 *
 * - `unknown_job`: there is no record of such a job, or it is another worker's.
 * - `not_ended`: it waits or runs.
 * - `not_recorded`: it did not complete, its worker keeps none, its run returned
 *   nothing, or something that can not be kept.
 * - `expired`: there was one, and its time is over.
 */
export type NoOutput = "unknown_job" | "not_ended" | "not_recorded" | "expired";

/** Reads the output of a job. With its worker, the output has its type. */
export interface ReadOutput {
  (job: JobRef): Promise<JobOutput>;
  <W extends AnyWorker>(
    worker: W,
    job: JobRef,
  ): Promise<JobOutput<OutputOf<W>>>;
}

/** Reads outputs from a database. */
export function outputReader(db: Database): ReadOutput {
  return ((first: AnyWorker | JobRef, second?: JobRef) =>
    isWorker(first)
      ? readOutput(db, { worker: first, job: second })
      : readOutput(db, { job: first })) as ReadOutput;
}

/** Tells a worker from a job. */
export function isWorker(value: AnyWorker | JobRef): value is AnyWorker {
  return typeof value === "object" && value !== null && "name" in value;
}

/** The id that is meant; `null` if no job can have it. */
export function jobIdOf(job: JobRef | undefined): JobId | null {
  const id: unknown = typeof job === "string" ? job : job?.id;
  return typeof id === "string" ? parseJobId(id) : null;
}

/** Reads the recorded output of a job. */
export async function readOutput(
  db: Database,
  { job, worker }: {
    readonly job: JobRef | undefined;
    readonly worker?: AnyWorker;
  },
): Promise<JobOutput> {
  const jobId = jobIdOf(job);
  if (jobId === null) return { status: "none", why: "unknown_job" };
  const found = await findOutput(db, jobId);
  const isOther = worker !== undefined && found.worker !== null &&
    found.worker !== worker.name;
  if (isOther) return { status: "none", why: "unknown_job" };
  if (found.kept !== null) return { status: "found", ...found.kept };
  if (found.expired) return { status: "none", why: "expired" };
  if (found.worker === null) return { status: "none", why: "unknown_job" };
  return { status: "none", why: found.ended ? "not_recorded" : "not_ended" };
}
