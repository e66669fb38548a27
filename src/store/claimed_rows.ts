import type { JobId } from "../domain/job.ts";
import type { ClaimDemand, ClaimedJob, LeaseId } from "./leases.ts";

/**
 * A claimed job as it travels. Each cell of each row costs the process that
 * reads it, so what is a number comes in one, and names come as their places in
 * what was asked for.
 */
export interface ClaimedRow {
  readonly leaseId: LeaseId;
  readonly head: string;
  readonly args: ClaimedJob["args"];
  /** What most jobs do not have. */
  readonly rest: Pick<ClaimedJob, "meta" | "tags" | "deadlineInMs"> | null;
}

/** Puts it together again. */
export function toClaimedJob(
  { leaseId, head, args, rest }: ClaimedRow,
  { queues, workers }: Pick<ClaimDemand, "queues" | "workers">,
): ClaimedJob {
  const [jobId, attempt, priority, maxAttempts, queue, worker] = head.split(
    ",",
  );
  const { meta, tags, deadlineInMs } = rest ??
    { meta: {}, tags: [], deadlineInMs: null };
  return {
    leaseId,
    jobId: jobId as JobId,
    attempt: Number(attempt),
    queue: queues[Number(queue) - 1]?.queue ?? "",
    worker: workers[Number(worker) - 1] ?? "",
    args,
    meta,
    tags,
    priority: Number(priority),
    maxAttempts: Number(maxAttempts),
    deadlineInMs,
  };
}
