import type { OptionsProblem } from "./errors.ts";

/** What is said of an option beside what is wrong with it. */
export type Advice = Pick<OptionsProblem, "example" | "needed">;

/** Collects what is wrong, so that a host reads all of it at once. */
export class OptionProblems {
  readonly list: OptionsProblem[] = [];

  add(key: string, message: string, advice: Advice): void {
    this.list.push({ key, message, ...advice });
  }

  /** Whether `value` is an object that is no list, as a record. */
  object(
    key: string,
    { value, advice }: { readonly value: unknown; readonly advice: Advice },
  ): Readonly<Record<string, unknown>> | null {
    if (typeof value === "object" && value !== null && !Array.isArray(value)) {
      return value as Readonly<Record<string, unknown>>;
    }
    this.add(key, `is ${described(value)} and must be an object`, advice);
    return null;
  }

  /** Reports a function that is missing, or is none. */
  callable(
    key: string,
    { value, required, advice }: {
      readonly value: unknown;
      readonly required: boolean;
      readonly advice: Advice;
    },
  ): void {
    if (typeof value === "function" || (value === undefined && !required)) {
      return;
    }
    this.add(key, `is ${described(value)} and must be a function`, advice);
  }

  /** Reports a number that is no whole one within bounds. */
  whole(
    key: string,
    { value, min, max, advice }: {
      readonly value: unknown;
      readonly min: number;
      readonly max: number;
      readonly advice: Advice;
    },
  ): boolean {
    if (
      Number.isInteger(value) && Number(value) >= min && Number(value) <= max
    ) {
      return true;
    }
    this.add(
      key,
      `is ${described(value)} and must be a whole number from ${min} to ${max}`,
      advice,
    );
    return false;
  }

  /** Reports text that is none, or has not 1 to `max` characters. */
  text(
    key: string,
    { value, max, advice }: {
      readonly value: unknown;
      readonly max: number;
      readonly advice: Advice;
    },
  ): boolean {
    if (isBoundedText(value, max)) return true;
    this.add(
      key,
      `is ${described(value)} and must be text of 1 to ${max} characters`,
      advice,
    );
    return false;
  }

  /** Reports keys that nobody reads, with the nearest one that somebody does. */
  unknownKeys(
    path: string,
    { value, known, advice }: {
      readonly value: Readonly<Record<string, unknown>>;
      readonly known: readonly string[];
      readonly advice: Advice;
    },
  ): void {
    for (const key of Object.keys(value)) {
      if (known.includes(key)) continue;
      const nearest = nearestName(key, known);
      const advised = nearest === null
        ? `the options are ${known.join(", ")}`
        : `did you mean "${nearest}"?`;
      this.add(path + key, `is not an option; ${advised}`, advice);
    }
  }
}

/** Text of 1 to `max` characters that Postgres can hold. */
export function isBoundedText(value: unknown, max: number): value is string {
  return typeof value === "string" && value.trim() !== "" &&
    !value.includes("\0") && [...value].length <= max;
}

/**
 * What a value is, in a few words and without what is in it: it may hold a
 * password.
 */
export function described(value: unknown): string {
  if (value === undefined) return "missing";
  if (value === null) return "null";
  if (Array.isArray(value)) return "a list";
  if (typeof value === "number" || typeof value === "boolean") {
    return String(value);
  }
  if (typeof value === "string") {
    if (value.trim() === "") return "blank";
    return [...value].length > 60 || /:\/\//.test(value)
      ? "another text"
      : JSON.stringify(value);
  }
  return typeof value === "object" ? "an object" : `a ${typeof value}`;
}

/** The known name that is at most two keystrokes away, or differs in case. */
function nearestName(name: string, known: readonly string[]): string | null {
  const wanted = name.toLowerCase();
  let nearest: string | null = null;
  let least = 3;
  for (const candidate of known) {
    const distance = keystrokes(wanted, candidate.toLowerCase());
    if (distance < least) [nearest, least] = [candidate, distance];
  }
  return nearest;
}

/** Levenshtein's distance, row by row. */
function keystrokes(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, index) => index);
  for (let index = 0; index < from.length; index++) {
    const next = [index + 1];
    for (let column = 0; column < to.length; column++) {
      const change = from[index] === to[column] ? 0 : 1;
      next.push(Math.min(
        (row[column] ?? 0) + change,
        (row[column + 1] ?? 0) + 1,
        (next[column] ?? 0) + 1,
      ));
    }
    row = next;
  }
  return row[to.length] ?? 0;
}
