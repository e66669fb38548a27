import type { CoverageSpan, CronHistoryItem } from "../domain/cron_slot.ts";
import type { CronSlotReason } from "../domain/cron_slot_reason.ts";
import { type Sentence, sentence } from "../domain/sentence.ts";
import type { CronEntry } from "../store/cron.ts";
import type { ChronologyItem } from "./chronology.ts";

const GAPS_MAX = 20;

/** What is known to have happened to a cron entry, from its own tables. */
export function cronChronology(
  { entry, items, coverage }: {
    readonly entry: CronEntry;
    readonly items: readonly CronHistoryItem[];
    readonly coverage: readonly CoverageSpan[];
  },
): ChronologyItem[] {
  const from = items[0]?.plannedAt ?? entry.insertedAt;
  return [
    ...beginnings(entry),
    ...items.map(historyItem),
    ...gaps(coverage, from),
  ];
}

const PLAIN = {
  sequence: 0n,
  provenance: "durable",
  notes: [],
  resource: null,
  audit: null,
} as const;

function beginnings(entry: CronEntry): ChronologyItem[] {
  const declared: ChronologyItem = {
    ...PLAIN,
    at: entry.insertedAt,
    source: "definition",
    label: entry.source === "code"
      ? sentence`First declared by code`
      : sentence`First written at run time`,
  };
  const changed: ChronologyItem = {
    ...PLAIN,
    at: entry.updatedAt,
    source: "definition",
    // The row tells of the last change only.
    provenance: "supporting",
    label: sentence`Its definition last changed`,
  };
  const retired: ChronologyItem[] = entry.retiredAt === null ? [] : [{
    ...PLAIN,
    at: entry.retiredAt,
    source: "definition",
    label: sentence`Code stopped declaring it`,
  }];
  const same = entry.updatedAt.getTime() === entry.insertedAt.getTime();
  return [declared, ...same ? [] : [changed], ...retired];
}

const LABELS: Readonly<Record<CronHistoryItem["class"], Sentence>> = {
  on_time: sentence`On-time slot claim`,
  delayed_claim: sentence`Delayed slot claim`,
  missed_fire: sentence`Missed fire`,
  overlap_relevant: sentence`Overlap-relevant decision`,
  key_held: sentence`Unique key held by another job`,
  overwrote: sentence`Job that held its unique key overwritten`,
  limited: sentence`Refused by a limiter`,
  paused: sentence`Passed while paused`,
  manual_run: sentence`Manual run recorded`,
  partial_evidence: sentence`Partial cron evidence`,
  unknown: sentence`Unknown cron window`,
};

function historyItem(item: CronHistoryItem): ChronologyItem {
  const { slot, plannedAt } = item;
  const jobId = slot?.jobId ?? slot?.blockedById ?? null;
  return {
    ...PLAIN,
    at: slot?.claimedAt ?? plannedAt,
    source: "cron_slots",
    sequence: BigInt(plannedAt.getTime()),
    provenance: slot !== null
      ? "durable"
      : item.class === "unknown"
      ? "missing"
      : "supporting",
    label: LABELS[item.class],
    notes: notesOf(item),
    resource: jobId === null ? null : { type: "job", id: jobId },
  };
}

const NO_JOB = sentence`It became no job.`;
const REASONS: Readonly<Record<CronSlotReason, Sentence>> = {
  overlap: NO_JOB,
  key_held: sentence`It became no job: this one held the key.`,
  overwrote:
    sentence`It became no job of its own: this one took over its args.`,
  limited:
    sentence`It became no job: a limiter that holds at enqueue was full.`,
};

function notesOf({ plannedAt, slot, latenessMs }: CronHistoryItem): Sentence[] {
  if (slot === null) return [];
  const why = slot.reason === null ? [] : [REASONS[slot.reason]];
  if (slot.kind === "manual") return why;
  const planned = sentence`Planned for ${plannedAt}.`;
  switch (slot.state) {
    case "claimed":
      return latenessMs === null || latenessMs < 1_000 ? [planned] : [
        planned,
        sentence`Claimed ${Math.round(latenessMs / 1_000)} s late.`,
      ];
    case "queued":
      return [planned, sentence`It waits for the job before it.`];
    case "skipped":
      return [planned, ...why.length > 0 ? why : [NO_JOB]];
    case "paused":
    case "missed":
      return [planned];
  }
}

/** Spans in which nobody looked, so that nothing can be said about them. */
function gaps(coverage: readonly CoverageSpan[], from: Date): ChronologyItem[] {
  const spans = coverage.filter(({ throughAt }) => throughAt >= from);
  const gaps = spans.slice(1).flatMap((span, index): ChronologyItem[] => {
    const before = spans[index];
    if (before === undefined || before.throughAt >= span.fromAt) return [];
    return [{
      ...PLAIN,
      at: span.fromAt,
      source: "cron_coverage",
      label: sentence`A scheduler looks again`,
      notes: [sentence`Nobody had looked since ${before.throughAt}.`],
    }];
  });
  return gaps.slice(-GAPS_MAX);
}
