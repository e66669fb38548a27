import type { Database } from "../db/database.ts";
import { type JobId, TERMINAL_STATES } from "../domain/job.ts";
import type { OnEvent } from "../events.ts";
import type { Notice } from "../store/notices.ts";
import type { RunResult } from "../store/outcomes.ts";
import { AwaitedElsewhere } from "./awaited_elsewhere.ts";
import type { Clock } from "./clock.ts";
import { JobAwaiter } from "./job_awaiter.ts";
import {
  type AwaitJob,
  type AwaitOptions,
  type JobEnd,
  timeoutOf,
} from "./job_end.ts";
import { isWorker, jobIdOf, type JobRef } from "./job_output.ts";
import type { Sealer } from "./sealer.ts";
import type { AnyWorker } from "./worker.ts";

/** What {@linkcode Awaiting} needs. */
export interface AwaitingOptions {
  readonly database: Database;
  readonly clock: Clock;
  readonly random: () => number;
  readonly onEvent: OnEvent;
  /** Reads outputs that were encrypted. */
  readonly sealer: Sealer;
  readonly pollMs: number;
  /** Sends a hint to the other processes. */
  readonly send: (notice: Notice) => void;
  /** Whether hints of others can be heard. */
  readonly listening: () => boolean;
}

/** Ids that fit into one notice. */
const NOTICE_IDS_MAX = 300;
/** Beyond that, those who wait look by themselves. */
const NOTICES_MAX = 10;

/**
 * Who waits for which jobs, here and elsewhere, and how they hear of an end
 * before they look: a process that waits says for what, and the one that wrote
 * the end of such a job says so.
 */
export class Awaiting {
  readonly #options: AwaitingOptions;
  readonly #here: JobAwaiter;
  readonly #elsewhere: AwaitedElsewhere;
  /** Tells our own hints, which come back to us, from those of others. */
  readonly #by: string;
  /** What a tick ended: it hears nobody, and so tells everybody. */
  #ticked: Set<JobId> | null = null;

  constructor(options: AwaitingOptions) {
    this.#options = options;
    this.#by = Math.floor(options.random() * 2 ** 48).toString(36);
    this.#elsewhere = new AwaitedElsewhere(options.clock);
    this.#here = new JobAwaiter({
      ...options,
      announce: (jobIds) => this.#announce(jobIds),
    });
  }

  /** Waits for the end of a job; see the host's own interface. */
  readonly awaitJob: AwaitJob = async (
    first: AnyWorker | JobRef,
    second?: JobRef | AwaitOptions,
    third?: AwaitOptions,
  ): Promise<JobEnd<never>> => {
    const [worker, job, options] = isWorker(first)
      ? [first, second as JobRef | undefined, third]
      : [null, first, second as AwaitOptions | undefined];
    const end = await this.#wait(job, { ...options, worker });
    // The types of an output are those of its worker, as of its args.
    return end as JobEnd<never>;
  };

  /** The ends of these runs are written. */
  written(runs: readonly RunResult[]): void {
    const ticked = this.#ticked;
    if (this.#here.isEmpty && this.#elsewhere.isEmpty && !ticked) return;
    const jobIds = runs.filter(({ to }) =>
      TERMINAL_STATES.some((state) => state === to)
    ).map(({ jobId }) => jobId);
    if (jobIds.length === 0) return;
    this.#here.hint(jobIds);
    this.#sendAll("ended", this.#elsewhere.take(jobIds));
    if (ticked === null) return;
    for (const jobId of jobIds) {
      // With one more than fit, it is any of them.
      if (ticked.size <= NOTICE_IDS_MAX) ticked.add(jobId);
    }
  }

  /**
   * These jobs have ended, and not by a run here: few at a time. Who can not know
   * whether somebody waits for them says so in any case.
   */
  ended(jobIds: readonly JobId[]): void {
    if (jobIds.length === 0) return;
    this.#here.hint(jobIds);
    const knows = this.#options.listening();
    this.#sendAll("ended", knows ? this.#elsewhere.take(jobIds) : jobIds);
  }

  /** A tick begins: what it ends is told at its end, in one hint. */
  beginTick(): void {
    this.#ticked = new Set();
  }

  /** Tells what the tick ended. */
  endTick(): void {
    const ticked = [...this.#ticked ?? []];
    this.#ticked = null;
    if (ticked.length === 0) return;
    const ids = ticked.length > NOTICE_IDS_MAX ? [] : ticked;
    this.#options.send({ t: "ended", ids });
  }

  /**
   * Another process gave a hint.
   *
   * @returns Whether it was for those who wait, and for nobody else.
   */
  heard(notice: Notice): boolean {
    if (notice.t === "awaited") {
      if (notice.by !== this.#by) this.#elsewhere.remember(notice.ids);
    } else if (notice.t === "listening") {
      if (notice.by !== this.#by) this.#here.announceAgain();
    } else if (notice.t === "ended" || notice.t === "cancelled") {
      this.#here.hint(notice.ids as readonly JobId[]);
      return notice.t === "ended";
    } else return false;
    return true;
  }

  /**
   * Hints can be heard from now on, and some may have been lost: also of those
   * who said that they wait before.
   */
  listening(): void {
    this.#here.listening();
    this.#options.send({ t: "listening", by: this.#by });
  }

  /** The database answers again. */
  retry(): void {
    this.#here.retry();
  }

  /** Looks once more before {@linkcode Awaiting.stop}. */
  lastLook(): Promise<void> {
    return this.#here.lastLook();
  }

  /** Tells all who still wait that this process stops. */
  stop(): void {
    this.#here.stop();
  }

  async #wait(
    job: JobRef | undefined,
    { worker, signal, ...options }: AwaitOptions & {
      readonly worker: AnyWorker | null;
    },
  ): Promise<JobEnd> {
    const timeoutMs = timeoutOf(options);
    signal?.throwIfAborted();
    const jobId = jobIdOf(job);
    if (jobId === null) return { status: "unknown_job" };

    let forget = () => {};
    let stopTimer = () => {};
    let onAbort = () => {};
    try {
      return await new Promise<JobEnd>((resolve, reject) => {
        const name = worker?.name ?? null;
        forget = this.#here.add(jobId, { worker: name, tell: resolveOnce });
        function resolveOnce(end: JobEnd): void {
          forget();
          resolve(end);
        }
        stopTimer = this.#options.clock.after(
          timeoutMs,
          () => resolve({ status: "timed_out" }),
        );
        onAbort = () => reject(signal?.reason);
        signal?.addEventListener("abort", onAbort);
      });
    } finally {
      forget();
      stopTimer();
      signal?.removeEventListener("abort", onAbort);
    }
  }

  /** Who can hear no answer need not ask. */
  #announce(jobIds: readonly JobId[]): void {
    if (this.#options.listening()) this.#sendAll("awaited", jobIds);
  }

  #sendAll(t: "awaited" | "ended", jobIds: readonly JobId[]): void {
    for (let notice = 0; notice < NOTICES_MAX; notice++) {
      const from = notice * NOTICE_IDS_MAX;
      const ids = jobIds.slice(from, from + NOTICE_IDS_MAX);
      if (ids.length === 0) return;
      const { send } = this.#options;
      if (t === "awaited") send({ t, ids, by: this.#by });
      else send({ t, ids });
    }
  }
}
