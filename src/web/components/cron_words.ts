import type {
  CronCatchUp,
  CronOverlap,
  CronSource,
} from "../../domain/cron_entry.ts";
import {
  CRON_HISTORY_LABELS,
  CRON_HISTORY_SENTENCES,
  type CronHistoryClass,
} from "../../domain/cron_slot.ts";
import type { UniqueMode } from "../../domain/unique_key.ts";

/** What pages call the overlap policies. */
export const OVERLAP_LABELS = {
  allow: "Allow",
  skip: "Skip",
  queue_one: "Queue One",
  cancel_previous: "Cancel Previous",
} as const satisfies Record<CronOverlap, string>;

/** What each overlap policy does, for somebody who meets it. */
export const OVERLAP_SENTENCES = {
  allow: "It fires whether or not a job of it is still there.",
  skip: "It becomes no job while one from before has not ended.",
  queue_one:
    "One more job waits until the one before has ended; no more than one.",
  cancel_previous: "The job from before is cancelled, also while it runs.",
} as const satisfies Record<CronOverlap, string>;

/** What pages call the catch-up policies. */
export const CATCH_UP_LABELS = {
  none: "None",
  latest: "Latest Only",
  all: "All",
} as const satisfies Record<CronCatchUp, string>;

/** What each catch-up policy does with instants that nobody dealt with. */
export const CATCH_UP_SENTENCES = {
  none: "Planned instants that were missed stay missed.",
  latest: "Of planned instants that were missed, the newest becomes a job.",
  all: "Planned instants that were missed become jobs, up to a limit.",
} as const satisfies Record<CronCatchUp, string>;

/** What pages call the modes of uniqueness. */
export const UNIQUE_LABELS = {
  reject: "Reject",
  replace: "Replace",
  debounce: "Debounce",
  throttle: "Throttle",
  keep_last: "Keep Last",
} as const satisfies Record<UniqueMode, string>;

/** What a fire does that meets another job with its key. */
export const UNIQUE_SENTENCES = {
  reject: "It becomes no job while another one holds its key.",
  replace: "It overwrites fields of the job that holds its key and waits.",
  debounce: "It puts off the job that holds its key and waits.",
  throttle: "It becomes no job within a period of another one with its key.",
  keep_last: "It overwrites the job that holds its key and waits.",
} as const satisfies Record<UniqueMode, string>;

/** What pages call the sources. */
export const SOURCE_LABELS = {
  code: "Code",
  runtime: "Runtime",
} as const satisfies Record<CronSource, string>;

/** How an instant is drawn: its class, or that its job ended without success. */
export type CronMark = CronHistoryClass | "failed";

/** The words for each mark, one and many. */
export const MARK_WORDS = {
  on_time: "on-time",
  delayed_claim: "delayed claim",
  missed_fire: "missed fire",
  overlap_relevant: "overlap-relevant",
  key_held: "key held",
  overwrote: "overwrote a job",
  limited: "held by a limiter",
  paused: "paused",
  manual_run: "manual run",
  partial_evidence: "partial evidence",
  unknown: "unknown",
  failed: "ended without success",
} as const satisfies Record<CronMark, string>;

/** The label of each mark, as in a table. */
export const MARK_LABELS = {
  ...CRON_HISTORY_LABELS,
  failed: "Ended without success",
} as const satisfies Record<CronMark, string>;

/** What each mark means. */
export const MARK_SENTENCES = {
  ...CRON_HISTORY_SENTENCES,
  failed: "It became a job, and that job was discarded.",
} as const satisfies Record<CronMark, string>;
