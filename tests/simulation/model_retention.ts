/** The part of the model that forgets, and what it forgets from. */
import { type JobId, jobInsertedAt } from "../../src/domain/job.ts";
import type {
  ModelClaim,
  ModelEvent,
  ModelExecutor,
  ModelJob,
} from "./model_types.ts";

/** An executor that has not beaten for so long is missing. */
export const MISSING_MS = 2_000;

/** What is there, and how long. */
export class Retention {
  nowMs: number;
  readonly jobs = new Map<JobId, ModelJob>();
  readonly claims = new Map<string, ModelClaim>();
  readonly executors = new Map<number, ModelExecutor>();
  /** What can be read until it expires, whatever becomes of the job. */
  readonly outputs = new Map<
    JobId,
    { readonly attempt: number; readonly expiresAt: number }
  >();
  /** Days of ids, such as `20260115`, that have partitions of their own. */
  readonly days = new Set<string>();
  events: (ModelEvent & { readonly at: number })[] = [];

  constructor(nowMs: number) {
    this.nowMs = nowMs;
  }

  tell(event: ModelEvent): void {
    this.events.push({ ...event, at: this.nowMs });
  }

  /** Its jobs are its own until they are taken. */
  markMissing(): number[] {
    const late = [...this.executors].filter(([, { beatAt, stoppedAt }]) =>
      stoppedAt === null && beatAt <= this.nowMs - MISSING_MS
    );
    for (const [, executor] of late) executor.stoppedAt = this.nowMs;
    return late.map(([id]) => id);
  }

  /** Days all of whose ids are from before the window. */
  oldDays(keepMs: number): string[] {
    return [...this.days].sort().filter((day) => {
      const text = `${day.slice(0, 4)}-${day.slice(4, 6)}-${day.slice(6)}`;
      return Date.parse(text) + DAY_MS <= this.nowMs - keepMs;
    });
  }

  /** What ended before the window goes with its day, all else moves out of it. */
  dropDay(day: string, keepMs: number): void {
    this.days.delete(day);
    this.#forgetJobs(keepMs, (id) => dayOf(id) === day);
    this.events = this.events.filter(({ jobId }) =>
      dayOf(jobId) !== day || this.jobs.has(jobId)
    );
  }

  /** What no partition takes with it. */
  pruneJobs(keepMs: number): number {
    const before = this.nowMs - keepMs;
    const gone = this.#forgetJobs(
      keepMs,
      (id) => this.#isInDefault(id) && insertedAt(id) < before,
    );
    this.events = this.events.filter(({ jobId }) => !gone.includes(jobId));
    return gone.length;
  }

  #forgetJobs(keepMs: number, which: (id: JobId) => boolean): JobId[] {
    const gone = [...this.jobs.values()].filter(({ id, at }) =>
      which(id) && at.finishedAt !== null &&
      at.finishedAt <= this.nowMs - keepMs
    );
    for (const { id } of gone) this.jobs.delete(id);
    return gone.map(({ id }) => id);
  }

  pruneEvents(keepMs: number): number {
    const before = this.nowMs - keepMs;
    const count = this.events.length;
    this.events = this.events.filter(({ jobId, at }) => {
      const job = this.jobs.get(jobId);
      const hasEnded = job !== undefined && job.at.finishedAt !== null;
      return hasEnded || at > before || insertedAt(jobId) >= before ||
        !this.#isInDefault(jobId);
    });
    return count - this.events.length;
  }

  pruneClaims(goneBeforeMs: number): number {
    const before = this.nowMs - goneBeforeMs;
    const spent = [...this.claims].filter(([, { jobId, expiresAt }]) =>
      expiresAt === null
        ? insertedAt(jobId) < before && !this.jobs.has(jobId)
        : expiresAt <= this.nowMs
    );
    for (const [key] of spent) this.claims.delete(key);
    return spent.length;
  }

  pruneExecutors(keepMs: number): number {
    const holding = new Set(
      [...this.jobs.values()].flatMap(({ at }) =>
        at.state === "executing" ? [at.executorId] : []
      ),
    );
    const gone = [...this.executors].filter(([id, { stoppedAt }]) =>
      stoppedAt !== null && stoppedAt <= this.nowMs - keepMs &&
      !holding.has(id)
    );
    for (const [id] of gone) this.executors.delete(id);
    return gone.length;
  }

  #isInDefault(id: JobId): boolean {
    return !this.days.has(dayOf(id));
  }
}

const DAY_MS = 86_400_000;

/** The day of an instant, or of the job that was inserted then, in UTC. */
export function dayOf(at: JobId | Date): string {
  const date = at instanceof Date ? at : jobInsertedAt(at);
  return date.toISOString().slice(0, 10).replaceAll("-", "");
}

function insertedAt(id: JobId): number {
  return jobInsertedAt(id).getTime();
}

/** Ids are longer than a number can be. */
export function idOrder(
  left: { readonly id: JobId },
  right: { readonly id: JobId },
): number {
  const [a, b] = [BigInt(left.id), BigInt(right.id)];
  return a < b ? -1 : a > b ? 1 : 0;
}
