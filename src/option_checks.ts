import {
  type CronDeclaration,
  type CronDefinition,
  parseCronEntries,
} from "./domain/cron_entry.ts";
import { JOB_BOUNDS } from "./domain/job.ts";
import type { AnyWorker } from "./engine/any_worker.ts";
import {
  FINGERPRINT_KEY_BYTES_MIN,
  isFingerprintKey,
  needsFingerprintKey,
} from "./engine/fingerprints.ts";
import { areMiddleware, MIDDLEWARE_MAX } from "./engine/middleware.ts";
import { ADVICE } from "./option_advice.ts";
import {
  described,
  isBoundedText,
  type OptionProblems,
} from "./option_problems.ts";

/** `query` and `transaction` tell a database from the driver that it wraps. */
export function checkDatabase(
  { key, value }: {
    readonly key: "database" | "reader";
    readonly value: unknown;
  },
  problems: OptionProblems,
): void {
  const advice = ADVICE[key];
  const { query, transaction, schema } = (value ?? {}) as Readonly<
    Record<string, unknown>
  >;
  if (
    typeof query === "function" && typeof transaction === "function" &&
    typeof schema === "string"
  ) return;
  const hint =
    value === undefined || value === null || typeof value === "string"
      ? "must be a database"
      : "must be a database; wrap the driver with postgresJs(), " +
        "nodePostgres() or pglite()";
  problems.add(key, `is ${described(value)} and ${hint}`, advice);
}

/** Workers as `defineWorker()` makes them, each with a name of its own. */
export function checkWorkers(value: unknown, problems: OptionProblems): void {
  if (value === undefined) return;
  const advice = ADVICE.workers;
  if (!Array.isArray(value)) {
    const is = described(value);
    problems.add("workers", `is ${is} and must be a list of workers`, advice);
    return;
  }
  const names = new Set<string>();
  for (const [index, worker] of value.entries()) {
    const key = `workers[${index}]`;
    const { name, perform } = (worker ?? {}) as Readonly<
      Record<string, unknown>
    >;
    if (typeof name !== "string" || typeof perform !== "function") {
      problems.add(key, `must be what defineWorker() returned`, advice);
    } else if (names.has(name)) {
      const twice = `is a second worker named ${JSON.stringify(name)}`;
      problems.add(key, `${twice}; every worker needs its own name`, advice);
    } else names.add(name);
  }
  checkLimiters(value, problems);
}

/** Functions, and not too many. */
export function checkMiddleware(
  value: unknown,
  problems: OptionProblems,
): void {
  if (value === undefined || areMiddleware(value)) return;
  const must = `must be a list of at most ${MIDDLEWARE_MAX} functions`;
  const advice = ADVICE.middleware;
  problems.add("middleware", `is ${described(value)} and ${must}`, advice);
}

/** Two limiters of one name would be one, as whoever came last says it is. */
function checkLimiters(
  workers: readonly unknown[],
  problems: OptionProblems,
): void {
  const known = new Map<string, string>();
  for (const [index, worker] of workers.entries()) {
    const { limiters } = (worker ?? {}) as { readonly limiters?: unknown };
    for (const limiter of Array.isArray(limiters) ? limiters : []) {
      const { name } = limiter as { readonly name: string };
      const text = JSON.stringify(limiter);
      if ((known.get(name) ?? text) !== text) {
        const other = `names another limiter ${JSON.stringify(name)} than an ` +
          `earlier worker; define it once and import it`;
        problems.add(`workers[${index}]`, other, ADVICE.workers);
      }
      known.set(name, text);
    }
  }
}

/** Queues by name, each with a limit. */
export function checkQueues(value: unknown, problems: OptionProblems): void {
  if (value === undefined) return;
  const advice = ADVICE.queues;
  const queues = problems.object("queues", { value, advice });
  for (const [name, given] of Object.entries(queues ?? {})) {
    const max = JOB_BOUNDS.nameLengthMax;
    const key = isBoundedText(name, max) ? `queues.${name}` : "queues";
    if (key === "queues") {
      const is = described(name);
      const must = `must have 1 to ${max} characters`;
      problems.add(key, `has the name ${is}, and a name ${must}`, advice);
    }
    const queue = problems.object(key, { value: given, advice });
    if (queue === null) continue;
    const known = ["limit"];
    problems.unknownKeys(`${key}.`, { value: queue, known, advice });
    if (queue.limit !== undefined) {
      const limit = queue.limit;
      const bounds = { min: 1, max: 10_000 };
      problems.whole(`${key}.limit`, { value: limit, ...bounds, advice });
    }
  }
}

/** Cron entries, by the rules of the domain. */
export function checkCron(
  value: unknown,
  problems: OptionProblems,
): readonly CronDefinition[] {
  if (value === undefined) return [];
  const advice = ADVICE.cron;
  if (!Array.isArray(value)) {
    const is = described(value);
    problems.add("cron", `is ${is} and must be a list of entries`, advice);
    return [];
  }
  const parsed = parseCronEntries(value as readonly CronDeclaration[]);
  if (parsed.ok) return parsed.definitions;
  for (const problem of parsed.problems) {
    problems.add("cron", `can not be read: ${problem}`, advice);
  }
  return [];
}

