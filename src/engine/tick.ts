import { LEASE_JOBS_MAX } from "../store/leases.ts";
import type { EngineParts } from "./engine_parts.ts";
import { askInTurn } from "./producers.ts";
import type { Service } from "./service.ts";
import { windDown, within } from "./wind_down.ts";

/** Of services that do not name theirs. */
const INTERVAL_MS = 1_000;

/** How much one tick may do. */
export interface TickOptions {
  /**
   * How long it may take, in milliseconds. What still runs then is told
   * `shutdown`, and goes back without burning an attempt.
   */
  readonly budgetMs: number;
  /** Jobs to run at most; as many as there are when left out. */
  readonly maxJobs?: number;
}

/** What a tick did. */
export interface TickReport {
  /** Jobs that it claimed. */
  readonly claimed: number;
  /** Jobs that went back because the budget was used up. */
  readonly givenBack: number;
  /** Names of services that could not do their part; `onEvent` was told why. */
  readonly failed: readonly string[];
  /** Nothing was left to do; false: call again soon. */
  readonly done: boolean;
  /** From the call to its answer, in milliseconds. */
  readonly tookMs: number;
}

/** A signal that is not lost when nobody waits for it. */
export class Bell {
  #rung = false;
  #answer: (() => void) | null = null;

  ring(): void {
    this.#rung = true;
    this.#answer?.();
    this.#answer = null;
  }

  /**
   * Resolves at the next ring, or at once after one. Now and then that is once
   * too often, when nobody waited any more: better than once too few.
   */
  wait(): Promise<void> {
    if (!this.#rung) {
      return new Promise((resolve) => this.#answer = resolve);
    }
    this.#rung = false;
    return Promise.resolve();
  }
}

/** One pass of everything, within a budget. */
export async function tick(
  parts: EngineParts,
  { budgetMs, maxJobs = Infinity, wanted }: TickOptions & {
    readonly wanted: Bell;
  },
): Promise<TickReport> {
  const { clock, producer, heartbeat } = parts;
  const beganMs = clock.monotonicMs();
  const leftMs = () => Math.max(budgetMs - (clock.monotonicMs() - beganMs), 0);
  const claimedBefore = producer.claimed;
  producer.jobsLeft = maxJobs;
  const passes = new Passes(parts);
  // Without a row of its own nobody may claim: then the host hears of the fault.
  await heartbeat.runOnce();
  passes.done(heartbeat);
  for (const guest of parts.guests) await passes.now(guest);

  const done = await work(parts, { passes, wanted, leftMs });
  const givenBack = await windDown({ ...parts, graceMs: leftMs() });
  for (const keeper of parts.keepers) {
    if (leftMs() > 0) await passes.ifDue(keeper, parts.keptUntil);
  }
  return {
    claimed: producer.claimed - claimedBefore,
    givenBack,
    failed: [...passes.failed],
    done,
    tookMs: clock.monotonicMs() - beganMs,
  };
}

/** Claims and runs until nothing is left; false if the budget ended first. */
async function work(
  { executor, producer, clock, ...parts }: EngineParts,
  { passes, wanted, leftMs }: {
    readonly passes: Passes;
    readonly wanted: Bell;
    readonly leftMs: () => number;
  },
): Promise<boolean> {
  const { hooks } = executor;
  // The last claim found nothing: before that is the end, look for what is due.
  let isDry = true;
  let dryLooks = 0;
  while (leftMs() > 0) {
    // A tick may be long: it beats, and hears of cancellations, all the time.
    await passes.ifDue(parts.heartbeat);
    await passes.ifDue(parts.refresher);
    for (const service of [parts.stager, parts.lifeline]) {
      if (isDry) await passes.now(service);
      else await passes.ifDue(service);
    }
    const before = producer.claimed;
    await askInTurn(parts.claimers, {
      budget: producer,
      ask: (one) => passes.now(one),
    });
    const found = producer.claimed > before;
    // Nothing more comes: what waits for others to share a call need not wait.
    if (!found) executor.ripenChunks();
    // A hook may enqueue: the end is when there is none left.
    const isIdle = executor.isIdle && hooks.isIdle;
    if (!isIdle && !(found && executor.gathers)) {
      const idle = Promise.all([executor.idle(), hooks.idle()]);
      await within(Promise.race([idle, wanted.wait()]), {
        clock,
        ms: Math.min(leftMs(), parts.refresher.intervalMs),
      });
    } else if (!found && isDry) {
      dryLooks += 1;
      if (dryLooks >= looksOf(executor, producer)) return producer.jobsLeft > 0;
    }
    if (found) dryLooks = 0;
    isDry = !found && executor.isIdle && hooks.isIdle;
  }
  return false;
}

/**
 * How many looks it takes to ask every queue. A small budget may be given to one
 * of them alone, and another one the next time.
 */
function looksOf(
  { queues }: EngineParts["executor"],
  { jobsLeft }: EngineParts["producer"],
): number {
  let room = 0;
  for (const { limit } of queues.values()) room += limit;
  const isShared = room > Math.min(jobsLeft, LEASE_JOBS_MAX);
  return isShared && jobsLeft > 0 ? queues.size : 1;
}

/** Passes of services, none of which keeps the others from theirs. */
class Passes {
  readonly failed = new Set<string>();
  readonly #parts: EngineParts;
  readonly #dueMs = new Map<Service, number>();

  constructor(parts: EngineParts) {
    this.#parts = parts;
  }

  async now(service: Service): Promise<void> {
    try {
      await service.runOnce();
    } catch (error) {
      this.failed.add(service.name);
      const { onEvent } = this.#parts;
      onEvent({ type: "service_failed", service: service.name, error });
    }
    this.done(service);
  }

  /** If the last pass is longer ago than its interval. */
  async ifDue(service: Service, dueMs = this.#dueMs): Promise<void> {
    const nowMs = this.#parts.clock.monotonicMs();
    if (nowMs < (dueMs.get(service) ?? -Infinity)) return;
    await this.now(service);
    this.done(service, dueMs);
  }

  done(service: Service, dueMs = this.#dueMs): void {
    const nowMs = this.#parts.clock.monotonicMs();
    dueMs.set(service, nowMs + (service.intervalMs ?? INTERVAL_MS));
  }
}
