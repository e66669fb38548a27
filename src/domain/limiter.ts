import { assert } from "../assert.ts";
import { isName, isWhole } from "./job.ts";

/** How a limiter counts. */
export const LIMITER_KINDS = [
  "token_bucket",
  "fixed_window",
  "concurrency",
] as const;
/** One of {@linkcode LIMITER_KINDS}. */
export type LimiterKind = typeof LIMITER_KINDS[number];

/** Where a limiter holds: it refuses an enqueue, or lets jobs wait. */
export type LimiterPoint = "enqueue" | "dispatch";
/** Both of them. */
export const LIMITER_POINTS = [
  "enqueue",
  "dispatch",
] as const satisfies readonly LimiterPoint[];

/** What the history of a limiter tells. */
export const LIMITER_FACT_KINDS = [
  "blocked",
  "cooled_down",
  "cooldown_cleared",
  "reconfigured",
  "capacity_chosen",
] as const;
/** One of {@linkcode LIMITER_FACT_KINDS}. */
export type LimiterFactKind = typeof LIMITER_FACT_KINDS[number];

/** How many jobs may start in a span of time. */
export interface RateLimit {
  /**
   * `token_bucket`, the default: the whole allowance at once after a rest, and
   * then as it refills, evenly. `fixed_window`: the allowance once in a window
   * that the first job begins, so twice as many may start around its end.
   */
  readonly algorithm?: "token_bucket" | "fixed_window";
  /** 1 to 1,000,000. */
  readonly capacity: number;
  /** The span in which the whole capacity comes back; 1 s to 31 days. */
  readonly perMs: number;
}

/** A limiter as a host writes it: a rate, or a number of jobs that run. */
export type LimiterDefinition =
  & {
    /** 1 to 128 characters. Workers that name the same limiter share it. */
    readonly name: string;
    /**
     * A path into the args, such as `"customerId"` or `"customer.id"`: each
     * value has an allowance of its own. Left out, there is one for all.
     */
    readonly partitionBy?: string;
    /** What one job takes: a whole number, or a path into the args. 1. */
    readonly weight?: number | string;
    /** `dispatch`, the default: jobs wait. `enqueue`: they are refused. */
    readonly at?: LimiterPoint;
  }
  & (
    | { readonly rate: RateLimit; readonly concurrency?: undefined }
    /** Jobs that run at a time, on all executors together; 1 to 10,000. */
    | { readonly concurrency: number; readonly rate?: undefined }
  );

/** A limiter as {@linkcode defineLimiter} made it. */
export interface Limiter extends LimiterRule {
  /** By which workers, rows and pages know it. */
  readonly name: string;
  /** Whether it lets jobs wait, or refuses their enqueue. */
  readonly at: LimiterPoint;
  /** The path into the args whose values count apart; `null`: all together. */
  readonly partitionBy: string | null;
  /** Of a job that says nothing else. */
  readonly weight: number;
  /** The path into the args where the weight stands; `null`: it is `weight`. */
  readonly weightBy: string | null;
}

/** All that counting needs to know of a limiter. */
export interface LimiterRule {
  /** How it counts: starts in a span of time, or jobs that run. */
  readonly kind: LimiterKind;
  /** Starts in `perMs`, or jobs that run at a time; weights count. */
  readonly capacity: number;
  /** `null` for concurrency. */
  readonly perMs: number | null;
}

/** Bounds that the tables check as well. */
export const LIMITER_BOUNDS = {
  rateCapacityMax: 1_000_000,
  concurrencyMax: 10_000,
  perMsLeast: 1_000,
  perMsMax: 31 * 24 * 60 * 60 * 1_000,
  /** Names in a path into the args. */
  pathMax: 5,
  /** Limiters that one worker names. */
  perWorkerMax: 5,
  /** A longer key is cut, and told from others by its hash. */
  keyLengthMax: 200,
  cooldownMsMax: 31 * 24 * 60 * 60 * 1_000,
  reasonLengthMax: 2_000,
} as const;

/**
 * Defines a limiter, to be named by the workers that it limits.
 *
 * Partition and weight are paths and not functions: every process, a retry, a
 * cron entry and the pages find the same partition for a job, whether they know
 * its worker or not.
 *
 * @throws {TypeError} If a number or a path is out of bounds, or the weight is
 * above the capacity: such a job could never start.
 *
 * @example
 * ```ts
 * import { defineLimiter } from "@yardmaster/yardmaster";
 *
 * export const mailApi = defineLimiter({
 *   name: "mail_api",
 *   rate: { capacity: 100, perMs: 60_000 },
 *   partitionBy: "customerId",
 * });
 * ```
 */
export function defineLimiter(definition: LimiterDefinition): Limiter {
  const { name, rate, concurrency, partitionBy, weight = 1 } = definition;
  const { at = "dispatch" } = definition;
  assert(isName(name), "a limiter's name has 1 to 128 characters");
  checkOptions(name, { given: definition, known: OPTIONS });
  assert(
    (rate === undefined) !== (concurrency === undefined),
    `limiter ${name} has a rate or a concurrency, and not both`,
  );
  assert(LIMITER_POINTS.includes(at), `at of ${name} is enqueue or dispatch`);
  assert(
    at === "dispatch" || rate !== undefined,
    `limiter ${name} holds at dispatch: only there it is known what runs`,
  );
  const rule = rate === undefined
    ? concurrencyRule(name, concurrency ?? 0)
    : rateRule(name, rate);
  if (partitionBy !== undefined) checkPath(name, { partitionBy });
  const weightBy = typeof weight === "string" ? weight : null;
  if (weightBy !== null) checkPath(name, { weight: weightBy });
  const fixed = typeof weight === "string" ? 1 : weight;
  assert(
    isWhole(fixed, { least: 1, most: rule.capacity }),
    `weight of ${name} is 1 to its capacity, or a path into the args`,
  );
  return {
    ...rule,
    name,
    at,
    partitionBy: partitionBy ?? null,
    weight: fixed,
    weightBy,
  };
}

