import { Cron } from "croner";
import cronstrue from "cronstrue";
import { assert } from "../assert.ts";

/** Fires that one question may ask for. */
const FIRES_MAX = 10_000;
const EXPRESSION_LENGTH_MAX = 256;
const TIMEZONE_LENGTH_MAX = 64;

/** The nicknames that are read. `@reboot` is no plan, so it is refused. */
const CRON_NICKNAMES = [
  "@yearly",
  "@annually",
  "@monthly",
  "@weekly",
  "@daily",
  "@midnight",
  "@hourly",
] as const;

/**
 * A cron expression that was read, in its time zone. Only
 * {@linkcode parseCronExpression} makes it, so it can be read and does fire.
 *
 * **Fields**: `minute hour day month weekday`, or six with seconds in front, or
 * one of {@linkcode CRON_NICKNAMES}. Each has `*`, values, lists, ranges and
 * steps (`9-17/2`); months and weekdays have English names; 0 and 7 are
 * Sunday. Beyond that `L` (last), `15W` (the weekday nearest to it), `FRI#2`
 * (the second) and `FRIL` (the last).
 *
 * **Day of month and weekday**: when both say something, either is enough, as
 * in Vixie cron. When one of them is exactly `*`, the other decides. `+` before
 * the weekday (`0 0 13 * +FRI`) asks for both.
 *
 * **Daylight saving, the policy `fixed_or_elapsed`**:
 * - A *fixed* plan names its times: no `*` and no step in second, minute and
 *   hour (`30 2 * * *`, `0 1,2,3 * * *`). It fires on every day it plans for
 *   and never twice for one time: a time that the clocks skip fires at the
 *   first instant after the gap, times that meet there fire once, and a time
 *   that comes twice fires the first time.
 * - An *elapsed* plan counts (`0-59/15 * * * *`, `0 * * * *`). It follows real
 *   time: nothing in the hour that is missing, both in the hour that comes
 *   twice, so that the distance between fires stays what it says.
 */
export class CronExpression {
  readonly text: string;
  /** An IANA name. */
  readonly timezone: string;
  readonly dst: CronDst;
  readonly #cron: Cron;

  /** Use {@linkcode parseCronExpression}. */
  constructor(text: string, timezone: string) {
    this.text = text;
    this.timezone = timezone;
    this.dst = cronDst(text);
    this.#cron = new Cron(text, {
      timezone,
      mode: "5-or-6-parts",
      fixedTimeRule: "no-wildcard",
      paused: true,
    });
  }

  /** The first fire after an instant; `null` after the year 2999. */
  next(after: Date): Date | null {
    return this.#cron.nextRuns(1, after)[0] ?? null;
  }

  /** The last fire before an instant. */
  previous(before: Date): Date | null {
    return this.#cron.previousRuns(1, before)[0] ?? null;
  }
}

/** How a plan meets a change of the clocks; see {@linkcode CronExpression}. */
export type CronDst = "fixed" | "elapsed";

/** What {@linkcode parseCronExpression} answers. */
export type ParsedCronExpression =
  | { readonly ok: true; readonly expression: CronExpression }
  | { readonly ok: false; readonly message: string };

/**
 * Reads a cron expression in a time zone, or says in one sentence why it is
 * refused. Never throws, whatever it is given.
 *
 * An expression that can be read and never fires, such as `0 0 30 2 *`, is
 * refused: the days of the calendar repeat, so a search of 400 years from any
 * instant is the whole truth, and takes some 20 ms at worst.
 */
export function parseCronExpression(
  expression: string,
  timezone: string,
): ParsedCronExpression {
  const fault = grammarFault(expression) ?? timezoneFault(timezone);
  if (fault !== null) return { ok: false, message: fault };

  try {
    const read = new CronExpression(expression.trim(), timezone);
    if (read.next(new Date("2000-01-01T00:00:00Z")) !== null) {
      return { ok: true, expression: read };
    }
    return { ok: false, message: refused(expression, "it never fires") };
  } catch (error) {
    return { ok: false, message: refused(expression, faultOfCroner(error)) };
  }
}

/** The next `count` fires after an instant, in order. */
export function nextFires(
  expression: CronExpression,
  { after, count }: { readonly after: Date; readonly count: number },
): Date[] {
  return firesBetween(expression, {
    after,
    through: new Date(8.64e15),
    limit: count,
  });
}

/** A span of time, open at its start: `after` itself is not in it. */
export interface FireSpan {
  readonly after: Date;
  readonly through: Date;
  /** At most {@linkcode FIRES_MAX}. */
  readonly limit: number;
}

/** The first `limit` fires after `after` and not after `through`, in order. */
export function firesBetween(
  expression: CronExpression,
  { after, through, limit }: FireSpan,
): Date[] {
  assertLimit(limit);
  const fires: Date[] = [];
  let fire = limit === 0 ? null : expression.next(after);
  while (fire !== null && fire <= through) {
    fires.push(fire);
    fire = fires.length < limit ? expression.next(fire) : null;
  }
  return fires;
}

