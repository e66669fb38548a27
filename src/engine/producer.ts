import type { Database } from "../db/database.ts";
import type { OnEvent } from "../events.ts";
import { claimJobs, type QueueDemand } from "../store/leases.ts";
import { ClaimMarks } from "./claim_marks.ts";
import type { Clock } from "./clock.ts";
import type { Executor } from "./executor.ts";
import type { HeldLeases } from "./held_leases.ts";
import type { ClaimBudget, Producing } from "./producers.ts";
import type { ServicePass } from "./service.ts";

/** What the producer needs. */
export interface ProducerOptions {
  readonly database: Database;
  readonly executor: Executor;
  readonly leases: HeldLeases;
  readonly workers: readonly string[];
  readonly clock: Clock;
  readonly onEvent: OnEvent;
  /** `null` while this process is not known to the others. */
  readonly executorId: () => number | null;
  /** Between two looks when nothing is to be found. */
  readonly pollMs: number;
  /** Makes the next pass follow at once. */
  readonly wake: () => void;
  /** Of all producers together; its own when left out. */
  readonly budget?: ClaimBudget;
  /** What to claim now; what the executor asks for when left out. */
  readonly demand?: (jobsMax: number) => QueueDemand[];
}

/** After work was found the next look follows soon, then less and less so. */
const POLL_LEAST_MS = 50;
const POLL_GROWTH = 1.5;

/**
 * Claims jobs for the free slots. It looks when it is told that there is work,
 * when slots become free while there may be more, and now and then in any case:
 * hints may be lost, or switched off.
 */
export class Producer implements Producing {
  readonly name = "producer";
  readonly #options: ProducerOptions;
  #pollMs = POLL_LEAST_MS;
  /**
   * The queues that may have more: they gave all that was asked of them, or we
   * were told. Each by itself, or an empty one would hide what another has.
   */
  readonly #promising: Set<string>;
  readonly #marks = new ClaimMarks();
  readonly #budget: ClaimBudget;
  /** The rest of what `tick()` may claim. */
  jobsLeft = Infinity;
  /** Since this process began. */
  claimed = 0;

  constructor(options: ProducerOptions) {
    this.#options = options;
    this.#promising = new Set(options.executor.queues.keys());
    this.#budget = options.budget ?? this;
  }

  /**
   * A hint that there is work in these queues; an empty list is all of them. It
   * counts also when it comes during a claim.
   */
  notice(queues: readonly string[]): void {
    const { executor, wake } = this.#options;
    const ours = [...executor.queues.keys()].filter((queue) =>
      queues.length === 0 || queues.includes(queue)
    );
    if (ours.length === 0) return;
    for (const queue of ours) this.#promising.add(queue);
    wake();
  }

  /**
   * A slot of this queue became free.
   *
   * @returns Whether a claim follows.
   */
  hungry(queue: string): boolean {
    const follows = this.#promising.has(queue);
    if (follows) this.#options.wake();
    return follows;
  }

  /** There is room for what was held up, whatever the queue. */
  roomy(): void {
    if (this.#promising.size > 0) this.#options.wake();
  }

  async runOnce(): Promise<ServicePass> {
    const { database, executor, leases, workers, clock, onEvent } =
      this.#options;
    const executorId = this.#options.executorId();
    const beganMs = clock.monotonicMs();
    const queues = executorId === null || workers.length === 0
      ? []
      : this.#marks.applied(this.#demand(), beganMs);
    if (executorId === null || queues.length === 0) {
      return { worked: false, nextInMs: this.#options.pollMs };
    }
    // Cleared before and not after: what we are told meanwhile must count.
    for (const { queue } of queues) this.#promising.delete(queue);
    const jobs = await claimJobs(database, { executorId, workers, queues })
      .catch((error: unknown) => {
        for (const { queue } of queues) this.#promising.add(queue);
        throw error;
      });
    this.#budget.jobsLeft -= jobs.length;
    this.#budget.claimed += jobs.length;
    const tookMs = clock.monotonicMs() - beganMs;
    for (const demand of queues) {
      const answer = { jobs, nowMs: beganMs, tookMs };
      const more = this.#marks.learn(demand, answer);
      if (more) this.#promising.add(demand.queue);
    }
    if (jobs.length === 0) return this.#found(this.#promising.size > 0);
    onEvent({ type: "jobs_claimed", jobs: jobs.length, tookMs });
    leases.open(executorId, jobs);
    executor.accept(jobs);
    return this.#found(true);
  }

  #demand(): QueueDemand[] {
    const { executor, demand } = this.#options;
    const { jobsLeft } = this.#budget;
    return demand === undefined ? executor.demand(jobsLeft) : demand(jobsLeft);
  }

  #found(found: boolean): ServicePass {
    const { pollMs } = this.#options;
    this.#pollMs = found
      ? POLL_LEAST_MS
      : Math.min(this.#pollMs * POLL_GROWTH, pollMs);
    return {
      worked: found && this.#promising.size > 0,
      nextInMs: Math.min(this.#pollMs, pollMs),
    };
  }
}
