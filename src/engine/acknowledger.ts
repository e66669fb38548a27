import type { Database } from "../db/database.ts";
import type { OnEvent } from "../events.ts";
import {
  acknowledge,
  type Acknowledgement,
  type RunResult,
} from "../store/outcomes.ts";
import type { Clock } from "./clock.ts";
import { isAboutData } from "./inserter.ts";

/** What became of a run, and who wants to know when it is written. */
export interface EndedRun extends RunResult {
  /**
   * Called once it was written, or refused because the lease was lost. Never
   * throws, or what was written would be written again.
   */
  readonly onAnswer?: (answer: Acknowledgement) => void;
}

/** What the acknowledger needs. */
export interface AcknowledgerOptions {
  readonly database: Database;
  readonly clock: Clock;
  readonly onEvent: OnEvent;
  /** The executor that tells of what was lost. */
  readonly executorId: () => number;
  /** Called after each flush: there may be room again. */
  readonly onFlushed: () => void;
}

/** One statement acknowledges so many. */
const BATCH_MAX = 1_000;
/** And so much of outputs, as JSON: Postgres reads a quarter of a gigabyte. */
const BATCH_LENGTH_MAX = 16 * 1_048_576;
/** So many runs may have ended without being written. */
const UNACKNOWLEDGED_MAX = 4_000;
const RETRY_BASE_MS = 50;
const RETRY_CAP_MS = 5_000;
/** Runs that end in one turn of the event loop end in one statement. */
const GATHER_MICROTASKS = 16;

/**
 * Writes results in groups: the first at once, and while a statement is under
 * way those that follow gather for the next. A commit costs as much for one as
 * for a thousand.
 *
 * While the database can not be reached it tries again, for ever, and the bound
 * on what is unwritten holds up new runs.
 */
export class Acknowledger {
  readonly #options: AcknowledgerOptions;
  #pending: EndedRun[] = [];
  #inFlight: readonly EndedRun[] = [];
  /** What the database will not take, so that it is not run again and again. */
  readonly #refused: RunResult[] = [];
  #flushing: Promise<void> | null = null;
  #abandoned = false;
  #endWait: (() => void) | null = null;

  constructor(options: AcknowledgerOptions) {
    this.#options = options;
  }

  add(result: EndedRun): void {
    this.#pending.push(result);
    this.#flushing ??= this.#flushAll();
  }

  /** No run should begin before something was written. */
  get full(): boolean {
    return this.unacknowledged >= UNACKNOWLEDGED_MAX;
  }

  get unacknowledged(): number {
    return this.#pending.length + this.#inFlight.length;
  }

  /** Ended runs whose jobs still stand in our leases. */
  list(): RunResult[] {
    return [...this.#pending, ...this.#inFlight, ...this.#refused];
  }

  /** Resolves when everything is written, or was given up. */
  async flushed(): Promise<void> {
    while (this.#flushing !== null) await this.#flushing;
  }

  /**
   * Gives up what can not be written: it stays in its leases, and is rescued
   * like the work of a process that died.
   */
  abandon(): void {
    this.#abandoned = true;
    this.#endWait?.();
  }

  /** Takes results again after {@linkcode Acknowledger.abandon}. */
  reopen(): void {
    this.#abandoned = false;
  }

  async #flushAll(): Promise<void> {
    for (let turn = 0; turn < GATHER_MICROTASKS; turn++) await null;
    while (this.#pending.length > 0) {
      const batch = this.#takeBatch();
      this.#inFlight = batch;
      await this.#write(batch);
      this.#inFlight = [];
      this.#options.onFlushed();
    }
    this.#flushing = null;
  }

  #takeBatch(): EndedRun[] {
    let count = 0;
    let length = 0;
    for (const { output } of this.#pending) {
      length += output?.length ?? 0;
      const isFull = count === BATCH_MAX || length > BATCH_LENGTH_MAX;
      if (isFull && count > 0) break;
      count += 1;
    }
    return this.#pending.splice(0, count);
  }

  async #write(batch: readonly EndedRun[]): Promise<void> {
    const { database, onEvent, executorId } = this.#options;
    for (let tries = 0; !this.#abandoned; tries++) {
      try {
        const answers = await acknowledge(database, executorId(), batch);
        onEvent({ type: "jobs_acknowledged", jobs: batch.length });
        const lost = answers.filter((answer) => answer === "lost").length;
        if (lost > 0) onEvent({ type: "acknowledgements_lost", jobs: lost });
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
      const { output: _, event, ...bare } = only;
      await this.#write([
        event === undefined ? bare : { ...bare, event: { kind: event.kind } },
      ]);
    } else if (only !== undefined) {
      // It stays in its lease until this process ends, and is rescued then.
      this.#refused.push(only);
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
