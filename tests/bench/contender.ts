/** What every system under measurement can do, whatever its own API is. */

/** Args of a job of the benchmark. */
export interface JobArgs {
  readonly n: number;
  /** For latency: when it was handed in, as {@linkcode epochMs}. */
  readonly sentAt?: number;
  /** For mixed durations. */
  readonly sleepMs?: number;
  readonly fails?: boolean;
}

/** What a worker does with a job. A no-op returns no promise. */
export type Perform = (args: JobArgs) => void | Promise<void>;

/** What is asked of the worker beside running no-ops as fast as it can. */
export interface Work {
  readonly perform: Perform;
  /** Jobs at a time, where the scenario says so. */
  readonly concurrency?: number;
}

/** One system, in a process of its own. */
export interface Contender {
  /** Creates its tables. Once per database. */
  prepare(): Promise<void>;
  enqueue(args: JobArgs): Promise<void>;
  /** In one call. */
  enqueueMany(jobs: readonly JobArgs[]): Promise<void>;
  /** Opens a transaction, writes a row of the host's, enqueues, commits. */
  enqueueInTransaction(args: JobArgs): Promise<void>;
  /** Starts to run jobs, in this process. */
  start(work: Work): Promise<void>;
  stop(): Promise<void>;
  /** Nothing is left that has not ended; asked of the tables. */
  isDrained(): Promise<boolean>;
  end(): Promise<void>;
}

/** What a process of a contender is told when it starts. */
export interface ContenderOptions {
  readonly url: string;
  /** Of this contender; what is not there takes its own default. */
  readonly settings: Readonly<Record<string, unknown>>;
  /** Where the peers' packages are. */
  readonly cache: string;
}

/** Milliseconds since 1970, in fractions, and the same in every process. */
export function epochMs(): number {
  return performance.timeOrigin + performance.now();
}

/** Calls `work` again and again for so long, so many at a time. */
export async function inFlight(
  { forMs, width }: { readonly forMs: number; readonly width: number },
  work: (n: number) => Promise<void>,
): Promise<{ readonly jobs: number; readonly tookMs: number }> {
  const beganMs = performance.now();
  let jobs = 0;
  async function lane(): Promise<void> {
    while (performance.now() - beganMs < forMs) await work(jobs++);
  }
  await Promise.all(Array.from({ length: width }, lane));
  return { jobs, tookMs: performance.now() - beganMs };
}

export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** The same numbers in every run, from 0 up to 1. */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
