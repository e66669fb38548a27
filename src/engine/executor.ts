import type { ClaimedJob, LeaseId, QueueDemand } from "../store/leases.ts";
import { LEASE_JOBS_MAX } from "../store/leases.ts";
import type { AbortKind } from "./abort_reason.ts";
import { ChunkCall, type ChunkCallOptions } from "./chunk_call.ts";
import {
  type Chunk,
  ChunkedRun,
  type ChunkWorker,
  chunkWorkersOf,
} from "./chunk.ts";
import { ChunkGathering } from "./chunk_gathering.ts";
import type { ExecutorOptions } from "./executor_options.ts";
import { HookCalls } from "./hook_calls.ts";
import { Performer, type PerformerOptions } from "./performer.ts";
import { Run } from "./run.ts";
import { Settler } from "./settler.ts";
import { demandOf, QueueSlots } from "./slots.ts";
import { Waiters } from "./waiters.ts";

/** Leases that are remembered as not ours; the answer to a claim is not old. */
const DISOWNED_MAX = 1_000;

/** Runs claimed jobs, as many at a time as their queues allow. */
export class Executor {
  readonly #options: ExecutorOptions;
  readonly #queues = new Map<string, QueueSlots>();
  readonly #runs = new Set<Run>();
  readonly #disowned = new Set<LeaseId>();
  #overstaying = 0;
  /** Nothing begins before the event loop has turned. */
  #turning = false;
  #firstQueue = 0;
  readonly #idle = new Waiters();
  readonly #settler: Settler;
  readonly #tools: ChunkCallOptions & PerformerOptions;
  readonly #performer: Performer;
  /** `null` where no worker takes chunks. */
  readonly #chunked: ReadonlyMap<string, ChunkWorker> | null;
  /** What hooks of its workers are open. */
  readonly hooks: HookCalls;

