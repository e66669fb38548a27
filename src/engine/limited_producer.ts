import type { Database } from "../db/database.ts";
import type { JobId } from "../domain/job.ts";
import type { OnEvent } from "../events.ts";
import { type LanesSeen, lookAtLanes, releaseGrants } from "../store/lanes.ts";
import { LEASE_JOBS_MAX, type QueueDemand } from "../store/leases.ts";
import { claimLimitedJobs } from "../store/limited_claims.ts";
import type { AnyWorker } from "./any_worker.ts";
import { takesChunks } from "./chunk.ts";
import type { Clock } from "./clock.ts";
import type { EndedRun } from "./ended_run.ts";
import type { Executor } from "./executor.ts";
import type { HeldLeases } from "./held_leases.ts";
import { askInTurn, type ClaimBudget } from "./producers.ts";
import type { Service, ServicePass } from "./service.ts";
import type { QueueSlots } from "./slots.ts";

/** What the producer of limited jobs needs. */
export interface LimitedProducerOptions {
  readonly database: Database;
  readonly executor: Executor;
  readonly leases: HeldLeases;
  /** Those that wait for limiters, and no others. */
  readonly workers: readonly AnyWorker[];
  readonly clock: Clock;
  readonly onEvent: OnEvent;
  /** `null` while this process is not known to the others. */
  readonly executorId: () => number | null;
  /** Nothing is claimed while too much is unwritten. */
  readonly isFull: () => boolean;
  /** Between two looks when nothing is to be found. */
  readonly pollMs: number;
  /** Makes the next pass follow at once. */
  readonly wake: () => void;
  /** What `tick()` may claim, of all producers together. */
  readonly budget: ClaimBudget;
}

/** Workers whose jobs are claimed in one statement, and how many now. */
interface Claimer {
  readonly workers: readonly string[];
  /** Their jobs gather to share calls, and do not wait for slots. */
  readonly chunked: boolean;
  readonly demand: () => QueueDemand[];
}

/** A job that was claimed here. */
interface HeldJob {
  /** Where it waits for a slot; `null` for one that gathers. */
  readonly queue: string | null;
  /** Whether it holds something of a limiter of concurrency. */
  readonly holdsGrants: boolean;
}

/** After a look that was in vain the next follows soon, then less and less so. */
const POLL_LEAST_MS = 20;
const POLL_GROWTH = 1.5;
/** Ended jobs that one statement takes the grants of. */
const ENDED_MAX = 2_000;

/**
 * Claims jobs that wait for limiters, beside the producer of all others. It
 * fetches nothing ahead: what waits here would hold grants and not run. Only
 * where the slots of a queue turn over fast a few jobs wait for the next slot, or
 * other jobs, which are fetched ahead, would take every one of them. Workers that
 * take chunks are asked for each by itself: what fills a chunk begins together.
 */
export class LimitedProducer implements Service {
  readonly name = "limited_producer";
  readonly #options: LimitedProducerOptions;
  /** In the order in which they are asked. */
  readonly #claimers: Claimer[];
  readonly #workers: readonly string[];
  /** Claimed here, and the end of their run is not written. */
  readonly #held = new Map<JobId, HeldJob>();
  #ended: JobId[] = [];
  /**
   * The next look knows of an end. Not by the length of what has ended: a job
   * that was given back may run elsewhere by now, and is asked about until then.
   */
  #hasWoken = false;
  #pollMs = POLL_LEAST_MS;
  /** The last claim found all that it asked for. */
  #hasPlenty = false;

