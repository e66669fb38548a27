import type { Action } from "./action.ts";
import type { DiagnosisCode } from "./diagnosis.ts";
import type { StepCode } from "./step_code.ts";

/** Who can take a step: a page or an action of ours, another engine, the host. */
export type Owner = "native" | "bridge" | "host";

/** What pages call each owner. It stands before the words of the step. */
export const OWNER_LABELS = {
  native: "Yardmaster-native",
  bridge: "Read-only bridge",
  host: "host-owned follow-up",
} as const satisfies Record<Owner, string>;

/**
 * What taking the step can do. It is another question than who owns it: our own
 * audit page is native, and one can only look at it.
 */
export const POSTURES = [
  "audited_action",
  "inspection_only",
  "host_owned",
] as const;
/** One of {@linkcode POSTURES}. */
export type Posture = typeof POSTURES[number];

/** What pages call each posture. */
export const POSTURE_LABELS = {
  audited_action: "Audited action",
  inspection_only: "Inspection only",
  host_owned: "Host-owned",
} as const satisfies Record<Posture, string>;

/** What a step is good for. */
export type Intent = "investigate" | "remediate" | "escalate";

/** Where a step leads, before anybody knows the id. */
export type Opens =
  | "subject"
  | "queue"
  | "executors"
  | "cron_entry"
  | "limiter"
  | "audit"
  | "last_job"
  | "blocking_job"
  | "forensics"
  | "nowhere";

interface StepWords {
  readonly label: string;
  readonly owner: Owner;
  readonly posture: Posture;
  readonly intent: Intent;
  readonly opens: Opens;
  /** The step exists only where this is legal now. */
  readonly action?: Action;
}

const inspect = {
  owner: "native",
  posture: "inspection_only",
  intent: "investigate",
} as const;
const act = {
  owner: "native",
  posture: "audited_action",
  intent: "remediate",
  opens: "subject",
} as const;
const host = {
  owner: "host",
  posture: "host_owned",
  intent: "escalate",
  opens: "nowhere",
} as const;

/** Every step that a runbook entry can name. */
export const STEPS = {
  review_subject: {
    ...inspect,
    label: "Review it as it stands now",
    opens: "subject",
  },
  review_queue: { ...inspect, label: "Review its queue", opens: "queue" },
  review_executors: {
    ...inspect,
    label: "Look at the executors",
    opens: "executors",
  },
  review_cron_entry: {
    ...inspect,
    label: "Review its cron entry",
    opens: "cron_entry",
  },
  review_limiter: {
    ...inspect,
    label: "Review the limiter",
    opens: "limiter",
  },
  review_last_job: {
    ...inspect,
    label: "Review the job it became last",
    opens: "last_job",
  },
  review_blocking_job: {
    ...inspect,
    label: "Review the job that was in its way",
    opens: "blocking_job",
  },
  inspect_audit: {
    ...inspect,
    label: "Inspect its audit events",
    opens: "audit",
  },
  look_into_audit: { ...inspect, label: "Look into the audit", opens: "audit" },
  choose_subject: {
    ...inspect,
    label: "Choose another subject",
    opens: "forensics",
  },
  retry_job: { ...act, label: "Preview a retry", action: "retry_job" },
  cancel_job: { ...act, label: "Preview a cancellation", action: "cancel_job" },
  discard_job: { ...act, label: "Preview a discard", action: "discard_job" },
  pause_cron_entry: {
    ...act,
    label: "Preview pausing it",
    action: "pause_cron_entry",
  },
  resume_cron_entry: {
    ...act,
    label: "Preview resuming it",
    action: "resume_cron_entry",
  },
  run_cron_entry: {
    ...act,
    label: "Preview a run now",
    action: "run_cron_entry",
  },
  pause_queue: { ...act, label: "Preview pausing it", action: "pause_queue" },
  resume_queue: {
    ...act,
    label: "Preview resuming it",
    action: "resume_queue",
  },
  scale_queue: {
    ...act,
    label: "Preview another limit",
    action: "scale_queue",
  },
  clear_limiter_cooldown: {
    ...act,
    label: "Preview ending a cooldown",
    action: "clear_limiter_cooldown",
  },
  cool_down_limiter: {
    ...act,
    label: "Preview a cooldown",
    action: "cool_down_limiter",
  },
  scale_limiter: {
    ...act,
    label: "Preview another capacity",
    action: "scale_limiter",
  },
  resume_its_queue: {
    ...act,
    label: "Preview resuming its queue",
    opens: "queue",
    action: "resume_queue",
  },
  scale_its_queue: {
    ...act,
    label: "Preview another limit for its queue",
    opens: "queue",
    action: "scale_queue",
  },
  start_executor: {
    ...host,
    label: "Start an executor that serves the queue",
  },
  look_at_host: { ...host, label: "Look at the machine of the executor" },
  deploy_worker: { ...host, label: "Deploy code that defines the worker" },
  enqueue_again: {
    ...host,
    label: "Enqueue it again, with a later deadline",
  },
  tell_worker_owner: {
    ...host,
    label: "Take the error to the people who own the worker",
  },
  tell_schedule_owner: {
    ...host,
    label: "Agree with the people who own the schedule",
  },
  correct_expression: {
    ...host,
    label: "Correct the expression where it is declared",
  },
  tell_limit_owner: {
    ...host,
    label: "Agree with the people who own what it protects",
  },
  keep_scheduler: {
    ...host,
    label: "Keep a process running that looks at the plan",
  },
} as const satisfies Record<StepCode, StepWords>;

