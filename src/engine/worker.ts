import { assert } from "../assert.ts";
import type { Backoff } from "../domain/backoff.ts";
import { isName, isWhole, JOB_BOUNDS } from "../domain/job.ts";
import {
  type Limiter,
  LIMITER_BOUNDS,
  LIMITER_KINDS,
} from "../domain/limiter.ts";
import type { UniqueOptions } from "../domain/unique_key.ts";
import { checkOptions } from "./enqueue_options.ts";
import { type AnyHooks, hooksOf, type WorkerHooks } from "./hooks.ts";
import {
  type AllOf,
  areMiddleware,
  type Middleware,
  MIDDLEWARE_MAX,
  type MiddlewareGiving,
} from "./middleware.ts";
import type { JsonObject, RunContext } from "./run_context.ts";
import type { StandardSchema } from "./standard_schema.ts";
import { checkVersions, type Upgrades } from "./upgrade.ts";
import type { Verdict } from "./verdict.ts";

export type { JsonObject, RunContext, RunWithArgs } from "./run_context.ts";

/** The code that does a job, and how its jobs are treated. */
export interface WorkerDefinition<
  Input,
  Parsed,
  Output,
  Given extends readonly object[] = readonly object[],
> extends WorkerHooks<Parsed, Output> {
  /** 1 to 128 characters. It is in the rows: renaming leaves old jobs alone. */
  readonly name: string;
  /** Where its jobs wait unless the call says otherwise; `default`. */
  readonly queue?: string;
  /** zod or any other Standard Schema. Checked at enqueue, and again at run. */
  readonly args?: StandardSchema<Input, Parsed>;
  /**
   * Does the job. A value completes it, a {@linkcode Verdict} decides otherwise,
   * and whatever is thrown is a failed attempt.
   */
  readonly perform: (
    args: Parsed,
    context: RunContext<AllOf<Given>>,
  ) => Output | Verdict | Promise<Output | Verdict>;
  /** 1 to 1000; 20 by default. */
  readonly maxAttempts?: number;
  /** 0 (first) to 9; 0 by default. */
  readonly priority?: number;
  /** Added to those of the call; up to 50. */
  readonly tags?: readonly string[];
  /** Milliseconds to wait after a failed attempt. */
  readonly backoff?: Backoff;
  /**
   * An attempt that takes longer has failed, then and there. Its signal aborts,
   * and its slot stays taken until `perform` settles: a run that ignores the
   * signal does not make room for another.
   */
  readonly timeoutMs?: number;
  /** From enqueue; after that the job is cancelled, running or not. */
  readonly deadlineMs?: number;
  /** Keeps what `perform` returned, as JSON of at most 1 MiB. */
  readonly recordOutput?: boolean;
  /** When two of its jobs count as the same; never when left out. */
  readonly unique?: boolean | UniqueOptions;
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
  /** What stands around `perform`, the first one outermost; 20 at most. */
  readonly middleware?: MiddlewareGiving<Given, Parsed>;
}

declare const types: unique symbol;

/** A worker as {@linkcode defineWorker} made it. */
export interface Worker<Input = JsonObject, Output = unknown>
  extends AnyWorker {
  readonly [types]?: { readonly input: Input; readonly output: Output };
}

/** Any worker, with what its args and output are left open. */
export interface AnyWorker {
  readonly name: string;
  readonly queue: string;
  readonly args: StandardSchema | null;
  readonly perform: (args: never, context: RunContext<never>) => unknown;
  readonly maxAttempts: number;
  readonly priority: number;
  readonly tags: readonly string[];
  readonly backoff: Backoff | undefined;
  readonly timeoutMs: number | null;
  readonly deadlineMs: number | null;
  readonly recordOutput: boolean;
  readonly unique: boolean | UniqueOptions | undefined;
  readonly limiters: readonly Limiter[];
  readonly version: number;
  readonly upgrade: Upgrades;
  /** `null` without any, so that most runs ask only once. */
  readonly hooks: AnyHooks | null;
  readonly middleware: readonly Middleware<object, never>[] | null;
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
>(
  definition: WorkerDefinition<Input, Parsed, Output, Given> & {
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
  const { name, queue = "default", priority = 0, tags = [] } = definition;
  const { maxAttempts = JOB_BOUNDS.maxAttemptsDefault } = definition;
  const { unique, deadlineMs, timeoutMs, perform, middleware = [] } =
    definition;
  const { limiters = NO_LIMITERS } = definition;
  const { version = 1, upgrade = {} } = definition;
  assert(isName(name), "a worker's name has 1 to 128 characters");
  assert(typeof perform === "function", `perform of ${name} is a function`);
  assert(
    isWhole(timeoutMs ?? 1, { least: 1, most: JOB_BOUNDS.delayMsMax }),
    `timeoutMs of ${name} is whole milliseconds from 1`,
  );
  assert(
    areMiddleware(middleware),
    `middleware of ${name} is a list of at most ${MIDDLEWARE_MAX} functions`,
  );
  checkLimiters(name, limiters);
  checkVersions({ name, version, upgrade });
  // The rest may be said by each call as well.
  const [issue] = checkOptions({
    queue,
    priority,
    maxAttempts,
    tags,
    ...(unique !== undefined && { unique }),
    ...(deadlineMs !== undefined && { deadlineMs }),
  });
  assert(issue === undefined, `${issue?.path} of ${name} ${issue?.message}`);
  return {
    name,
    queue,
    priority,
    maxAttempts,
    args: definition.args as StandardSchema | undefined ?? null,
    perform: perform as AnyWorker["perform"],
    tags,
    backoff: definition.backoff,
    timeoutMs: timeoutMs ?? null,
    deadlineMs: deadlineMs ?? null,
    recordOutput: definition.recordOutput ?? false,
    unique,
    limiters,
    version,
    upgrade,
    hooks: hooksOf(definition),
    middleware: middleware.length === 0 ? null : middleware,
  };
}

const NO_LIMITERS: readonly Limiter[] = [];

function checkLimiters(worker: string, limiters: readonly Limiter[]): void {
  const { perWorkerMax } = LIMITER_BOUNDS;
  assert(
    Array.isArray(limiters) && limiters.length <= perWorkerMax &&
      limiters.every((limiter) => LIMITER_KINDS.includes(limiter?.kind)),
    `limiters of ${worker} is a list of at most ${perWorkerMax} that ` +
      `defineLimiter() returned`,
  );
  const names = new Set(limiters.map(({ name }) => name));
  assert(names.size === limiters.length, `${worker} names a limiter once`);
}

/** Whether its jobs wait for limiters, and not only for an executor. */
export function waitsForLimiters({ limiters }: AnyWorker): boolean {
  return limiters.some(({ at }) => at === "dispatch");
}

/** Whether limiters may refuse to take its jobs in. */
export function isRefusedByLimiters({ limiters }: AnyWorker): boolean {
  return limiters.some(({ at }) => at === "enqueue");
}
