import type { Scenario } from "../scenario.ts";
import type { WorkerProcess } from "../worker_process.ts";
import type { ChaosWorld } from "../world.ts";

/** At a time, and how long each takes while what it needs is slow. */
const LIMIT = 10;
const SLOW_MS = 100;
const RUN_PER_SECOND = LIMIT * 1_000 / SLOW_MS;
const TIMES = 10;
const CALLS_PER_SECOND = 10;
const SHORT_MS = 3_000;

/**
 * What a process may need, however much waits: pages and statements leave
 * garbage, which V8 lets lie for a while. Without work it needs about 70.
 */
const MEMORY_MB_MAX = 300;
const PAGE_MS_MAX = 10_000;
const PAGES = ["/ops/jobs", "/ops/jobs/jobs"];
const MB = 1_048_576;

/**
 * What the jobs need becomes slow, and ten times more is enqueued than can be
 * run. Later it is well again, and nobody does anything about it.
 */
export const overload: Scenario = {
  name: "overload",
  about:
    "ten times more jobs than can be run leave memory and pages as they are, and are worked off without help",
  limitMs: { short: 120_000, long: 30 * 60_000 },
  async run(world) {
    const worker = await world.spawnWorker({
      name: "overloaded",
      limit: LIMIT,
      pages: true,
      heartbeatMs: 500,
    });
    const forMs = world.scale({
      short: SHORT_MS,
      long: world.minutes * 60_000,
    });
    const until = { easyFromMs: Date.now() + forMs };
    world.countFault();
    const visits = new Visits(worker);
    const visiting = visits.goOn();
    try {
      await enqueueTooMuch(world, until);
      world.measured["waiting"] = world.jobIds.size - await world.ended();
      await world.measureRecovery(
        "everything has ended",
        async () => await world.ended() === world.jobIds.size,
        { limitMs: 60_000 + forMs },
      );
    } finally {
      visits.stop();
      await visiting;
    }
    assertBounded(world, { worker, visits });
  },
};

/** In calls as hosts make them, evenly over the time. */
async function enqueueTooMuch(
  world: ChaosWorld,
  { easyFromMs }: { readonly easyFromMs: number },
): Promise<void> {
  const jobs = RUN_PER_SECOND * TIMES / CALLS_PER_SECOND;
  const calls = Math.ceil(
    (easyFromMs - Date.now()) / 1_000 * CALLS_PER_SECOND,
  );
  const beganMs = performance.now();
  for (let call = 0; call < calls; call++) {
    await world.enqueue(jobs, () => ({ ms: SLOW_MS, easyFromMs }));
    const leftMs = beganMs + (call + 1) * 1_000 / CALLS_PER_SECOND -
      performance.now();
    if (leftMs > 0) await new Promise((resolve) => setTimeout(resolve, leftMs));
  }
}

/** Somebody who looks at the pages all the time. */
class Visits {
  readonly tookMs: number[] = [];
  readonly failed: string[] = [];
  readonly #worker: WorkerProcess;
  #stopped = false;

  constructor(worker: WorkerProcess) {
    this.#worker = worker;
  }

  async goOn(): Promise<void> {
    const address = this.#worker.lines
      .find((line) => line.startsWith("pages "))?.slice("pages ".length);
    while (!this.#stopped) {
      for (const page of PAGES) await this.#visit(`${address}${page}`);
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  }

  stop(): void {
    this.#stopped = true;
  }

  async #visit(url: string): Promise<void> {
    const beganMs = performance.now();
    const page = await fetch(url);
    const text = await page.text();
    this.tookMs.push(performance.now() - beganMs);
    if (page.status !== 200) this.failed.push(`${page.status}: ${text}`);
  }
}

function assertBounded(
  world: ChaosWorld,
  { worker, visits }: {
    readonly worker: WorkerProcess;
    readonly visits: Visits;
  },
): void {
  const sorted = visits.tookMs.toSorted((a, b) => a - b);
  const memoryMb = Math.round(worker.rssBytesMax / MB);
  const pageMsMax = Math.round(sorted.at(-1) ?? Infinity);
  Object.assign(world.measured, {
    memoryMb,
    pages: sorted.length,
    pageMsMedian: Math.round(sorted[sorted.length >> 1] ?? Infinity),
    pageMsMax,
  });
  if (visits.failed.length > 0) {
    throw new Error(
      `${visits.failed.length} pages failed: ${visits.failed[0]}`,
    );
  }
  if (memoryMb > MEMORY_MB_MAX) throw new Error(`It needed ${memoryMb} MB`);
  if (pageMsMax > PAGE_MS_MAX) throw new Error(`A page took ${pageMsMax} ms`);
}
