import type { Database } from "../db/database.ts";
import type { OnEvent } from "../events.ts";
import {
  type Notice,
  noticeChannel,
  parseNotice,
  sendNotice,
} from "../store/notices.ts";
import type { Clock } from "./clock.ts";
import type { Service, ServicePass } from "./service.ts";

/** What the notifier needs. */
export interface NotifierOptions {
  readonly database: Database;
  readonly clock: Clock;
  readonly onEvent: OnEvent;
  /** Off: nothing is sent, and everybody polls. */
  readonly on: boolean;
  /** Is told of work in this process at once. */
  readonly onReady: (queues: readonly string[]) => void;
}

/** Between two hints about one queue; a loop of inserts sends few. */
const SPACING_MS = 10;
/** A host's transaction takes about so long to commit. */
const AFTER_TRANSACTION_MS = 100;

/**
 * Tells other processes that there is work: after the commit, in a statement of
 * its own, and not for every insert. Nothing depends on it.
 */
export class Notifier {
  readonly #options: NotifierOptions;
  readonly #queues = new Set<string>();
  /** There is work, and nobody says in which queues. */
  #anywhere = false;
  #stopTimer: (() => void) | null = null;
  #sending: Promise<void> | null = null;
  /** Hints that are not about work: few, so they wait in line. */
  #others: Promise<void> = Promise.resolve();

  constructor(options: NotifierOptions) {
    this.#options = options;
  }

  /** There is work in these queues; none: in any of them. */
  ready(queues: readonly string[]): void {
    this.#options.onReady(queues);
    if (!this.#options.on) return;
    if (queues.length === 0) this.#anywhere = true;
    for (const queue of queues) this.#queues.add(queue);
    if (this.#stopTimer !== null) return;
    this.#flush();
    this.#flushAfter(SPACING_MS);
  }

  /** There will be work, when the host commits; it does not tell us when. */
  readySoon(queues: readonly string[]): void {
    for (const queue of queues) this.#queues.add(queue);
    if (this.#stopTimer === null) this.#flushAfter(AFTER_TRANSACTION_MS);
  }

  /** Sends a hint of another kind. */
  send(notice: Notice): void {
    if (!this.#options.on) return;
    this.#others = this.#others.then(() => this.#try(notice));
  }

  /** Resolves when nothing is left to send. Without it a timer may be open. */
  async settled(): Promise<void> {
    this.#stopTimer?.();
    this.#stopTimer = null;
    this.#flush();
    while (this.#sending !== null) await this.#sending;
    await this.#others;
  }

  #flushAfter(ms: number): void {
    this.#stopTimer = this.#options.clock.after(ms, () => {
      this.#stopTimer = null;
      if (this.#queues.size === 0 && !this.#anywhere) return;
      this.#options.onReady(this.#take({ keeps: true }));
      this.#flush();
      this.#flushAfter(SPACING_MS);
    });
  }

  /** One at a time: while the database does not answer, hints become one. */
  #flush(): void {
    if (!this.#options.on) this.#queues.clear();
    if (this.#queues.size === 0 && !this.#anywhere) return;
    if (this.#sending !== null) return;
    const q = this.#take({ keeps: false });
    this.#sending = this.#try({ t: "ready", q }).then(() => {
      this.#sending = null;
      this.#flush();
    });
  }

  #take({ keeps }: { readonly keeps: boolean }): readonly string[] {
    const queues = this.#anywhere ? [] : [...this.#queues];
    if (!keeps) {
      this.#queues.clear();
      this.#anywhere = false;
    }
    return queues;
  }

  async #try(notice: Notice): Promise<void> {
    try {
      await sendNotice(this.#options.database, notice);
    } catch (error) {
      this.#options.onEvent({ type: "notice_failed", error });
    }
  }
}

/** What the listener needs. */
export interface ListenerOptions {
  readonly database: Database;
  readonly onNotice: (notice: Notice) => void;
  /** Hints may have been lost: look at everything. */
  readonly onReady: () => void;
}

/** The driver reconnects by itself; this is for what never began. */
const LISTEN_RETRY_MS = 30_000;

/** Hears the hints of other processes, where a connection can be kept. */
export class Listener implements Service {
  readonly name = "listener";
  readonly #options: ListenerOptions;
  #stop: (() => Promise<void>) | null = null;

  constructor(options: ListenerOptions) {
    this.#options = options;
  }

  get listening(): boolean {
    return this.#stop !== null;
  }

  async runOnce(): Promise<ServicePass> {
    const { database, onNotice, onReady } = this.#options;
    this.#stop ??= await database.listen?.(
      noticeChannel(database.schema),
      (payload) => {
        const notice = parseNotice(payload);
        if (notice !== null) onNotice(notice);
      },
      onReady,
    ) ?? null;
    return { worked: false, nextInMs: LISTEN_RETRY_MS };
  }

  async stop(): Promise<void> {
    const stop = this.#stop;
    this.#stop = null;
    await stop?.();
  }
}
