import type { Database } from "../db/database.ts";
import type { OnEvent } from "../events.ts";
import {
  beatExecutor,
  type ExecutorStart,
  resumeExecutor,
  startExecutor,
  stopExecutor,
} from "../store/executors.ts";
import type { Clock } from "./clock.ts";
import { withDeadline } from "./deadline.ts";
import type { Executor } from "./executor.ts";
import type { Service, ServicePass } from "./service.ts";

/** What the heartbeat needs. */
export interface HeartbeatOptions {
  readonly database: Database;
  readonly executor: Executor;
  readonly clock: Clock;
  readonly onEvent: OnEvent;
  readonly start: ExecutorStart;
  readonly beatMs: number;
}

/** Beats that may hang, one after the other, before we count as missing. */
const TRIES = 8;
/** A database under load takes its time, also where executors miss soon. */
const STATEMENT_MS_LEAST = 1_000;

/**
 * Keeps this process known as alive, and gives its runs up before others may
 * take their jobs: an executor that can not beat must not work on.
 */
export class Heartbeat implements Service {
  readonly name = "heartbeat";
  readonly intervalMs: number;
  readonly #options: HeartbeatOptions;
  readonly #database: Database;
  #executorId: number | null = null;
  /** Stopped by its own will, so the same id may go on. */
  #resting = false;
  #stopWatch: (() => void) | null = null;

  constructor(options: HeartbeatOptions) {
    this.#options = options;
    this.intervalMs = options.beatMs;
    // A beat that hangs on a dead connection must not be the last one: others
    // follow on other connections before we count as missing.
    this.#database = withDeadline(options.database, {
      clock: options.clock,
      ms: Math.max(options.start.missingAfterMs / TRIES, STATEMENT_MS_LEAST),
    });
  }

  /** `null` while this process may claim nothing. */
  get executorId(): number | null {
    return this.#resting ? null : this.#executorId;
  }

  /** Of the last start, for what is told afterwards. */
  get lastExecutorId(): number {
    return this.#executorId ?? 0;
  }

  async runOnce(): Promise<ServicePass> {
    const { clock, start } = this.#options;
    const database = this.#database;
    const beganMs = clock.monotonicMs();
    if (this.#executorId !== null) {
      const alive = this.#resting
        ? await resumeExecutor(database, this.#executorId)
        : await beatExecutor(database, this.#executorId);
      if (!alive) this.#loseRuns();
    }
    this.#executorId ??= await startExecutor(database, start);
    this.#resting = false;
    this.#watch(beganMs);
    return { worked: false };
  }

  /** Tells the others that this process runs nothing any more. */
  async rest(): Promise<void> {
    this.#stopWatch?.();
    this.#stopWatch = null;
    if (this.#executorId === null || this.#resting) return;
    // Also when the others can not be told: they will find it missing.
    this.#resting = true;
    await stopExecutor(this.#database, this.#executorId);
  }

  /** Others found us missing: what we hold is theirs by now. */
  #loseRuns(): void {
    this.#executorId = null;
    this.#giveUp();
  }

  #giveUp(): void {
    const { executor, onEvent } = this.#options;
    if (executor.runs.size === 0) return;
    onEvent({ type: "executor_lost", runs: executor.runs.size });
    executor.abort("lease_lost");
    executor.dropBuffered();
  }

  /** Counted from before the beat: the database saw it later than that. */
  #watch(beganMs: number): void {
    const { clock, start, beatMs } = this.#options;
    this.#stopWatch?.();
    const patienceMs = Math.max(
      start.missingAfterMs - beatMs,
      start.missingAfterMs / 2,
    );
    this.#stopWatch = clock.after(
      beganMs + patienceMs - clock.monotonicMs(),
      () => this.#giveUp(),
    );
  }
}
