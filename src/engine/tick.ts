import type { OnEvent } from "../events.ts";
import type { EngineParts } from "./engine_parts.ts";
import type { Service } from "./service.ts";
import { windDown, within } from "./wind_down.ts";

/** How much one tick may do. */
export interface TickOptions {
  /** Then what still runs is told to stop, and goes back. */
  readonly budgetMs: number;
  /** Jobs to run at most. */
  readonly maxJobs?: number;
}

/** What a tick did. */
export interface TickReport {
  /** Jobs that it claimed. */
  readonly claimed: number;
  /** Jobs that went back because the budget was used up. */
  readonly givenBack: number;
  /** Services that could not do their part; `onEvent` was told why. */
  readonly failed: readonly string[];
  /** Nothing was left to do. */
  readonly done: boolean;
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
  const { clock, producer, heartbeat, refresher } = parts;
  const beganMs = clock.monotonicMs();
  const leftMs = () => budgetMs - (clock.monotonicMs() - beganMs);
  const failed = new Set<string>();
  const pass = (service: Service) => tryPass(service, { parts, failed });

  const claimedBefore = producer.claimed;
  producer.jobsLeft = maxJobs;
  // Without a row of its own nobody may claim: then the host hears of the fault.
  await heartbeat.runOnce();
  await pass(refresher);
  for (const guest of parts.guests) await pass(guest);

  let done = false;
  while (!done && leftMs() > 0 && producer.jobsLeft > 0) {
    const before = producer.claimed;
    const staged = await pass(parts.stager);
    await pass(producer);
    const rescued = await pass(parts.lifeline);
    const found = staged || rescued || producer.claimed > before;
    // What has just run may have enqueued more: done is when a claim says so.
    if (parts.executor.runs.size === 0) done = !found;
    else await waitForSlots(parts, { wanted, leftMs });
  }
  const givenBack = await windDown({
    ...parts,
    graceMs: Math.max(leftMs(), 0),
  });
  for (const keeper of parts.keepers) {
    const nowMs = clock.monotonicMs();
    if (leftMs() <= 0 || nowMs < (parts.keptUntil.get(keeper) ?? 0)) continue;
    await pass(keeper);
    parts.keptUntil.set(keeper, nowMs + (keeper.intervalMs ?? 0));
  }
  return {
    claimed: producer.claimed - claimedBefore,
    givenBack,
    failed: [...failed],
    done,
    tookMs: clock.monotonicMs() - beganMs,
  };
}

/** Waits until a run ends, all have ended, or the budget has. */
async function waitForSlots(
  { executor, clock }: EngineParts,
  { wanted, leftMs }: {
    readonly wanted: Bell;
    readonly leftMs: () => number;
  },
): Promise<void> {
  await within(Promise.race([executor.idle(), wanted.wait()]), {
    clock,
    ms: Math.max(leftMs(), 0),
  });
}

/** A service that throws does not keep the others from their pass. */
async function tryPass(
  service: Service,
  { parts, failed }: {
    readonly parts: { readonly onEvent: OnEvent };
    readonly failed: Set<string>;
  },
): Promise<boolean> {
  try {
    return (await service.runOnce()).worked;
  } catch (error) {
    failed.add(service.name);
    parts.onEvent({ type: "service_failed", service: service.name, error });
    return false;
  }
}