  constructor(options: LimitedProducerOptions) {
    this.#options = options;
    const { workers } = options;
    this.#workers = workers.map(({ name }) => name);
    const others = workers.filter((worker) => !takesChunks(worker));
    this.#claimers = workers.filter(takesChunks).map((worker): Claimer => ({
      workers: [worker.name],
      chunked: true,
      demand: () =>
        options.executor.chunkDemand(worker, options.budget.jobsLeft),
    }));
    if (others.length === 0) return;
    this.#claimers.push({
      workers: others.map(({ name }) => name),
      chunked: false,
      demand: () => this.#demand(),
    });
  }

  /** A slot is free. */
  hungry(): void {
    this.#options.wake();
  }

  /**
   * Hears when the end of a run is written: what it held is free then.
   *
   * @returns The result to write instead, if it is one of a job claimed here.
   */
  watch(result: EndedRun): EndedRun | null {
    const { jobId, onAnswer } = result;
    if (!this.#held.has(jobId)) return null;
    return {
      ...result,
      onAnswer: (answer) => {
        this.#end(jobId);
        onAnswer?.(answer);
      },
    };
  }

  #end(jobId: JobId): void {
    const held = this.#held.get(jobId);
    this.#held.delete(jobId);
    // What only a rate let pass gives nothing back.
    if (!held?.holdsGrants) return;
    this.#ended.push(jobId);
    if (this.#hasWoken) return;
    this.#hasWoken = true;
    this.#options.wake();
  }

  async runOnce(): Promise<ServicePass> {
    const { pollMs, isFull } = this.#options;
    const executorId = this.#options.executorId();
    this.#forgetDropped();
    const hasRoom = !isFull() &&
      this.#claimers.some(({ demand }) => demand().length > 0);
    if (executorId === null || (!hasRoom && this.#ended.length === 0)) {
      return { worked: false, nextInMs: pollMs };
    }
    if (hasRoom && this.#hasPlenty) {
      return await this.#claimBesideLook(executorId);
    }
    const { nextInMs, hasMore } = await this.#look();
    if (!hasRoom || nextInMs === null || nextInMs > 0) {
      this.#pollMs = POLL_LEAST_MS;
      // Rounded up: a timer that is early finds nothing.
      const waitMs = Math.min(Math.ceil(nextInMs ?? pollMs), pollMs);
      return { worked: hasMore, nextInMs: Math.max(waitMs, 1) };
    }
    if (await this.#claimAll(executorId)) {
      // Somebody else holds what is due, or its queue is paused.
      this.#pollMs = Math.min(this.#pollMs * POLL_GROWTH, pollMs);
      return { worked: false, nextInMs: this.#pollMs };
    }
    this.#pollMs = POLL_LEAST_MS;
    return { worked: true };
  }

  /**
   * The last claim got all it asked for, so there is more: it need not wait until
   * grants are given back and lanes are made of what arrived.
   */
  async #claimBesideLook(executorId: number): Promise<ServicePass> {
    const answers = await Promise.allSettled([
      this.#claimAll(executorId),
      this.#look(),
    ]);
    for (const answer of answers) {
      if (answer.status === "rejected") throw answer.reason;
    }
    // What woke meanwhile, or when to look again, the next pass finds.
    return { worked: true };
  }

  /** Gives back what ended runs held, and asks whether a claim is worth it. */
  async #look(): Promise<LanesSeen> {
    const { database, executor } = this.#options;
    this.#hasWoken = false;
    const ended = this.#ended.slice(0, ENDED_MAX);
    const { freed, held } = await releaseGrants(database, ended);
    this.#ended = [...held, ...this.#ended.slice(ended.length)];
    const seen = await lookAtLanes(database, {
      queues: [...executor.queues.keys()],
      workers: this.#workers,
      freed,
    });
    const hasMore = seen.hasMore || this.#ended.length > held.length;
    return { ...seen, hasMore };
  }

  /** @returns Whether nothing more is to be found, by none of them. */
  async #claimAll(executorId: number): Promise<boolean> {
    let isDry = true;
    this.#hasPlenty = false;
    await askInTurn(this.#claimers, {
      budget: this.#options.budget,
      ask: async (claimer) => {
        if (!await this.#claim(executorId, claimer)) isDry = false;
      },
    });
    return isDry;
  }

  /** @returns Whether nothing more is to be found. */
  async #claim(
    executorId: number,
    { workers, chunked, demand }: Claimer,
  ): Promise<boolean> {
    const { database, executor, leases, clock, onEvent, budget } =
      this.#options;
    const queues = demand();
    if (queues.length === 0) return true;
    const beganMs = clock.monotonicMs();
    const claim = await claimLimitedJobs(database, {
      executorId,
      workers,
      queues,
    });
    const { jobs, granted, isDry } = claim;
    if (jobs.length === 0) return isDry;
    const asked = queues.reduce((all, { most }) => all + most, 0);
    if (jobs.length === asked) this.#hasPlenty = true;
    budget.jobsLeft -= jobs.length;
    budget.claimed += jobs.length;
    const tookMs = clock.monotonicMs() - beganMs;
    onEvent({ type: "jobs_claimed", jobs: jobs.length, tookMs });
    for (const { jobId, queue } of jobs) {
      this.#held.set(jobId, {
        queue: chunked ? null : queue,
        holdsGrants: granted.has(jobId),
      });
    }
    leases.open(executorId, jobs);
    executor.accept(jobs);
    return isDry;
  }

  #demand(): QueueDemand[] {
    const { executor, budget } = this.#options;
    const held = new Map<string, number>();
    for (const { queue } of this.#held.values()) {
      if (queue !== null) held.set(queue, (held.get(queue) ?? 0) + 1);
    }
    let left = Math.min(budget.jobsLeft, LEASE_JOBS_MAX);
    const demands: QueueDemand[] = [];
    for (const slots of executor.queues.values()) {
      const wanted = slots.paused ? 0 : room(slots, held.get(slots.name) ?? 0);
      const most = Math.min(wanted, left);
      if (most <= 0) continue;
      left -= most;
      const { name, declaredLimit } = slots;
      const prefetch = Math.max(most - (slots.limit - slots.held), 0);
      demands.push({
        queue: name,
        declaredLimit,
        held: slots.held,
        prefetch,
        most,
      });
    }
    return demands;
  }

  /** Jobs that left without a result: somebody else holds them by now. */
  #forgetDropped(): void {
    const { runs } = this.#options.executor;
    if (this.#held.size <= 2 * runs.size + 1_000) return;
    const here = new Set([...runs].map((run) => run.jobId));
    for (const jobId of this.#held.keys()) {
      if (!here.has(jobId)) this.#held.delete(jobId);
    }
  }
}

/** How many limited jobs a queue takes; `mine` of them are here already. */
function room(slots: QueueSlots, mine: number): number {
  const free = slots.limit - slots.held;
  // Its slots turn over so fast that others are fetched ahead.
  const isFast = slots.lowMark >= 1;
  const share = isFast ? Math.max(Math.floor(slots.limit / 2), 1) - mine : 0;
  return Math.max(free, share);
}
