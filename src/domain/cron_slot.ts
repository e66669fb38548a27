/**
 * The history of a cron entry: the instants that its plan asked for, joined
 * with what was recorded about them and with the spans in which a scheduler
 * looked, so that "missed" and "nobody was looking" are different answers.
 */

import { CRON_ON_TIME_MS } from "./cron_due.ts";
import { type CronExpression, lastFiresBetween } from "./cron_expression.ts";
import type { CronSlotReason } from "./cron_slot_reason.ts";
import type { Completeness } from "./evidence.ts";
import type { JobId } from "./job.ts";

/** The same list as the enum `cron_slot_kind` in the database. */
export const CRON_SLOT_KINDS = ["scheduled", "manual"] as const;
/** One of {@linkcode CRON_SLOT_KINDS}. */
export type CronSlotKind = typeof CRON_SLOT_KINDS[number];

/** The same list as the enum `cron_slot_state` in the database. */
export const CRON_SLOT_STATES = [
  "claimed",
  "queued",
  "skipped",
  "paused",
  "missed",
] as const;
/** One of {@linkcode CRON_SLOT_STATES}. */
export type CronSlotState = typeof CRON_SLOT_STATES[number];

/** What was recorded about one instant. */
export interface CronSlotFacts {
  readonly kind: CronSlotKind;
  readonly plannedAt: Date;
  readonly state: CronSlotState;
  readonly jobId: JobId | null;
  /** The job before it, or the one that holds its unique key. */
  readonly blockedById: JobId | null;
  /** Why it is skipped; null of others, and where it is not known. */
  readonly reason: CronSlotReason | null;
  /** When it was dealt with. */
  readonly claimedAt: Date;
}

/** A span in which a scheduler looked at the plan, ends included. */
export interface CoverageSpan {
  readonly fromAt: Date;
  readonly throughAt: Date;
}

/** What can be said about one instant, as pages call it. */
export const CRON_HISTORY_LABELS = {
  on_time: "On-time",
  delayed_claim: "Delayed claim",
  missed_fire: "Missed fire",
  overlap_relevant: "Overlap-relevant",
  key_held: "Key held",
  overwrote: "Overwrote a job",
  limited: "Held by a limiter",
  paused: "Paused",
  manual_run: "Manual run",
  partial_evidence: "Partial evidence",
  unknown: "Unknown",
} as const;
/** One of the keys of {@linkcode CRON_HISTORY_LABELS}. */
export type CronHistoryClass = keyof typeof CRON_HISTORY_LABELS;

/** One sentence for each class. */
export const CRON_HISTORY_SENTENCES = {
  on_time: "It was dealt with when it was planned.",
  delayed_claim: "It was dealt with, but later than planned.",
  missed_fire: "It was planned, and there is no job for it.",
  overlap_relevant: "A job from before had not ended; the policy decided.",
  key_held: "Another job held its unique key, so it became none.",
  overwrote: "A job that waited held its unique key, and took over its args.",
  limited: "A limiter that holds at enqueue was full, so it became no job.",
  paused: "It was planned while the entry was paused.",
  manual_run: "An operator asked for this run.",
  partial_evidence: "Too little is recorded to say what became of it.",
  unknown: "No scheduler was looking, and nothing is recorded.",
} as const satisfies Record<CronHistoryClass, string>;

/** One instant of the history. */
export interface CronHistoryItem {
  readonly plannedAt: Date;
  readonly class: CronHistoryClass;
  /** How long after the plan it was dealt with; null when it was not. */
  readonly latenessMs: number | null;
  /** Null: nothing was recorded. */
  readonly slot: CronSlotFacts | null;
  /** Whether a scheduler was looking at that instant. */
  readonly covered: boolean;
  readonly completeness: "complete" | "partial";
}

/** The facts of an entry that its history depends on. */
export interface CronHistoryEntry {
  readonly pausedAt: Date | null;
  readonly retiredAt: Date | null;
  readonly insertedAt: Date;
  /** Since when its plan is what it is: what it was before is not known. */
  readonly planSince: Date;
}

/** What {@linkcode classifySlots} looks at. */
export interface CronHistorySources {
  readonly entry: CronHistoryEntry;
  /** Null: it can not be read, so only what was recorded is known. */
  readonly expression: CronExpression | null;
  readonly slots: readonly CronSlotFacts[];
  readonly coverage: readonly CoverageSpan[];
  readonly after: Date;
  /** Now, as the database says. */
  readonly now: Date;
  /** The newest so many items. */
  readonly limit: number;
  /** {@linkcode CRON_ON_TIME_MS} when left out. */
  readonly onTimeMs?: number;
}

/**
 * Says of each instant in a window what became of it, oldest first.
 *
 * The window holds the instants that the plan asks for (from the expression and
 * its time zone) and all that was recorded. What is not later than
 * `onTimeMs` ago and not recorded yet is left out: it is still in time.
 */
