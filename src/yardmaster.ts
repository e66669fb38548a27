import type { Control } from "./control/control.ts";
import { type EncryptionApi, encryptionApi } from "./control/encryption_api.ts";
import { type OperatorApi, operatorApi } from "./control/operator.ts";
import { revealer } from "./control/reveal.ts";
import { sweepPreviews } from "./control/preview.ts";
import type { Database } from "./db/database.ts";
import { migrate, type MigrationReport, requireSchema } from "./db/migrate.ts";
import { requireSettings } from "./db/session_settings.ts";
import { type CronDefinition, parseCronEntry } from "./domain/cron_entry.ts";
import type { JobExplanation } from "./domain/explain_told.ts";
import type { JobId } from "./domain/job.ts";
import { KeyRing } from "./domain/key_ring.ts";
import { systemClock } from "./engine/clock.ts";
import { createCronScheduler } from "./engine/cron_scheduler.ts";
import { storedCron } from "./engine/cron_storage.ts";
import { withDeadline } from "./engine/deadline.ts";
import { createEngine, type Engine } from "./engine/engine.ts";
import { ENGINE_DEFAULTS } from "./engine/engine_options.ts";
import { Fingerprints } from "./engine/fingerprints.ts";
import type { AwaitJob } from "./engine/job_end.ts";
import { outputReader, type ReadOutput } from "./engine/job_output.ts";
import { type LimiterApi, limiterApi } from "./engine/limiter_api.ts";
import { type ReceiptApi, receiptApi } from "./engine/receipts.ts";
import { orTellSchema } from "./engine/schema_fault.ts";
import { randomBytes, Sealer } from "./engine/sealer.ts";
import type { Service } from "./engine/service.ts";
import type { TickOptions, TickReport } from "./engine/tick.ts";
import { faultOf, type YardmasterEvent } from "./events.ts";
import {
  type ParsedOptions,
  parseOptions,
  requireAuth,
  requirePageOptions,
  type YardmasterOptions,
} from "./options.ts";
import type { Auth } from "./seams.ts";
import {
  removeCronEntry,
  syncCronEntries,
  upsertCronEntry,
} from "./store/cron_sync.ts";
import { findExplanation } from "./store/explain.ts";
import type {
  CronAnswer,
  CronApi,
  Pages,
  Yardmaster,
} from "./yardmaster_api.ts";

const SWEEP_MS = 60_000;

/**
 * Joins a host's database, workers and seams.
 *
 * Nothing is read or started yet. What is wrong with the options is reported all
 * at once.
 *
 * @throws {OptionsError} With every problem: the key, an example, and when it is
 * needed.
 */
export function createYardmaster(options: YardmasterOptions): Yardmaster {
  return new JoinedYardmaster(parseOptions(options));
}

class JoinedYardmaster implements Yardmaster {
  readonly #options: ParsedOptions;
  readonly #engine: Engine;
  /** What keeps no operator waiting for ever for somebody's transaction. */
  readonly #patient: Database;
  readonly limiters: LimiterApi;
  readonly encryption: EncryptionApi;
  readonly #sealer: Sealer;
  readonly #fingerprints: Fingerprints;
  readonly receipts: ReceiptApi;
  readonly readOutput: ReadOutput;
  #operator: OperatorApi | null = null;
  #synced = false;

  constructor(options: ParsedOptions) {
    this.#options = options;
    const { database, executor } = options;
    // Of the engine's own services, the engine bounds the waiting itself.
    const patient = withDeadline(database, {
      clock: systemClock,
      ms: ENGINE_DEFAULTS.statementMs,
    });
    this.#patient = patient;
    this.limiters = limiterApi(patient, {
      onReady: () => this.#engine.notify({ t: "ready", q: [] }),
    });
    const ring = options.encryption === undefined
      ? null
      : new KeyRing(options.encryption, randomBytes);
    this.encryption = encryptionApi(database, ring);
    this.#sealer = new Sealer(ring);
    const fingerprints = new Fingerprints(options.fingerprintKey);
    this.#fingerprints = fingerprints;
    this.receipts = receiptApi(database, fingerprints);
    this.readOutput = outputReader(database, this.#sealer);
    this.#engine = createEngine({
      database,
      workers: options.workers,
      middleware: options.middleware,
      queues: options.queues,
      services: [this.#scheduler(patient), previewSweeper(patient)],
      ...(executor.name === undefined ? {} : { name: executor.name }),
      heartbeatMs: executor.heartbeatMs,
      heartbeatLateMs: executor.lateMs,
      heartbeatMissingMs: executor.missingMs,
      retentionMs: options.retentionMs,
      pollMs: options.pollMs,
      notify: options.notify,
      coalesce: options.coalesce,
      fingerprints,
      sealer: this.#sealer,
      onEvent: (event) => this.#heard(event),
    });
  }

