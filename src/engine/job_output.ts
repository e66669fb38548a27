import type { Database } from "../db/database.ts";
import { type JobId, parseJobId } from "../domain/job.ts";
import type { JsonOf } from "../domain/output.ts";
import { isSealedOutput } from "../domain/sealed_output.ts";
import { DecryptionError } from "../errors.ts";
import { findOutput, type KeptOutput } from "../store/outputs.ts";
import { Sealer } from "./sealer.ts";
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
    /** Of its JSON text in UTF-8, before it was encrypted. */
    readonly bytes: number;
    readonly recordedAt: Date;
    readonly expiresAt: Date;
  }
  | {
    readonly status: "none";
    readonly why: NoOutput;
    /** The id of the key that encrypted what can not be read here. */
    readonly key?: string;
  };

/**
 * Why there is no output:
 *
 * - `unknown_job`: there is no record of such a job, or it is another worker's.
 * - `not_ended`: it waits or runs.
 * - `not_recorded`: it did not complete, its worker keeps none, its run returned
 *   nothing, or something that can not be kept.
 * - `expired`: there was one, and its time is over.
 * - `key_unknown`: there is one, and it is encrypted with a key that this process
 *   does not have.
 * - `decryption_failed`: there is one that is not what was encrypted for this
 *   attempt of this job, or the key is another one of that name.
 */
export type NoOutput =
  | "unknown_job"
  | "not_ended"
  | "not_recorded"
  | "expired"
  | "key_unknown"
  | "decryption_failed";

/** Reads the output of a job. With its worker, the output has its type. */
export interface ReadOutput {
  (job: JobRef): Promise<JobOutput>;
  <W extends AnyWorker>(
    worker: W,
    job: JobRef,
  ): Promise<JobOutput<OutputOf<W>>>;
}

/** Reads outputs from a database, also encrypted ones with the sealer's keys. */
export function outputReader(db: Database, sealer?: Sealer): ReadOutput {
  return ((first: AnyWorker | JobRef, second?: JobRef) =>
    isWorker(first)
      ? readOutput(db, { worker: first, job: second, sealer })
      : readOutput(db, { job: first, sealer })) as ReadOutput;
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
  { job, worker, sealer = new Sealer() }: {
    readonly job: JobRef | undefined;
    readonly worker?: AnyWorker;
    readonly sealer?: Sealer | undefined;
  },
): Promise<JobOutput> {
  const jobId = jobIdOf(job);
  if (jobId === null) return { status: "none", why: "unknown_job" };
  const found = await findOutput(db, jobId);
  const isOther = worker !== undefined && found.worker !== null &&
    found.worker !== worker.name;
  if (isOther) return { status: "none", why: "unknown_job" };
  if (found.kept !== null) return await opened(found.kept, { jobId, sealer });
  if (found.expired) return { status: "none", why: "expired" };
  if (found.worker === null) return { status: "none", why: "unknown_job" };
  return { status: "none", why: found.ended ? "not_recorded" : "not_ended" };
}

/** An output as it is told. That it can not be decrypted is told as well. */
export async function opened(
  { output, attempt, bytes, recordedAt, expiresAt }: KeptOutput,
  { jobId, sealer }: { readonly jobId: JobId; readonly sealer: Sealer },
): Promise<JobOutput> {
  const facts = { attempt, bytes, recordedAt, expiresAt };
  if (!isSealedOutput(output)) return { status: "found", output, ...facts };
  try {
    const value = await sealer.openOutput(output, { jobId, attempt });
    return { status: "found", output: value, ...facts };
  } catch (error) {
    if (!(error instanceof DecryptionError)) throw error;
    const { key, code } = error;
    const isUnknown = code === "encryption_key_unknown";
    const why = isUnknown ? "key_unknown" : "decryption_failed";
    return { status: "none", why, ...(key !== "" && { key }) };
  }
}
