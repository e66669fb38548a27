import { assert } from "../assert.ts";
import { overlap } from "../domain/secret_paths.ts";
import { type ChunkOptions, type ChunkRule, chunkRule } from "./chunk_rule.ts";
import type { AnyWorker } from "./any_worker.ts";
import type { WithoutRedacted } from "./redacted_args.ts";
import type { RunWithArgs } from "./run_context.ts";
import type { StandardSchema } from "./standard_schema.ts";
import type { Verdict } from "./verdict.ts";
import {
  defineWorker,
  type JsonObject,
  type Worker,
  type WorkerDefinition,
} from "./worker.ts";

/**
 * One job of a chunk. Its `signal` is its own: it aborts when this job is
 * cancelled, and says nothing about the others.
 */
export type ChunkJob<Args = unknown> = RunWithArgs<Args>;

/** Names a job of the chunk: the job itself, or anything with its id. */
export type ChunkJobRef = Pick<ChunkJob, "jobId">;

/**
 * What one call is told, and what it answers with. An answer holds from the
 * moment it is given, whatever the call comes to afterwards: give it once the
 * work of that job is done, and only once. What became of a job otherwise, by a
 * timeout or an operator, is not changed by an answer that comes too late.
 */
export interface ChunkContext<Output = unknown> {
  /** The name of the worker. */
  readonly worker: string;
  /** The one of all jobs of the call. */
  readonly queue: string;
  /**
   * Says that nobody waits for any job of this call any more: all of them are
   * cancelled or lost, the call took too long, or the process stops. Its
   * `reason` is an `AbortReason`.
   */
  readonly signal: AbortSignal;
  /** This job is done. `output` is what `perform` of one job would return. */
  readonly complete: (job: ChunkJobRef, output?: Output) => void;
  /** The attempt of this job failed, as if `perform` had thrown `error`. */
  readonly fail: (job: ChunkJobRef, error: unknown) => void;
  /** How this job goes on: `snooze()`, `cancel()` or `discard()`. */
  readonly decide: (job: ChunkJobRef, verdict: Verdict) => void;
}

/** What a call may return: how the jobs go on that it gave no answer. */
export type ChunkAnswer = Verdict | undefined | void;

/** The code that does many jobs in one call, and how they are treated. */
export interface ChunkWorkerDefinition<
  Input,
  Parsed,
  Output,
  Redacted extends string = string,
> extends
  Omit<
    WorkerDefinition<Input, Parsed, Output, readonly object[], Redacted>,
    "perform" | "middleware" | "timeoutMs"
  > {
  /** Which jobs share a call. */
  readonly chunk: ChunkOptions;
  /**
   * Does the jobs, from the first by priority and age to the last. Those without
   * an answer of their own are completed when it returns nothing, go on as the
   * verdict says that it returns, and have failed when it throws.
   */
  readonly perform: (
    jobs: readonly ChunkJob<WithoutRedacted<Parsed, Redacted>>[],
    chunk: ChunkContext<Output>,
  ) => ChunkAnswer | Promise<ChunkAnswer>;
  /**
   * Of the call. When it takes longer, the attempts of all jobs have failed that
   * have no answer; its signal aborts, and its slot stays taken until it settles.
   */
  readonly timeoutMs?: number;
}

/**
 * Defines a worker that does many jobs in one call. Everything else is as with
 * `defineWorker()`, job by job: attempts, backoff, deadline, hooks, output,
 * limiters, versions of args. There is no middleware around a call.
 *
 * @throws {TypeError} If a name or a number is out of bounds.
 *
 * @example
 * ```ts
 * import { defineChunkWorker } from "@yardmaster/yardmaster";
 * import { z } from "zod";
 *
 * const index = defineChunkWorker({
 *   name: "index_documents",
 *   args: z.object({ tenant: z.string(), id: z.string() }),
 *   chunk: { size: 100, waitMs: 500, by: ["tenant"] },
 *   perform(jobs, chunk) {
 *     for (const job of jobs) {
 *       if (job.args.id === "") chunk.fail(job, new Error("It has no id"));
 *     }
 *   },
 * });
 * ```
 */
export function defineChunkWorker<
  Input,
  Parsed,
  Output = unknown,
  const Redacted extends string = never,
>(
  definition: ChunkWorkerDefinition<Input, Parsed, Output, Redacted> & {
    readonly args: StandardSchema<Input, Parsed>;
  },
): Worker<Input, Output>;
/** Without a schema nothing is checked, and the types are those of `perform`. */
export function defineChunkWorker<Args = JsonObject, Output = unknown>(
  definition: ChunkWorkerDefinition<Args, Args, Output>,
): Worker<Args, Output>;
export function defineChunkWorker<Input, Parsed, Output>(
  definition: ChunkWorkerDefinition<Input, Parsed, Output>,
): Worker<Input, Output> {
  const { chunk, perform, ...rest } = definition;
  const { name } = definition;
  assert(
    !("middleware" in rest),
    `${name} does many jobs in one call, and middleware is around one: call ` +
      `what you need in perform`,
  );
  assert(
    typeof (definition.timeoutMs ?? 0) === "number",
    `timeoutMs of ${name} is a number: its jobs share one call`,
  );
  // The call has other parameters, and whoever performs it knows by its rule.
  const worker: AnyWorker = defineWorker({ ...rest, perform } as never);
  const rule = chunkRule(chunk, name);
  checkSecrets(worker, rule);
  return { ...worker, chunk: rule };
}

/** What parts the chunks is read before anything is decrypted. */
function checkSecrets({ name, secrets }: AnyWorker, { by }: ChunkRule): void {
  if (secrets === null) return;
  const { redact, encrypt } = secrets;
  for (const path of by) {
    const isHit = (other: string) => overlap(path, other);
    const needs = `of ${name} hides ${path}, and chunk.by needs to read it`;
    assert(!redact.some(isHit), `redact ${needs}`);
    assert(encrypt !== true && !encrypt.some(isHit), `encrypt ${needs}`);
  }
}
