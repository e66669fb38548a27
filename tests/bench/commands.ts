/** What a contender's process can be asked to do, the same for all of them. */
import {
  type Contender,
  epochMs,
  inFlight,
  type JobArgs,
  seeded,
  sleep,
} from "./contender.ts";

/** So long without a run before the tables are asked, where others run too. */
const QUIET_MS = 20;
/** A drain that does not end is a fault of the contender, not a slow one. */
const DRAIN_LIMIT_MS = 600_000;

export async function prepare(system: Contender): Promise<void> {
  await system.prepare();
}

/** Hands in no-ops. */
export async function fill(
  system: Contender,
  { jobs, perCall }: { readonly jobs: number; readonly perCall: number },
): Promise<number> {
  const beganMs = performance.now();
  for (let from = 0; from < jobs; from += perCall) {
    const length = Math.min(perCall, jobs - from);
    await system.enqueueMany(Array.from({ length }, (_, n) => ({ n })));
  }
  return performance.now() - beganMs;
}

/** What a drain was, in this process. */
export interface Drain {
  readonly ran: number;
  /** Of the first run; null without one. */
  readonly firstMs: number | null;
  /** Of the last run, and when the tables said that nothing is left. */
  readonly lastMs: number;
  readonly drainedMs: number;
}

/**
 * Runs no-ops until the tables say that nothing is left.
 *
 * @param params `jobs`: stop after so many runs here, whatever is left.
 */
export async function drain(
  system: Contender,
  { jobs, whole = true }: { readonly jobs: number; readonly whole?: boolean },
): Promise<Drain> {
  let ran = 0;
  let firstMs: number | null = null;
  let lastMs = 0;
  let tellAll: () => void = () => {};
  const all = new Promise<void>((resolve) => tellAll = resolve);
  const perform = () => {
    ran += 1;
    if (ran === 1) firstMs = epochMs();
    lastMs = epochMs();
    if (ran === jobs) tellAll();
  };
  const giveUpMs = epochMs() + DRAIN_LIMIT_MS;
  await system.start({ perform });
  let seen = -1;
  for (;;) {
    // Every run here, or a while without one: then it is time to ask.
    const told = await Promise.race([
      all.then(() => true),
      sleep(QUIET_MS).then(() => false),
    ]);
    // Others are left where they are: only the runs themselves tell.
    if (!whole && !told) await sleep(0);
    else if (!told && ran !== seen) seen = ran;
    else if (!whole || await system.isDrained()) break;
    else if (told) await sleep(1);
    if (epochMs() > giveUpMs) throw new Error(`${ran} of ${jobs} were run`);
  }
  const drainedMs = epochMs();
  await system.stop();
  return { ran, firstMs, lastMs, drainedMs };
}

/** What was handed in, and how long it took. */
export interface Handed {
  readonly jobs: number;
  readonly tookMs: number;
}

/** One by one, or so many at a time. */
export function enqueue(
  system: Contender,
  params: { readonly forMs: number; readonly width: number },
): Promise<Handed> {
  return inFlight(params, (n) => system.enqueue({ n }));
}

/** One by one, each inside a transaction of the host. */
export function enqueueInTransactions(
  system: Contender,
  { forMs }: { readonly forMs: number },
): Promise<Handed> {
  return inFlight(
    { forMs, width: 1 },
    (n) => system.enqueueInTransaction({ n }),
  );
}

const latencies: number[] = [];

/** Waits for jobs, and notes how long each was on its way. */
export async function listen(system: Contender): Promise<void> {
  latencies.length = 0;
  const sinceMs = epochMs();
  await system.start({
    perform: ({ sentAt = 0, sleepMs }) => {
      // What was left lying by a measurement before is none of this one.
      if (sentAt >= sinceMs) latencies.push(epochMs() - sentAt);
      if (sleepMs !== undefined) return sleep(sleepMs);
    },
  });
}

