/** What a scenario has in its hands: a database, workers, faults, a ledger. */
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import postgres from "postgres";
import type { Database } from "../../src/db/database.ts";
import { postgresJs } from "../../src/db/postgres_js.ts";
import { sql } from "../../src/db/sql.ts";
import type { JobId } from "../../src/domain/job.ts";
import { createEngine } from "../../src/engine/engine.ts";
import { migrate } from "../../src/db/migrate.ts";
import type { PostgresServer } from "../support/postgres_server.ts";
import { until } from "../support/until.ts";
import { type LedgerEntry, readLedger } from "./ledger.ts";
import type { Random } from "./random.ts";
import { type StepArgs, stepWorker } from "./step.ts";
import { WorkerProcess } from "./worker_process.ts";
import type { WorkerSettings } from "./worker_settings.ts";

/** `short` is for CI; `long` for `deno task chaos`. */
export type Size = "short" | "long";

interface WorldOptions {
  readonly name: string;
  readonly server: PostgresServer;
  readonly random: Random;
  readonly size: Size;
  readonly minutes: number;
}

const UNTIL_MS = { short: 60_000, long: 120_000 } as const;

/** A run of a job that a process holds. */
export interface HeldRun {
  readonly jobId: JobId;
  readonly attempt: number;
}

export class ChaosWorld implements AsyncDisposable {
  /** The server, for what is done to it; it must run when a scenario ends. */
  readonly server: PostgresServer;
  /** Every choice comes from here. */
  readonly random: Random;
  readonly size: Size;
  readonly minutes: number;
  /** Of the scenario's own database, on the server itself. */
  readonly url: string;
  /** On the server itself, whatever is between it and the workers. */
  readonly db: Database;
  readonly jobIds = new Set<JobId>();
  readonly measured: Record<string, number> = {};
  faults = 0;
  recoveryMsMax = 0;
  readonly #pool: postgres.Sql;
  readonly #folder: string;
  /** All that were started, also those that have ended. */
  readonly workers: WorkerProcess[] = [];

