/** Reads the flags of commands on limiters, and says what is wrong with them. */
import { UsageError } from "./flags.ts";

/** What a command on limiters was given, by the names of its flags. */
export type LimiterFlags = ReadonlyMap<string, string>;

/** A whole number between two bounds; `null` if the flag was not given. */
export function wholeFlag(
  flags: LimiterFlags,
  { flag, least = 1, most }: {
    readonly flag: string;
    readonly least?: number;
    readonly most: number;
  },
): number | null {
  const text = flags.get(flag);
  if (text === undefined) return null;
  const value = /^\d{1,12}$/.test(text) ? Number(text) : NaN;
  if (value >= least && value <= most) return value;
  throw new UsageError(
    `${flag} must be a whole number, ${least} to ${most}, and is ${
      shortly(text)
    }`,
  );
}

/** What was given, as far as it helps to find it. */
export function shortly(text: string): string {
  return JSON.stringify(text.length <= 40 ? text : `${text.slice(0, 39)}…`);
}

/** The args of a job. */
export function argsOf(text: string | undefined): Record<string, unknown> {
  if (text === undefined) return {};
  let args: unknown;
  try {
    args = JSON.parse(text);
  } catch {
    args = null;
  }
  if (typeof args === "object" && args !== null && !Array.isArray(args)) {
    return args as Record<string, unknown>;
  }
  throw new UsageError("--args must be a JSON object");
}
