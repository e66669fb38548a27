import type { Database } from "./db/database.ts";
import type { CronDeclaration, CronDefinition } from "./domain/cron_entry.ts";
import { ENGINE_DEFAULTS } from "./engine/engine_options.ts";
import type { Middleware } from "./engine/middleware.ts";
import type { AnyWorker } from "./engine/worker.ts";
import { OptionsError } from "./errors.ts";
import type { OnEvent } from "./events.ts";
import { ADVICE } from "./option_advice.ts";
import {
  checkAuth,
  checkBasePath,
  checkCron,
  checkDatabase,
  checkExecutor,
  checkFingerprintKey,
  checkLayout,
  checkMiddleware,
  checkOrigins,
  checkQueues,
  checkWorkers,
} from "./option_checks.ts";
import {
  checkEncryption,
  type EncryptionOptions,
} from "./option_encryption.ts";
import { OptionProblems } from "./option_problems.ts";
import type {
  Auth,
  DisplayPolicy,
  Escalation,
  Layout,
  Runbook,
} from "./seams.ts";

/** How much of a queue runs. */
export interface QueueOptions {
  /** Jobs that one executor runs at a time: 1 to 10,000; 10 when left out. */
  readonly limit?: number;
}

/** How this process says that it lives. */
export interface ExecutorOptions {
  /** As it is shown, up to 128 characters; made from the host when left out. */
  readonly name?: string;
  /** Milliseconds between two heartbeats; 15,000 when left out. */
  readonly heartbeatMs?: number;
  /** Without a heartbeat for so many milliseconds it is late; 45,000. */
  readonly lateMs?: number;
  /** After so many its work is taken back; 120,000 when left out. */
  readonly missingMs?: number;
}

/** What a host hands in. Only `database` is always required. */
export interface YardmasterOptions {
  /** `postgresJs(sql)`, `nodePostgres(pool)` or `pglite(db)`. */
  readonly database: Database;
  /** What pages read from, such as a replica; `database` when left out. */
  readonly reader?: Database;
  /** What this process can run. None: it only enqueues, or only shows pages. */
  readonly workers?: readonly AnyWorker[];
  /**
   * What stands around every run of this process, outside of the middleware of
   * its worker; the first one outermost, 20 at most.
   */
  readonly middleware?: readonly Middleware[];
  /** What this process runs of; one queue `default` when left out. */
  readonly queues?: Readonly<Record<string, QueueOptions>>;
  /**
   * What fires by the clock; what code stops declaring stops firing. An empty
   * list declares that there is nothing; left out, what others declare stays.
   */
  readonly cron?: readonly CronDeclaration[];
  /** Required before pages are mounted or an operator acts; no default. */
  readonly auth?: Auth;
  /** Required before pages are mounted; no default. */
  readonly displayPolicy?: DisplayPolicy;
  /** Where the host mounts the pages; `/ops/jobs` when left out. */
  readonly basePath?: string;
  /** Origins at which browsers see the pages, if a proxy changes the host. */
  readonly allowedOrigins?: readonly string[];
  /** What the host puts around the pages: its name, and where home is. */
  readonly layout?: Layout;
  /** The host's own escalation. It is checked, and nothing calls it. */
  readonly escalation?: Escalation;
  /** The host's own instructions, which forensics links to. */
  readonly runbook?: Runbook;
  /** How this process says that it lives. */
  readonly executor?: ExecutorOptions;
  /**
   * How long jobs that ended stay visible, in milliseconds: a minute to 400 days;
   * 7 days when left out.
   */
  readonly retentionMs?: number;
  /**
   * Between two looks for work while there is none, in milliseconds: 10 to a day;
   * 1,000 when left out.
   */
  readonly pollMs?: number;
  /** Sends and hears hints about new work; `true` when left out. */
  readonly notify?: boolean;
  /** Single enqueues that come at once share a statement; `false` when left out. */
  readonly coalesce?: boolean;
  /**
   * Keys the digests by which jobs are known to be the same: at least 16 bytes,
   * the same in every process. Without it whoever reads the rows can try args
   * until one fits.
   */
  readonly fingerprintKey?: string | Uint8Array;
  /** Keys for workers with `encrypt`, which can not do without. */
  readonly encryption?: EncryptionOptions;
  /** Is told what the engine does, for telemetry. */
  readonly onEvent?: OnEvent;
  /** Is told of faults that nobody waits for; the console when left out. */
  readonly onError?: (error: unknown, where: string) => void;
}

/** Options with every default filled in. */
export interface ParsedOptions extends
  Omit<
    YardmasterOptions,
    | "reader"
    | "workers"
    | "middleware"
    | "queues"
    | "cron"
    | "basePath"
    | "executor"
  > {
  readonly reader: Database;
  readonly workers: readonly AnyWorker[];
  readonly middleware: readonly Middleware[];
  readonly queues: Readonly<Record<string, Required<QueueOptions>>>;
  /** `null`: this process says nothing of what fires. */
  readonly cron: readonly CronDefinition[] | null;
  readonly basePath: string;
  readonly executor:
    & Required<Omit<ExecutorOptions, "name">>
    & Pick<ExecutorOptions, "name">;
  readonly retentionMs: number;
  readonly pollMs: number;
  readonly notify: boolean;
  readonly coalesce: boolean;
}

const DAY_MS = 24 * 60 * 60 * 1_000;

