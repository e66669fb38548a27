import { JOB_STATES, type JobState } from "./state.ts";

/** The parts of a job that can make it unique. */
export const UNIQUE_FIELDS = ["args", "meta", "queue", "worker"] as const;
/** One of {@linkcode UNIQUE_FIELDS}. */
export type UniqueField = typeof UNIQUE_FIELDS[number];

/** Named sets of the states in which a job keeps its uniqueness. */
export const STATE_GROUPS = {
  all: JOB_STATES,
  incomplete: [
    "suspended",
    "available",
    "scheduled",
    "executing",
    "retryable",
  ],
  scheduled: ["scheduled"],
  successful: [
    "suspended",
    "available",
    "scheduled",
    "executing",
    "retryable",
    "completed",
  ],
} as const satisfies Record<string, readonly JobState[]>;
/** One of the keys of {@linkcode STATE_GROUPS}. */
export type StateGroup = keyof typeof STATE_GROUPS;

/** What an insert may overwrite in the job that holds the key and still waits. */
export const REPLACEABLE = [
  "args",
  "meta",
  "tags",
  "priority",
  "maxAttempts",
  "runAt",
] as const;
/** One of {@linkcode REPLACEABLE}. */
export type Replaceable = typeof REPLACEABLE[number];

/** When two jobs count as the same, and what an insert of the second does. */
export interface UniqueOptions {
  /** What is compared; `args`, `queue` and `worker` by default. */
  readonly fields?: readonly UniqueField[];
  /** Compares only these keys of args and meta. */
  readonly keys?: readonly string[];
  /** How long the first keeps others out; `null` is for ever; 60 s by default. */
  readonly periodMs?: number | null;
  /** The states in which it does; `successful` by default. */
  readonly states?: StateGroup | readonly JobState[];
  /**
   * `reject` (the default) leaves the first as it is; `replace` overwrites the
   * fields named here as long as it waits. Both answer `conflict`.
   */
  readonly onConflict?: "reject" | { readonly replace: readonly Replaceable[] };
}

/** Options with every default filled in. */
export interface UniqueRule {
  readonly fields: readonly UniqueField[];
  readonly keys: readonly string[];
  readonly periodMs: number | null;
  readonly states: readonly JobState[];
  readonly replace: readonly Replaceable[];
}

const PERIOD_MS_DEFAULT = 60_000;

/**
 * Fills in the defaults. `true` means the same with no end to the period;
 * `false` means not unique. What the call says wins over what the worker says,
 * key by key.
 */
export function uniqueRule(
  ofWorker: boolean | UniqueOptions | undefined,
  ofCall: boolean | UniqueOptions | undefined,
): UniqueRule | null {
  if (ofCall === false || (ofCall === undefined && !ofWorker)) return null;
  const options = { ...asOptions(ofWorker), ...asOptions(ofCall) };
  const states = options.states ?? "successful";
  return {
    fields: options.fields ?? ["args", "queue", "worker"],
    keys: options.keys ?? [],
    periodMs: options.periodMs === undefined
      ? PERIOD_MS_DEFAULT
      : options.periodMs,
    states: typeof states === "string" ? STATE_GROUPS[states] : states,
    replace: typeof options.onConflict === "object"
      ? options.onConflict.replace
      : [],
  };
}

function asOptions(value: boolean | UniqueOptions | undefined): UniqueOptions {
  if (value === true) return { periodMs: null };
  return typeof value === "object" ? value : {};
}

/** What the key of a job is made of. */
export interface UniqueSubject {
  readonly queue: string;
  readonly worker: string;
  readonly args: Readonly<Record<string, unknown>>;
  readonly meta: Readonly<Record<string, unknown>>;
}

/**
 * What makes a job unique: its chosen parts, of which the key is a digest.
 *
 * Which fields and keys were compared is part of it, so two rules never collide;
 * period and states are not, so the same job stays the same when they change.
 */
export function uniqueParts(
  rule: UniqueRule,
  subject: UniqueSubject,
): Readonly<Record<string, unknown>> {
  const parts: Record<string, unknown> = {};
  for (const field of rule.fields) {
    const value = subject[field];
    parts[field] = typeof value === "string" ? value : only(value, rule.keys);
  }
  return { keys: [...rule.keys].sort(), parts };
}

/**
 * JSON with the keys of every object in order, so that equal values are equal
 * texts.
 */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) => {
    if (typeof inner !== "object" || inner === null || Array.isArray(inner)) {
      return inner;
    }
    const entries = Object.entries(inner);
    entries.sort(([left], [right]) => left < right ? -1 : left > right ? 1 : 0);
    // Not fromEntries into a plain object: keys such as "2" would jump ahead,
    // which is an order as well, but `__proto__` would be lost.
    const sorted: Record<string, unknown> = Object.create(null);
    for (const [key, item] of entries) sorted[key] = item;
    return sorted;
  });
}

function only(
  value: Readonly<Record<string, unknown>>,
  keys: readonly string[],
): Readonly<Record<string, unknown>> {
  if (keys.length === 0) return value;
  const chosen = keys.filter((key) => Object.hasOwn(value, key));
  return Object.fromEntries(chosen.map((key) => [key, value[key]]));
}