/** The last `limit` fires after `after` and not after `through`, in order. */
export function lastFiresBetween(
  expression: CronExpression,
  { after, through, limit }: FireSpan,
): Date[] {
  assertLimit(limit);
  const fires: Date[] = [];
  const end = new Date(through.getTime() + 1);
  let fire = limit === 0 ? null : expression.previous(end);
  while (fire !== null && fire > after) {
    fires.push(fire);
    fire = fires.length < limit ? expression.previous(fire) : null;
  }
  return fires.reverse();
}

/**
 * An expression in English words. Says so when it has none; never throws.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { describeCron } from "./cron_expression.ts";
 *
 * assert.equal(describeCron("0 2 * * *"), "At 02:00");
 * assert.equal(
 *   describeCron("0 0 1 * MON"),
 *   "At 00:00, on day 1 of the month, or on Monday",
 * );
 * ```
 */
export function describeCron(expression: string): string {
  const both = /\s\+\S+\s*$/.test(expression);
  const text = expression.trim().replaceAll("?", "*").replace("+", "");
  try {
    const words = cronstrue.toString(text, {
      use24HourTimeFormat: true,
      logicalAndDayFields: both,
      throwExceptionOnParseError: true,
    });
    // It says "and" for days of which either is enough.
    return both ? words : words.replace(", and on", ", or on");
  } catch {
    return "Has no description in words";
  }
}

/** What a change of the clocks does to a plan, in one sentence. */
export const CRON_DST_SENTENCES = {
  fixed:
    "A time that the clocks skip fires right after the gap; one that comes twice fires once.",
  elapsed:
    "It follows elapsed time: it does not fire in an hour that is missing, and fires in both hours when one comes twice.",
} as const satisfies Record<CronDst, string>;

function cronDst(text: string): CronDst {
  if (text.startsWith("@")) {
    return text.toLowerCase() === "@hourly" ? "elapsed" : "fixed";
  }
  const fields = text.split(/\s+/);
  const times = fields.slice(0, fields.length - 3).join(" ");
  return /[*/?]/.test(times) ? "elapsed" : "fixed";
}

function grammarFault(expression: string): string | null {
  if (typeof expression !== "string" || expression.trim() === "") {
    return "Cannot read the cron expression: it is empty";
  }
  if (expression.length > EXPRESSION_LENGTH_MAX) {
    return refused(
      expression,
      `it has ${expression.length} characters and may have ${EXPRESSION_LENGTH_MAX}`,
    );
  }
  const text = expression.trim();
  if (text.startsWith("@")) return nicknameFault(expression);

  const fields = text.split(/\s+/).length;
  if (fields === 5 || fields === 6) return null;
  return refused(
    expression,
    `it has ${fields} fields and must have five (minute, hour, day, month, ` +
      `weekday) or six (with seconds in front)`,
  );
}

function nicknameFault(expression: string): string | null {
  const name = expression.trim().toLowerCase();
  if (CRON_NICKNAMES.some((known) => known === name)) return null;
  if (name === "@reboot") {
    return refused(expression, "a restart is no planned instant");
  }
  return refused(expression, `it must be one of ${CRON_NICKNAMES.join(", ")}`);
}

function timezoneFault(timezone: string): string | null {
  const fault = `Cannot use the time zone ${quoted(timezone)}: ` +
    `it must be an IANA name such as "Europe/Berlin" or "Etc/UTC"`;
  // An offset such as "+02:00" is no place: it knows no daylight saving.
  if (typeof timezone !== "string" || !/^[A-Za-z]/.test(timezone)) return fault;
  if (timezone.length > TIMEZONE_LENGTH_MAX) return fault;
  try {
    new Intl.DateTimeFormat("en-US", { timeZone: timezone });
    return null;
  } catch {
    return fault;
  }
}

/** The range of each field. Croner counts days and months from 0 when it says. */
const RANGES: Readonly<Record<string, string>> = {
  second: "a second must be 0 to 59",
  minute: "a minute must be 0 to 59",
  hour: "an hour must be 0 to 23",
  day: "a day of the month must be 1 to 31",
  nearestWeekdays: "a day of the month must be 1 to 31",
  month: "a month must be 1 to 12",
  dayOfWeek: "a weekday must be 0 to 7, where 0 and 7 are Sunday",
};

function faultOfCroner(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  const field = /Invalid value for (\w+)/.exec(message)?.[1];
  const range = field === undefined ? undefined : RANGES[field];
  if (range !== undefined) return range;
  return message.replace(/^CronPattern: (Syntax error, )?/, "").replace(
    /\.$/,
    "",
  );
}

function refused(expression: string, fault: string): string {
  return `Cannot read the cron expression ${quoted(expression)}: ${fault}`;
}

/** As it was given, but never a page of it. */
function quoted(text: unknown): string {
  const shown = String(text);
  return JSON.stringify(shown.length > 60 ? `${shown.slice(0, 60)}…` : shown);
}

function assertLimit(limit: number): void {
  assert(Number.isInteger(limit), "limit is an integer");
  assert(limit >= 0 && limit <= FIRES_MAX, "limit is 0 to FIRES_MAX");
}
