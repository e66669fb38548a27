import { assert } from "../assert.ts";
import { type OnEvent, quietly } from "../events.ts";
import type { RunResult } from "../store/outcomes.ts";
import { Acknowledger } from "./acknowledger.ts";
import { takesChunks } from "./chunk.ts";
import { type Clock, systemClock } from "./clock.ts";
import { wrappedWorkers } from "./engine_middleware.ts";
import {
  ENGINE_DEFAULTS,
  type EngineOptions,
  runtimeName,
} from "./engine_options.ts";
import { Executor } from "./executor.ts";
import { HeldLeases } from "./held_leases.ts";
import { Heartbeat } from "./heartbeat.ts";
import {
  type Keeping,
  keepingParts,
  type KeepingSignals,
} from "./keeping_parts.ts";
import {
  LimitedProducer,
  type LimitedProducerOptions,
} from "./limited_producer.ts";
import { LongHistories } from "./long_histories.ts";
import { Producer, type ProducerOptions } from "./producer.ts";
import { Producers, type Producing } from "./producers.ts";
import { Refresher } from "./refresher.ts";
import { Sealer } from "./sealer.ts";
import type { Service } from "./service.ts";
import { type AnyWorker, waitsForLimiters } from "./worker.ts";

/** What the parts of an engine tell the whole. */
export interface Signals extends KeepingSignals {
  /** The producer should look for work. */
  readonly wantsJobs: () => void;
  /** So should that of jobs which wait for limiters. */
  readonly wantsLimited: () => void;
  /** The ends of these runs are written. */
  readonly written: (runs: readonly RunResult[]) => void;
}

/** The parts of an engine, put together. */
export interface EngineParts extends Running, Keeping {
  readonly clock: Clock;
  readonly random: () => number;
  readonly onEvent: OnEvent;
  readonly sealer: Sealer;
  readonly guests: readonly Service[];
  /** All services, in the order in which one pass of each makes sense. */
  readonly services: readonly Service[];
}

/** What claims, runs and acknowledges. */
interface Running {
  readonly executor: Executor;
  readonly heartbeat: Heartbeat;
  readonly acknowledger: Acknowledger;
  readonly producer: Producing;
  /** `null` where no worker waits for limiters. */
  readonly limited: LimitedProducer | null;
  readonly refresher: Refresher;
  /** What claims, in the order in which a tick asks: it is changed by that. */
  readonly claimers: Service[];
}

interface Base {
  readonly options: EngineOptions;
  readonly signals: Signals;
  readonly clock: Clock;
  readonly random: () => number;
  readonly onEvent: OnEvent;
  readonly sealer: Sealer;
  readonly histories: LongHistories;
}

/** Puts an engine together. Nothing happens yet. */
export function engineParts(
  options: EngineOptions,
  signals: Signals,
): EngineParts {
  const clock = options.clock ?? systemClock;
  const random = options.random ?? Math.random;
  const onEvent = quietly(options.onEvent);
  const sealer = options.sealer ?? new Sealer();
  const { database } = options;
  const histories = new LongHistories({ database, random });
  const tools = { clock, random, onEvent, sealer, histories };
  const base: Base = { options, signals, ...tools };
  const running = runningParts(base);
  const kept = keepingParts(base);
  const keeping = { ...kept, keepers: [...kept.keepers, histories] };
  const guests = options.services ?? [];
  const services = [
    running.heartbeat,
    running.refresher,
    ...(options.notify ?? true ? [keeping.listener] : []),
    ...guests,
    keeping.stager,
    ...(running.limited === null ? [] : [running.limited]),
    running.producer,
    keeping.lifeline,
    ...keeping.keepers,
  ];
  assert(
    new Set(services.map(({ name }) => name)).size === services.length,
    "services have different names",
  );
  const shared = { clock, random, onEvent, sealer };
  return { ...running, ...keeping, ...shared, guests, services };
}

