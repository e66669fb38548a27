import type { ClaimedJob } from "../store/leases.ts";
import type { AbortKind } from "./abort_reason.ts";
import type { AnyWorker } from "./any_worker.ts";
import type { ChunkRule } from "./chunk_rule.ts";
import { Run } from "./run.ts";

/** A worker whose jobs share calls. */
export interface ChunkWorker extends AnyWorker {
  readonly chunk: ChunkRule;
}

/** Those workers whose jobs share calls; `null` if there are none. */
export function chunkWorkersOf(
  workers: ReadonlyMap<string, AnyWorker>,
): ReadonlyMap<string, ChunkWorker> | null {
  const chunked = new Map<string, ChunkWorker>();
  for (const [name, worker] of workers) {
    if (takesChunks(worker)) chunked.set(name, worker);
  }
  return chunked.size === 0 ? null : chunked;
}

/** Whether its jobs share calls. */
export function takesChunks(worker: AnyWorker): worker is ChunkWorker {
  return worker.chunk !== null;
}

/** Jobs that share a call: first they gather, then they run. */
export class Chunk {
  readonly worker: ChunkWorker;
  /** What they have in common; `null` for a job that goes alone. */
  readonly key: string | null;
  readonly runs: ChunkedRun[] = [];
  /** Since when it may begin, on the clock of durations. */
  ripeMs: number | null = null;
  /** Its best job by priority and age, whose turn is its turn. */
  first: ClaimedJob;
  stopWaiting = () => {};

  constructor(worker: ChunkWorker, key: string | null, first: ClaimedJob) {
    this.worker = worker;
    this.key = key;
    this.first = first;
  }

  get isFull(): boolean {
    return this.key === null || this.runs.length >= this.worker.chunk.size;
  }

  add(run: ChunkedRun): void {
    this.runs.push(run);
    run.chunk = this;
    if (comesBefore(run.job, this.first)) this.first = run.job;
  }

  /** Takes out jobs that `gone` names. */
  take(gone: (run: ChunkedRun) => boolean): ChunkedRun[] {
    const taken = this.runs.filter(gone);
    if (taken.length === 0) return taken;
    const rest = this.runs.filter((run) => !taken.includes(run));
    this.runs.splice(0, this.runs.length);
    const [first] = rest;
    if (first !== undefined) this.first = first.job;
    for (const run of rest) this.add(run);
    return taken;
  }

  /** In the order of claims, whatever the order in which they came. */
  sort(): void {
    this.runs.sort((a, b) => comesBefore(a.job, b.job) ? -1 : 1);
  }
}

/** Whether a job is claimed before another: by priority, then by age. */
export function comesBefore(job: ClaimedJob, other: ClaimedJob): boolean {
  if (job.priority !== other.priority) return job.priority < other.priority;
  // Ids are numbers of any length, as text.
  return job.jobId.length === other.jobId.length
    ? job.jobId < other.jobId
    : job.jobId.length < other.jobId.length;
}

/** A run that shares its call with others. */
export class ChunkedRun extends Run {
  /** What it gathers in, and runs with. */
  chunk: Chunk | null = null;
  /** The call wants to know: it may be the last that was waited for. */
  onAborted: ((kind: AbortKind) => void) | null = null;

  constructor(job: ClaimedJob, claimedMs: number) {
    super(job, claimedMs);
  }

  /** While it gathers it waits for others, and not for a slot. */
  override get waitsSinceMs(): number {
    return this.chunk?.ripeMs ?? Infinity;
  }

  override abort(kind: AbortKind): void {
    if (this.aborted !== null) return;
    super.abort(kind);
    this.onAborted?.(kind);
  }
}