  private constructor(options: WorldOptions, url: string) {
    this.server = options.server;
    this.random = options.random;
    this.size = options.size;
    this.minutes = options.minutes;
    this.url = url;
    this.#pool = postgres(url, {
      max: 4,
      fetch_types: false,
      onnotice: () => {},
      backoff: () => 0.05,
    });
    this.db = postgresJs(this.#pool);
    this.#folder = mkdtempSync(join(tmpdir(), "yardmaster-chaos-"));
    mkdirSync(this.ledgerFolder);
  }

  static async open(options: WorldOptions): Promise<ChaosWorld> {
    const url = await createDatabase(options.server.url);
    const world = new ChaosWorld(options, url);
    await migrate(world.db);
    await watchOutcomes(world.#pool);
    return world;
  }

  get ledgerFolder(): string {
    return join(this.#folder, "ledger");
  }

  /** What the jobs have written until now. */
  ledger(): LedgerEntry[] {
    return readLedger(this.ledgerFolder);
  }

  scale(sizes: Readonly<Record<Size, number>>): number {
    return sizes[this.size];
  }

  /**
   * Enqueues jobs of which nothing may be lost, on the server itself. For each,
   * `args` is asked how long it takes, and how often it fails before.
   *
   * @param delayMs Until each is due; asked in the same order.
   */
  async enqueue(
    jobs: number,
    args: (index: number) => StepArgs = () => ({ ms: 20 }),
    delayMs: (index: number) => number = () => 0,
  ): Promise<JobId[]> {
    const engine = createEngine({ database: this.db });
    const worker = stepWorker(() => {});
    const answers = await engine.enqueueMany(
      Array.from({ length: jobs }, (_, n) => ({
        worker,
        args: args(n),
        ...(delayMs(n) > 0 && { options: { delayMs: delayMs(n) } }),
      })),
    );
    await engine.stop();
    const ids = answers.flatMap((answer) =>
      answer.status === "inserted" ? [answer.job.id] : []
    );
    for (const id of ids) this.jobIds.add(id);
    return ids;
  }

  /**
   * Starts a process that works, and waits until it does.
   *
   * @param options `mayEnd` if it may be dead before it could say so.
   */
  async spawnWorker(
    settings: WorkerSettings,
    { mayEnd = false }: { readonly mayEnd?: boolean } = {},
  ): Promise<WorkerProcess> {
    const worker = new WorkerProcess({
      url: this.url,
      ledgerFolder: this.ledgerFolder,
      ...settings,
    });
    this.workers.push(worker);
    if (!mayEnd) await worker.line("started");
    return worker;
  }

  /** Called once for each thing that is broken. */
  countFault(): void {
    this.faults += 1;
  }

  async until(
    what: string,
    fact: () => boolean | Promise<boolean>,
    { limitMs = UNTIL_MS[this.size] }: { readonly limitMs?: number } = {},
  ): Promise<void> {
    await until(what, fact, { limitMs, lookMs: 20 });
  }

  /**
   * Waits, and keeps the longest wait.
   *
   * @param options `sinceMs` is when the fault began, or ended; now.
   */
  async measureRecovery(
    what: string,
    fact: () => boolean | Promise<boolean>,
    options: { readonly sinceMs?: number; readonly limitMs?: number } = {},
  ): Promise<void> {
    const { sinceMs = performance.now() } = options;
    await this.until(what, fact, options);
    const tookMs = performance.now() - sinceMs;
    this.recoveryMsMax = Math.max(this.recoveryMsMax, tookMs);
  }

  /** Waits until so many more jobs have ended, or all of them. */
  async untilMoreEnded(jobs: number): Promise<void> {
    const before = await this.ended();
    await this.until(
      `${jobs} more jobs have ended`,
      async () =>
        await this.ended() >= Math.min(before + jobs, this.jobIds.size),
    );
  }

  /** Events of attempts of this kind. */
  async events(kind: string): Promise<number> {
    const rows = await this.db.query(sql`
      select from yardmaster.attempt_events where kind::text = ${kind}
    `);
    return rows.length;
  }

  /** Jobs that ended, of all that were enqueued. */
  async ended(): Promise<number> {
    const [row] = await this.db.query<{ jobs: number }>(sql`
      select count(*)::integer as jobs from yardmaster.outcomes
    `);
    return row?.jobs ?? 0;
  }

  /** Waits until everything that was enqueued has ended. */
  async untilAllEnded(
    options: { readonly limitMs?: number } = {},
  ): Promise<void> {
    await this.until(
      "all jobs have ended",
      async () => await this.ended() >= this.jobIds.size,
      options,
    );
  }

  /** The runs that these processes hold, whether they have begun or not. */
  async heldBy(workers: readonly WorkerProcess[]): Promise<HeldRun[]> {
    return await this.db.query<HeldRun>(sql`
      select held.job_id::text as "jobId", held.attempt
      from yardmaster.executors
      join yardmaster.leases on leases.executor_id = executors.id
      cross join unnest(job_ids, attempts) as held (job_id, attempt)
      where executors.name = any (${workers.map(({ name }) => name)}::text[])
    `);
  }

  /** Whether the jobs of these runs have begun again, or ended. */
  async haveMovedOn(runs: readonly HeldRun[]): Promise<boolean> {
    const ended = await this.db.query<{ jobId: JobId }>(sql`
      select job_id::text as "jobId" from yardmaster.outcomes
      where job_id = any (${runs.map(({ jobId }) => jobId)}::bigint[])
    `);
    const done = new Set(ended.map(({ jobId }) => jobId));
    const left = runs.filter(({ jobId }) => !done.has(jobId));
    if (left.length === 0) return true;
    const begun = new Map<JobId, number>();
    for (const { jobId, attempt } of this.ledger()) {
      begun.set(jobId, Math.max(begun.get(jobId) ?? 0, attempt));
    }
    return left.every(({ jobId, attempt }) =>
      (begun.get(jobId) ?? 0) > attempt
    );
  }

  /** What the processes said last, for whoever looks for the cause. */
  lastWords(): string[] {
    return this.workers.flatMap((worker) => worker.lastWords());
  }

  /** No process may write while the invariants are checked. */
  async endWorkers(): Promise<void> {
    await Promise.all(this.workers.map((worker) => worker.end("SIGKILL")));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.endWorkers();
    await this.#pool.end({ timeout: 1 });
    const name = new URL(this.url).pathname.slice(1);
    await atServer(
      this.server.url,
      `drop database if exists ${name} with (force)`,
    );
    rmSync(this.#folder, { recursive: true });
  }
}

async function createDatabase(server: string): Promise<string> {
  const url = new URL(server);
  const name = `chaos_${crypto.randomUUID().replaceAll("-", "_")}`;
  await atServer(server, `create database ${name}`);
  url.pathname = `/${name}`;
  return url.href;
}

async function atServer(server: string, statement: string): Promise<void> {
  const pool = postgres(server, {
    max: 1,
    fetch_types: false,
    onnotice: () => {},
  });
  await pool.unsafe(statement);
  await pool.end();
}

/**
 * Every insert of an outcome leaves a mark beside it, so that one which was
 * replaced or removed and written again is found.
 */
async function watchOutcomes(pool: postgres.Sql): Promise<void> {
  await pool.unsafe(`
    create table public.outcome_marks as
      select * from yardmaster.outcomes with no data;
    create function public.mark_outcome() returns trigger language plpgsql as $$
    begin
      insert into public.outcome_marks select new.*;
      return null;
    end $$;
    create trigger mark_outcome after insert or update on yardmaster.outcomes
      for each row execute function public.mark_outcome();
  `);
}
