import type { Database } from "../db/database.ts";
import type { JobId } from "../domain/job.ts";
import type { OnEvent } from "../events.ts";
import {
  ENDS_MAX,
  type FoundEnd,
  listEnds,
  listOutputs,
} from "../store/job_ends.ts";
import { AwaitedJob, type Waiter } from "./awaited_job.ts";
import type { Clock } from "./clock.ts";
import { type JobEnd, type OutputOfAttempt, toJobEnd } from "./job_end.ts";
import { opened } from "./job_output.ts";
import type { Sealer } from "./sealer.ts";

/** What the awaiter needs. */
export interface JobAwaiterOptions {
  readonly database: Database;
  readonly clock: Clock;
  readonly random: () => number;
  readonly onEvent: OnEvent;
  /** Reads outputs that were encrypted. */
  readonly sealer: Sealer;
  /** The longest between two looks at one job. */
  readonly pollMs: number;
  /** These jobs are awaited, and had not ended a moment ago. */
  readonly announce: (jobIds: readonly JobId[]) => void;
}

/** Between two looks, whatever hints say. */
const GAP_MS = 10;
/** What is due so soon, in parts of its interval, is asked with the others. */
const SLACK = 0.2;
/** Others forget who waits after a minute. */
const ANNOUNCE_MS = 20_000;
const AWAITED_MAX = 100_000;
/** Outputs that one statement brings. */
const OUTPUTS_BYTES_MAX = 16 * 1_048_576;
const FAULT_BASE_MS = 100;
/** A process that is not started has nobody to tell it that an outage is over. */
const FAULT_CAP_MS = 2_000;

/**
 * All who wait in this process for jobs to end. One statement asks about up to
 * 1,000 jobs; each is asked about often at first and then ever less. Hints make
 * it sooner, and nothing depends on them. Without anybody who waits there is no
 * timer and no statement.
 */
export class JobAwaiter {
  readonly #options: JobAwaiterOptions;
  readonly #awaited = new Map<JobId, AwaitedJob>();
  #timer: { readonly atMs: number; readonly stop: () => void } | null = null;
  #looking: Promise<void> | null = null;
  #notBeforeMs = 0;
  #faults = 0;

  constructor(options: JobAwaiterOptions) {
    this.#options = options;
  }

  get isEmpty(): boolean {
    return this.#awaited.size === 0;
  }

  /**
   * Tells somebody how a job ended.
   *
   * @returns What makes it forget them.
   * @throws {Error} If 100,000 jobs are awaited already.
   */
  add(jobId: JobId, waiter: Waiter): () => void {
    const { clock } = this.#options;
    let awaited = this.#awaited.get(jobId);
    if (awaited === undefined) {
      if (this.#awaited.size >= AWAITED_MAX) {
        throw new Error(
          `Cannot await another job: ${AWAITED_MAX} are awaited, which is ` +
            `the most in one process`,
        );
      }
      awaited = new AwaitedJob(jobId, clock.monotonicMs());
      this.#awaited.set(jobId, awaited);
    }
    awaited.waiters.add(waiter);
    this.#lookAt(awaited.dueMs);
    return () => {
      awaited.waiters.delete(waiter);
      if (awaited.waiters.size === 0) this.#forget(awaited);
    };
  }

