import { JOB_STATES, type JobState } from "./state.ts";

/** A part of a job that can make it unique. */
export type UniqueField = "args" | "meta" | "queue" | "worker";
/** All of them. */
export const UNIQUE_FIELDS = [
  "args",
  "meta",
  "queue",
  "worker",
] as const satisfies readonly UniqueField[];

/**
 * A named set of the states in which a job keeps its uniqueness: any state; any
 * in which it has not ended; only while it waits for its time; or all but
 * cancelled and discarded.
 */
export type StateGroup = "all" | "incomplete" | "scheduled" | "successful";

/** The states of each group. */
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
} as const satisfies Record<StateGroup, readonly JobState[]>;

/** What an insert may overwrite in the job that holds the key and still waits. */
export type Replaceable =
  | "args"
  | "meta"
  | "tags"
  | "priority"
  | "maxAttempts"
  | "runAt";
/** All of it. */
export const REPLACEABLE = [
  "args",
  "meta",
  "tags",
  "priority",
  "maxAttempts",
  "runAt",
] as const satisfies readonly Replaceable[];

/** A wait that each further call begins anew. */
export interface Debounce {
  /** From the last call to the run, in milliseconds. */
  readonly delayMs: number;
  /**
   * From the first call to the run, at most; without it, calls that never cease
   * put it off for ever. In milliseconds, not less than `delayMs`.
   */
  readonly maxWaitMs?: number | null;
}

/**
 * What an insert does while another job holds its key. Each answers `conflict`
 * with the id of that job, which is called the holder here:
 *
 * - `"reject"`: nothing. The holder stays as it is.
 * - `{ replace: [...] }`: overwrites these fields of a holder that waits.
 * - `{ debounce: { delayMs, maxWaitMs } }`: a holder that waits takes the newest
 *   args and waits anew, so that one job runs when calls have ceased for
 *   `delayMs`. One whose attempt failed takes the args and keeps its time.
 * - `"throttle"`: nothing, for `periodMs` from the first job, whatever became of
 *   it: at most one in each such window. Windows begin with a job and are not
 *   aligned to the clock, so two jobs are never closer than `periodMs`.
 * - `"keep_last"`: the newest wins. A holder that waits is overwritten in
 *   everything but its id.
 *
 * What runs is never overwritten. With `debounce` and `keep_last` the key is held
 * while its job waits, and no longer: a call during the run is inserted as the
 * one that follows, and further calls overwrite that one. The jobs begin with all
 * their attempts, beside those that were made.
 */
export type OnConflict =
  | "reject"
  | { readonly replace: readonly Replaceable[] }
  | { readonly debounce: Debounce }
  | "throttle"
  | "keep_last";

/** When two jobs count as the same, and what an insert of the second does. */
export interface UniqueOptions {
  /** What is compared; `args`, `queue` and `worker` by default. */
  readonly fields?: readonly UniqueField[];
  /**
   * Compares only these keys of args and meta: names at their top, and no paths.
   * Where a job has none of them, it is the same as all others without.
   */
  readonly keys?: readonly string[];
  /**
   * How long the first keeps others out; `null` is for ever; 60 s by default.
   * Not with `debounce` and `keep_last`.
   */
  readonly periodMs?: number | null;
  /**
   * The states in which it does; `successful` by default. Only with `reject` and
   * `replace`: the other modes know when.
   */
  readonly states?: StateGroup | readonly JobState[];
  /**
   * `reject` (the default), `{ replace }`, `{ debounce }`, `throttle` or
   * `keep_last`: what an insert does to the job that holds the key.
   */
  readonly onConflict?: OnConflict;
}

/** The names of {@linkcode OnConflict}. */
export type UniqueMode =
  | "reject"
  | "replace"
  | "debounce"
  | "throttle"
  | "keep_last";

/** Options with every default filled in. */
export interface UniqueRule {
  readonly fields: readonly UniqueField[];
  readonly keys: readonly string[];
  readonly periodMs: number | null;
  readonly states: readonly JobState[];
  readonly mode: UniqueMode;
  /** Of `replace`: the fields. */
  readonly replace: readonly Replaceable[];
  readonly debounce: Debounce | null;
}

const PERIOD_MS_DEFAULT = 60_000;

/** As long as a job waits and can be overwritten. */
const WAITING = [
  "available",
  "scheduled",
  "retryable",
] as const satisfies readonly JobState[];

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
  const { onConflict = "reject", periodMs = PERIOD_MS_DEFAULT } = options;
  const mode = modeOf(onConflict);
  const holdsWhileWaiting = mode === "debounce" || mode === "keep_last";
  return {
    fields: options.fields ?? ["args", "queue", "worker"],
    keys: options.keys ?? [],
    periodMs: holdsWhileWaiting ? null : periodMs,
    states: holdsWhileWaiting
      ? WAITING
      : mode === "throttle"
      ? JOB_STATES
      : statesOf(options.states ?? "successful"),
    mode,
    ...detailsOf(onConflict),
  };
}

/**
 * What is wrong with what worker and call say together, as the end of a sentence
 * that begins with `unique`; `null` if nothing is. Each by itself was checked.
 */
export function uniqueProblem(
  ofWorker: boolean | UniqueOptions | undefined,
  ofCall: boolean | UniqueOptions | undefined,
): string | null {
  const options = { ...asOptions(ofWorker), ...asOptions(ofCall) };
  const { onConflict = "reject", periodMs, states } = options;
  const mode = modeOf(onConflict);
  if (mode === "reject" || mode === "replace") return null;
  if (states !== undefined) {
    return `states must not be given with ${mode}, which knows when it holds`;
  }
  if (mode === "throttle") {
    return periodMs === null || periodMs === 0
      ? "periodMs must be from 1 with throttle: it is its window"
      : null;
  }
  if (periodMs !== undefined && periodMs !== null) {
    return `periodMs must not be given with ${mode}, which holds while its job ` +
      "waits";
  }
  const { debounce } = detailsOf(onConflict);
  return debounce?.maxWaitMs != null && debounce.maxWaitMs < debounce.delayMs
    ? "onConflict must have a maxWaitMs of at least its delayMs"
    : null;
}

function modeOf(onConflict: OnConflict): UniqueMode {
  if (typeof onConflict === "string") return onConflict;
  return "replace" in onConflict ? "replace" : "debounce";
}

function detailsOf(
  onConflict: OnConflict,
): Pick<UniqueRule, "replace" | "debounce"> {
  if (typeof onConflict === "string") return { replace: [], debounce: null };
  return "replace" in onConflict
    ? { replace: onConflict.replace, debounce: null }
    : { replace: [], debounce: onConflict.debounce };
}

function statesOf(
  states: StateGroup | readonly JobState[],
): readonly JobState[] {
  return typeof states === "string" ? STATE_GROUPS[states] : states;
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
