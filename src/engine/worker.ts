import type { Backoff } from "../domain/backoff.ts";
import { JOB_BOUNDS } from "../domain/job.ts";
import type { Limiter } from "../domain/limiter.ts";
import { secretsOf } from "../domain/redaction.ts";
import type { RecordOutput } from "../domain/output.ts";
import type { IdempotentOptions } from "../domain/receipt.ts";
import type { UniqueOptions } from "../domain/unique_key.ts";
import type { AnyWorker } from "./any_worker.ts";
import { hooksOf, type WorkerHooks } from "./hooks.ts";
import type { AllOf, MiddlewareGiving } from "./middleware.ts";
import type { WithoutRedacted } from "./redacted_args.ts";
import type { JsonObject, RunContext } from "./run_context.ts";
import { outputRule } from "./kept_output.ts";
import type { StandardSchema } from "./standard_schema.ts";
import type { TimeoutMs } from "./timeout.ts";
import type { Upgrades } from "./upgrade.ts";
import type { Verdict } from "./verdict.ts";
import { checkWorker } from "./worker_checks.ts";

export type { AnyWorker } from "./any_worker.ts";
export type { JsonObject, RunContext, RunWithArgs } from "./run_context.ts";

/** The code that does a job, and how its jobs are treated. */
export interface WorkerDefinition<
  Input,
  Parsed,
  Output,
  Given extends readonly object[] = readonly object[],
  Redacted extends string = string,
> extends WorkerHooks<WithoutRedacted<Parsed, Redacted>, Output> {
  /** 1 to 128 characters. It is in the rows: renaming leaves old jobs alone. */
  readonly name: string;
  /** Where its jobs wait unless the call says otherwise; `default`. */
  readonly queue?: string;
  /** zod or any other Standard Schema. Asked at enqueue, and again at each run. */
  readonly args?: StandardSchema<Input, Parsed>;
  /**
   * Does the job. A value completes it, a {@linkcode Verdict} decides otherwise,
   * and whatever is thrown is a failed attempt.
   */
  readonly perform: (
    args: WithoutRedacted<Parsed, Redacted>,
    context: RunContext<AllOf<Given>>,
  ) => Output | Verdict | Promise<Output | Verdict>;
  /** Attempts before a job is discarded: 1 to 1,000; 20 by default. */
  readonly maxAttempts?: number;
  /** 0 (first) to 9; 0 by default. */
  readonly priority?: number;
  /** Added to those of the call; up to 50. */
  readonly tags?: readonly string[];
  /** Milliseconds to wait after a failed attempt. */
  readonly backoff?: Backoff;
  /**
   * An attempt that takes longer, in milliseconds, has failed, then and there.
   * Its signal aborts, and its slot stays taken until `perform` settles: a run
   * that ignores the signal does not make room for another. A function says it
   * for each run.
   */
  readonly timeoutMs?: TimeoutMs<Parsed>;
  /** Milliseconds from enqueue; then the job is cancelled, running or not. */
  readonly deadlineMs?: number;
  /**
   * Keeps what `perform` returned, as JSON, when the job completes. `true`: up to
   * 65,536 bytes, for 7 days. What is larger is dropped and never cut. It is
   * stored as it is, unless `encrypt` is among its options.
   */
  readonly recordOutput?: boolean | RecordOutput;
  /** When two of its jobs count as the same; never when left out. */
  readonly unique?: boolean | UniqueOptions;
  /**
   * A job that was asked for before, with the same args, is not inserted again but
   * answered with; `true` for 24 hours.
   */
  readonly idempotent?: true | IdempotentOptions;
  /** What holds its jobs back, as `defineLimiter()` made it; up to 5. */
  readonly limiters?: readonly Limiter[];
  /**
   * Of its args: 1 to 1,000; 1 when left out. Raise it when args change in a way
   * that old ones do not fit.
   */
  readonly version?: number;
  /**
   * From older versions, one step for each: `{ 1: (args) => … }` turns the args
   * of version 1 into those of version 2.
   */
  readonly upgrade?: Upgrades;
  /**
   * Paths into its args that are not stored, such as `["token", "card.number"]`:
   * checked at enqueue, and absent when it runs. Up to 50.
   */
  readonly redact?: readonly Redacted[];
  /**
   * Paths into its args that are stored encrypted, or `true` for all of them.
   * Needs the option `encryption`.
   */
  readonly encrypt?: boolean | readonly string[];
  /** What stands around `perform`, the first one outermost; 20 at most. */
  readonly middleware?: MiddlewareGiving<
    Given,
    WithoutRedacted<Parsed, Redacted>
  >;
}

