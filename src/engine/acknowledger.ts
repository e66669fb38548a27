import type { Database } from "../db/database.ts";
import type { OnEvent } from "../events.ts";
import { completeInLeases } from "../store/lease_ends.ts";
import { acknowledge, type RunResult } from "../store/outcomes.ts";
import type { Clock } from "./clock.ts";
import { type Completion, completionsOf } from "./completions.ts";
import type { EndedRun } from "./ended_run.ts";
import { GATHER_MS, ResultGathering } from "./result_gathering.ts";
import type { HeldLeases } from "./held_leases.ts";
import { isAboutData } from "./inserter.ts";
import { hasUnsealed, withSealedOutputs } from "./output_sealing.ts";
import type { Sealer } from "./sealer.ts";

/** What the acknowledger needs. */
export interface AcknowledgerOptions {
  readonly database: Database;
  readonly leases: HeldLeases;
  readonly clock: Clock;
  readonly onEvent: OnEvent;
  /** Encrypts outputs; without it there is nothing to encrypt. */
  readonly sealer?: Sealer;
  /** The executor that tells of what was lost. */
  readonly executorId: () => number;
  /** The ends of these runs are written, or were lost. */
  readonly onWritten?: (runs: readonly RunResult[]) => void;
  /** Called after each flush: there may be room again. */
  readonly onFlushed: () => void;
}

/** So many runs may have ended without being written. */
const UNACKNOWLEDGED_MAX = 4_000;
const RETRY_BASE_MS = 50;
const RETRY_CAP_MS = 5_000;
/** Runs that end in one turn of the event loop end in one statement. */
const GATHER_MICROTASKS = 16;

/**
 * Writes results in groups. A lease that has ended is written at once, the rest
 * waits a moment for company, and while a statement is under way what follows
 * gathers for the next. A commit costs as much for one as for a thousand.
 *
 * While the database can not be reached it tries again, for ever, and the bound
 * on what is unwritten holds up new runs.
 */
export class Acknowledger {
  readonly #options: AcknowledgerOptions;
  readonly #gathering = new ResultGathering();
  #inFlight: readonly EndedRun[] = [];
  /** What the database will not take, so that it is not run again and again. */
  readonly #refused: RunResult[] = [];
  #flushing: Promise<void> | null = null;
  /** How many wait until all is written. */
  #hurry = 0;
  #stopTimer: (() => void) | null = null;
  #abandoned = false;
  #endWait: (() => void) | null = null;

  constructor(options: AcknowledgerOptions) {
    this.#options = options;
  }