  constructor(options: ExecutorOptions) {
    this.#options = options;
    this.hooks = new HookCalls({
      ...options,
      onRoom: () => {
        this.beginRuns();
        for (const name of this.#queues.keys()) options.onHungry(name);
      },
    });
    this.#settler = new Settler({
      ...options,
      hooks: this.hooks,
      onLetGo: (run) => this.#letGo(run),
    });
    const { hooks } = this;
    this.#tools = { ...options, hooks, settler: this.#settler };
    this.#performer = new Performer(this.#tools);
    const nowMs = options.clock.monotonicMs();
    this.#chunked = chunkWorkersOf(options.workers);
    for (const [name, { limit }] of Object.entries(options.queues)) {
      const chunks = this.#chunked === null
        ? null
        : new ChunkGathering(options.clock, () => this.beginRuns());
      this.#queues.set(name, new QueueSlots(name, { limit, nowMs, chunks }));
    }
  }

  get queues(): ReadonlyMap<string, QueueSlots> {
    return this.#queues;
  }

  /** Jobs that went back without burning an attempt, since this process began. */
  get givenBack(): number {
    return this.#settler.givenBack;
  }

  get #full(): boolean {
    return this.#options.isFull() || this.hooks.full;
  }

  /** All that this process holds: what waits for a slot and what runs. */
  get runs(): ReadonlySet<Run> {
    return this.#runs;
  }

  /**
   * What to claim now, with so much ahead that fast workers never wait.
   *
   * @param jobsMax Of all queues together.
   */
  demand(jobsMax: number): QueueDemand[] {
    if (this.#full) return [];
    const queues = [...this.#queues.values()];
    // Each pass begins with another, or a busy first one would starve the rest.
    this.#firstQueue = (this.#firstQueue + 1) % Math.max(queues.length, 1);
    const nowMs = this.#options.clock.monotonicMs();
    return demandOf(queues, {
      first: this.#firstQueue,
      jobsMax: Math.min(jobsMax, LEASE_JOBS_MAX),
      ask: (queue, most) => queue.demand({ nowMs, jobsMax: most }),
    });
  }

  /** What to claim now of a worker that takes chunks, to fill them. */
  chunkDemand(worker: ChunkWorker, jobsMax: number): QueueDemand[] {
    if (this.#full) return [];
    const nowMs = this.#options.clock.monotonicMs();
    const queues = [...this.#queues.values()];
    return demandOf(queues, {
      first: this.#firstQueue,
      jobsMax: Math.min(jobsMax, LEASE_JOBS_MAX),
      ask: (queue, most) => queue.chunkDemand({ worker, nowMs, jobsMax: most }),
    });
  }

  /** Takes claimed jobs in, and begins those for which there is a slot. */
  accept(jobs: readonly ClaimedJob[]): void {
    const nowMs = this.#options.clock.monotonicMs();
    for (const job of jobs) {
      if (this.#disowned.has(job.leaseId)) continue;
      const queue = this.#queues.get(job.queue);
      const chunked = this.#chunked?.get(job.worker);
      const run = chunked === undefined
        ? new Run(job, nowMs)
        : new ChunkedRun(job, nowMs);
      this.#runs.add(run);
      if (chunked === undefined) queue?.buffer(run);
      else queue?.chunks?.add(run as ChunkedRun, chunked);
    }
    this.beginRuns();
  }

  /** Lets chunks begin as they are, since nothing comes to fill them. */
  ripenChunks(): void {
    if (this.#chunked === null) return;
    for (const queue of this.#queues.values()) queue.chunks?.ripenAll();
    this.beginRuns();
  }

  /** Whether jobs wait for others to share a call with. */
  get gathers(): boolean {
    return this.#chunked !== null &&
      [...this.#queues.values()].some(({ chunks }) => chunks?.gathers);
  }

  /**
   * Takes nothing in of these leases: their jobs go back, since nobody here knew
   * of them for long. The answer to their claim may come all the same.
   */
  disown(leaseIds: readonly LeaseId[]): void {
    for (const id of leaseIds) this.#disowned.add(id);
    for (const id of this.#disowned) {
      if (this.#disowned.size <= DISOWNED_MAX) break;
      this.#disowned.delete(id);
    }
  }

  /** Begins what has a slot. */
  beginRuns(): void {
    for (const queue of this.#queues.values()) this.#begin(queue);
  }

  #begin(queue: QueueSlots): void {
    while (!this.#turning && !this.#full) {
      const next = queue.takeNext();
      if (next === null) break;
      if (next instanceof Run) void this.#run(next, queue);
      else void this.#runChunk(next, queue);
    }
  }

  /** Gives back jobs that wait for a slot: no attempt is burnt. */
  giveBackBuffered(which: (run: Run) => boolean): void {
    for (const queue of this.#queues.values()) {
      for (const run of queue.takeBuffered(which)) {
        this.#runs.delete(run);
        this.#settler.giveBack(run);
      }
    }
    this.#tellIfIdle();
  }

  /** Gives back jobs that have waited for a slot since before. */
  giveBackOld(sinceMs: number): void {
    const isOld = (run: Run) => run.waitsSinceMs < sinceMs;
    for (const { chunks } of this.#queues.values()) chunks?.oweIf(isOld);
    this.giveBackBuffered(isOld);
  }

  /** Gives back what runs, whatever it still does. */
  giveBackRuns(): void {
    for (const run of this.#runs) {
      if (!run.settled) this.#settler.giveBack(run);
      // Also of a call that has answered for all of its jobs, and goes on.
      this.#letGo(run);
    }
  }

  /** Forgets what waits for a slot: others hold it by now. */
  dropBuffered(): void {
    for (const queue of this.#queues.values()) {
      for (const run of queue.takeBuffered(() => true)) this.#runs.delete(run);
    }
    this.#tellIfIdle();
  }

  /** Tells runs that nobody waits for them. What waits for a slot never runs. */
  abort(kind: AbortKind): void {
    for (const run of [...this.#runs]) run.abort(kind);
  }

  /** Whether there is nothing to wait for. */
  get isIdle(): boolean {
    return this.#runs.size === this.#overstaying;
  }

  /** Resolves when no run is waited for, and none waits for a slot. */
  idle(): Promise<void> {
    return this.isIdle ? Promise.resolve() : this.#idle.wait();
  }

  async #run(run: Run, queue: QueueSlots): Promise<void> {
    run.startedMs = this.#options.clock.monotonicMs();
    const worker = this.#options.workers.get(run.job.worker);
    try {
      if (worker !== undefined) await this.#performer.perform(run, worker);
    } finally {
      run.stopTimers();
      queue.finish(run);
      this.#runs.delete(run);
      if (run.overstays) this.#overstaying -= 1;
      this.#afterRun(queue);
    }
  }

  async #runChunk(chunk: Chunk, queue: QueueSlots): Promise<void> {
    try {
      await new ChunkCall(chunk, this.#tools).run();
    } finally {
      queue.finish(chunk);
      for (const run of chunk.runs) {
        run.stopTimers();
        this.#runs.delete(run);
        if (run.overstays) this.#overstaying -= 1;
      }
      this.#afterRun(queue);
    }
  }

  #afterRun(queue: QueueSlots): void {
    const isHungry = queue.buffered <= queue.lowMark;
    if (isHungry && this.#options.onHungry(queue.name)) this.#turn();
    this.#begin(queue);
    this.#tellIfIdle();
  }

  /**
   * Lets a claim reach its socket before the jobs that are still here begin:
   * runs that never wait would keep the event loop to themselves until none is
   * left, and then wait for the database.
   */
  #turn(): void {
    if (this.#turning) return;
    this.#turning = true;
    setTimeout(() => {
      this.#turning = false;
      this.beginRuns();
    }, 0);
  }

  /** Of a chunk none is let go before all of them are. */
  #letGo(run: Run): void {
    const runs = run instanceof ChunkedRun ? run.chunk?.runs ?? [] : [run];
    if (run.overstays || !runs.every((each) => each.settled)) return;
    for (const each of runs) {
      if (each.overstays) continue;
      each.overstays = true;
      this.#overstaying += 1;
    }
    this.#tellIfIdle();
  }

  #tellIfIdle(): void {
    if (this.isIdle) this.#idle.release();
  }
}
