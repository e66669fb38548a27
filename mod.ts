/**
 * A host-owned job engine and operations control plane on the host's own
 * Postgres.
 *
 * Define what is to be done with {@linkcode defineWorker}, join it to a database
 * with {@linkcode createYardmaster}, and enqueue. The driver is chosen by
 * importing its adapter: `postgresJs` from `./postgres`, `nodePostgres` from
 * `./pg`, `pglite` from `./pglite`; what a host tests its jobs with is in
 * `./testing`.
 *
 * @example A job, from its definition to what it left
 * ```ts
 * import { PGlite } from "@electric-sql/pglite";
 * import { createYardmaster, defineWorker } from "@yardmaster/yardmaster";
 * import { pglite } from "@yardmaster/yardmaster/pglite";
 * import assert from "node:assert/strict";
 *
 * const greet = defineWorker({
 *   name: "greet",
 *   perform: ({ name }: { readonly name: string }) => `Hello ${name}`,
 *   recordOutput: true,
 * });
 *
 * const db = await PGlite.create();
 * const yard = createYardmaster({ database: pglite(db), workers: [greet] });
 * await yard.migrate();
 *
 * const enqueued = await yard.enqueue(greet, { name: "Ada" });
 * assert(enqueued.status === "inserted");
 *
 * // A process that stays calls `start()`; this one works until all is done.
 * await yard.tick({ budgetMs: 10_000 });
 * const left = await yard.readOutput(greet, enqueued.job.id);
 * assert(left.status === "found");
 * assert.equal(left.output, "Hello Ada");
 *
 * await yard.stop();
 * await db.close();
 * ```
 *
 * @module
 */

export { createYardmaster } from "./src/yardmaster.ts";
export type {
  CronAnswer,
  CronApi,
  Pages,
  Yardmaster,
} from "./src/yardmaster_api.ts";
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
export type { Upgrade, Upgrades } from "./src/engine/upgrade.ts";
export { defineChunkWorker } from "./src/engine/chunk_worker.ts";
export type {
  ChunkAnswer,
  ChunkContext,
  ChunkJob,
  ChunkJobRef,
  ChunkWorkerDefinition,
} from "./src/engine/chunk_worker.ts";
export type { ChunkOptions, ChunkRule } from "./src/engine/chunk_rule.ts";
export type {
  AnyHooks,
  DiscardEvent,
  FailureEvent,
  SuccessEvent,
  WorkerHooks,
} from "./src/engine/hooks.ts";
export type {
  AllOf,
  Middleware,
  MiddlewareGiving,
  Next,
} from "./src/engine/middleware.ts";
export type { TimeoutMs } from "./src/engine/timeout.ts";
export { cancel, discard, snooze } from "./src/engine/verdict.ts";
export type { Verdict } from "./src/engine/verdict.ts";
export { AbortReason } from "./src/engine/abort_reason.ts";
export type { AbortKind } from "./src/engine/abort_reason.ts";
export type {
  Issue,
  SchemaIssue,
  SchemaResult,
  StandardSchema,
} from "./src/engine/standard_schema.ts";
export type { Backoff, FailedRun } from "./src/domain/backoff.ts";

// What holds jobs back.
export { defineLimiter, LIMITER_KINDS } from "./src/domain/limiter.ts";
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
export type {
  AttemptEvidence,
  Because,
  Clears,
  Evidence,
  FullExecutor,
  LimiterEvidence,
  Reason,
} from "./src/domain/explain_reason.ts";
export type { Estimate } from "./src/domain/explain_estimate.ts";
export type { Known, Precision } from "./src/domain/explain_facts.ts";
export type { ControlStatus } from "./src/domain/diagnosis.ts";
export type { StepCode } from "./src/domain/step_code.ts";

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
export { JOB_STATES } from "./src/domain/job.ts";
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
export type {
  JsonOf,
  KeepClass,
  OutputRule,
  RecordOutput,
} from "./src/domain/output.ts";

// Cron.
export { CRON_CATCH_UPS, CRON_OVERLAPS } from "./src/domain/cron_entry.ts";
export type {
  CronCatchUp,
  CronDeclaration,
  CronOverlap,
  CronWorker,
} from "./src/domain/cron_entry.ts";

// What the host decides.
export { DISPLAY_KINDS, PERMISSIONS, RESOURCE_TYPES } from "./src/seams.ts";
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
export type {
  DoAction,
  JobCall,
  NamedCall,
  OperatorApi,
} from "./src/control/operator.ts";
export { ACTIONS } from "./src/domain/action.ts";
export type { Action } from "./src/domain/action.ts";
export type {
  CreatedPreview,
  CreatePreview,
  FoundPreview,
} from "./src/control/preview.ts";
export type { PreviewRef } from "./src/control/own_preview.ts";
export type {
  ActionParams,
  Preview,
  PreviewId,
  PreviewStatus,
  Snapshot,
} from "./src/domain/preview.ts";
export type { Executed, ExecutePreview } from "./src/control/execution.ts";
export type {
  AuditEntry,
  AuditEvent,
  AuditEventId,
  AuditResult,
} from "./src/domain/audit.ts";
export type { Via } from "./src/control/control.ts";
export { REFUSALS } from "./src/control/refusal.ts";
export type {
  PlainStep,
  Refusal,
  RefusalStep,
  Refused,
} from "./src/control/refusal.ts";

// The database, its errors, and what is told to telemetry.
export type { Database, QueryOptions, Row } from "./src/db/database.ts";
export type { DatabaseOptions } from "./src/db/session.ts";
export type { Sql } from "./src/db/sql.ts";
export type { MigrationReport } from "./src/db/migrate.ts";
export {
  DatabaseSettingsError,
  DecryptionError,
  OptionsError,
  QueryCancelledError,
  SchemaVersionError,
  TablesHeldError,
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
