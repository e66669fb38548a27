import { assert } from "../assert.ts";
import type { Database } from "../db/database.ts";
import type { JobId } from "../domain/job.ts";
import type { Notice } from "../store/notices.ts";
import type { RunResult } from "../store/outcomes.ts";
import { ensureQueues } from "../store/queues.ts";
import { cancelJob } from "../store/transitions.ts";
import { systemClock } from "./clock.ts";
import { withDeadline } from "./deadline.ts";
import type { EnqueueInputs, EnqueueResult } from "./enqueue.ts";
import type { EnqueueOptions } from "./enqueue_options.ts";
import { Enqueuer, SOON_MS } from "./enqueuer.ts";
import {
  checkEngineOptions,
  ENGINE_DEFAULTS,
  type EngineOptions,
} from "./engine_options.ts";
import { type EngineParts, engineParts } from "./engine_parts.ts";
import { Fingerprints } from "./fingerprints.ts";
import { LimiterDeclarer } from "./limiter_declarer.ts";
import { type ServiceLoop, serviceLoops } from "./service.ts";
import { Bell, tick, type TickOptions, type TickReport } from "./tick.ts";
import type { AwaitJob } from "./job_end.ts";
import { windDown, within } from "./wind_down.ts";
import type { AnyWorker, Worker } from "./worker.ts";

const GRACE_MS = 15_000;
const ANSWER_MS = 10_000;
/** Makes an engine. Nothing happens before it is started or ticks. */
export function createEngine(options: EngineOptions): Engine {
  checkEngineOptions(options);
  const clock = options.clock ?? systemClock;
  const ms = options.statementMs ?? ENGINE_DEFAULTS.statementMs;
  const database = withDeadline(options.database, { clock, ms });
  return new Engine({ ...options, clock, database });
}

/** Runs jobs, and takes them in: what of `Yardmaster` is about jobs. */
export class Engine {
  readonly #options: EngineOptions;
  readonly #enqueuer: Enqueuer;
  readonly #limiters: LimiterDeclarer;
  readonly #parts: EngineParts;
  readonly #loops: ReadonlyMap<string, ServiceLoop>;
  #state: "idle" | "starting" | "started" | "stopping" | "ticking" = "idle";
  /** The start, or the stop, that is under way. */
  #changing: Promise<void> = Promise.resolve();
  #ticking: Promise<TickReport> | null = null;
  /** Rings when slots want jobs while it ticks. */
  readonly #bell = new Bell();

