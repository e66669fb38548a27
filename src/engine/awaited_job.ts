import type { JobId } from "../domain/job.ts";
import type { FoundEnd } from "../store/job_ends.ts";
import type { JobEnd } from "./job_end.ts";

/** Somebody who waits for a job. */
export interface Waiter {
  /** Of the worker whose job it must be; null: of any. */
  readonly worker: string | null;
  /** Called once; after that it is forgotten. */
  readonly tell: (end: JobEnd) => void;
}

/** The first look but one comes so soon, and the last ones no later. */
const FIRST_MS = 20;
const LONGEST_MS = 5_000;

/** A job that somebody waits for, and when it is looked at next. */
export class AwaitedJob {
  readonly jobId: JobId;
  readonly waiters = new Set<Waiter>();
  dueMs: number;
  intervalMs = FIRST_MS / 2;
  /** When others are told again that it is awaited. */
  announceMs = 0;
  /** At the last look there was no record of it. */
  missing = false;

  constructor(jobId: JobId, nowMs: number) {
    this.jobId = jobId;
    this.dueMs = nowMs;
  }

  /** Each look comes twice as late as the one before, up to the longest. */
  postpone(
    { nowMs, random, pollMs }: {
      readonly nowMs: number;
      readonly random: () => number;
      readonly pollMs: number;
    },
  ): void {
    const longestMs = Math.min(Math.max(pollMs, FIRST_MS), LONGEST_MS);
    this.intervalMs = Math.min(this.intervalMs * 2, longestMs);
    // Processes that began together must not ask together.
    this.dueMs = nowMs + this.intervalMs * (1 - random() / 5);
  }

  /** Tells everybody. */
  tell(end: JobEnd, found?: FoundEnd): void {
    const worker = found === undefined || found.state === null
      ? null
      : found.worker;
    for (const waiter of [...this.waiters]) {
      const isOther = worker !== null && waiter.worker !== null &&
        worker !== waiter.worker;
      waiter.tell(isOther ? { status: "unknown_job" } : end);
    }
  }
}