/** What {@linkcode listen} noted so far. */
export function heard(_: Contender): Promise<number[]> {
  return Promise.resolve(latencies);
}

export async function stop(system: Contender): Promise<void> {
  await system.stop();
}

/** Hands in one job at a time, with pauses. */
export async function pace(
  system: Contender,
  { samples }: { readonly samples: number },
): Promise<void> {
  const random = seeded(samples);
  for (let n = 0; n < samples; n++) {
    await system.enqueue({ n, sentAt: epochMs() });
    await sleep(10 + random() * 10);
  }
}

/**
 * Hands in jobs as a crowd does: so many a second, each at a moment that has
 * nothing to do with the others, and nobody waits for the one before.
 */
export async function pour(
  system: Contender,
  { samples, perSecond, sleepMs }: {
    readonly samples: number;
    readonly perSecond: number;
    readonly sleepMs: number;
  },
): Promise<void> {
  const random = seeded(samples);
  const calls: Promise<void>[] = [];
  let dueMs = performance.now();
  for (let n = 0; n < samples; n++) {
    dueMs += -Math.log(1 - random()) * 1_000 / perSecond;
    const leftMs = dueMs - performance.now();
    if (leftMs > 0) await sleep(leftMs);
    calls.push(system.enqueue({ n, sentAt: epochMs(), sleepMs }));
  }
  await Promise.all(calls);
}

const SLOW_MS = 500;

/** Jobs of 0 to 50 ms; one in a hundred fails, one in a hundred takes 500 ms. */
export async function mixed(
  system: Contender,
  { jobs, concurrency }: {
    readonly jobs: number;
    readonly concurrency: number;
  },
): Promise<{ readonly tookMs: number; readonly neededMs: number }> {
  const random = seeded(jobs);
  const all: JobArgs[] = Array.from({ length: jobs }, (_, n) => ({
    n,
    sleepMs: n % 100 === 7 ? SLOW_MS : Math.floor(random() * 50),
    fails: n % 100 === 42,
  }));
  for (let from = 0; from < jobs; from += 1_000) {
    await system.enqueueMany(all.slice(from, from + 1_000));
  }
  let ran = 0;
  let firstMs = 0;
  let sleptMs = 0;
  let tellAll: () => void = () => {};
  const done = new Promise<void>((resolve) => tellAll = resolve);
  await system.start({
    concurrency,
    perform: async ({ sleepMs = 0, fails }) => {
      firstMs ||= epochMs();
      const beganMs = performance.now();
      await sleep(sleepMs);
      // What a timer takes longer than it was asked is not the engine's.
      sleptMs += performance.now() - beganMs;
      ran += 1;
      if (ran === jobs) tellAll();
      if (fails) throw new Error("as planned");
    },
  });
  await done;
  while (!await system.isDrained()) await sleep(1);
  const tookMs = epochMs() - firstMs;
  await system.stop();
  const neededMs = Math.max(sleptMs / concurrency, SLOW_MS);
  return { tookMs, neededMs };
}

/**
 * Keeps about so many jobs waiting and counts what is run, second by second,
 * until told to stop.
 */
export async function flow(
  system: Contender,
  { seconds, waiting }: { readonly seconds: number; readonly waiting: number },
): Promise<number[]> {
  const counts: number[] = Array.from({ length: seconds }, () => 0);
  const perCall = 500;
  let ran = 0;
  let sent = 0;
  const beganMs = performance.now();
  const second = () => Math.floor((performance.now() - beganMs) / 1_000);
  await system.start({
    perform: () => {
      ran += 1;
      const at = second();
      if (at < seconds) counts[at] = (counts[at] ?? 0) + 1;
    },
  });
  while (second() < seconds) {
    if (sent - ran > waiting) {
      await sleep(1);
      continue;
    }
    sent += perCall;
    await system.enqueueMany(
      Array.from({ length: perCall }, (_, n) => ({ n })),
    );
  }
  while (ran < sent) await sleep(5);
  await system.stop();
  return counts;
}
