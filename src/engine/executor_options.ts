import type { OnEvent } from "../events.ts";
import type { EndedRun } from "./ended_run.ts";
import type { Clock } from "./clock.ts";
import type { Sealer } from "./sealer.ts";
import type { AnyWorker } from "./worker.ts";

/** A queue as a host declares it. */
export interface QueueOptions {
  /** Jobs that this process runs at a time, 1 to 10,000. */
  readonly limit: number;
}

/** What the executor needs. */
export interface ExecutorOptions {
  readonly workers: ReadonlyMap<string, AnyWorker>;
  readonly queues: Readonly<Record<string, QueueOptions>>;
  readonly clock: Clock;
  /** Reads args that were encrypted. */
  readonly sealer: Sealer;
  readonly random: () => number;
  readonly onEvent: OnEvent;
  readonly onResult: (result: EndedRun) => void;
  /** Nothing begins while too much is unwritten. */
  readonly isFull: () => boolean;
  /**
   * A slot of a queue is free, and little or nothing waits for it.
   *
   * @returns Whether a claim is on its way.
   */
  readonly onHungry: (queue: string) => boolean;
}
