import { isStorableText } from "./storable.ts";
import type { JobState, TerminalState } from "./state.ts";

export {
  JOB_STATES,
  type JobState,
  TERMINAL_STATES,
  type TerminalState,
} from "./state.ts";

/** A job's id: a positive `bigint` as text. It carries its time, so ids sort. */
export type JobId = `${bigint}`;

/** The states from which an operator may send a job back to work. */
export const RETRY_FROM: readonly JobState[] = [
  "completed",
  "cancelled",
  "discarded",
  "retryable",
  "scheduled",
];

/** The states from which a job can be cancelled: all that do not end it. */
export const CANCEL_FROM: readonly JobState[] = [
  "scheduled",
  "retryable",
  "available",
  "executing",
  "suspended",
];

/** The states from which a job can be discarded: all that do not end it. */
export const DISCARD_FROM: readonly JobState[] = CANCEL_FROM;

/** Bounds that the database checks as well; rows J-3 and J-4 of the reference. */
export const JOB_BOUNDS = {
  nameLengthMax: 128,
  priorityMax: 9,
  maxAttemptsMax: 1_000,
  maxAttemptsDefault: 20,
  tagsMax: 50,
  tagLengthMax: 255,
  /** Of args, and of meta, as JSON text in UTF-16 units. */
  jsonLengthMax: 1_048_576,
  /** The longest wait that a delay, a snooze or a backoff may ask for. */
  delayMsMax: 10 * 366 * 24 * 60 * 60 * 1_000,
} as const;

/** Ids count milliseconds from here, above 22 bits of sequence. */
const ID_EPOCH_MS = 1_577_836_800_000;
const ID_MAX = 2n ** 63n - 1n;

/** The instant at which a job was inserted, which its id carries. */
export function jobInsertedAt(id: JobId): Date {
  return new Date(Number(BigInt(id) >> 22n) + ID_EPOCH_MS);
}

/**
 * Reads an id that came from outside.
 *
 * @returns `null` if no job can have it.
 */
export function parseJobId(text: string): JobId | null {
  if (!/^[1-9][0-9]{0,18}$/.test(text)) return null;
  return BigInt(text) <= ID_MAX ? text as JobId : null;
}

/** Where a job goes whose attempt failed. */
export type AfterFailure =
  | { readonly to: "outcomes"; readonly state: TerminalState }
  | { readonly to: "scheduled"; readonly delayMs: number };

/**
 * What happens to a job whose attempt failed.
 *
 * A run that was interrupted (shutdown, lost lease) did not fail: it is given
 * back and burns no attempt, so it never comes here. `attempt` may be above
 * `maxAttempts`, because an operator's retry allows one more.
 */
export function afterFailure(
  run: { readonly attempt: number; readonly maxAttempts: number },
  delayMs: () => number,
): AfterFailure {
  if (run.attempt >= run.maxAttempts) {
    return { to: "outcomes", state: "discarded" };
  }
  return { to: "scheduled", delayMs: delayMs() };
}

/**
 * Trims tags, lower-cases them and drops blank and repeated ones, in the order
 * in which they came.
 */
export function normalizeTags(tags: readonly string[]): string[] {
  const clean = tags.map((tag) => tag.trim().toLowerCase());
  return [...new Set(clean)].filter((tag) => tag !== "");
}

/**
 * A wait that the database can add to an instant.
 *
 * @returns Whole milliseconds from 0 to ten years, or `null` for what is no
 * number of milliseconds: not finite, negative, or not a number at all.
 */
export function parseDelayMs(value: unknown): number | null {
  if (typeof value !== "number" || !Number.isFinite(value) || value < 0) {
    return null;
  }
  return Math.min(Math.round(value), JOB_BOUNDS.delayMsMax);
}

/** Whether it can name a queue or a worker. */
export function isName(value: unknown): value is string {
  return typeof value === "string" && value.length >= 1 &&
    [...value].length <= JOB_BOUNDS.nameLengthMax && isStorableText(value);
}

/** Whether it is a whole number in these bounds. */
export function isWhole(
  value: unknown,
  { least, most }: { readonly least: number; readonly most: number },
): value is number {
  return Number.isInteger(value) && Number(value) >= least &&
    Number(value) <= most;
}
