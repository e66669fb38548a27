import type { Permission, ResourceType } from "../seams.ts";

/**
 * What an operator can do. Each action is a permission of the same name, so a
 * host answers one question for the button, the preview and the execution.
 */
export const ACTIONS = [
  "pause_cron_entry",
  "resume_cron_entry",
  "run_cron_entry",
  "pause_queue",
  "resume_queue",
  "scale_queue",
  "retry_job",
  "cancel_job",
  "discard_job",
  "cool_down_limiter",
  "clear_limiter_cooldown",
  "scale_limiter",
] as const satisfies readonly Permission[];
/** One of {@linkcode ACTIONS}. */
export type Action = typeof ACTIONS[number];

/** What has a state that an action changes. */
export type TargetType = Exclude<ResourceType, "page">;

/** How much an action can break: `high` may run or end work of the host. */
export type Risk = "low" | "medium" | "high";

/** What an operator must say why. Lengths are of the trimmed text, in characters. */
export interface ReasonRule {
  readonly required: boolean;
  /** Asked of a required reason only. */
  readonly minCharacters: number;
  readonly maxCharacters: number;
}

/** Everything about an action that is policy and not code. */
export interface ActionPolicy {
  readonly permission: Permission;
  readonly targetType: TargetType;
  /** What the audit calls it once it happened. */
  readonly eventType: string;
  readonly reason: ReasonRule;
  /** How long a preview can be executed. */
  readonly ttlMs: number;
  readonly risk: Risk;
  /** For a button or a heading. */
  readonly label: string;
  /** What follows from it, for somebody who has not done it yet. */
  readonly effect: string;
  /** What has happened, for somebody who just did it. */
  readonly done: string;
}

const MINUTE_MS = 60_000;
/** The longest reason, in characters; the table holds no longer one. */
export const REASON_MAX = 2_000;
const REASON_OPTIONAL: ReasonRule = {
  required: false,
  minCharacters: 0,
  maxCharacters: REASON_MAX,
};
const REASON_REQUIRED: ReasonRule = {
  required: true,
  minCharacters: 8,
  maxCharacters: REASON_MAX,
};

const CRON = {
  targetType: "cron_entry",
  reason: REASON_OPTIONAL,
  ttlMs: 30 * MINUTE_MS,
  risk: "low",
} as const;
const QUEUE = {
  targetType: "queue",
  reason: REASON_OPTIONAL,
  ttlMs: 30 * MINUTE_MS,
  risk: "medium",
} as const;
const LIMITER = {
  targetType: "limiter",
  reason: REASON_OPTIONAL,
  ttlMs: 30 * MINUTE_MS,
  risk: "medium",
} as const;
// A repair changes what becomes of somebody's work: always with a reason.
const JOB = {
  targetType: "job",
  reason: REASON_REQUIRED,
  ttlMs: 30 * MINUTE_MS,
  risk: "high",
} as const;