/** What to do, in this order, for each diagnosis. */
export const RUNBOOK: Readonly<Record<DiagnosisCode, readonly StepCode[]>> = {
  job_suspended: ["review_subject", "cancel_job", "inspect_audit"],
  job_scheduled: ["review_subject", "retry_job", "cancel_job"],
  job_retryable: ["review_subject", "tell_worker_owner", "retry_job"],
  job_due: ["review_subject", "review_queue"],
  job_deadline_passed: ["enqueue_again", "discard_job"],
  job_deadline_first: ["retry_job", "enqueue_again", "cancel_job"],
  job_overdue: ["review_executors", "start_executor", "review_subject"],
  job_queue_paused: ["review_queue", "resume_its_queue", "inspect_audit"],
  job_unserved: ["review_executors", "start_executor", "review_queue"],
  job_worker_unknown: ["review_executors", "deploy_worker", "cancel_job"],
  job_queue_full: ["review_queue", "scale_its_queue", "review_subject"],
  job_served_late: ["review_executors", "look_at_host", "review_subject"],
  job_rate_limited: ["review_limiter", "review_queue", "review_subject"],
  job_cooling_down: ["review_limiter", "review_queue", "review_subject"],
  job_key_busy: ["review_blocking_job", "review_limiter", "review_queue"],
  job_lane_behind: ["review_limiter", "review_queue", "review_subject"],
  job_lane_turn: ["review_queue", "review_subject"],
  job_behind: ["review_queue", "scale_its_queue", "review_subject"],
  job_ready: ["review_subject", "review_queue"],
  job_running: ["review_subject", "cancel_job"],
  job_executor_late: ["review_executors", "look_at_host", "review_subject"],
  job_executor_missing: ["review_executors", "look_at_host", "start_executor"],
  job_completed: ["review_subject", "inspect_audit"],
  job_cancelled: ["inspect_audit", "review_subject", "retry_job"],
  job_superseded: ["review_cron_entry", "inspect_audit", "retry_job"],
  job_exhausted: ["review_subject", "tell_worker_owner", "retry_job"],
  job_expired: ["review_subject", "enqueue_again"],
  job_discarded: ["review_subject", "tell_worker_owner", "retry_job"],
  cron_malformed: ["review_subject", "correct_expression", "inspect_audit"],
  cron_retired: ["review_subject", "inspect_audit"],
  cron_paused: ["inspect_audit", "resume_cron_entry", "tell_schedule_owner"],
  cron_missed: ["review_subject", "run_cron_entry", "tell_schedule_owner"],
  cron_unseen: [
    "review_executors",
    "run_cron_entry",
    "keep_scheduler",
  ],
  cron_failed: ["review_last_job", "tell_worker_owner", "run_cron_entry"],
  cron_held: ["review_blocking_job", "tell_schedule_owner", "run_cron_entry"],
  cron_key_held: ["review_blocking_job", "tell_schedule_owner"],
  cron_limited: ["review_subject", "tell_schedule_owner", "run_cron_entry"],
  cron_ready: ["review_subject", "inspect_audit"],
  cron_new: ["review_subject", "run_cron_entry"],
  queue_paused: ["inspect_audit", "resume_queue"],
  queue_unserved: ["review_executors", "start_executor"],
  queue_worker_unknown: ["review_executors", "deploy_worker"],
  queue_at_risk: ["review_executors", "look_at_host"],
  queue_full: ["review_subject", "scale_queue"],
  queue_working: ["review_subject", "inspect_audit"],
  queue_idle: ["review_subject", "inspect_audit"],
  limiter_cooling: [
    "review_subject",
    "inspect_audit",
    "tell_limit_owner",
    "clear_limiter_cooldown",
  ],
  limiter_keys_cooling: [
    "review_subject",
    "inspect_audit",
    "tell_limit_owner",
    "clear_limiter_cooldown",
  ],
  limiter_holding: [
    "review_subject",
    "review_blocking_job",
    "tell_limit_owner",
    "scale_limiter",
  ],
  limiter_full: ["review_subject", "review_blocking_job"],
  limiter_relieved: ["review_subject", "inspect_audit"],
  limiter_open: ["review_subject", "inspect_audit"],
  limiter_unnamed: ["review_subject", "inspect_audit"],
  subject_unknown: ["choose_subject", "look_into_audit"],
};

/** Whether a step can be taken when these actions are legal. */
export function isLegalStep(step: StepCode, legal: readonly Action[]): boolean {
  const words = STEPS[step];
  return !("action" in words) || legal.includes(words.action);
}