export function classifySlots(sources: CronHistorySources): CronHistoryItem[] {
  const { slots, after, now, limit } = sources;
  const items: CronHistoryItem[] = [];
  const recorded = new Set<number>();
  for (const slot of slots) {
    if (slot.plannedAt <= after || slot.plannedAt > now) continue;
    if (slot.kind === "scheduled") recorded.add(slot.plannedAt.getTime());
    items.push(itemOfSlot(slot, sources));
  }
  for (const plannedAt of plannedInstants(sources)) {
    if (recorded.has(plannedAt.getTime())) continue;
    items.push(itemWithoutSlot(plannedAt, sources));
  }
  items.sort((left, right) =>
    left.plannedAt.getTime() - right.plannedAt.getTime()
  );
  return limit === 0 ? [] : items.slice(-limit);
}

/** The instants that the plan asked for, as far as it is known. */
function plannedInstants(
  { entry, expression, after, now, limit, onTimeMs }: CronHistorySources,
): Date[] {
  if (expression === null) return [];
  const due = new Date(now.getTime() - (onTimeMs ?? CRON_ON_TIME_MS));
  const through = entry.retiredAt !== null && entry.retiredAt < due
    ? entry.retiredAt
    : due;
  const from = entry.insertedAt > after ? entry.insertedAt : after;
  return lastFiresBetween(expression, { after: from, through, limit });
}

function itemOfSlot(
  slot: CronSlotFacts,
  { coverage, onTimeMs }: CronHistorySources,
): CronHistoryItem {
  const latenessMs = slot.claimedAt.getTime() - slot.plannedAt.getTime();
  const covered = isCovered(slot.plannedAt, coverage);
  const late = latenessMs > (onTimeMs ?? CRON_ON_TIME_MS);
  const of = classOfSlot(slot, late);
  // A job that came in time is only complete evidence with the span around it.
  const complete = covered || (of !== "on_time" && of !== "delayed_claim");
  return {
    plannedAt: slot.plannedAt,
    class: of,
    latenessMs,
    slot,
    covered,
    completeness: complete ? "complete" : "partial",
  };
}

function classOfSlot(slot: CronSlotFacts, late: boolean): CronHistoryClass {
  if (slot.kind === "manual") return "manual_run";
  switch (slot.state) {
    case "missed":
      return "missed_fire";
    case "paused":
      return "paused";
    case "queued":
      return "overlap_relevant";
    case "skipped":
      return slot.reason === null || slot.reason === "overlap"
        ? "overlap_relevant"
        : slot.reason;
    case "claimed":
      // A follow-up that was run, or a job that cancelled the one before.
      if (slot.blockedById !== null) return "overlap_relevant";
      return late ? "delayed_claim" : "on_time";
  }
}

function itemWithoutSlot(
  plannedAt: Date,
  { entry, coverage }: CronHistorySources,
): CronHistoryItem {
  const covered = isCovered(plannedAt, coverage);
  const of = classWithoutSlot(plannedAt, entry, covered);
  return {
    plannedAt,
    class: of,
    latenessMs: null,
    slot: null,
    covered,
    completeness: of === "missed_fire" ? "complete" : "partial",
  };
}

function classWithoutSlot(
  plannedAt: Date,
  { pausedAt, planSince }: CronHistoryEntry,
  covered: boolean,
): CronHistoryClass {
  // Today's expression says so; what it said then is not kept.
  if (plannedAt <= planSince) return "partial_evidence";
  if (pausedAt !== null && plannedAt >= pausedAt) return "paused";
  return covered ? "missed_fire" : "unknown";
}

/** Whether an instant lies in a span in which a scheduler looked. */
function isCovered(
  at: Date,
  coverage: readonly CoverageSpan[],
): boolean {
  return coverage.some(({ fromAt, throughAt }) =>
    fromAt <= at && at <= throughAt
  );
}

/** How a cron entry stands. Each is a diagnosis code of the control plane. */
export type CronDiagnosis =
  | "cron_malformed"
  | "cron_retired"
  | "cron_paused"
  | "cron_missed"
  | "cron_unseen"
  | "cron_held"
  | "cron_key_held"
  | "cron_limited"
  | "cron_ready"
  | "cron_new";

/**
 * How an entry stands now, from the newest instant of its history. Runs that an
 * operator asked for say nothing about the plan.
 *
 * @param items As {@linkcode classifySlots} returns them, oldest first.
 */
export function diagnoseCron(
  entry: Pick<CronHistoryEntry, "pausedAt" | "retiredAt">,
  { items, readable }: {
    readonly items: readonly CronHistoryItem[];
    /** Whether its expression can be read. */
    readonly readable: boolean;
  },
): CronDiagnosis {
  if (entry.retiredAt !== null) return "cron_retired";
  if (!readable) return "cron_malformed";
  if (entry.pausedAt !== null) return "cron_paused";
  const newest = items.findLast((item) => item.class !== "manual_run");
  if (newest === undefined) return "cron_new";
  switch (newest.class) {
    case "missed_fire":
      return "cron_missed";
    case "overlap_relevant":
      return "cron_held";
    case "key_held":
      return "cron_key_held";
    case "limited":
      return "cron_limited";
    case "unknown":
    case "partial_evidence":
      return "cron_unseen";
    default:
      return "cron_ready";
  }
}

/** How much of an entry's history is there. */
export function historyCompleteness(
  items: readonly CronHistoryItem[],
): Completeness {
  if (items.length === 0) return "history_unavailable";
  return items.some((item) => item.completeness === "partial")
    ? "partial"
    : "complete";
}
