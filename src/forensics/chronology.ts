import type { Provenance } from "../domain/evidence.ts";
import type { Sentence } from "../domain/sentence.ts";
import type { ResourceRef } from "../seams.ts";

/**
 * Where evidence is kept. The order is that of cause: of two facts of the same
 * instant, the one of the earlier source came first.
 */
export const SOURCES = {
  cron_coverage: "Scheduler coverage",
  cron_slots: "Cron slots",
  definition: "Definition",
  schedule: "Schedule",
  previews: "Previews",
  audit: "Audit events",
  limiter_facts: "Limiter history",
  limiter_partitions: "Keys as they stand",
  lanes: "Lines that wait",
  executors: "Executors",
  lease: "Lease",
  attempt_events: "Attempt events",
  outputs: "Recorded output",
  outcome: "Outcome",
  queue: "Queue",
} as const;
/** One of the keys of {@linkcode SOURCES}. */
export type SourceCode = keyof typeof SOURCES;

const SOURCE_ORDER = Object.keys(SOURCES) as SourceCode[];

/** One thing that happened. */
export interface ChronologyItem {
  readonly at: Date;
  readonly source: SourceCode;
  /** Orders what one source recorded at the same instant. */
  readonly sequence: bigint;
  readonly provenance: Provenance;
  readonly label: Sentence;
  readonly notes: readonly Sentence[];
  /** What it happened to, when that is not the subject itself. */
  readonly resource: ResourceRef | null;
  /** The audit event that tells of it, and its type. */
  readonly audit: { readonly id: string; readonly eventType: string } | null;
}

/**
 * Newest first, by instant and sequence.
 *
 * Instants of the database have microseconds and ours have milliseconds, so
 * ties are common: they go by cause, then by the numbers their source gave them.
 */
export function inOrder(
  items: readonly ChronologyItem[],
): readonly ChronologyItem[] {
  return items.toSorted(newerFirst);
}

function newerFirst(one: ChronologyItem, other: ChronologyItem): number {
  return other.at.getTime() - one.at.getTime() ||
    SOURCE_ORDER.indexOf(other.source) - SOURCE_ORDER.indexOf(one.source) ||
    (other.sequence > one.sequence
      ? 1
      : other.sequence < one.sequence
      ? -1
      : 0);
}
