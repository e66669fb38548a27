/** Paths into args that must not be readable where args are stored. */
import { isStorableText } from "./storable.ts";

/** An object as it came from JSON. */
export type JsonObject = { readonly [key: string]: unknown };

/** Bounds of the paths that one worker names. */
const SECRET_PATH_BOUNDS = {
  countMax: 50,
  /** Names in one path. */
  namesMax: 10,
  lengthMax: 200,
} as const;

/**
 * What is wrong with a list of paths; `null` if nothing is. A path is one name or
 * several with dots between them, such as `card.number`.
 */
export function secretPathsProblem(paths: unknown): string | null {
  const { countMax, namesMax, lengthMax } = SECRET_PATH_BOUNDS;
  if (!Array.isArray(paths) || paths.length > countMax) {
    return `is a list of at most ${countMax} paths into the args`;
  }
  if (!paths.every(isSecretPath)) {
    return `holds paths such as "card.number": at most ${namesMax} names and ` +
      `${lengthMax} characters, no name empty or "__proto__"`;
  }
  return new Set(paths).size === paths.length ? null : "names a path once";
}

function isSecretPath(path: unknown): boolean {
  const { namesMax, lengthMax } = SECRET_PATH_BOUNDS;
  if (typeof path !== "string" || path.length > lengthMax) return false;
  if (!isStorableText(path)) return false;
  const names = path.split(".");
  return names.length <= namesMax &&
    names.every((name) => name !== "" && name !== "__proto__");
}

/** Whether a path is another one, or leads to something inside of it. */
export function isAtOrUnder(path: string, other: string): boolean {
  return path === other || path.startsWith(`${other}.`);
}

/** Whether one of two paths leads to the other, or to something inside of it. */
export function overlap(left: string, right: string): boolean {
  return isAtOrUnder(left, right) || isAtOrUnder(right, left);
}

/** A value, and the way to it: names of keys and places in lists. */
export type Part = readonly [way: readonly (string | number)[], value: unknown];

/** Args without what was at some paths. */
export interface TakenOut {
  readonly left: JsonObject;
  readonly parts: readonly Part[];
  /** Those of the paths at which there was something, in order. */
  readonly paths: readonly string[];
}

/**
 * Takes out what is at the paths: the keys are absent then. A path goes on in
 * every element of a list that it meets. The args themselves stay as they are.
 */
export function takeOut(args: JsonObject, paths: readonly string[]): TakenOut {
  const parts: Part[] = [];
  const found: string[] = [];
  let left: unknown = args;
  // The shorter first: what is inside of it goes with it.
  for (const path of [...paths].sort((a, b) => a.length - b.length)) {
    const before = parts.length;
    left = without(left, { names: path.split("."), way: [], parts });
    if (parts.length > before) found.push(path);
  }
  return { left: left as JsonObject, parts, paths: found.sort() };
}

interface Search {
  readonly names: readonly string[];
  readonly way: readonly (string | number)[];
  readonly parts: Part[];
}

function without(value: unknown, search: Search): unknown {
  const { names, way, parts } = search;
  const [name, ...rest] = names;
  if (typeof value !== "object" || value === null || name === undefined) {
    return value;
  }
  if (Array.isArray(value)) {
    return value.map((item, index) =>
      without(item, { ...search, way: [...way, index] })
    );
  }
  if (!Object.hasOwn(value, name)) return value;
  const { [name]: inner, ...others } = value as Record<string, unknown>;
  if (rest.length === 0) {
    parts.push([[...way, name], inner]);
    return others;
  }
  const next = { names: rest, way: [...way, name], parts };
  return { ...others, [name]: without(inner, next) };
}

/**
 * Puts parts back to where they were.
 *
 * @throws {TypeError} If there is no such place.
 */
export function putBack(left: JsonObject, parts: readonly Part[]): JsonObject {
  const whole = structuredClone(left) as Record<string, unknown>;
  for (const [way, value] of parts) {
    const last = way.at(-1);
    let place: unknown = whole;
    for (const step of way.slice(0, -1)) place = child(place, step);
    if (typeof last !== "string" || last === "__proto__" || !isMap(place)) {
      throw new TypeError("a part has no place in these args");
    }
    place[last] = value;
  }
  return whole;
}

function child(place: unknown, step: string | number): unknown {
  if (typeof step === "number") {
    return Array.isArray(place) ? place[step] : undefined;
  }
  return isMap(place) && Object.hasOwn(place, step) ? place[step] : undefined;
}

function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
