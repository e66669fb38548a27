/** What a run may count on when fields of its args were redacted. */
import { isAtOrUnder } from "../domain/secret_paths.ts";
import {
  type Issue,
  type SchemaIssue,
  type SchemaResult,
  type StandardSchema,
  toIssues,
} from "./standard_schema.ts";

/** Args in which what is at the paths may be absent. */
export type WithoutRedacted<Args, Paths extends string> = [Paths] extends
  [never] ? Args
  : string extends Paths ? Args
  : Left<Args, Paths>;

/** @internal */
type Left<Value, Paths extends string> = Value extends readonly (infer Item)[]
  ? readonly Left<Item, Paths>[]
  : Value extends object ?
      & {
        [Key in keyof Value as Key extends Paths ? never : Key]: LeftAt<
          Value[Key],
          Below<Key, Paths>
        >;
      }
      & { [Key in keyof Value as Key extends Paths ? Key : never]?: Value[Key] }
  : Value;

type LeftAt<Value, Paths extends string> = [Paths] extends [never] ? Value
  : Left<Value, Paths>;

/** The rest of the paths that begin with this key. */
type Below<Key, Paths extends string> = Key extends string
  ? Paths extends `${Key}.${infer Rest}` ? Rest : never
  : never;

/** What a schema says of args of which fields were redacted. */
export type LeftCheck =
  | {
    readonly ok: true;
    readonly args: unknown;
    /** The schema missed only what was redacted: these are the args as stored. */
    readonly asStored: boolean;
  }
  | { readonly ok: false; readonly issues: readonly Issue[] };

/**
 * Asks a schema about what is left of args. That a redacted field is absent, or
 * something inside of it, is no failure: then the args are as they are stored,
 * and nothing that the schema would have made of them.
 */
export async function checkLeft(
  schema: StandardSchema,
  { args, redacted }: {
    readonly args: unknown;
    readonly redacted: readonly string[];
  },
): Promise<LeftCheck> {
  const result: SchemaResult<unknown> = await schema["~standard"]
    .validate(args);
  if (result.issues === undefined) {
    return { ok: true, args: result.value, asStored: false };
  }
  const others = result.issues.filter((issue) => !isAbout(issue, redacted));
  return others.length === 0
    ? { ok: true, args, asStored: true }
    : { ok: false, issues: toIssues(others, "args") };
}

/** Places in lists count for nothing: a path goes on in each element. */
function isAbout(
  { path = [] }: SchemaIssue,
  redacted: readonly string[],
): boolean {
  const names = path.map((step) => typeof step === "object" ? step.key : step)
    .filter((name) => typeof name === "string");
  const where = names.join(".");
  return redacted.some((field) => isAtOrUnder(where, field));
}

/**
 * Whether a schema left args as they were: what came out is in what went in. It
 * may have dropped keys that it does not know.
 */
export function leavesAsItIs(out: unknown, given: unknown): boolean {
  if (typeof out !== "object" || out === null) return Object.is(out, given);
  if (typeof given !== "object" || given === null) return false;
  if (Array.isArray(out)) {
    return Array.isArray(given) && out.length === given.length &&
      out.every((item, index) => leavesAsItIs(item, given[index]));
  }
  if (Array.isArray(given)) return false;
  const prototype: unknown = Object.getPrototypeOf(out);
  if (prototype !== Object.prototype && prototype !== null) return false;
  return Object.entries(out).every(([key, value]) =>
    Object.hasOwn(given, key)
      ? leavesAsItIs(value, Reflect.get(given, key))
      : value === undefined
  );
}
