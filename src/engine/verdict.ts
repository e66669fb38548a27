import { parseDelayMs } from "../domain/job.ts";

/** Also recognised when two copies of this package are loaded. */
const VERDICT: unique symbol = Symbol.for("yardmaster.verdict") as never;

/**
 * What a run may return instead of a value, to say how the job goes on. Only
 * {@linkcode snooze}, {@linkcode cancel} and {@linkcode discard} make one.
 */
export type Verdict =
  & Marked
  & (
    | { readonly kind: "snooze"; readonly delayMs: number }
    | { readonly kind: "cancel" | "discard"; readonly reason: string }
  );

/**
 * What tells a verdict from any value that looks like one.
 *
 * @internal
 */
interface Marked {
  readonly [VERDICT]: true;
}

const REASON_MAX = 2_000;

/**
 * Return it to run the job again later. It burns no attempt, so it can go on for
 * ever.
 *
 * @param delayMs From now, in milliseconds; 0: at once.
 *
 * @throws {TypeError} If `delayMs` is not a number of milliseconds from 0: a bug
 * in the worker, so the attempt fails like any other.
 */
export function snooze(delayMs: number): Verdict {
  const parsed = parseDelayMs(delayMs);
  if (parsed === null) {
    throw new TypeError(
      `Cannot snooze: the delay is ${delayMs} and must be milliseconds from 0`,
    );
  }
  return { [VERDICT]: true, kind: "snooze", delayMs: parsed };
}

/**
 * Return it to end the job as cancelled: it is no longer wanted.
 *
 * @param reason Kept with the job, and shown; cut after 2,000 characters.
 */
export function cancel(reason: string): Verdict {
  return { [VERDICT]: true, kind: "cancel", reason: text(reason) };
}

/**
 * Return it to end the job as discarded: no further attempt can help. Its
 * `onDiscard` is told the reason.
 *
 * @param reason Kept with the job, and shown; cut after 2,000 characters.
 */
export function discard(reason: string): Verdict {
  return { [VERDICT]: true, kind: "discard", reason: text(reason) };
}

/** Whether a run returned one of the above. Anything else is a value. */
export function isVerdict(value: unknown): value is Verdict {
  return typeof value === "object" && value !== null && VERDICT in value;
}

function text(reason: unknown): string {
  return String(reason ?? "").slice(0, REASON_MAX);
}