/** What is taken when an option is left out. */
export const OPTION_DEFAULTS = {
  basePath: "/ops/jobs",
  queueLimit: 10,
  heartbeatMs: ENGINE_DEFAULTS.heartbeatMs,
  lateMs: ENGINE_DEFAULTS.heartbeatLateMs,
  missingMs: ENGINE_DEFAULTS.heartbeatMissingMs,
  retentionMs: ENGINE_DEFAULTS.retentionMs,
  pollMs: ENGINE_DEFAULTS.pollMs,
} as const;

const KEYS = Object.keys(ADVICE);

/**
 * Checks what a host hands in and fills in the rest. Nothing is looked up in the
 * environment, and nothing required has a default.
 *
 * @throws {OptionsError} If anything is wrong: with every problem, not only the
 * first, so that one run shows all that has to be written.
 */
export function parseOptions(options: YardmasterOptions): ParsedOptions {
  const problems = new OptionProblems();
  const advice = ADVICE.database;
  const given = problems.object("options", { value: options, advice });
  const cron = given === null ? [] : check(given, problems);
  if (problems.list.length > 0) {
    throw new OptionsError("create a yardmaster", problems.list);
  }
  return filledIn(options, cron);
}

const CALLABLE = [
  "displayPolicy",
  "escalation",
  "runbook",
  "onError",
  "onEvent",
] as const;
const SWITCHES = ["notify", "coalesce"] as const;
const SPANS = {
  retentionMs: { min: 60_000, max: 400 * DAY_MS },
  pollMs: { min: 10, max: DAY_MS },
} as const;

/** Only what its type allows is left, so far as a check can see. */
function check(
  given: Readonly<Record<string, unknown>>,
  problems: OptionProblems,
): readonly CronDefinition[] {
  problems.unknownKeys("", {
    value: given,
    known: KEYS,
    advice: { example: ADVICE.database.example, needed: "never" },
  });
  checkDatabase({ key: "database", value: given.database }, problems);
  if (given.reader !== undefined) {
    checkDatabase({ key: "reader", value: given.reader }, problems);
  }
  checkWorkers(given.workers, problems);
  checkMiddleware(given.middleware, problems);
  checkQueues(given.queues, problems);
  checkAuth(given.auth, problems);
  checkBasePath(given.basePath, problems);
  checkOrigins(given.allowedOrigins, problems);
  checkLayout(given.layout, problems);
  const defaults = OPTION_DEFAULTS;
  checkExecutor({ value: given.executor, defaults }, problems);
  for (const key of CALLABLE) {
    const value = given[key];
    problems.callable(key, { value, required: false, advice: ADVICE[key] });
  }
  for (const [key, bounds] of Object.entries(SPANS)) {
    const value = given[key];
    const advice = ADVICE[key as keyof typeof SPANS];
    if (value === undefined) continue;
    problems.whole(key, { value, ...bounds, advice });
  }
  for (const key of SWITCHES) {
    if (given[key] !== undefined && typeof given[key] !== "boolean") {
      problems.add(key, "must be true or false", ADVICE[key]);
    }
  }
  checkFingerprintKey(given, problems);
  checkEncryption(given, problems);
  return checkCron(given.cron, problems);
}

function filledIn(
  options: YardmasterOptions,
  cron: readonly CronDefinition[],
): ParsedOptions {
  const { heartbeatMs, lateMs, missingMs, queueLimit } = OPTION_DEFAULTS;
  const queues = Object.entries(options.queues ?? { default: {} });
  const basePath = options.basePath ?? OPTION_DEFAULTS.basePath;
  return {
    ...options,
    reader: options.reader ?? options.database,
    workers: options.workers ?? [],
    middleware: options.middleware ?? [],
    queues: Object.fromEntries(
      queues.map(([name, queue]) => [name, { limit: queueLimit, ...queue }]),
    ),
    cron: options.cron === undefined ? null : cron,
    basePath,
    executor: { heartbeatMs, lateMs, missingMs, ...options.executor },
    retentionMs: options.retentionMs ?? OPTION_DEFAULTS.retentionMs,
    pollMs: options.pollMs ?? OPTION_DEFAULTS.pollMs,
    notify: options.notify ?? true,
    coalesce: options.coalesce ?? false,
  };
}

/**
 * What pages need beyond an engine.
 *
 * @throws {OptionsError} If `auth` or `displayPolicy` is missing; both are named.
 */
export function requirePageOptions(
  { auth, displayPolicy }: Pick<YardmasterOptions, "auth" | "displayPolicy">,
): { readonly auth: Auth; readonly displayPolicy: DisplayPolicy } {
  const problems = new OptionProblems();
  const required = "is missing and has no default";
  if (auth === undefined) problems.add("auth", required, ADVICE.auth);
  if (displayPolicy === undefined) {
    problems.add("displayPolicy", required, ADVICE.displayPolicy);
  }
  if (auth === undefined || displayPolicy === undefined) {
    throw new OptionsError("mount the pages", problems.list);
  }
  return { auth, displayPolicy };
}

/**
 * What an operator's commands need beyond an engine.
 *
 * @throws {OptionsError} If `auth` is missing.
 */
export function requireAuth({ auth }: Pick<YardmasterOptions, "auth">): Auth {
  if (auth !== undefined) return auth;
  const problems = new OptionProblems();
  problems.add("auth", "is missing and has no default", ADVICE.auth);
  throw new OptionsError("act for an operator", problems.list);
}
