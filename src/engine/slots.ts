import type { QueueDemand } from "../store/leases.ts";
import type { Chunk, ChunkWorker } from "./chunk.ts";
import type { ChunkGathering } from "./chunk_gathering.ts";
import type { Run } from "./run.ts";

/** How long a job may wait here for a slot before others should have it. */
const BUFFER_AHEAD_MS = 50;
/** Enough for the fastest workers between two claims. */
const PREFETCH_MAX = 2_000;
/** Below this span a rate says nothing. */
const RATE_SPAN_MS = 2;
/** What was longer ago does not count. */
const RATE_MEMORY_MS = 100;

/**
 * What one queue may run here: slots, and the jobs that wait for one. Jobs are
 * fetched ahead only as far as they start within {@linkcode BUFFER_AHEAD_MS}, so
 * slow jobs are never kept from an idle process.
 */
export class QueueSlots {
  readonly name: string;
  readonly declaredLimit: number;
  /** What gathers to share calls; `null` where no worker takes chunks. */
  readonly chunks: ChunkGathering | null;
  paused = false;
  #chosenLimit: number | null = null;
  readonly #running = new Set<Run | Chunk>();
  #buffer: Run[] = [];
  /** Taken from the front without moving the rest. */
  #head = 0;
  #finished = 0;
  #rateSince: number;
  #ratePerMs = 0;
  #prefetch = 0;

  constructor(
    name: string,
    options: { limit: number; nowMs: number; chunks: ChunkGathering | null },
  ) {
    this.name = name;
    this.chunks = options.chunks;
    this.declaredLimit = options.limit;
    this.#rateSince = options.nowMs;
  }

  get limit(): number {
    return this.#chosenLimit ?? this.declaredLimit;
  }

  /**
   * Takes over what an operator chose.
   *
   * @returns Whether it may run more than before.
   */
  adopt({ chosenLimit, paused }: {
    readonly chosenLimit: number | null;
    readonly paused: boolean;
  }): boolean {
    const before = this.paused ? 0 : this.limit;
    this.#chosenLimit = chosenLimit;
    this.paused = paused;
    return !paused && this.limit > before;
  }

  /** What takes a slot: a run, or a chunk of them. */
  get running(): ReadonlySet<Run | Chunk> {
    return this.#running;
  }

  get buffered(): number {
    return this.#buffer.length - this.#head;
  }

  /**
   * Jobs here, with those whose run has outlived its attempt. A chunk that may
   * begin counts as one; what still gathers takes no slot from others.
   */
  get held(): number {
    const held = this.#running.size + this.buffered;
    return this.chunks === null ? held : held + this.chunks.awaited;
  }

  /** How many slots the chunks of this queue may prepare for. */
  get #slotsForChunks(): number {
    const free = Math.max(this.limit - this.#running.size, 0);
    return free + Math.min(this.#prefetch, this.limit);
  }

  /** With so few waiting it is time to fetch more. */
  get lowMark(): number {
    return this.#prefetch / 2;
  }

  buffer(run: Run): void {
    this.#buffer.push(run);
  }

  /** The next job or chunk, if there is one and a slot for it. */
  takeNext(): Run | Chunk | null {
    if (this.#running.size >= this.limit) return null;
    if (this.chunks !== null) {
      const chunk = this.#takeChunk(this.chunks);
      if (chunk !== null) return chunk;
      const isLast = this.#running.size + 1 >= this.limit;
      if (isLast && this.chunks.isOwed) return null;
    }
    if (this.buffered === 0) return null;
    const run = this.#buffer[this.#head];
    this.#head += 1;
    if (this.#head === this.#buffer.length) {
      this.#buffer = [];
      this.#head = 0;
    }
    if (run === undefined) return null;
    this.#running.add(run);
    return run;
  }

  #takeChunk(chunks: ChunkGathering): Chunk | null {
    chunks.ripenIfCrowded(this.#slotsForChunks);
    const chunk = chunks.takeNext(this.#buffer[this.#head]?.job ?? null);
    if (chunk !== null) this.#running.add(chunk);
    return chunk;
  }

  finish(run: Run | Chunk): void {
    if (this.#running.delete(run)) this.#finished += 1;
  }

  /** Takes out the waiting jobs that `gone` names. */
  takeBuffered(gone: (run: Run) => boolean): Run[] {
    const waiting = this.#buffer.slice(this.#head);
    const taken = waiting.filter(gone);
    if (taken.length > 0) {
      this.#buffer = waiting.filter((run) => !taken.includes(run));
      this.#head = 0;
    }
    return this.chunks === null ? taken : [...taken, ...this.chunks.take(gone)];
  }

  /** What to claim now; null when it is paused, or has enough. */
  demand({ nowMs, jobsMax }: {
    readonly nowMs: number;
    readonly jobsMax: number;
  }): QueueDemand | null {
    const { name, declaredLimit, held } = this;
    const prefetch = this.#fetchAhead(nowMs);
    const most = Math.min(this.limit + prefetch - held, jobsMax);
    const hasEnough = most <= 0 || this.buffered > this.lowMark;
    if (this.paused || hasEnough) return null;
    return { queue: name, declaredLimit, held, prefetch, most };
  }

  /**
   * What to claim now of a worker that takes chunks: what it needs to fill a
   * chunk for each slot that is free, or soon will be.
   */
  chunkDemand({ worker, nowMs, jobsMax }: {
    readonly worker: ChunkWorker;
    readonly nowMs: number;
    readonly jobsMax: number;
  }): QueueDemand | null {
    if (this.chunks === null || this.paused) return null;
    this.#fetchAhead(nowMs);
    const most = Math.min(
      this.chunks.roomFor(worker, this.#slotsForChunks),
      jobsMax,
    );
    if (most <= 0) return null;
    const { name, declaredLimit } = this;
    // Not by its limit, which counts calls: so many jobs are asked for.
    return { queue: name, declaredLimit, held: 0, prefetch: most, most };
  }

  /** How many jobs to fetch ahead, from what was finished lately. */
  #fetchAhead(nowMs: number): number {
    const spanMs = nowMs - this.#rateSince;
    if (spanMs >= RATE_SPAN_MS) {
      // A long span says all there is to say, short ones are smoothed.
      const weight = Math.max(Math.min(spanMs / RATE_MEMORY_MS, 1), 0.5);
      this.#ratePerMs += (this.#finished / spanMs - this.#ratePerMs) * weight;
      this.#finished = 0;
      this.#rateSince = nowMs;
    }
    this.#prefetch = Math.min(
      Math.floor(this.#ratePerMs * BUFFER_AHEAD_MS),
      PREFETCH_MAX,
    );
    return this.#prefetch;
  }
}

/** What to claim for all queues, together and in one turn. */
export function demandOf(
  queues: readonly QueueSlots[],
  { first, jobsMax, ask }: {
    /** Of the queues, the one that is asked first. */
    readonly first: number;
    readonly jobsMax: number;
    /** What one queue wants, of so many jobs at most. */
    readonly ask: (queue: QueueSlots, jobsMax: number) => QueueDemand | null;
  },
): QueueDemand[] {
  let left = jobsMax;
  const demands: QueueDemand[] = [];
  for (const queue of [...queues.slice(first), ...queues.slice(0, first)]) {
    const demand = ask(queue, left);
    if (demand === null) continue;
    left -= demand.most;
    demands.push(demand);
  }
  return demands;
}