  /** These jobs may have ended; none: any of them. */
  hint(jobIds: readonly JobId[]): void {
    if (this.isEmpty) return;
    const nowMs = this.#options.clock.monotonicMs();
    const which = jobIds.length === 0 ? [...this.#awaited.keys()] : jobIds;
    for (const jobId of which) {
      const awaited = this.#awaited.get(jobId);
      if (awaited === undefined) continue;
      awaited.dueMs = nowMs;
      this.#lookAt(nowMs);
    }
  }

  /** Hints can be heard from now on: look at everything, and tell who waits. */
  listening(): void {
    this.announceAgain();
    this.hint([]);
  }

  /** Somebody may not know that we wait: the next look at each job says so. */
  announceAgain(): void {
    for (const awaited of this.#awaited.values()) awaited.announceMs = 0;
  }

  /** The database answers again. */
  retry(): void {
    if (this.#faults === 0) return;
    this.#notBeforeMs = 0;
    this.hint([]);
  }

  /** Looks once more at everything. */
  async lastLook(): Promise<void> {
    await this.#looking;
    for (const awaited of this.#awaited.values()) awaited.dueMs = 0;
    if (this.isEmpty) return;
    this.#stopTimer();
    await this.#begin();
    if (![...this.#awaited.values()].some(({ missing }) => missing)) return;
    this.#stopTimer();
    await this.#begin();
  }

  /** Tells all who still wait that nobody looks any more. */
  stop(): void {
    const end: JobEnd = { status: "stopped" };
    for (const awaited of [...this.#awaited.values()]) awaited.tell(end);
  }

  #forget(awaited: AwaitedJob): void {
    if (this.#awaited.get(awaited.jobId) !== awaited) return;
    this.#awaited.delete(awaited.jobId);
    if (this.isEmpty) this.#stopTimer();
  }

  #stopTimer(): void {
    this.#timer?.stop();
    this.#timer = null;
  }

  #lookAt(dueMs: number): void {
    if (this.#looking !== null) return;
    const atMs = Math.max(dueMs, this.#notBeforeMs);
    if (this.#timer !== null && this.#timer.atMs <= atMs) return;
    this.#stopTimer();
    const { clock } = this.#options;
    const stop = clock.after(Math.max(atMs - clock.monotonicMs(), 0), () => {
      this.#timer = null;
      void this.#begin();
    });
    this.#timer = { atMs, stop };
  }

  /** A look never throws, and another follows for as long as somebody waits. */
  #begin(): Promise<void> {
    this.#looking ??= this.#look().then(() => {
      this.#looking = null;
      let dueMs = Infinity;
      for (const awaited of this.#awaited.values()) {
        dueMs = Math.min(dueMs, awaited.dueMs);
      }
      if (dueMs < Infinity) this.#lookAt(dueMs);
    });
    return this.#looking;
  }

  async #look(): Promise<void> {
    const { clock, random, onEvent } = this.#options;
    const nowMs = clock.monotonicMs();
    const due = [...this.#awaited.values()].filter((awaited) =>
      awaited.dueMs <= nowMs + awaited.intervalMs * SLACK
    );
    try {
      for (let at = 0; at < due.length; at += ENDS_MAX) {
        await this.#ask(due.slice(at, at + ENDS_MAX));
      }
      this.#faults = 0;
      this.#notBeforeMs = clock.monotonicMs() + GAP_MS;
    } catch (error) {
      onEvent({ type: "service_failed", service: "awaiter", error });
      const spanMs = FAULT_BASE_MS * 2 ** Math.min(this.#faults, 20);
      this.#faults += 1;
      this.#notBeforeMs = clock.monotonicMs() +
        Math.min(spanMs, FAULT_CAP_MS) * (1 - random() / 5);
    }
  }

  async #ask(batch: readonly AwaitedJob[]): Promise<void> {
    const { database, clock, random, pollMs, announce } = this.#options;
    const nowMs = clock.monotonicMs();
    // Before the question, so that a hint during the answer is not lost.
    for (const each of batch) each.postpone({ nowMs, random, pollMs });
    const found = await listEnds(database, batch.map(({ jobId }) => jobId));
    const outputs = await this.#outputsOf(found);
    for (const end of found) this.#tell(end, outputs.get(end.jobId));
    const told = new Set(found.map(({ jobId }) => jobId));
    for (const each of batch) if (!told.has(each.jobId)) each.missing = false;
    const silent = batch.filter((each) =>
      this.#awaited.get(each.jobId) === each && each.announceMs <= nowMs
    );
    for (const each of silent) each.announceMs = nowMs + ANNOUNCE_MS;
    if (silent.length > 0) announce(silent.map(({ jobId }) => jobId));
  }

  #tell(found: FoundEnd, output: OutputOfAttempt | undefined): void {
    const awaited = this.#awaited.get(found.jobId);
    if (awaited === undefined) return;
    // Rows of a job move between partitions: it is looked for twice.
    if (found.state === null && !awaited.missing) {
      awaited.missing = true;
      awaited.dueMs = 0;
      return;
    }
    awaited.tell(toJobEnd(found, output), found);
  }

  /** As many statements as it takes to carry that much. */
  async #outputsOf(
    found: readonly FoundEnd[],
  ): Promise<ReadonlyMap<JobId, OutputOfAttempt>> {
    const { database, sealer } = this.#options;
    const outputs = new Map<JobId, OutputOfAttempt>();
    let jobIds: JobId[] = [];
    let bytes = 0;
    const read = async () => {
      if (jobIds.length === 0) return;
      for (const { jobId, ...kept } of await listOutputs(database, jobIds)) {
        const told = await opened(kept, { jobId, sealer });
        outputs.set(jobId, { attempt: kept.attempt, told });
      }
      [jobIds, bytes] = [[], 0];
    };
    for (const end of found) {
      if (end.state === null || end.outputBytes === null) continue;
      if (end.outputExpired) continue;
      if (bytes + end.outputBytes > OUTPUTS_BYTES_MAX) await read();
      jobIds.push(end.jobId);
      bytes += end.outputBytes;
    }
    await read();
    return outputs;
  }
}
