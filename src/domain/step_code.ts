/**
 * What can be done about something, as a code that stays: look at a page, act
 * through a preview, or do what only the host can.
 */
export type StepCode =
  // Pages.
  | "review_subject"
  | "review_queue"
  | "review_executors"
  | "review_cron_entry"
  | "review_limiter"
  | "review_last_job"
  | "review_blocking_job"
  | "inspect_audit"
  | "look_into_audit"
  | "choose_subject"
  // Actions; those of a queue, when the step is offered for one of its jobs.
  | "retry_job"
  | "cancel_job"
  | "discard_job"
  | "pause_cron_entry"
  | "resume_cron_entry"
  | "run_cron_entry"
  | "pause_queue"
  | "resume_queue"
  | "scale_queue"
  | "clear_limiter_cooldown"
  | "cool_down_limiter"
  | "scale_limiter"
  | "resume_its_queue"
  | "scale_its_queue"
  // The host.
  | "start_executor"
  | "look_at_host"
  | "deploy_worker"
  | "enqueue_again"
  | "tell_worker_owner"
  | "tell_schedule_owner"
  | "correct_expression"
  | "tell_limit_owner"
  | "keep_scheduler";