/** The policy of every action; a new action does not compile without one. */
export const ACTION_POLICIES: Readonly<Record<Action, ActionPolicy>> = {
  pause_cron_entry: {
    ...CRON,
    permission: "pause_cron_entry",
    eventType: "cron.paused",
    label: "Pause cron entry",
    effect: "It stops firing until it is resumed. Jobs that it has already " +
      "enqueued are not touched.",
    done: "The cron entry is paused.",
  },
  resume_cron_entry: {
    ...CRON,
    permission: "resume_cron_entry",
    eventType: "cron.resumed",
    label: "Resume cron entry",
    effect: "It fires again from its next planned instant.",
    done: "The cron entry is resumed.",
  },
  run_cron_entry: {
    ...CRON,
    permission: "run_cron_entry",
    eventType: "cron.run_now",
    label: "Run now",
    effect:
      "One run is added now. The plan stays as it is, and a paused entry " +
      "stays paused.",
    done: "The cron entry was asked to run now.",
  },
  pause_queue: {
    ...QUEUE,
    permission: "pause_queue",
    eventType: "queue.paused",
    label: "Pause queue",
    effect: "Executors claim nothing more from it until it is resumed. Jobs " +
      "that run now go on, and new jobs wait.",
    done: "The queue is paused.",
  },
  resume_queue: {
    ...QUEUE,
    permission: "resume_queue",
    eventType: "queue.resumed",
    label: "Resume queue",
    effect: "Executors claim from it again.",
    done: "The queue is resumed.",
  },
  scale_queue: {
    ...QUEUE,
    permission: "scale_queue",
    eventType: "queue.scaled",
    label: "Scale queue",
    effect:
      "Every executor runs at most this many of its jobs at a time. Jobs " +
      "that run now go on.",
    done: "The limit of the queue is changed.",
  },
  retry_job: {
    ...JOB,
    permission: "retry_job",
    eventType: "job.retried",
    label: "Retry job",
    effect:
      "It becomes available now and is run once more, even if no attempt " +
      "is left. What its earlier attempts did is not undone.",
    done: "The job is available again.",
  },
  cancel_job: {
    ...JOB,
    permission: "cancel_job",
    eventType: "job.cancelled",
    label: "Cancel job",
    effect: "It ends as cancelled. If it runs now, its executor is told to " +
      "stop, and what the run still reports is not accepted.",
    done: "The job is cancelled.",
  },
  discard_job: {
    ...JOB,
    permission: "discard_job",
    eventType: "job.discarded",
    label: "Discard job",
    effect:
      "It ends as discarded and is not tried again. If it runs now, its " +
      "executor is told to stop, and what the run still reports is not accepted.",
    done: "The job is discarded.",
  },
  cool_down_limiter: {
    ...LIMITER,
    // The reason is what jobs that wait are told.
    reason: REASON_REQUIRED,
    permission: "cool_down_limiter",
    eventType: "limiter.cooled_down",
    label: "Cool down limiter",
    effect: "No job that it limits starts until then. Jobs that run now go " +
      "on, and the reason is shown to whoever asks why a job waits.",
    done: "The limiter cools down.",
  },
  clear_limiter_cooldown: {
    ...LIMITER,
    permission: "clear_limiter_cooldown",
    eventType: "limiter.cooldown_cleared",
    label: "End cooldown",
    effect: "Jobs start again, as far as the limiter allows.",
    done: "The cooldown is over.",
  },
  scale_limiter: {
    ...LIMITER,
    permission: "scale_limiter",
    eventType: "limiter.scaled",
    label: "Change capacity",
    effect: "It holds for every key at once, and stays until it is taken " +
      "back, also when code declares another. Jobs that run now go on.",
    done: "The capacity of the limiter is changed.",
  },
};

/** Reads the name of an action from outside; `null` if there is none such. */
export function parseAction(name: unknown): Action | null {
  return ACTIONS.find((action) => action === name) ?? null;
}

/** Whether a reason will do, and why not. */
export type ParsedReason =
  | { readonly ok: true; readonly reason: string | null }
  | {
    readonly ok: false;
    readonly refusal:
      | "reason_required"
      | "reason_too_short"
      | "reason_too_long"
      | "invalid_input";
  };

/**
 * Reads the reason that an operator gave, trimmed and with one kind of line end.
 *
 * An optional reason may be short: a rule that refuses "ok" teaches people to
 * write nothing.
 *
 * @returns The reason, or `null` for none. Characters that Postgres can not
 * store, or that a reader can not see, are `invalid_input`.
 */
export function parseReason(text: unknown, rule: ReasonRule): ParsedReason {
  if (text !== undefined && text !== null && typeof text !== "string") {
    return { ok: false, refusal: "invalid_input" };
  }
  const reason = (text ?? "").replaceAll(/\r\n?/g, "\n").trim();
  if (UNPRINTABLE.test(reason)) return { ok: false, refusal: "invalid_input" };

  const characters = [...reason].length;
  if (characters > rule.maxCharacters) {
    return { ok: false, refusal: "reason_too_long" };
  }
  if (rule.required && characters === 0) {
    return { ok: false, refusal: "reason_required" };
  }
  if (rule.required && characters < rule.minCharacters) {
    return { ok: false, refusal: "reason_too_short" };
  }
  return { ok: true, reason: reason === "" ? null : reason };
}

/** Control characters but tab and line feed, and halves of a surrogate pair. */
const UNPRINTABLE = /[^\P{Cc}\t\n]|\p{Cs}/u;
