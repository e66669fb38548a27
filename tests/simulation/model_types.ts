/** What the model knows of jobs, runs, executors and claims. */
import type { JobId, JobState } from "../../src/domain/job.ts";
import type { JobUnique } from "../../src/store/jobs.ts";
import type { LeaseId } from "../../src/store/leases.ts";

/** A row of `job_states`, instants in milliseconds. */
export interface Standing {
  readonly state: JobState;
  readonly attempt: number;
  readonly runAt: number | null;
  readonly leaseId: LeaseId | null;
  readonly executorId: number | null;
  readonly claimedAt: number | null;
  readonly finishedAt: number | null;
  readonly tookMs: number | null;
}

/** Where nothing is known but the state. */
export const NOWHERE: Standing = {
  state: "suspended",
  attempt: 0,
  runAt: null,
  leaseId: null,
  executorId: null,
  claimedAt: null,
  finishedAt: null,
  tookMs: null,
};

export interface ModelInsert {
  readonly queue: string;
  readonly worker: string;
  readonly priority: number;
  readonly maxAttempts: number;
  readonly delayMs: number | null;
  readonly deadlineMs: number | null;
  readonly unique: JobUnique | null;
}

export interface ModelJob {
  readonly id: JobId;
  queue: string;
  worker: string;
  priority: number;
  maxAttempts: number;
  /** How often an operator allowed one attempt more. */
  retries: number;
  deadlineAt: number | null;
  readonly uniqueKey: string | null;
  at: Standing;
}

/** A run that began once. Most have lost their lease long ago. */
export interface ModelRun {
  readonly leaseId: LeaseId;
  readonly jobId: JobId;
  readonly attempt: number;
  readonly executorId: number;
}

export interface ModelExecutor {
  beatAt: number;
  stoppedAt: number | null;
}

export interface ModelClaim {
  readonly jobId: JobId;
  readonly states: readonly JobState[];
  readonly expiresAt: number | null;
}

/** What is told of a job besides where it stands. */
export interface ModelEvent {
  readonly jobId: JobId;
  readonly attempt: number;
  readonly kind: string;
  readonly executorId?: number | null;
  readonly principal?: string;
}