function runningParts(base: Base): Running {
  const { options, signals, clock, random, onEvent, sealer } = base;
  const { database, queues = {} } = options;
  const workers = wrappedWorkers(options.workers, options.middleware);
  const executor: Executor = new Executor({
    workers: new Map(workers.map((worker) => [worker.name, worker])),
    queues,
    clock,
    random,
    onEvent,
    sealer,
    onResult(result) {
      base.histories.saw(result);
      acknowledger.add(limited?.watch(result) ?? result);
    },
    isFull: () => acknowledger.full,
    onHungry(queue) {
      limited?.hungry();
      return producer.hungry(queue);
    },
  });
  const heartbeat = heartbeatPart(base, executor);
  const executorId = () => heartbeat.executorId;
  const leases = new HeldLeases();
  const acknowledger: Acknowledger = new Acknowledger({
    database,
    leases,
    clock,
    onEvent,
    sealer,
    executorId: () => heartbeat.lastExecutorId,
    onWritten: signals.written,
    onFlushed() {
      // Room for what was held up by the bound on the unwritten.
      executor.beginRuns();
      producer.roomy();
    },
  });
  const producer: Producing = producerOf(workers, {
    database,
    executor,
    leases,
    clock,
    onEvent,
    executorId,
    pollMs: options.pollMs ?? ENGINE_DEFAULTS.pollMs,
    wake: signals.wantsJobs,
  });
  const isFull = () => acknowledger.full;
  const claiming = { executor, leases, executorId, producer, isFull };
  const limited: LimitedProducer | null = limitedPart(base, claiming);
  const refresher = new Refresher({
    database,
    executor,
    acknowledger,
    clock,
    onEvent,
    executorId,
    onRoom: (queues) => producer.notice(queues),
  });
  const claimers = limited === null ? [producer] : [limited, producer];
  return {
    ...{ executor, heartbeat, acknowledger, producer, limited, refresher },
    claimers,
  };
}

/** Those that take chunks ask for as many jobs as fill them, each for itself. */
function producerOf(
  all: readonly AnyWorker[],
  options: Omit<ProducerOptions, "workers">,
): Producing {
  const workers = all.filter((worker) => !waitsForLimiters(worker));
  const chunked = workers.filter(takesChunks);
  const others = workers.filter((worker) => !takesChunks(worker))
    .map(({ name }) => name);
  if (chunked.length === 0) {
    return new Producer({ ...options, workers: others });
  }
  return new Producers((budget) => [
    ...chunked.map((worker) =>
      new Producer({
        ...options,
        budget,
        workers: [worker.name],
        demand: (most) => options.executor.chunkDemand(worker, most),
      })
    ),
    ...others.length === 0
      ? []
      : [new Producer({ ...options, budget, workers: others })],
  ]);
}

/** A process whose workers wait for no limiter asks for none. */
function limitedPart(
  { options, signals, clock, onEvent }: Base,
  parts:
    & Pick<
      LimitedProducerOptions,
      "executor" | "leases" | "executorId" | "isFull"
    >
    & { readonly producer: Producing },
): LimitedProducer | null {
  const workers = (options.workers ?? []).filter(waitsForLimiters);
  if (workers.length === 0) return null;
  const { producer: budget, ...rest } = parts;
  return new LimitedProducer({
    ...rest,
    budget,
    database: options.database,
    clock,
    onEvent,
    workers,
    pollMs: options.pollMs ?? ENGINE_DEFAULTS.pollMs,
    wake: signals.wantsLimited,
  });
}

function heartbeatPart(
  { options, clock, random, onEvent }: Base,
  executor: Executor,
): Heartbeat {
  const set = { ...ENGINE_DEFAULTS, ...options };
  return new Heartbeat({
    database: options.database,
    executor,
    clock,
    onEvent,
    beatMs: set.heartbeatMs,
    start: {
      name: options.name ?? `executor-${Math.floor(random() * 1e9)}`,
      runtime: runtimeName(),
      queues: Object.keys(options.queues ?? {}),
      workers: (options.workers ?? []).map((worker) => worker.name),
      lateAfterMs: set.heartbeatLateMs,
      missingAfterMs: set.heartbeatMissingMs,
    },
  });
}
