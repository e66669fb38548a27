/** A process that works, seen from the scenario. */
import { join } from "node:path";
import { until } from "../support/until.ts";
import type { FullWorkerSettings } from "./worker_settings.ts";

const START_MS = 30_000;
const LAST_WORDS = 20;

export class WorkerProcess {
  readonly name: string;
  readonly #child: Deno.ChildProcess;
  /** What it printed. */
  readonly lines: string[] = [];
  /** Its memory, as it said last, and at most. */
  rssBytes = 0;
  rssBytesMax = 0;
  #code: number | null = null;
  readonly #read: Promise<unknown>;

  constructor(settings: FullWorkerSettings) {
    this.name = settings.name;
    this.#child = new Deno.Command(Deno.execPath(), {
      args: [
        ...["run", "-A", "--no-check", "--quiet"],
        join(import.meta.dirname ?? ".", "worker.ts"),
        JSON.stringify(settings),
      ],
      env: { NO_COLOR: "1" },
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    this.#read = Promise.all([
      this.#readLines(this.#child.stdout),
      this.#readLines(this.#child.stderr),
      this.#child.status.then(({ code }) => this.#code = code),
    ]);
  }

  get pid(): number {
    return this.#child.pid;
  }

  get hasEnded(): boolean {
    return this.#code !== null;
  }

  signal(signal: Deno.Signal): void {
    try {
      this.#child.kill(signal);
    } catch {
      // It has ended already.
    }
  }

  /** Waits until it prints a line that begins so. */
  async line(start: string, { limitMs = START_MS } = {}): Promise<void> {
    await until(`${this.name} says "${start}"`, () => {
      if (this.lines.some((line) => line.startsWith(start))) return true;
      if (!this.hasEnded) return false;
      throw new Error(`${this.name} ended before it said "${start}"`);
    }, { limitMs });
  }

  /** Its exit code, once it has ended by itself; after a signal, 128 and more. */
  async code({ limitMs = START_MS } = {}): Promise<number> {
    await until(`${this.name} ends`, () => this.hasEnded, { limitMs });
    await this.#read;
    return this.#code ?? -1;
  }

  /** Sends a signal and waits for the end. */
  async end(signal: "SIGKILL" | "SIGTERM"): Promise<number> {
    if (!this.hasEnded) this.signal(signal);
    return await this.code();
  }

  lastWords(): string[] {
    return this.lines.slice(-LAST_WORDS)
      .map((line) => `${this.name}: ${line}`);
  }

  async #readLines(stream: ReadableStream<Uint8Array>): Promise<void> {
    let rest = "";
    for await (const text of stream.pipeThrough(new TextDecoderStream())) {
      const lines = (rest + text).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) this.#hear(line);
    }
  }

  #hear(line: string): void {
    const [, rss] = /^rss (\d+)$/.exec(line) ?? [];
    if (rss === undefined) {
      this.lines.push(line);
      return;
    }
    this.rssBytes = Number(rss);
    this.rssBytesMax = Math.max(this.rssBytesMax, this.rssBytes);
  }
}
