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
  readonly name: string;
  readonly queue: string;
  readonly args: StandardSchema | null;
  readonly perform: (args: never, context: RunContext<never>) => unknown;
  /** Its `perform` takes many jobs, and a `ChunkContext`. */
  readonly chunk: ChunkRule | null;
  readonly maxAttempts: number;
  readonly priority: number;
  readonly tags: readonly string[];
  readonly backoff: Backoff | undefined;
  readonly timeoutMs: TimeoutMs<never> | null;
  readonly deadlineMs: number | null;
  /** `null`: nothing is kept. */
  readonly recordOutput: OutputRule | null;
  readonly unique: boolean | UniqueOptions | undefined;
  readonly idempotent: true | IdempotentOptions | undefined;
  readonly limiters: readonly Limiter[];
  readonly version: number;
  readonly upgrade: Upgrades;
  /** `null` without any: then nothing is done to its args. */
  readonly secrets: WorkerSecrets | null;
  /** `null` without any, so that most runs ask only once. */
  readonly hooks: AnyHooks | null;
  readonly middleware: readonly Middleware<object, never>[] | null;
}
