/**
 * How sure we are of what we show. Evidence says where it comes from and how
 * much of it there is.
 */

/** Where a piece of evidence comes from, the strongest first. */
export const PROVENANCES = [
  /** Written once when it happened. */
  "durable",
  /** Derived, or a row that only tells how things stand now. */
  "supporting",
  /** Seen through a bridge, over somebody else's tables. */
  "bridge_only",
  "missing",
] as const;
/** One of {@linkcode PROVENANCES}. */
export type Provenance = typeof PROVENANCES[number];

/** What pages call each provenance. */
export const PROVENANCE_LABELS = {
  durable: "durable",
  supporting: "supporting evidence",
  bridge_only: "Inspection only",
  missing: "unknown",
} as const satisfies Record<Provenance, string>;

/** How much of the evidence there is. */
export const COMPLETENESSES = [
  "complete",
  "partial",
  "history_unavailable",
  "unknown",
] as const;
/** One of {@linkcode COMPLETENESSES}. */
export type Completeness = typeof COMPLETENESSES[number];

/** What pages call each completeness. */
export const COMPLETENESS_LABELS = {
  complete: "complete",
  partial: "partial evidence",
  history_unavailable: "history unavailable",
  unknown: "unknown",
} as const satisfies Record<Completeness, string>;

/** One sentence for each completeness, in the words of somebody on call. */
export const COMPLETENESS_SENTENCES = {
  complete: "Nothing is missing since the instant from which it is kept.",
  partial: "Some of the evidence is there, and some of it is missing.",
  history_unavailable: "What happened is older than what is kept.",
  unknown: "Nothing can be said about how much evidence there is.",
} as const satisfies Record<Completeness, string>;

/**
 * The completeness of a whole made of these parts.
 *
 * Parts that agree keep their word. If they differ, and at least one of them
 * has evidence, the whole is partial. If none has any, nothing was seen, and it
 * is unknown whether there was something to see. No parts at all: unknown.
 */
export function combineCompleteness(
  parts: readonly Completeness[],
): Completeness {
  const [first] = parts;
  if (first === undefined) return "unknown";
  if (parts.every((part) => part === first)) return first;
  const seen = parts.some((part) => part === "complete" || part === "partial");
  return seen ? "partial" : "unknown";
}

/** What is known about one source of evidence before it is judged. */
export interface SourceFacts {
  /** The instant since which there may have been evidence; null: not known. */
  readonly wantedFrom: Date | null;
  /** The oldest instant that is still kept; null: nothing was ever let go. */
  readonly keptFrom: Date | null;
  /** How many pieces were found. */
  readonly found: number;
  /** There were more pieces than the bound of what we read. */
  readonly truncated?: boolean;
}

/**
 * Judges one source against its retention horizon.
 *
 * A source that kept everything since the subject began is complete, also when
 * it holds nothing: then nothing happened. One piece of evidence does not make
 * a source complete whose older part is gone.
 */
export function completenessOf(source: SourceFacts): Completeness {
  const { wantedFrom, keptFrom, found } = source;
  if (wantedFrom === null) return found > 0 ? "partial" : "unknown";
  if (keptFrom === null || keptFrom <= wantedFrom) {
    return source.truncated === true ? "partial" : "complete";
  }
  return found > 0 ? "partial" : "history_unavailable";
}