  add(result: EndedRun): void {
    const { leases, clock } = this.#options;
    const isWhole = this.#gathering.add(result, {
      lease: leases.get(result.leaseId),
      nowMs: clock.monotonicMs(),
    });
    if (this.#flushing !== null) return;
    if (isWhole || this.#takesAll) this.#flush();
    else this.#stopTimer ??= clock.after(GATHER_MS, () => this.#flush());
  }

  /** No run should begin before something was written. */
  get full(): boolean {
    return this.unacknowledged >= UNACKNOWLEDGED_MAX;
  }

  get unacknowledged(): number {
    return this.#gathering.size + this.#inFlight.length;
  }

  /** Ended runs whose jobs still stand in our leases. */
  list(): RunResult[] {
    return [...this.#gathering.list(), ...this.#inFlight, ...this.#refused];
  }

  /** Resolves when everything is written, or was given up. */
  async flushed(): Promise<void> {
    this.#hurry += 1;
    try {
      while (this.unacknowledged > 0 || this.#flushing !== null) {
        this.#flush();
        await this.#flushing;
      }
    } finally {
      this.#hurry -= 1;
    }
  }

  /**
   * Gives up what can not be written: it stays in its leases, and is rescued
   * like the work of a process that died.
   */
  abandon(): void {
    this.#abandoned = true;
    this.#endWait?.();
  }

  /** The database answers again: what failed need not wait any longer. */
  retry(): void {
    this.#endWait?.();
  }

  /** Takes results again after {@linkcode Acknowledger.abandon}. */
  reopen(): void {
    this.#abandoned = false;
  }

  get #takesAll(): boolean {
    return this.#hurry > 0 || this.full;
  }

  #flush(): void {
    this.#stopTimer?.();
    this.#stopTimer = null;
    this.#flushing ??= this.#flushAll();
  }

  async #flushAll(): Promise<void> {
    const { clock, onFlushed } = this.#options;
    for (let turn = 0; turn < GATHER_MICROTASKS; turn++) await null;
    for (;;) {
      const batch = this.#gathering.take({
        all: this.#takesAll,
        nowMs: clock.monotonicMs(),
      });
      if (batch.length === 0) break;
      this.#inFlight = batch;
      const named = await this.#complete(batch);
      if (named.length > 0) {
        await this.#write(
          hasUnsealed(named)
            ? await withSealedOutputs(named, this.#options)
            : named,
        );
      }
      this.#inFlight = [];
      onFlushed();
    }
    this.#flushing = null;
    const dueInMs = this.#gathering.dueInMs(clock.monotonicMs());
    if (dueInMs === null) return;
    this.#stopTimer = clock.after(dueInMs, () => this.#flush());
  }

  /**
   * Completes what it can by its place in its lease, once: what it says nothing
   * about is named in the other statement, which can be tried again.
   *
   * @returns What is left to write.
   */
  async #complete(batch: readonly EndedRun[]): Promise<readonly EndedRun[]> {
    const { database, leases, onEvent } = this.#options;
    const { completions, named } = completionsOf(batch, leases);
    if (completions.length === 0 || this.#abandoned) return batch;
    let applied: ReadonlySet<string>;
    try {
      applied = new Set(
        await completeInLeases(database, completions.map(({ end }) => end)),
      );
    } catch (error) {
      onEvent({ type: "acknowledgement_failed", jobs: batch.length, error });
      return batch;
    }
    const done: Completion[] = [];
    for (const completion of completions) {
      const { lease, results } = completion;
      if (applied.has(lease.id)) done.push(completion);
      else {
        leases.forget(lease);
        named.push(...results);
      }
    }
    this.#tellCompleted(done);
    return named;
  }

  #tellCompleted(done: readonly Completion[]): void {
    const { leases, onEvent, onWritten } = this.#options;
    let jobs = 0;
    for (const { lease, results } of done) {
      leases.remove(lease, results);
      jobs += results.length;
    }
    if (jobs > 0) onEvent({ type: "jobs_acknowledged", jobs });
    for (const { results } of done) {
      onWritten?.(results);
      for (const { onAnswer } of results) onAnswer?.("applied");
    }
  }

  async #write(batch: readonly EndedRun[]): Promise<void> {
    const { database, leases, onEvent, executorId, onWritten } = this.#options;
    for (let tries = 0; !this.#abandoned; tries++) {
      try {
        const answers = await acknowledge(database, executorId(), batch);
        leases.removeAll(batch);
        onEvent({ type: "jobs_acknowledged", jobs: batch.length });
        const lost = answers.filter((answer) => answer === "lost").length;
        if (lost > 0) onEvent({ type: "acknowledgements_lost", jobs: lost });
        onWritten?.(batch);
        for (const [index, answer] of answers.entries()) {
          batch[index]?.onAnswer?.(answer);
        }
        return;
      } catch (error) {
        onEvent({ type: "acknowledgement_failed", jobs: batch.length, error });
        // Not at the first: tables may have changed under the statement.
        if (tries > 0 && isAboutData(error)) return await this.#isolate(batch);
        await this.#wait(Math.min(RETRY_BASE_MS * 2 ** tries, RETRY_CAP_MS));
      }
    }
    for (const { onAnswer } of batch) onAnswer?.("lost");
  }

  /**
   * One result that the database refuses must not keep the others from being
   * written: halves are tried, and the last one without its words.
   */
  async #isolate(batch: readonly EndedRun[]): Promise<void> {
    const [only] = batch;
    if (batch.length > 1) {
      const middle = Math.ceil(batch.length / 2);
      await this.#write(batch.slice(0, middle));
      await this.#write(batch.slice(middle));
    } else if (
      only?.output !== undefined || only?.event?.message !== undefined
    ) {
      const { output, event, ...bare } = only;
      if (output !== undefined) {
        const { worker, bytes, limitBytes } = output;
        this.#options.onEvent({
          type: "output_dropped",
          worker,
          why: "refused",
          bytes,
          limitBytes,
        });
      }
      await this.#write([
        event === undefined ? bare : { ...bare, event: { kind: event.kind } },
      ]);
    } else if (only !== undefined) {
      // It stays in its lease until this process ends, and is rescued then.
      this.#refused.push(only);
      only.onAnswer?.("lost");
    }
  }

  async #wait(ms: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const stop = this.#options.clock.after(ms, resolve);
      this.#endWait = () => {
        stop();
        resolve();
      };
    });
    this.#endWait = null;
  }
}
