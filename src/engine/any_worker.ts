import type { Backoff } from "../domain/backoff.ts";
import type { Limiter } from "../domain/limiter.ts";
import type { WorkerSecrets } from "../domain/redaction.ts";
import type { OutputRule } from "../domain/output.ts";
import type { IdempotentOptions } from "../domain/receipt.ts";
import type { UniqueOptions } from "../domain/unique_key.ts";
import type { ChunkRule } from "./chunk_rule.ts";
import type { AnyHooks } from "./hooks.ts";
import type { Middleware } from "./middleware.ts";
import type { RunContext } from "./run_context.ts";
import type { StandardSchema } from "./standard_schema.ts";
import type { TimeoutMs } from "./timeout.ts";
import type { Upgrades } from "./upgrade.ts";

/** Any worker, with what its args and output are left open. */
export interface AnyWorker {
  /** By which rows, cron entries and pages know it. */
  readonly name: string;
  /** Where its jobs wait unless a call says otherwise. */
  readonly queue: string;
  /** The schema of its args; `null`: nothing is checked. */
  readonly args: StandardSchema | null;
  /** Does the job. To run it in a test there is `runWorker()`. */
  readonly perform: (args: never, context: RunContext<never>) => unknown;
  /** Its `perform` takes many jobs, and a `ChunkContext`. */
  readonly chunk: ChunkRule | null;
  /** 1 to 1,000: how often a job is tried before it is discarded. */
  readonly maxAttempts: number;
  /** 0 (first) to 9. */
  readonly priority: number;
  /** On each of its jobs, beside those of the call. */
  readonly tags: readonly string[];
  /** How long to wait after a failed attempt; the default decides without. */
  readonly backoff: Backoff | undefined;
  /** How long an attempt may take; `null`: as long as it likes. */
  readonly timeoutMs: TimeoutMs<never> | null;
  /** From enqueue; `null`: its jobs never come too late. */
  readonly deadlineMs: number | null;
  /** `null`: nothing is kept. */
  readonly recordOutput: OutputRule | null;
  /** When two of its jobs count as the same, before defaults are filled in. */
  readonly unique: boolean | UniqueOptions | undefined;
  /** For how long a call is remembered; not at all when absent. */
  readonly idempotent: true | IdempotentOptions | undefined;
  /** What holds its jobs back; 5 at most. */
  readonly limiters: readonly Limiter[];
  /** The version of args that its `perform` knows, from 1. */
  readonly version: number;
  /** By the version that they upgrade from; empty without any. */
  readonly upgrade: Upgrades;
  /** `null` without any: then nothing is done to its args. */
  readonly secrets: WorkerSecrets | null;
  /** `null` without any, so that most runs ask only once. */
  readonly hooks: AnyHooks | null;
  /** What stands around `perform`, the first outermost; `null` without any. */
  readonly middleware: readonly Middleware<object, never>[] | null;
}
