import type { Database } from "../db/database.ts";
import {
  isName,
  isWhole,
  JOB_BOUNDS,
  JOB_STATES,
  normalizeTags,
  parseDelayMs,
} from "../domain/job.ts";
import { type IdempotentOptions, RECEIPT_BOUNDS } from "../domain/receipt.ts";
import { isStorableText } from "../domain/storable.ts";
import {
  type Debounce,
  REPLACEABLE,
  STATE_GROUPS,
  UNIQUE_FIELDS,
  type UniqueOptions,
  uniqueProblem,
  uniqueRule,
} from "../domain/unique_key.ts";
import type { Issue } from "./standard_schema.ts";

/** How a job is enqueued; what is left out is as its worker says. */
export interface EnqueueOptions {
  /** Not before this instant; one that is past means at once. */
  readonly runAt?: Date;
  /** Milliseconds from now, by the database's clock; not beside `runAt`. */
  readonly delayMs?: number;
  /** Where it waits: 1 to 128 characters. */
  readonly queue?: string;
  /** 0 (first) to 9. */
  readonly priority?: number;
  /** Attempts before it is discarded: 1 to 1,000. */
  readonly maxAttempts?: number;
  /** Trimmed, lower-cased and without repetitions; added to the worker's. */
  readonly tags?: readonly string[];
  /** Notes that no worker reads: a JSON object of at most 1 MiB. */
  readonly meta?: Readonly<Record<string, unknown>>;
  /** When it counts as the same as another; key by key. */
  readonly unique?: boolean | UniqueOptions;
  /**
   * The same again is answered with the job that was the answer before; `true` for
   * 24 hours, `false` switches off what the worker says.
   */
  readonly idempotent?: boolean | IdempotentOptions;
  /**
   * What stands for the args in that: 1 to 255 characters, such as the key that
   * came with a request. For any worker.
   */
  readonly idempotencyKey?: string;
  /** Milliseconds from now; then the job is cancelled, running or not. */
  readonly deadlineMs?: number;
  /** A handle on the host's own open transaction: the job commits with it. */
  readonly database?: Database;
}

/** Answers what is wrong with a value, or `null`. */
type Check = (value: unknown) => string | null;

/** Postgres writes years before the first in a way of its own. */
const RUN_AT_LEAST = Date.parse("0001-01-01T00:00:00Z");

const CHECKS = {
  runAt: (value) =>
    value instanceof Date && !Number.isNaN(value.getTime()) &&
      value.getTime() >= RUN_AT_LEAST && value.getTime() < Date.UTC(9999, 0)
      ? null
      : "must be a valid Date",
  delayMs: isDelay,
  queue: (value) => isName(value) ? null : "must have 1 to 128 characters",
  priority: (value) =>
    isWhole(value, { least: 0, most: JOB_BOUNDS.priorityMax })
      ? null
      : "must be 0 to 9",
  maxAttempts: (value) =>
    isWhole(value, { least: 1, most: JOB_BOUNDS.maxAttemptsMax })
      ? null
      : "must be 1 to 1000",
  tags: areTags,
  // Its size and its contents are checked with those of the args.
  meta: () => null,
  unique: isUnique,
  idempotent: isIdempotent,
  idempotencyKey: (value) =>
    typeof value === "string" && value.length >= 1 && isStorableText(value) &&
      [...value].length <= RECEIPT_BOUNDS.keyLengthMax
      ? null
      : "must have 1 to 255 characters",
  deadlineMs: isDelay,
  database: (value) =>
    typeof value === "object" && value !== null && "query" in value
      ? null
      : "must be a Database, such as postgresJs(tx)",
} as const satisfies Record<keyof EnqueueOptions, Check>;

const UNIQUE_CHECKS = {
  fields: (value) => isListOf(value, UNIQUE_FIELDS),
  keys: (value) =>
    Array.isArray(value) && value.every((key) => typeof key === "string")
      ? null
      : "must be a list of texts",
  periodMs: (value) => value === null ? null : isDelay(value),
  states: (value) =>
    typeof value === "string"
      ? Object.hasOwn(STATE_GROUPS, value) ? null : "must be a group of states"
      : isListOf(value, JOB_STATES),
  onConflict: (value) =>
    value === "reject"
      ? null
      : isOnly(value, "replace")
      ? isListOf(value.replace, REPLACEABLE)
      : isOnly(value, "debounce")
      ? isDebounce(value.debounce)
      : value === "throttle" || value === "keep_last"
      ? null
      : `must be "reject", { replace: [...] }, { debounce: { delayMs } }, ` +
        `"throttle" or "keep_last"`,
} as const satisfies Record<keyof UniqueOptions, Check>;

