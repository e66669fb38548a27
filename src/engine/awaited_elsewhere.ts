import { type JobId, parseJobId } from "../domain/job.ts";
import type { Clock } from "./clock.ts";

/** Whoever waits says so again before that. */
const REMEMBERED_MS = 60_000;
const REMEMBERED_MAX = 10_000;

/**
 * Jobs that other processes wait for. They said so, and may have been wrong, may
 * have gone, or may not have been heard: what is here makes an answer quick, and
 * what is not makes it no less right.
 */
export class AwaitedElsewhere {
  readonly #clock: Clock;
  /** Until when, the first to be forgotten first. */
  readonly #untilMs = new Map<JobId, number>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get isEmpty(): boolean {
    return this.#untilMs.size === 0;
  }

  /** Somebody waits for these. */
  remember(jobIds: readonly string[]): void {
    this.#forgetOld();
    const untilMs = this.#clock.monotonicMs() + REMEMBERED_MS;
    for (const text of jobIds) {
      const jobId = parseJobId(text);
      if (jobId === null) continue;
      this.#untilMs.delete(jobId);
      if (this.#untilMs.size >= REMEMBERED_MAX) return;
      this.#untilMs.set(jobId, untilMs);
    }
  }

  /** Those of the jobs that somebody waits for; they are forgotten. */
  take(jobIds: readonly JobId[]): JobId[] {
    const taken = jobIds.filter((jobId) => this.#untilMs.delete(jobId));
    this.#forgetOld();
    return taken;
  }

  #forgetOld(): void {
    const nowMs = this.#clock.monotonicMs();
    for (const [jobId, untilMs] of this.#untilMs) {
      if (untilMs > nowMs) return;
      this.#untilMs.delete(jobId);
    }
  }
}
