import { ACTION_POLICIES, ACTIONS } from "../domain/action.ts";
import {
  AUDIT_RESULTS,
  type AuditEventId,
  REFUSED_EVENT_TYPE,
} from "../domain/audit.ts";
import { RESOURCE_TYPES } from "../seams.ts";
import type { AuditFilters } from "../store/audit.ts";
import { type Plain, text } from "./render.ts";

/** The filters that the audit page reads from its URL, in their order. */
export const AUDIT_FILTERS = [
  "resource_type",
  "resource_id",
  "event_type",
  "actor",
  "result",
  "from",
  "until",
] as const;
/** One of {@linkcode AUDIT_FILTERS}. */
export type AuditFilter = typeof AUDIT_FILTERS[number];

/** The event types that there are: of each action, and of every refusal. */
export const EVENT_TYPES: readonly string[] = [
  ...ACTIONS.map((action) => ACTION_POLICIES[action].eventType),
  REFUSED_EVENT_TYPE,
];

/** A request to the audit page, read as far as it can be. */
export interface AuditQuery {
  readonly filters: AuditFilters;
  readonly before: AuditEventId | null;
  readonly after: AuditEventId | null;
  /** What was asked for, to be kept in the form; blank ones are left out. */
  readonly asked: Readonly<Partial<Record<AuditFilter, string>>>;
  /** What could not be read, and was left out. */
  readonly problems: Readonly<Partial<Record<AuditFilter, Plain>>>;
}

const LENGTH_MAX = 500;

/**
 * Reads the query of the audit page. Whatever it holds, there is a page: what
 * can not be read is named and left out.
 */
export function parseAuditQuery(
  query: Readonly<Record<string, string>>,
  now: Date,
): AuditQuery {
  const asked: Partial<Record<AuditFilter, string>> = {};
  const problems: Partial<Record<AuditFilter, Plain>> = {};
  for (const name of AUDIT_FILTERS) {
    const value = query[name]?.trim() ?? "";
    if (value === "") continue;
    asked[name] = value.slice(0, LENGTH_MAX);
    if (value.length > LENGTH_MAX || value.includes("\0")) {
      problems[name] = text`It is too long, or can not be stored.`;
    }
  }
  const filters = readFilters(
    (name) => problems[name] === undefined ? asked[name] : undefined,
    { now, problems },
  );
  return {
    filters,
    before: parseEventId(query["before"]),
    after: parseEventId(query["after"]),
    asked,
    problems,
  };
}

/** Reads the id of an event; `null` for what no event can have. */
export function parseEventId(value: string | undefined): AuditEventId | null {
  if (value === undefined || !/^[1-9]\d{0,18}$/.test(value)) return null;
  return BigInt(value) < 2n ** 63n ? value as AuditEventId : null;
}

function readFilters(
  ask: (name: AuditFilter) => string | undefined,
  { now, problems }: {
    readonly now: Date;
    readonly problems: Partial<Record<AuditFilter, Plain>>;
  },
): AuditFilters {
  const filters: { -readonly [Key in keyof AuditFilters]: AuditFilters[Key] } =
    {};
  const type = ask("resource_type");
  const resourceType = RESOURCE_TYPES.find((known) => known === type);
  if (resourceType !== undefined) filters.resourceType = resourceType;
  else if (type !== undefined) problems.resource_type = UNKNOWN;

  const result = ask("result");
  const known = AUDIT_RESULTS.find((candidate) => candidate === result);
  if (known !== undefined) filters.result = known;
  else if (result !== undefined) problems.result = UNKNOWN;

  const resourceId = ask("resource_id");
  if (resourceId !== undefined) filters.resourceId = resourceId;
  const eventType = ask("event_type");
  if (eventType !== undefined) filters.eventType = eventType;
  const actorId = ask("actor");
  if (actorId !== undefined) filters.actorId = actorId;

  for (const name of ["from", "until"] as const) {
    const value = ask(name);
    if (value === undefined) continue;
    const at = parseInstant(value, now);
    if (at === null) problems[name] = NO_TIME;
    else filters[name] = at;
  }
  return filters;
}

const UNKNOWN = text`It is none of the choices.`;
const NO_TIME =
  text`Not a time. Try 24h, 2026-01-15 or 2026-01-15 12:00 (UTC).`;

const UNIT_MS: Readonly<Record<string, number>> = {
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

/** `2026-01-15`, `2026-01-15 12:00` in UTC, or how long ago: `30m`, `24h`, `7d`. */
export function parseInstant(value: string, now: Date): Date | null {
  const ago = /^(\d{1,6})\s*([mhd])$/.exec(value);
  if (ago !== null) {
    const [, count = "", unit = ""] = ago;
    return new Date(now.getTime() - Number(count) * (UNIT_MS[unit] ?? 0));
  }
  const written =
    /^(\d{4}-\d\d-\d\d)(?:[ T](\d\d:\d\d)(:\d\d(?:\.\d{1,3})?)?)?\s*(?:Z|UTC)?$/i
      .exec(value);
  if (written === null) return null;
  const [, day = "", minute = "00:00", second = ":00"] = written;
  const at = new Date(`${day}T${minute}${second}Z`);
  return Number.isNaN(at.getTime()) ? null : at;
}
