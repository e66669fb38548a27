import type { Database } from "../db/database.ts";
import type { JobId } from "../domain/job.ts";
import { trimHistories } from "../store/long_histories.ts";
import type { Service, ServicePass } from "./service.ts";

/** What it needs. */
export interface LongHistoriesOptions {
  readonly database: Database;
  readonly random: () => number;
}

const INTERVAL_MS = 60_000;
/** One event in so many makes us look at the history of its job. */
const ONE_IN = 25;
/** Jobs that wait to be looked at; of the rest another event will tell. */
const JOBS_MAX = 1_000;
const JOBS_AT_ONCE = 100;
const EVENTS_AT_ONCE = 1_000;

/**
 * Keeps what is told of one job short.
 *
 * Nothing counts the events of a job: a snooze burns no attempt, and a counter
 * would be written with each of them. A job that writes without end is drawn
 * sooner or later, and one of whom little is told costs a look at an index.
 */
export class LongHistories implements Service {
  readonly name = "long_histories";
  readonly intervalMs = INTERVAL_MS;
  readonly #options: LongHistoriesOptions;
  readonly #drawn = new Set<JobId>();

  constructor(options: LongHistoriesOptions) {
    this.#options = options;
  }

  /** A run ended. Most end with nothing to tell, and cost nothing here. */
  saw({ jobId, event }: {
    readonly jobId: JobId;
    readonly event?: unknown;
  }): void {
    if (event === undefined || this.#drawn.size >= JOBS_MAX) return;
    if (this.#options.random() * ONE_IN < 1) this.#drawn.add(jobId);
  }

  async runOnce(): Promise<ServicePass> {
    const jobIds = [...this.#drawn].slice(0, JOBS_AT_ONCE);
    if (jobIds.length === 0) return { worked: false };
    const { database } = this.#options;
    const events = await trimHistories(database, {
      jobIds,
      limit: EVENTS_AT_ONCE,
    });
    const isDone = events < EVENTS_AT_ONCE;
    if (isDone) { for (const jobId of jobIds) this.#drawn.delete(jobId); }
    return { worked: !isDone || this.#drawn.size > 0 };
  }
}
