import { argsVersionOf } from "../domain/args_version.ts";
import { atPath } from "../domain/limiter.ts";
import { isSealed } from "../domain/sealed_args.ts";
import type { ClaimedJob } from "../store/leases.ts";
import {
  Chunk,
  type ChunkedRun,
  type ChunkWorker,
  comesBefore,
} from "./chunk.ts";
import type { ChunkRule } from "./chunk_rule.ts";
import type { Clock } from "./clock.ts";

/** So long a slot is kept for chunks that had to go back for want of one. */
const OWED_MS = 2_000;
/** Where args part the chunks, so many may gather for each slot. */
const PARTS_AHEAD = 8;
/** And so many jobs, for what waits here runs nowhere else. */
const PARTED_JOBS_MAX = 2_000;

/** What is here of one worker. */
interface Tally {
  readonly jobs: number;
  /** Chunks that may begin. */
  readonly ripe: number;
}

const NOTHING: Tally = { jobs: 0, ripe: 0 };

/** The chunks of one queue that have not begun. */
export class ChunkGathering {
  readonly #clock: Clock;
  /** One of them may begin. */
  readonly #onRipe: () => void;
  readonly #chunks = new Set<Chunk>();
  /** Of each worker and partition, the one that takes more. */
  readonly #open = new Map<string, Chunk>();
  readonly #tallies = new Map<string, Tally>();
  #ripe = 0;
  #owedUntilMs = -Infinity;

  constructor(clock: Clock, onRipe: () => void) {
    this.#clock = clock;
    this.#onRipe = onRipe;
  }

  /** How many may begin as soon as there is a slot. */
  get ripe(): number {
    return this.#ripe;
  }

  /** Whether any wait for more jobs. */
  get gathers(): boolean {
    return this.#chunks.size > this.#ripe;
  }

  /** How many slots others must leave to it. */
  get awaited(): number {
    return this.#ripe === 0 && this.isOwed ? 1 : this.#ripe;
  }

