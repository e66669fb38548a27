import type { Clock } from "./clock.ts";

/** What one pass of a service did, and when it wants the next one. */
export interface ServicePass {
  /** There may be more to do: the next pass follows at once. */
  readonly worked: boolean;
  /** Otherwise after exactly so many milliseconds, or about the interval. */
  readonly nextInMs?: number;
}

/**
 * A part of the engine. Long-lived runners call `runOnce()` in a loop, `tick()`
 * calls it once: a service knows nothing of either.
 */
export interface Service {
  /** Lower-case words, unique in an engine: it is a label in telemetry. */
  readonly name: string;
  /** Between two passes, unless the first said otherwise. 1 s by default. */
  readonly intervalMs?: number;
  /** After passes that threw one follows so late at the latest; 30 s by default. */
  readonly retryMsMax?: number;
  runOnce(): Promise<ServicePass>;
}

/** What the loop needs beside the service. */
export interface ServiceLoopOptions {
  readonly clock: Clock;
  /** From 0 up to 1. */
  readonly random: () => number;
  /** Is told of every pass that threw; the loop goes on. */
  readonly onError: (service: string, error: unknown) => void;
  /** A pass went well, and the one before did not. */
  readonly onRecovered?: () => void;
  /** After a pass that threw: whether another service tries for this one. */
  readonly rests?: () => boolean;
}

const INTERVAL_MS = 1_000;
/** Processes that started together must not poll together. */
const JITTER = 0.2;
const ERROR_BASE_MS = 100;
const ERROR_CAP_MS = 30_000;

/** The loop around a service: interval, jitter, wake-up, error backoff. */
export class ServiceLoop {
  readonly #service: Service;
  readonly #options: ServiceLoopOptions;
  #running: Promise<void> | null = null;
  #stopped = false;
  /** A wake-up that came during a pass must not be lost: the next follows. */
  #woken = false;
  #endSleep: (() => void) | null = null;
  #faults = 0;

  constructor(service: Service, options: ServiceLoopOptions) {
    this.#service = service;
    this.#options = options;
  }

  start(): void {
    this.#stopped = false;
    this.#running ??= this.#run();
  }

  /** Makes the next pass follow now. Cheap, and may be called at any time. */
  wake(): void {
    this.#woken = true;
    this.#endSleep?.();
  }

  /** Its last pass threw. */
  get isFailing(): boolean {
    return this.#faults > 0;
  }

  /** Waits no longer after a pass that failed: its cause may be gone. */
  retry(): void {
    if (this.#faults > 0) this.wake();
  }

  /** Lets the current pass end and starts no other. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#endSleep?.();
    await this.#running;
    this.#running = null;
  }

  async #run(): Promise<void> {
    while (!this.#stopped) {
      this.#woken = false;
      const waitMs = await this.#pass();
      if (this.#woken || this.#stopped) continue;
      // Also a service that always finds work lets timers and sockets be served.
      await this.#sleep(waitMs);
    }
  }

  async #pass(): Promise<number> {
    try {
      const pass = await this.#service.runOnce();
      const isRecovered = this.#faults > 0;
      this.#faults = 0;
      if (isRecovered) this.#options.onRecovered?.();
      if (pass.worked) return 0;
      if (pass.nextInMs !== undefined) return pass.nextInMs;
      const intervalMs = this.#service.intervalMs ?? INTERVAL_MS;
      return intervalMs * (1 - JITTER * this.#options.random());
    } catch (error) {
      this.#options.onError(this.#service.name, error);
      this.#faults += 1;
      const spanMs = this.#options.rests?.()
        ? ERROR_CAP_MS
        : ERROR_BASE_MS * 2 ** Math.min(this.#faults - 1, 20);
      const { retryMsMax = ERROR_CAP_MS } = this.#service;
      return Math.min(spanMs, retryMsMax) *
        (1 - JITTER * this.#options.random());
    }
  }

  async #sleep(ms: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const cancel = this.#options.clock.after(ms, resolve);
      this.#endSleep = () => {
        cancel();
        resolve();
      };
    });
    this.#endSleep = null;
  }
}

/** What all loops of an engine need. */
export interface ServiceLoopsOptions
  extends Omit<ServiceLoopOptions, "rests" | "onRecovered"> {
  readonly onRecovered: () => void;
  /**
   * Names of services that go on trying in an outage. While the first of them
   * fails, those that are not named rest.
   */
  readonly restless: readonly [string, ...string[]];
}

/**
 * Loops around services, by their names. After an outage the first that reaches
 * the database tells the others. Until then few of them try: a driver may wait
 * longer before each connection, the more of them failed, and what all services
 * are to go on with would wait as well.
 */
export function serviceLoops(
  services: readonly Service[],
  { restless, onRecovered, ...options }: ServiceLoopsOptions,
): ReadonlyMap<string, ServiceLoop> {
  const loops = new Map<string, ServiceLoop>();
  const rests = () => loops.get(restless[0])?.isFailing ?? false;
  const shared = {
    ...options,
    onRecovered: () => {
      for (const loop of loops.values()) loop.retry();
      onRecovered();
    },
  };
  for (const service of services) {
    const isRestless = restless.includes(service.name);
    const own = isRestless ? shared : { ...shared, rests };
    loops.set(service.name, new ServiceLoop(service, own));
  }
  return loops;
}