  async migrate(): Promise<MigrationReport> {
    return await migrate(this.#options.database);
  }

  async start(): Promise<void> {
    await this.#prepare();
    await this.#engine.start();
  }

  async stop(options: { readonly graceMs?: number } = {}): Promise<void> {
    await this.#engine.stop(options);
  }

  async tick(options: TickOptions): Promise<TickReport> {
    await this.#prepare();
    return await this.#engine.tick(options);
  }

  readonly enqueue: Yardmaster["enqueue"] = async (worker, args, options) =>
    await this.#engine.enqueue(worker, args, options);

  readonly enqueueMany: Yardmaster["enqueueMany"] = async (inputs, options) =>
    await this.#engine.enqueueMany(inputs, options);

  async cancel(jobId: JobId): Promise<boolean> {
    return await this.#engine.cancel(jobId);
  }

  get awaitJob(): AwaitJob {
    return this.#engine.awaitJob;
  }

  async explain(jobId: JobId): Promise<JobExplanation | null> {
    return await findExplanation(this.#options.database, jobId);
  }

  readonly cron: CronApi = {
    set: async (entry) => {
      const parsed = parseCronEntry(entry);
      if (!parsed.ok) return { status: "invalid", problems: parsed.problems };
      return await this.#setCronEntry(parsed.definition);
    },
    remove: async (name) => {
      const done = await removeCronEntry(this.#options.database, name);
      if (done === "code_managed_entry") return { status: done };
      return { status: done === "removed" ? "applied" : "unchanged" };
    },
  };

  get operator(): OperatorApi {
    this.#operator ??= operatorApi(this.#control(requireAuth(this.#options)));
    return this.#operator;
  }

  async pages(): Promise<Pages> {
    const { auth, displayPolicy } = requirePageOptions(this.#options);
    const { reader, basePath, layout, runbook, allowedOrigins } = this.#options;
    // A host without pages loads no page code.
    const { createWeb } = await import("./web/app.ts");
    const control = this.#control(auth);
    const reveal = this.#options.encryption?.reveal;
    const web = createWeb({
      control,
      reveal: reveal && revealer(control, { reveal, opener: this.#sealer }),
      database: reader,
      auth,
      displayPolicy,
      basePath,
      layout,
      runbook,
      allowedOrigins,
      onError: (error, reference) =>
        this.#fault(error, `page, reference ${reference}`),
    });
    // The host's router knows nothing of the variables that ours carries.
    return web as unknown as Pages;
  }

  async #setCronEntry(definition: CronDefinition): Promise<CronAnswer> {
    const { database, workers } = this.#options;
    const sealer = this.#sealer;
    const definitions = [definition];
    const hidden = await storedCron(database, {
      definitions,
      workers,
      sealer,
      fingerprints: this.#fingerprints,
    });
    if (!hidden.ok) return { status: "invalid", problems: hidden.problems };
    const [stored = definition] = hidden.definitions;
    const setting = upsertCronEntry(database, stored);
    const done = await orTellSchema(database, setting, "set a cron entry");
    if (!done.ok) return { status: done.refusal };
    const status = done.change === "unchanged" ? "unchanged" : "applied";
    return { status };
  }

  #control(auth: Auth): Control {
    return {
      db: this.#patient,
      auth,
      notify: (notice) => this.#engine.notify(notice),
      onSeamFailure: ({ seam, error }) =>
        this.#fault(error ?? new TypeError(`${seam} answered nonsense`), seam),
    };
  }

  #scheduler(database: Database): Service {
    return createCronScheduler({
      database,
      notify: (notice) => this.#engine.notify(notice),
      onFault: (name, error) => this.#fault(error, `cron entry "${name}"`),
    });
  }

  /** A process that says nothing of cron leaves the entries of others alone. */
  async #prepare(): Promise<void> {
    const { database, cron } = this.#options;
    if (this.#synced) return;
    await requireSettings(database);
    await requireSchema(database);
    if (cron !== null) await this.#syncCron(cron);
    this.#synced = true;
  }

  async #syncCron(definitions: readonly CronDefinition[]): Promise<void> {
    const { database, workers } = this.#options;
    const sealer = this.#sealer;
    const hidden = await storedCron(database, {
      definitions,
      workers,
      sealer,
      fingerprints: this.#fingerprints,
    });
    if (!hidden.ok) throw new TypeError(hidden.problems.join("\n"));
    await syncCronEntries(database, hidden.definitions);
  }

  #heard(event: YardmasterEvent): void {
    this.#options.onEvent?.(event);
    const fault = faultOf(event);
    if (fault !== null) this.#fault(fault.error, fault.where);
  }

  #fault(error: unknown, where: string): void {
    const { onError } = this.#options;
    if (onError) onError(error, where);
    else console.error(`Yardmaster, ${where}:`, error);
  }
}

function previewSweeper(database: Database): Service {
  return {
    name: "preview_sweeper",
    intervalMs: SWEEP_MS,
    runOnce: async () => {
      const { expired, pruned } = await sweepPreviews(database);
      return { worked: expired >= 1_000 || pruned >= 1_000 };
    },
  };
}