  /**
   * How many jobs of a worker may still come: what fills a chunk for each slot
   * that no chunk waits for. Where args part the chunks, what comes may be of
   * others than those that it was to fill: then a few times as many may be here.
   *
   * @param slots For how many slots chunks are prepared.
   */
  roomFor({ name, chunk: { size, by } }: ChunkWorker, slots: number): number {
    const { jobs, ripe } = this.#tallies.get(name) ?? NOTHING;
    const least = (slots - this.#ripe + ripe) * size - jobs;
    if (by.length === 0) return least;
    const most = Math.min(slots * size * PARTS_AHEAD, PARTED_JOBS_MAX) - jobs;
    return Math.min((slots - this.#ripe) * size, Math.max(least, most));
  }

  /** Chunks had to go back because others took every slot. */
  get isOwed(): boolean {
    return this.#clock.monotonicMs() < this.#owedUntilMs;
  }

  add(run: ChunkedRun, worker: ChunkWorker): void {
    const key = keyOf(run.job, worker);
    let chunk = key === null ? undefined : this.#open.get(key);
    if (chunk === undefined) {
      chunk = new Chunk(worker, key, run.job);
      this.#chunks.add(chunk);
      if (key !== null) this.#open.set(key, chunk);
      this.#wait(chunk);
    }
    chunk.add(run);
    this.#count(worker, { jobs: 1, ripe: 0 });
    if (chunk.isFull && key !== null) this.#open.delete(key);
    if (chunk.isFull || !canWait(run.job, worker.chunk)) this.#ripen(chunk);
  }

  /**
   * Takes the chunk whose turn it is: of those that may begin, the one whose
   * best job comes first.
   *
   * @param other A job that waits for the same slot.
   * @returns Null if there is none, or if the other comes first.
   */
  takeNext(other: ClaimedJob | null): Chunk | null {
    if (this.#ripe === 0) return null;
    let next: Chunk | null = null;
    for (const chunk of this.#chunks) {
      if (chunk.ripeMs === null) continue;
      if (next === null || comesBefore(chunk.first, next.first)) next = chunk;
    }
    if (next === null || other && comesBefore(other, next.first)) return null;
    this.#owedUntilMs = -Infinity;
    this.#remove(next);
    this.#count(next.worker, { jobs: -next.runs.length, ripe: 0 });
    next.sort();
    return next;
  }

  /** Takes out the jobs that `gone` names. */
  take(gone: (run: ChunkedRun) => boolean): ChunkedRun[] {
    const all: ChunkedRun[] = [];
    for (const chunk of [...this.#chunks]) {
      const taken = chunk.take(gone);
      if (taken.length === 0) continue;
      this.#count(chunk.worker, { jobs: -taken.length, ripe: 0 });
      if (chunk.runs.length === 0) this.#remove(chunk);
      all.push(...taken);
    }
    return all;
  }

  /**
   * Keeps the next slot for a chunk if some have to go back for want of one: or
   * jobs that are claimed one by one would always be faster.
   */
  oweIf(isOld: (run: ChunkedRun) => boolean): void {
    for (const chunk of this.#chunks) {
      if (!chunk.runs.some(isOld)) continue;
      this.#owedUntilMs = this.#clock.monotonicMs() + OWED_MS;
      return;
    }
  }

  /** Nothing more comes: what is here may begin. */
  ripenAll(): void {
    for (const chunk of this.#chunks) this.#ripen(chunk);
  }

  /**
   * Lets the fullest go if no more jobs can come for want of room: to wait would
   * fill none of them.
   *
   * @param slots For how many there is room.
   */
  ripenIfCrowded(slots: number): void {
    if (this.#ripe > 0 || this.#chunks.size === 0) return;
    let fullest: Chunk | null = null;
    for (const chunk of this.#chunks) {
      if (fullest === null || chunk.runs.length > fullest.runs.length) {
        fullest = chunk;
      }
    }
    if (fullest !== null && this.roomFor(fullest.worker, slots) < 1) {
      this.#ripen(fullest);
    }
  }

  #wait(chunk: Chunk): void {
    const { waitMs } = chunk.worker.chunk;
    if (waitMs === 0 || this.isOwed) return this.#ripen(chunk);
    chunk.stopWaiting = this.#clock.after(waitMs, () => {
      this.#ripen(chunk);
      this.#onRipe();
    });
  }

  #ripen(chunk: Chunk): void {
    if (chunk.ripeMs !== null) return;
    chunk.stopWaiting();
    chunk.ripeMs = this.#clock.monotonicMs();
    this.#count(chunk.worker, { jobs: 0, ripe: 1 });
  }

  #remove(chunk: Chunk): void {
    chunk.stopWaiting();
    this.#chunks.delete(chunk);
    if (chunk.ripeMs !== null) this.#count(chunk.worker, { jobs: 0, ripe: -1 });
    const { key } = chunk;
    if (key !== null && this.#open.get(key) === chunk) this.#open.delete(key);
  }

  #count({ name }: ChunkWorker, { jobs, ripe }: Tally): void {
    const before = this.#tallies.get(name) ?? NOTHING;
    this.#ripe += ripe;
    this.#tallies.set(name, {
      jobs: before.jobs + jobs,
      ripe: before.ripe + ripe,
    });
  }
}

/**
 * What a job has in common with those of its chunk; `null` if it must go alone.
 * Args of an older version may hold the same thing at another place, and those
 * that were encrypted by older code may hide it.
 */
function keyOf({ args, meta }: ClaimedJob, worker: ChunkWorker): string | null {
  const { by } = worker.chunk;
  if (by.length === 0) return worker.name;
  if (argsVersionOf(meta) < worker.version) return null;
  const values = by.map((path) => atPath(args, path));
  if (isSealed(args) && values.includes(undefined)) return null;
  // What is missing is not the same as what is null.
  return JSON.stringify([
    worker.name,
    values.map((value) => value === undefined ? [] : [value]),
  ]);
}

/** Whether it would still be in time. */
function canWait(job: ClaimedJob, { waitMs }: ChunkRule): boolean {
  return job.deadlineInMs === null || job.deadlineInMs > waitMs;
}
