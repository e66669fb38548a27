/** What is kept of what a run returned, how much of it, and how long. */
import { isWhole } from "./job.ts";

const HOUR_MS = 60 * 60 * 1_000;

/** How long an output can be read, by the name of its class, in milliseconds. */
export const KEEP_CLASSES = {
  ephemeral: 6 * HOUR_MS,
  standard: 7 * 24 * HOUR_MS,
  extended: 30 * 24 * HOUR_MS,
} as const satisfies Record<KeepClass, number>;

/** A name for how long an output can be read: 6 hours, 7 days or 30 days. */
export type KeepClass = "ephemeral" | "standard" | "extended";

/** What may be asked for. */
export const OUTPUT_BOUNDS = {
  /** Of the JSON text in UTF-8. */
  limitBytesDefault: 65_536,
  limitBytesMax: 1_048_576,
  keepMsMin: 60_000,
  keepMsMax: 400 * 24 * HOUR_MS,
} as const;

/** How much of an output is kept, and how long. */
export interface RecordOutput {
  /** Of its JSON text in UTF-8: 1 to 1,048,576; 65,536 when left out. */
  readonly limitBytes?: number;
  /**
   * `ephemeral` (6 hours), `standard` (7 days, when left out), `extended` (30
   * days), or milliseconds: a minute to 400 days.
   */
  readonly keep?: KeepClass | number;
  /**
   * Stores it encrypted, all of it; needs the option `encryption`. `limitBytes`
   * counts what the run returned; what is stored is a third longer.
   */
  readonly encrypt?: boolean;
}

/** The same with its defaults filled in. */
export interface OutputRule {
  /** What is longer, as JSON in UTF-8, is dropped and never cut. */
  readonly limitBytes: number;
  /** How long it can be read, in milliseconds from the end of the job. */
  readonly keepMs: number;
  /** Whether it is stored encrypted. */
  readonly encrypt: boolean;
}

/** What an option comes to, or what is wrong with it. */
export type ParsedRule =
  | { readonly ok: true; readonly rule: OutputRule | null }
  | { readonly ok: false; readonly problem: string };

/** Reads what a worker says about its output; `null`: it keeps none. */
export function parseOutputRule(option: unknown): ParsedRule {
  if (option === undefined || option === false) return { ok: true, rule: null };
  const given = option === true ? {} : option;
  if (typeof given !== "object" || given === null) {
    return bad("is true, false, or { limitBytes, keep, encrypt }");
  }
  const known = ["limitBytes", "keep", "encrypt"];
  const unknown = Object.keys(given).find((key) => !known.includes(key));
  if (unknown !== undefined) return bad(`has no option "${unknown}"`);

  const { limitBytesDefault, limitBytesMax, keepMsMin, keepMsMax } =
    OUTPUT_BOUNDS;
  const {
    limitBytes = limitBytesDefault,
    keep = "standard",
    encrypt = false,
  } = given as RecordOutput;
  if (!isWhole(limitBytes, { least: 1, most: limitBytesMax })) {
    return bad(`has a limitBytes of whole bytes from 1 to ${limitBytesMax}`);
  }
  const keepMs = Object.hasOwn(KEEP_CLASSES, keep)
    ? KEEP_CLASSES[keep as KeepClass]
    : keep;
  if (!isWhole(keepMs, { least: keepMsMin, most: keepMsMax })) {
    return bad(
      `keeps for ${Object.keys(KEEP_CLASSES).join(", ")}, or for whole ` +
        `milliseconds from ${keepMsMin} to ${keepMsMax}`,
    );
  }
  if (typeof encrypt !== "boolean") {
    return bad("encrypts all of it or nothing: encrypt is true or false");
  }
  return { ok: true, rule: { limitBytes, keepMs: Number(keepMs), encrypt } };
}

function bad(problem: string): ParsedRule {
  return { ok: false, problem };
}

/**
 * A value as it comes back from the database: a date is its ISO text, a `bigint`
 * its digits, and what JSON leaves out is not there.
 */
export type JsonOf<Value> = 0 extends 1 & Value ? Value
  : Value extends string | number | boolean | null ? Value
  : Value extends bigint ? string
  : Value extends { toJSON(): infer Json } ? JsonOf<Json>
  : Value extends LeftOut ? never
  : Value extends readonly unknown[]
    ? { -readonly [Index in keyof Value]: JsonItem<Value[Index]> }
  : Value extends object ? {
      [Key in keyof Value as IsLeftOut<Value[Key]> extends true ? never : Key]:
        JsonOf<Value[Key]>;
    }
  : Value;

/** @internal */
type LeftOut = undefined | symbol | ((...args: never) => unknown);
/** @internal */
type IsLeftOut<Value> = [Value] extends [LeftOut] ? true : false;
/**
 * In a list, what JSON has no word for is null.
 *
 * @internal
 */
type JsonItem<Value> = Value extends LeftOut ? null : JsonOf<Value>;