/** Three functions, all or none: a seam that is left out can not be guessed. */
export function checkAuth(value: unknown, problems: OptionProblems): void {
  if (value === undefined) return;
  const advice = ADVICE.auth;
  const auth = problems.object("auth", { value, advice });
  if (auth === null) return;
  const required = ["currentActor", "authorize", "auditPrincipal"];
  const optional = ["onUnauthenticated"];
  const known = [...required, ...optional];
  problems.unknownKeys("auth.", { value: auth, known, advice });
  for (const name of known) {
    problems.callable(`auth.${name}`, {
      value: auth[name],
      required: required.includes(name),
      advice,
    });
  }
}

/** `/`, or segments that mean the same to every router and every browser. */
export function checkBasePath(value: unknown, problems: OptionProblems): void {
  if (value === undefined || value === "/") return;
  const isPath = typeof value === "string" && value.length <= 200 &&
    /^(\/[A-Za-z0-9._~-]+)+$/.test(value) && !/\/\.+(\/|$)/.test(value);
  if (isPath) return;
  problems.add(
    "basePath",
    `is ${
      described(value)
    } and must be "/" or a path that starts with "/" and ` +
      `does not end with one, of letters, digits, "-", "_", "." and "~", at ` +
      `most 200`,
    ADVICE.basePath,
  );
}

/** Origins, and nothing behind them. */
export function checkOrigins(value: unknown, problems: OptionProblems): void {
  if (value === undefined) return;
  const advice = ADVICE.allowedOrigins;
  if (!Array.isArray(value)) {
    const is = described(value);
    problems.add("allowedOrigins", `is ${is} and must be a list`, advice);
    return;
  }
  for (const [index, origin] of value.entries()) {
    if (
      typeof origin === "string" && /^https?:\/\//.test(origin) &&
      URL.canParse(origin) && new URL(origin).origin === origin
    ) continue;
    const must = "must be an origin: scheme, host and port, and no path";
    problems.add(`allowedOrigins[${index}]`, must, advice);
  }
}

/** Nothing of it is told, not even what it is like; only who needs it. */
export function checkFingerprintKey(
  { fingerprintKey, workers }: Readonly<Record<string, unknown>>,
  problems: OptionProblems,
): void {
  if (isFingerprintKey(fingerprintKey)) return;
  if (fingerprintKey === undefined) {
    // What is no worker at all is told elsewhere.
    const names = (Array.isArray(workers) ? workers as AnyWorker[] : [])
      .filter((worker) => worker?.secrets && needsFingerprintKey(worker))
      .map(({ name }) => JSON.stringify(name));
    if (names.length === 0) return;
    const missing = `is missing, and jobs of ${names.join(", ")} would be ` +
      `known by a digest of args that are hidden`;
    problems.add("fingerprintKey", missing, ADVICE.fingerprintKey);
    return;
  }
  const must = `must be text or bytes, ${FINGERPRINT_KEY_BYTES_MIN} at least`;
  problems.add("fingerprintKey", must, ADVICE.fingerprintKey);
}

/** Text, and paths on this origin. */
export function checkLayout(value: unknown, problems: OptionProblems): void {
  if (value === undefined) return;
  const advice = ADVICE.layout;
  const layout = problems.object("layout", { value, advice });
  if (layout === null) return;
  const texts = { title: 40, environment: 24 } as const;
  const links = ["homeHref", "signOutHref"] as const;
  const known = [...Object.keys(texts), ...links];
  problems.unknownKeys("layout.", { value: layout, known, advice });
  for (const [name, max] of Object.entries(texts)) {
    if (layout[name] === undefined) continue;
    problems.text(`layout.${name}`, { value: layout[name], max, advice });
  }
  for (const name of links) {
    const href = layout[name];
    // Two slashes, or one and a backslash, lead to another host.
    if (href === undefined) continue;
    if (typeof href === "string" && /^\/(?![/\\])[^\s\p{Cc}]*$/u.test(href)) {
      continue;
    }
    const must = `must be a path on this origin, such as "/"`;
    problems.add(`layout.${name}`, `is ${described(href)} and ${must}`, advice);
  }
}

/** A heartbeat comes before it can be late, and late comes before missing. */
export function checkExecutor(
  { value, defaults }: {
    readonly value: unknown;
    readonly defaults: {
      readonly heartbeatMs: number;
      readonly lateMs: number;
      readonly missingMs: number;
    };
  },
  problems: OptionProblems,
): void {
  if (value === undefined) return;
  const advice = ADVICE.executor;
  const executor = problems.object("executor", { value, advice });
  if (executor === null) return;
  const spans = ["heartbeatMs", "lateMs", "missingMs"] as const;
  const known = ["name", ...spans];
  problems.unknownKeys("executor.", { value: executor, known, advice });
  if (executor.name !== undefined) {
    const name = executor.name;
    problems.text("executor.name", { value: name, max: 128, advice });
  }
  const read = spans.map((name) => {
    const span = executor[name] ?? defaults[name];
    const bounds = { min: 50, max: 86_400_000 };
    const right = problems.whole(`executor.${name}`, {
      value: span,
      ...bounds,
      advice,
    });
    return right ? Number(span) : null;
  });
  const [heartbeatMs = null, lateMs = null, missingMs = null] = read;
  if (heartbeatMs === null || lateMs === null || missingMs === null) return;
  if (heartbeatMs < lateMs && lateMs < missingMs) return;
  problems.add(
    "executor",
    `has heartbeatMs ${heartbeatMs}, lateMs ${lateMs} and missingMs ` +
      `${missingMs}, and each must be less than the next`,
    advice,
  );
}
