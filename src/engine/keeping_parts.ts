import type { OnEvent } from "../events.ts";
import type { Notice } from "../store/notices.ts";
import { Awaiting } from "./awaiting.ts";
import type { Clock } from "./clock.ts";
import { ENGINE_DEFAULTS, type EngineOptions } from "./engine_options.ts";
import { Lifeline } from "./lifeline.ts";
import { LimiterKeeper } from "./limiter_keeper.ts";
import { Listener, Notifier } from "./notifier.ts";
import { Partitioner } from "./partitioner.ts";
import { Pruner } from "./pruner.ts";
import type { Sealer } from "./sealer.ts";
import type { Service } from "./service.ts";
import { Stager } from "./stager.ts";

/** What the processes of a database tell each other. */
export interface KeepingSignals {
  /** There is work in these queues. */
  readonly ready: (queues: readonly string[]) => void;
  /** Another process gave a hint. */
  readonly heard: (notice: Notice) => void;
  /** Hints may have been lost. */
  readonly listening: () => void;
}

/** What keeps the tables in order, and the processes in touch. */
export interface Keeping {
  readonly notifier: Notifier;
  readonly listener: Listener;
  readonly awaiting: Awaiting;
  readonly stager: Stager;
  readonly lifeline: Lifeline;
  readonly keepers: readonly Service[];
  /** Until when a tick need not call them again, on the clock of durations. */
  readonly keptUntil: Map<Service, number>;
}

interface KeepingOptions {
  readonly options: EngineOptions;
  readonly signals: KeepingSignals;
  readonly clock: Clock;
  readonly random: () => number;
  readonly onEvent: OnEvent;
  readonly sealer: Sealer;
}

/** Makes them. Nothing happens yet. */
export function keepingParts(
  { options, signals, clock, random, onEvent, sealer }: KeepingOptions,
): Keeping {
  const { database } = options;
  const set = { ...ENGINE_DEFAULTS, ...options };
  const notifier = new Notifier({
    database,
    clock,
    onEvent,
    on: options.notify ?? true,
    onReady: signals.ready,
  });
  const onReady = (queues: readonly string[]) => notifier.ready(queues);
  const listener = new Listener({
    database,
    onNotice: signals.heard,
    onReady: signals.listening,
  });
  const awaiting = new Awaiting({
    database,
    clock,
    random,
    onEvent,
    sealer,
    pollMs: set.pollMs,
    send: (notice) => notifier.send(notice),
    listening: () => listener.listening,
  });
  const keeping = { database, onEvent, keepMs: set.retentionMs };
  return {
    notifier,
    listener,
    awaiting,
    stager: new Stager({ database, onEvent, onReady }),
    lifeline: new Lifeline({
      database,
      onEvent,
      onReady,
      onEnded: (jobIds) => awaiting.ended(jobIds),
      missingAfterMs: set.heartbeatMissingMs,
    }),
    keepers: [
      new Partitioner(keeping),
      new Pruner(keeping),
      new LimiterKeeper({ ...keeping, onReady }),
    ],
    keptUntil: new Map(),
  };
}