  constructor(options: EngineOptions) {
    this.#options = options;
    this.#parts = engineParts(options, {
      wantsJobs: () => this.#wantJobs(),
      wantsLimited: () => this.#wantLimited(),
      ready: (queues) => this.#parts.producer.notice(queues),
      heard: (notice) => this.#heard(notice),
      listening: () => this.#listening(),
      written: (runs) => this.#written(runs),
    });
    const { clock, random, onEvent, services, notifier } = this.#parts;
    this.#limiters = new LimiterDeclarer(options.database);
    this.#enqueuer = new Enqueuer({
      database: options.database,
      limiters: this.#limiters,
      tools: {
        fingerprints: options.fingerprints ?? new Fingerprints(),
        sealer: this.#parts.sealer,
      },
      coalesce: options.coalesce ?? false,
      onReady: (queues, { committed }) =>
        committed ? notifier.ready(queues) : notifier.readySoon(queues),
      onPlanned: () => this.notify({ t: "scheduled" }),
    });
    const onError = (service: string, error: unknown) =>
      onEvent({ type: "service_failed", service, error });
    const { heartbeat, refresher } = this.#parts;
    this.#loops = serviceLoops(services, {
      ...{ clock, random, onError },
      onRecovered: () => {
        this.#parts.acknowledger.retry();
        this.#parts.awaiting.retry();
      },
      // Who beats must not be found missing for a fault of another.
      restless: [refresher.name, heartbeat.name],
    });
  }

  get awaitJob(): AwaitJob {
    return this.#parts.awaiting.awaitJob;
  }

  /** Of this process; `null` while it runs nothing. */
  get executorId(): number | null {
    return this.#parts.heartbeat.executorId;
  }

  async start(): Promise<void> {
    assert(this.#state === "idle", "an engine starts when it is idle");
    this.#state = "starting";
    this.#changing = this.#start();
    await this.#changing;
  }

  async stop({ graceMs = GRACE_MS } = {}): Promise<void> {
    if (this.#state === "starting" || this.#state === "stopping") {
      await this.#changing.catch(() => {});
    }
    if (this.#state === "started") {
      this.#state = "stopping";
      this.#changing = this.#stop(graceMs);
      await this.#changing;
    }
    const { awaiting } = this.#parts;
    await this.#try("awaiter", () => awaiting.lastLook());
    awaiting.stop();
    // An engine that only enqueues has hints to send.
    await this.#parts.notifier.settled();
  }

  async tick(options: TickOptions): Promise<TickReport> {
    // Triggers of an edge host overlap when one of them is slow.
    if (this.#ticking !== null) return await this.#ticking;
    assert(this.#state === "idle", "an engine ticks when it is idle");
    this.#ticking = this.#tick(options);
    try {
      return await this.#ticking;
    } finally {
      this.#ticking = null;
    }
  }

  async #tick(options: TickOptions): Promise<TickReport> {
    this.#state = "ticking";
    try {
      await this.#begin();
      this.#parts.awaiting.beginTick();
      const report = await tick(this.#parts, {
        ...options,
        wanted: this.#bell,
      });
      this.#tellGivenBack(report.givenBack);
      return report;
    } finally {
      this.#parts.awaiting.endTick();
      await this.#end();
      this.#state = "idle";
    }
  }

  enqueue<Input>(
    worker: Worker<Input, unknown>,
    args: Input,
    options: EnqueueOptions = {},
  ): Promise<EnqueueResult> {
    return this.#enqueuer.enqueue(worker, { args, options });
  }

  enqueueMany<const Workers extends readonly AnyWorker[]>(
    inputs: EnqueueInputs<Workers>,
    options: { readonly database?: Database } = {},
  ): Promise<EnqueueResult[]> {
    return this.#enqueuer.enqueueMany(inputs, options);
  }

  async cancel(jobId: JobId): Promise<boolean> {
    const moved = await cancelJob(this.#options.database, {
      jobId,
      principal: null,
    });
    if (moved === null) return false;
    // Its executor must hear of it, and who waits hears that too.
    if (moved.before === "executing") {
      this.notify({ t: "cancelled", ids: [jobId] });
    } else this.#parts.awaiting.ended([jobId]);
    return true;
  }

  /** Passes a hint on, to this process and to the others. */
  notify(notice: Notice): void {
    if (notice.t === "ready") this.#parts.notifier.ready(notice.q);
    else this.#parts.notifier.send(notice);
    this.#heard(notice);
  }

  async #start(): Promise<void> {
    const { heartbeat, onEvent } = this.#parts;
    try {
      await this.#begin();
      await heartbeat.runOnce();
    } catch (error) {
      this.#state = "idle";
      throw error;
    }
    this.#state = "started";
    for (const loop of this.#loops.values()) loop.start();
    onEvent({ type: "engine_started", executorId: heartbeat.lastExecutorId });
  }

  async #stop(graceMs: number): Promise<void> {
    const { heartbeat, refresher, listener, onEvent } = this.#parts;
    // Until the last run has ended we stay alive, and look for cancellations.
    const last = [heartbeat.name, refresher.name];
    await this.#stopLoops((name) => !last.includes(name));
    await this.#try(listener.name, () => listener.stop());
    const givenBack = await windDown({ ...this.#parts, graceMs });
    this.#tellGivenBack(givenBack);
    await this.#stopLoops((name) => last.includes(name));
    await this.#end();
    this.#state = "idle";
    onEvent({ type: "engine_stopped", givenBack });
  }

  async #begin(): Promise<void> {
    const { database, workers = [], queues = {} } = this.#options;
    this.#parts.acknowledger.reopen();
    this.#parts.producer.jobsLeft = Infinity;
    const declared = Object.entries(queues);
    await ensureQueues(
      database,
      declared.map(([name, { limit }]) => ({ name, limit })),
    );
    await this.#limiters.declareAll(workers);
  }

  /** Tells the others that nothing runs here any more, if they can be reached. */
  async #end(): Promise<void> {
    const { heartbeat, notifier } = this.#parts;
    await this.#try(heartbeat.name, () => heartbeat.rest());
    await this.#try("notifier", () => notifier.settled());
  }

  /** What ends a stop must not hang with a database that does not answer. */
  async #try(service: string, work: () => Promise<void>): Promise<void> {
    try {
      await within(work(), { clock: this.#parts.clock, ms: ANSWER_MS });
    } catch (error) {
      this.#parts.onEvent({ type: "service_failed", service, error });
    }
  }

  async #stopLoops(which: (name: string) => boolean): Promise<void> {
    const loops = [...this.#loops].filter(([name]) => which(name));
    await Promise.all(
      loops.map(([name, loop]) => this.#try(name, () => loop.stop())),
    );
  }

  #heard(notice: Notice): void {
    const { stager, producer, refresher, awaiting } = this.#parts;
    if (awaiting.heard(notice)) return;
    // A list that was too long to send is empty, and stands for all.
    if (notice.t === "ready") producer.notice(notice.q);
    else if (notice.t === "scheduled") this.#wake(stager.name);
    else this.#wake(refresher.name);
  }

  /** The stager sleeps for up to a second, and knows nothing of these. */
  #written(runs: readonly RunResult[]): void {
    this.#parts.awaiting.written(runs);
    if (runs.some(isDueSoon)) this.#wake(this.#parts.stager.name);
  }

  /** Another process may have a place for them now. */
  #tellGivenBack(jobs: number): void {
    if (jobs > 0) this.#parts.notifier.ready([]);
  }

  #wantJobs(): void {
    this.#wake(this.#parts.producer.name);
    this.#wantLimited();
  }

  #wantLimited(): void {
    const { limited } = this.#parts;
    if (limited !== null) this.#wake(limited.name);
    this.#bell.ring();
  }

  #wake(service: string): void {
    if (this.#state === "started") this.#loops.get(service)?.wake();
  }

  #listening(): void {
    this.#parts.producer.notice([]);
    this.#parts.awaiting.listening();
    for (const name of this.#loops.keys()) this.#wake(name);
  }
}

function isDueSoon({ delayMs }: RunResult): boolean {
  return delayMs !== undefined && delayMs < SOON_MS;
}