/** What is wrong with options; an option that we do not know is. */
export function checkOptions(options: EnqueueOptions): Issue[] {
  const issues = checkAll(options, CHECKS);
  if (options.runAt !== undefined && options.delayMs !== undefined) {
    issues.push({ path: "delayMs", message: "must not be given with runAt" });
  }
  if (options.idempotencyKey !== undefined && options.idempotent === false) {
    const message = "must not be given with idempotent: false";
    issues.push({ path: "idempotencyKey", message });
  }
  return issues;
}

/** What is wrong with the uniqueness that a worker and a call say together. */
export function checkUnique(
  ofWorker: boolean | UniqueOptions | undefined,
  { unique, runAt, delayMs }: Omit<EnqueueOptions, "database">,
): Issue[] {
  const rule = uniqueRule(ofWorker, unique);
  if (rule === null) return [];
  const message = uniqueProblem(ofWorker, unique);
  const issues = message === null ? [] : [{ path: "unique", message }];
  if (rule.mode !== "debounce") return issues;
  for (const [path, value] of Object.entries({ runAt, delayMs })) {
    if (value === undefined) continue;
    const says = "must not be given with debounce, whose delayMs says when";
    issues.push({ path, message: says });
  }
  return issues;
}

function checkAll(
  values: object,
  checks: Readonly<Record<string, Check>>,
): Issue[] {
  const issues: Issue[] = [];
  for (const [path, value] of Object.entries(values)) {
    if (value === undefined) continue;
    const check = Object.hasOwn(checks, path) ? checks[path] : undefined;
    const message = check === undefined ? "is not known" : check(value);
    if (message !== null) issues.push({ path, message });
  }
  return issues;
}

function isDelay(value: unknown): string | null {
  const parsed = parseDelayMs(value);
  return parsed !== null && Number(value) <= JOB_BOUNDS.delayMsMax
    ? null
    : "must be milliseconds from 0 to ten years";
}

function areTags(value: unknown): string | null {
  if (!Array.isArray(value)) return "must be a list of texts";
  if (!value.every((tag) => typeof tag === "string" && isStorableText(tag))) {
    return "must be a list of texts";
  }
  const tags = normalizeTags(value);
  return tags.length <= JOB_BOUNDS.tagsMax &&
      tags.every((tag) => tag.length <= JOB_BOUNDS.tagLengthMax)
    ? null
    : "must be at most 50 tags of at most 255 characters";
}

function isIdempotent(value: unknown): string | null {
  if (typeof value === "boolean") return null;
  if (typeof value !== "object" || value === null) {
    return "must be true, false or { keepMs }";
  }
  const { keepMsMin: least, keepMsMax: most } = RECEIPT_BOUNDS;
  const keepMs = (keep: unknown) =>
    isWhole(keep, { least, most }) ? null : "must be 1 s to ten years";
  if (!Object.hasOwn(value, "keepMs")) {
    return "must be true, false or { keepMs }";
  }
  const [first] = checkAll(value, { keepMs });
  return first === undefined ? null : `${first.path} ${first.message}`;
}

function isUnique(value: unknown): string | null {
  if (typeof value === "boolean") return null;
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    return "must be true, false or an object";
  }
  const [first] = checkAll(value, UNIQUE_CHECKS);
  return first === undefined
    ? uniqueProblem(undefined, value)
    : `${first.path} ${first.message}`;
}

const DEBOUNCE_CHECKS = {
  delayMs: isDelay,
  maxWaitMs: (value) => value === null ? null : isDelay(value),
} as const satisfies Record<keyof Debounce, Check>;

function isDebounce(value: unknown): string | null {
  if (typeof value !== "object" || value === null) {
    return "must have a debounce of { delayMs, maxWaitMs? }";
  }
  const [first] = checkAll({ delayMs: null, ...value }, DEBOUNCE_CHECKS);
  return first === undefined
    ? null
    : `must have a debounce whose ${first.path} ${first.message}`;
}

function isOnly<Key extends string>(
  value: unknown,
  key: Key,
): value is Readonly<Record<Key, unknown>> {
  return typeof value === "object" && value !== null && key in value &&
    Object.keys(value).length === 1;
}

function isListOf(value: unknown, known: readonly string[]): string | null {
  return Array.isArray(value) && value.length >= 1 &&
      value.every((item) => known.includes(item))
    ? null
    : `must be a list of ${known.join(", ")}`;
}