declare const types: unique symbol;

/** A worker as {@linkcode defineWorker} made it. */
export interface Worker<Input = JsonObject, Output = unknown>
  extends AnyWorker {
  /**
   * Where the types are kept. There is nothing at run time.
   *
   * @internal
   */
  readonly [types]?: { readonly input: Input; readonly output: Output };
}

/** What must be given to enqueue a job of a worker. */
export type InputOf<W> = W extends Worker<infer Input, infer _> ? Input : never;

/**
 * Defines a worker, once: its types reach `enqueue` and `perform`.
 *
 * @throws {TypeError} If a name or a number is out of bounds: it is found when
 * the module loads and not when the first job fails.
 *
 * @example
 * ```ts
 * import { defineWorker } from "@yardmaster/yardmaster";
 * import { z } from "zod";
 *
 * const greet = defineWorker({
 *   name: "greet",
 *   args: z.object({ name: z.string() }),
 *   perform: ({ name }) => `Hello ${name}`,
 * });
 * ```
 */
export function defineWorker<
  Input,
  Parsed,
  Output = unknown,
  const Given extends readonly object[] = readonly object[],
  const Redacted extends string = never,
>(
  definition: WorkerDefinition<Input, Parsed, Output, Given, Redacted> & {
    readonly args: StandardSchema<Input, Parsed>;
  },
): Worker<Input, Output>;
/** Without a schema nothing is checked, and the types are those of `perform`. */
export function defineWorker<
  Args = JsonObject,
  Output = unknown,
  const Given extends readonly object[] = readonly object[],
>(
  definition: WorkerDefinition<Args, Args, Output, Given>,
): Worker<Args, Output>;
export function defineWorker<Input, Parsed, Output>(
  definition: WorkerDefinition<Input, Parsed, Output, readonly object[]>,
): Worker<Input, Output> {
  const { middleware = NO_MIDDLEWARE } = definition;
  const worker: AnyWorker = {
    name: definition.name,
    queue: definition.queue ?? "default",
    priority: definition.priority ?? 0,
    maxAttempts: definition.maxAttempts ?? JOB_BOUNDS.maxAttemptsDefault,
    args: definition.args as StandardSchema | undefined ?? null,
    perform: definition.perform as AnyWorker["perform"],
    chunk: null,
    tags: definition.tags ?? NO_TAGS,
    backoff: definition.backoff,
    timeoutMs: definition.timeoutMs ?? null,
    deadlineMs: definition.deadlineMs ?? null,
    recordOutput: outputRule(definition.recordOutput, definition.name),
    unique: definition.unique,
    idempotent: definition.idempotent,
    limiters: definition.limiters ?? NO_LIMITERS,
    version: definition.version ?? 1,
    upgrade: definition.upgrade ?? NO_UPGRADES,
    secrets: secretsOf(definition),
    hooks: hooksOf(definition),
    middleware: middleware?.length === 0 ? null : middleware,
  };
  checkWorker(worker);
  return worker;
}

const NO_MIDDLEWARE = [] as const;
const NO_UPGRADES: Upgrades = {};
const NO_LIMITERS: readonly Limiter[] = [];
const NO_TAGS: readonly string[] = [];

/** Whether its jobs wait for limiters, and not only for an executor. */
export function waitsForLimiters({ limiters }: AnyWorker): boolean {
  return limiters.some(({ at }) => at === "dispatch");
}

/** Whether limiters may refuse to take its jobs in. */
export function isRefusedByLimiters({ limiters }: AnyWorker): boolean {
  return limiters.some(({ at }) => at === "enqueue");
}
