/**
 * A host-owned job engine and operations control plane on the host's own
 * Postgres.
 *
 * Start with {@linkcode createYardmaster} and {@linkcode defineWorker}; a driver
 * is chosen by importing its adapter from `./postgres`, `./pg` or `./pglite`.
 *
 * @module
 */

export { createYardmaster } from "./src/yardmaster.ts";
export type { CronAnswer, CronApi, Yardmaster } from "./src/yardmaster_api.ts";
export type {
  ExecutorOptions,
  QueueOptions,
  YardmasterOptions,
} from "./src/options.ts";

// Workers and what a run can answer.
export { defineWorker } from "./src/engine/worker.ts";
export type {
  AnyWorker,
  InputOf,
  JsonObject,
  RunContext,
  RunWithArgs,
  Worker,
  WorkerDefinition,
} from "./src/engine/worker.ts";
export { defineChunkWorker } from "./src/engine/chunk_worker.ts";
export type {
  ChunkAnswer,
  ChunkContext,
  ChunkJob,
  ChunkJobRef,
  ChunkWorkerDefinition,
} from "./src/engine/chunk_worker.ts";
export type { ChunkOptions } from "./src/engine/chunk_rule.ts";
export type {
  DiscardEvent,
  FailureEvent,
  SuccessEvent,
  WorkerHooks,
} from "./src/engine/hooks.ts";
export type { Middleware, Next } from "./src/engine/middleware.ts";
export type { TimeoutMs } from "./src/engine/timeout.ts";
export { cancel, discard, snooze } from "./src/engine/verdict.ts";
export type { Verdict } from "./src/engine/verdict.ts";
export { AbortReason } from "./src/engine/abort_reason.ts";
export type { AbortKind } from "./src/engine/abort_reason.ts";
export type { Issue, StandardSchema } from "./src/engine/standard_schema.ts";
export type { Backoff, FailedRun } from "./src/domain/backoff.ts";

// What holds jobs back.
export { defineLimiter } from "./src/domain/limiter.ts";
export type {
  Limiter,
  LimiterBlocker,
  LimiterDefinition,
  LimiterKind,
  LimiterPoint,
  LimiterRule,
  RateLimit,
} from "./src/domain/limiter.ts";
export type { CoolDown, LimiterApi } from "./src/engine/limiter_api.ts";

// Why a job is not running.
export type {
  JobExplanation,
  NextStep,
  ToldReason,
} from "./src/domain/explain_told.ts";
export type { Clears, Evidence, Reason } from "./src/domain/explain_reason.ts";

// Enqueueing.
export type {
  EnqueuedJob,
  EnqueueInput,
  EnqueueInputs,
  EnqueueResult,
} from "./src/engine/enqueue.ts";
export type { EnqueueOptions } from "./src/engine/enqueue_options.ts";
export type { IdempotentOptions } from "./src/domain/receipt.ts";
export type { Asked, ReceiptApi } from "./src/engine/receipts.ts";
export type {
  Debounce,
  OnConflict,
  Replaceable,
  StateGroup,
  UniqueField,
  UniqueOptions,
} from "./src/domain/unique_key.ts";
export type { JobId, JobState } from "./src/domain/job.ts";
export type { TickOptions, TickReport } from "./src/engine/tick.ts";

// What runs leave, and how jobs end.
export type {
  AwaitJob,
  AwaitOptions,
  EndReason,
  JobEnd,
} from "./src/engine/job_end.ts";
export type {
  JobOutput,
  JobRef,
  NoOutput,
  OutputOf,
  ReadOutput,
} from "./src/engine/job_output.ts";
export type { JsonOf, KeepClass, RecordOutput } from "./src/domain/output.ts";

// Cron.
export type {
  CronCatchUp,
  CronDeclaration,
  CronOverlap,
} from "./src/domain/cron_entry.ts";

// What the host decides.
export { PERMISSIONS } from "./src/seams.ts";
export type {
  Actor,
  AuditPrincipal,
  Auth,
  Authorize,
  CurrentActor,
  DisplayedError,
  DisplayKind,
  DisplayPolicy,
  Escalation,
  EscalationFacts,
  Layout,
  Permission,
  Principal,
  ResourceRef,
  ResourceType,
  Reveal,
  Runbook,
} from "./src/seams.ts";

// What is redacted and encrypted.
export type { EncryptionOptions } from "./src/option_encryption.ts";
export type { EncryptionKeys } from "./src/domain/key_ring.ts";
export type { EncryptionApi } from "./src/control/encryption_api.ts";
export type {
  EncryptionStatus,
  KeyUse,
  Reencryption,
  ReencryptOptions,
} from "./src/control/encryption.ts";
export type { WorkerSecrets } from "./src/domain/redaction.ts";
export type { WithoutRedacted } from "./src/engine/redacted_args.ts";

// Acting for an operator.
export type { OperatorApi } from "./src/control/operator.ts";
export type { Refusal, Refused } from "./src/control/refusal.ts";

// The database, its errors, and what is told to telemetry.
export type { Database, QueryOptions } from "./src/db/database.ts";
export type { MigrationReport } from "./src/db/migrate.ts";
export {
  DecryptionError,
  OptionsError,
  QueryCancelledError,
  SchemaVersionError,
  TransactionAbortedError,
  TransactionEndedError,
} from "./src/errors.ts";
export type { OptionsProblem } from "./src/errors.ts";
export type {
  HookName,
  HookOutcome,
  OnEvent,
  RunEnd,
  YardmasterEvent,
} from "./src/events.ts";
