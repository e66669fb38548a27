import { withArgsVersion } from "../domain/args_version.ts";
import type { JobId } from "../domain/job.ts";
import type { LimiterBlocker } from "../domain/limiter.ts";
import { withRedactedFields } from "../domain/redaction.ts";
import { takeOut } from "../domain/secret_paths.ts";
import type { JsonObject, RunContext } from "../engine/run_context.ts";
import { isVerdict } from "../engine/verdict.ts";
import type { AnyWorker } from "../engine/worker.ts";
import type { ClaimedJob } from "../store/leases.ts";

/** What a run in a test came to. */
export type RunOutcome<Output> =
  | { readonly kind: "completed"; readonly value: Output }
  | { readonly kind: "snoozed"; readonly delayMs: number }
  | { readonly kind: "cancelled" | "discarded"; readonly reason: string }
  | { readonly kind: "failed"; readonly error: unknown }
  /** The limiters that were handed in did not let it start. */
  | {
    readonly kind: "blocked";
    readonly blockers: readonly LimiterBlocker[];
    readonly reason: string;
    readonly eligibleAt: Date | null;
  };

/** The outcome of a run that came to a value, or to a verdict. */
export function outcomeOf<Output>(value: unknown): RunOutcome<Output> {
  if (!isVerdict(value)) return { kind: "completed", value: value as Output };
  if (value.kind === "snooze") {
    return { kind: "snoozed", delayMs: value.delayMs };
  }
  const kind = value.kind === "cancel" ? "cancelled" : "discarded";
  return { kind, reason: value.reason };
}

const ANY_ID: JobId = "1";

/** A job of a worker as a claim would give it, though nobody enqueued it. */
export function jobOf(
  worker: AnyWorker,
  { args, version = worker.version, context }: {
    readonly args: unknown;
    readonly version: number | undefined;
    readonly context: Partial<RunContext>;
  },
): ClaimedJob {
  const { left, paths } = takeOut(
    JSON.parse(JSON.stringify(args)) as JsonObject,
    worker.secrets?.redact ?? [],
  );
  return {
    leaseId: "1",
    jobId: context.jobId ?? ANY_ID,
    attempt: context.attempt ?? 1,
    maxAttempts: context.maxAttempts ?? worker.maxAttempts,
    queue: context.queue ?? worker.queue,
    worker: context.worker ?? worker.name,
    args: left,
    meta: withRedactedFields(
      withArgsVersion(context.meta ?? {}, version),
      paths,
    ),
    tags: context.tags ?? worker.tags,
    priority: context.priority ?? worker.priority,
    deadlineInMs: null,
  };
}