const OPTIONS: readonly string[] = [
  "name",
  "rate",
  "concurrency",
  "partitionBy",
  "weight",
  "at",
];
const RATE_OPTIONS: readonly string[] = ["algorithm", "capacity", "perMs"];

/** An option with a slip in its name would let through what it was to hold. */
function checkOptions(name: string, { given, known }: {
  readonly given: object;
  readonly known: readonly string[];
}): void {
  const odd = Object.keys(given).find((each) => !known.includes(each));
  assert(
    odd === undefined,
    `${odd} is no option of limiter ${name}: they are ${known.join(", ")}`,
  );
}

function rateRule(name: string, rate: RateLimit): LimiterRule {
  const { algorithm = "token_bucket", capacity, perMs } = rate;
  checkOptions(name, { given: rate, known: RATE_OPTIONS });
  assert(
    algorithm === "token_bucket" || algorithm === "fixed_window",
    `algorithm of ${name} is token_bucket or fixed_window`,
  );
  assert(
    isWhole(capacity, { least: 1, most: LIMITER_BOUNDS.rateCapacityMax }),
    `capacity of ${name} is 1 to 1,000,000`,
  );
  assert(
    isWhole(perMs, {
      least: LIMITER_BOUNDS.perMsLeast,
      most: LIMITER_BOUNDS.perMsMax,
    }),
    `perMs of ${name} is 1 second to 31 days, in whole milliseconds`,
  );
  return { kind: algorithm, capacity, perMs };
}

function concurrencyRule(name: string, capacity: number): LimiterRule {
  assert(
    isWhole(capacity, { least: 1, most: LIMITER_BOUNDS.concurrencyMax }),
    `concurrency of ${name} is 1 to 10,000`,
  );
  return { kind: "concurrency", capacity, perMs: null };
}

function checkPath(name: string, paths: Readonly<Record<string, string>>) {
  for (const [key, path] of Object.entries(paths)) {
    assert(
      parsePath(path) !== null,
      `${key} of ${name} is a path into the args, such as "customer.id"`,
    );
  }
}

/** The names of a path into the args; `null` if it is none. */
export function parsePath(path: unknown): readonly string[] | null {
  if (typeof path !== "string" || !isName(path)) return null;
  const names = path.split(".");
  const isPath = names.length <= LIMITER_BOUNDS.pathMax &&
    names.every((each) => each !== "");
  return isPath ? names : null;
}

/**
 * What is wrong with the weight that args ask for; `null` if it will do. One
 * above the capacity is refused here, because it could never start.
 */
export function weightProblem(limiter: Limiter, args: unknown): string | null {
  if (limiter.weightBy === null) return null;
  const weight = atPath(args, limiter.weightBy);
  if (isWhole(weight, { least: 1, most: limiter.capacity })) return null;
  return `is the weight for limiter ${limiter.name} and must be a whole number ` +
    `from 1 to ${limiter.capacity}`;
}

/** The value at a path into args; `undefined` if nothing is there. */
export function atPath(args: unknown, path: string): unknown {
  let value = args;
  for (const name of parsePath(path) ?? []) {
    if (typeof value !== "object" || value === null) return undefined;
    if (!Object.hasOwn(value, name)) return undefined;
    value = (value as Readonly<Record<string, unknown>>)[name];
  }
  return value;
}

/** Why a limiter holds a job back, with the evidence of it. */
export interface LimiterBlocker {
  /** `cooldown`: somebody said stop. `limit_reached`: the allowance is used. */
  readonly code: "cooldown" | "limit_reached";
  /** The name of the limiter. */
  readonly limiter: string;
  /** How it counts. */
  readonly kind: LimiterKind;
  /** Where it held the job back. */
  readonly at: LimiterPoint;
  /** `partitioned`: it counts each key apart. */
  readonly scope: "global" | "partitioned";
  /** The value of its partition; empty for a global limiter, or without one. */
  readonly key: string;
  /** The earliest instant; `null`: when one of those that run has ended. */
  readonly eligibleAt: Date | null;
  /** What it allows, as of now: an operator may have changed it. */
  readonly capacity: number;
  /** At the instant of looking. */
  readonly used: number;
  /** What the job asks for. */
  readonly weight: number;
  /** Of a cooldown: in its author's words. */
  readonly reason: string | null;
}

/** A blocker in a sentence. Only the names in it come from outside. */
export function blockerSentence(blocker: LimiterBlocker): string {
  const { limiter, key, capacity, used, kind } = blocker;
  const of = key === "" ? limiter : `${limiter}, key ${key}`;
  if (blocker.code === "cooldown") {
    return `Limiter ${of} cools down: ${blocker.reason ?? "no reason given"}.`;
  }
  const whole = Math.min(Math.ceil(used - 1e-6), capacity);
  return kind === "concurrency"
    ? `Limiter ${of} is full: ${whole} of ${capacity} run.`
    : `Limiter ${of} is used up: ${whole} of ${capacity}.`;
}
