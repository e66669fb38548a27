import type { Database } from "../db/database.ts";
import type { OnEvent } from "../events.ts";
import {
  type ClaimedJob,
  claimJobs,
  type QueueDemand,
} from "../store/leases.ts";
import type { Clock } from "./clock.ts";
import type { Executor } from "./executor.ts";
import type { Service, ServicePass } from "./service.ts";

/** What the producer needs. */
export interface ProducerOptions {
  readonly database: Database;
  readonly executor: Executor;
  readonly workers: readonly string[];
  readonly clock: Clock;
  readonly onEvent: OnEvent;
  /** `null` while this process is not known to the others. */
  readonly executorId: () => number | null;
  /** Between two looks when nothing is to be found. */
  readonly pollMs: number;
  /** Makes the next pass follow at once. */
  readonly wake: () => void;
}

/** After work was found the next look follows soon, then less and less so. */
const POLL_LEAST_MS = 50;
const POLL_GROWTH = 1.5;

/**
 * Claims jobs for the free slots. It looks when it is told that there is work,
 * when slots become free while there may be more, and now and then in any case:
 * hints may be lost, or switched off.
 */
export class Producer implements Service {
  readonly name = "producer";
  readonly #options: ProducerOptions;
  #pollMs = POLL_LEAST_MS;
  /** A queue gave all that the last claim asked of it: there may be more. */
  #mayHaveMore = true;
  /** The rest of what `tick()` may claim. */
  jobsLeft = Infinity;
  /** Since this process began. */
  claimed = 0;

  constructor(options: ProducerOptions) {
    this.#options = options;
  }

  /** A hint that there is work. It counts also when it comes during a claim. */
  notice(): void {
    this.#mayHaveMore = true;
    this.#options.wake();
  }

  /** A slot became free. */
  hungry(): void {
    if (this.#mayHaveMore) this.#options.wake();
  }

  async runOnce(): Promise<ServicePass> {
    const { database, executor, workers, clock, onEvent } = this.#options;
    const executorId = this.#options.executorId();
    const queues = executorId === null || workers.length === 0
      ? []
      : executor.demand(this.jobsLeft);
    if (executorId === null || queues.length === 0) {
      return { worked: false, nextInMs: this.#options.pollMs };
    }
    // Cleared before and not after: what we are told meanwhile must count.
    this.#mayHaveMore = false;
    const beganMs = clock.monotonicMs();
    const jobs = await claimJobs(database, { executorId, workers, queues })
      .catch((error: unknown) => {
        this.#mayHaveMore = true;
        throw error;
      });
    this.jobsLeft -= jobs.length;
    this.claimed += jobs.length;
    if (queues.some((demand) => isMet(demand, jobs))) this.#mayHaveMore = true;
    if (jobs.length === 0) return this.#found(false);
    onEvent({
      type: "jobs_claimed",
      jobs: jobs.length,
      tookMs: clock.monotonicMs() - beganMs,
    });
    executor.accept(jobs);
    return this.#found(true);
  }

  #found(found: boolean): ServicePass {
    const { pollMs } = this.#options;
    this.#pollMs = found
      ? POLL_LEAST_MS
      : Math.min(this.#pollMs * POLL_GROWTH, pollMs);
    return {
      worked: found && this.#mayHaveMore,
      nextInMs: Math.min(this.#pollMs, pollMs),
    };
  }
}

/** A queue that gave all it was asked for may have more. */
function isMet(
  { queue, most }: QueueDemand,
  jobs: readonly ClaimedJob[],
): boolean {
  let count = 0;
  for (const job of jobs) if (job.queue === queue) count += 1;
  return count >= most;
}
