import type { Hono } from "hono";
import type { EncryptionApi } from "./control/encryption_api.ts";
import type { OperatorApi } from "./control/operator.ts";
import type { Database } from "./db/database.ts";
import type { MigrationReport } from "./db/migrate.ts";
import type { CronDeclaration } from "./domain/cron_entry.ts";
import type { JobExplanation } from "./domain/explain_told.ts";
import type { JobId } from "./domain/job.ts";
import type { EnqueueInputs, EnqueueResult } from "./engine/enqueue.ts";
import type { EnqueueOptions } from "./engine/enqueue_options.ts";
import type { AwaitJob } from "./engine/job_end.ts";
import type { ReadOutput } from "./engine/job_output.ts";
import type { LimiterApi } from "./engine/limiter_api.ts";
import type { ReceiptApi } from "./engine/receipts.ts";
import type { TickOptions, TickReport } from "./engine/tick.ts";
import type { AnyWorker, Worker } from "./engine/worker.ts";

/** A host's job engine and its operations pages, on the host's own Postgres. */
export interface Yardmaster {
  /**
   * Brings the schema to the version of this code; creates it first. Any number
   * of processes may call it at once.
   *
   * @throws {SchemaVersionError} If this code can not work with the schema.
   * @throws {TablesHeldError} If somebody holds a table for longer than about half
   * a minute; it says who.
   */
  migrate(): Promise<MigrationReport>;
  /**
   * Runs jobs and fires cron entries until {@linkcode Yardmaster.stop}.
   *
   * @throws {DatabaseSettingsError} If statements do not work on its connections.
   * @throws {SchemaVersionError} If this code can not work with the schema.
   */
  start(): Promise<void>;
  /**
   * Claims nothing more, lets runs end for `graceMs` (15,000 when left out), and
   * then aborts them and gives their jobs back, which burns no attempt. Call it
   * before you close the database.
   */
  stop(options?: { readonly graceMs?: number }): Promise<void>;
  /**
   * Does once what a started one does all the time: for hosts with no process of
   * their own, such as an edge host with a trigger. A call that comes while
   * another is under way joins it, and is told what that one did.
   *
   * @throws {TypeError} If this one is started.
   * @throws {SchemaVersionError} If this code can not work with the schema.
   */
  tick(options: TickOptions): Promise<TickReport>;
  /**
   * Enqueues a job. The answer has a `status`: `inserted` with the job,
   * `conflict` with the one that is there already, `invalid` with what is wrong
   * with args or options, or `blocked` by a limiter.
   *
   * With `options.database`, an adapter around the transaction that the host has
   * open, the job commits with it.
   *
   * @throws What the database throws. Then it is not known whether the job is
   * there, unless the statement was a part of a transaction of yours.
   */
  enqueue<Input>(
    worker: Worker<Input, unknown>,
    args: Input,
    options?: EnqueueOptions,
  ): Promise<EnqueueResult>;
  /**
   * Enqueues many, in one statement for each 10,000: one answer for each, in
   * their order. Those that are not valid keep none of the others back.
   *
   * @throws What the database throws, as `enqueue` does.
   */
  enqueueMany<const Workers extends readonly AnyWorker[]>(
    inputs: EnqueueInputs<Workers>,
    options?: { readonly database?: Database },
  ): Promise<EnqueueResult[]>;
  /**
   * Cancels a job wherever it waits or runs, on the host's own behalf: it asks
   * nobody and leaves no audit event. A run of it is told by its signal, and what
   * it still reports is not accepted.
   *
   * @returns False if it has ended already, or does not exist.
   */
  cancel(jobId: JobId): Promise<boolean>;
  /**
   * Tells why a job is not running, on what that rests, when it runs at the
   * earliest and what can be done; `null` if there is no such job. It shows every
   * value as it is, and asks nobody for permission.
   */
  explain(jobId: JobId): Promise<JobExplanation | null>;
  /**
   * Reads what the run of a job left, if its worker has `recordOutput`; or tells
   * why there is nothing. It can be read until it expires, also when the job is
   * gone. With the worker, the output has its type: that of what `perform`
   * returns, as JSON gives it back.
   */
  readonly readOutput: ReadOutput;
  /**
   * Waits for the end of a job, in whatever process it runs: for a minute, or
   * `timeoutMs`. It resolves with how the job ended and what it left. A job that
   * waits for another attempt has not ended. It works whether or not this process
   * is started, and never inside of a transaction that has just enqueued the job.
   *
   * @throws {TypeError} If `timeoutMs` is not 1 to a day.
   * @throws The reason of `signal`, when that aborts.
   */
  readonly awaitJob: AwaitJob;
  /** Cron entries that the host writes at run time. */
  readonly cron: CronApi;
  /** Which keys args and outputs are encrypted with, and how to move to another. */
  readonly encryption: EncryptionApi;
  /** What the host's own code tells limiters, such as to cool down. */
  readonly limiters: LimiterApi;
  /** What was asked for before, and is to be forgotten. */
  readonly receipts: ReceiptApi;
  /**
   * Does from code what the pages do, with the same checks.
   *
   * @throws {OptionsError} On first use, if there is no `auth`.
   */
  readonly operator: OperatorApi;
  /**
   * The pages, to be mounted at `basePath`:
   * `host.route("/ops/jobs", await yard.pages())`.
   *
   * @throws {OptionsError} If `auth` or `displayPolicy` is missing.
   */
  pages(): Promise<Pages>;
}

/**
 * The pages, as an application of Hono: `host.route("/ops/jobs", pages)`. A host
 * without Hono hands requests under `basePath` to `pages.fetch(request)`.
 */
export interface Pages extends HonoApp {}

/**
 * Named here, because Hono is not a part of our own documentation.
 *
 * @internal
 */
type HonoApp = Hono;

/** Cron entries that are written at run time and not declared by code. */
export interface CronApi {
  /** Writes an entry whole; a pause survives. */
  set(entry: CronDeclaration): Promise<CronAnswer>;
  /** Removes an entry; its history stays. */
  remove(name: string): Promise<CronAnswer>;
}

/** What became of a change to a cron entry. */
export type CronAnswer =
  | { readonly status: "applied" | "unchanged" }
  /** Every problem, each a sentence. */
  | { readonly status: "invalid"; readonly problems: readonly string[] }
  /** Code declares it: change the code. */
  | { readonly status: "code_managed_entry" };
