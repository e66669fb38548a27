/** A contender's process, and what it is told. */
import { createInterface } from "node:readline";
import { Readable } from "node:stream";
import { join } from "node:path";
import type { ReadableStream as NodeReadableStream } from "node:stream/web";
import { CACHE, programOf } from "./peers.ts";
import type { System } from "./systems.ts";

/** An answer, and the instants at which the work began and ended there. */
export interface Answer<T> {
  readonly value: T;
  readonly beganMs: number;
  readonly endedMs: number;
}

interface Line {
  readonly ready?: true;
  readonly versions?: Readonly<Record<string, string>>;
  readonly id?: number;
  readonly error?: string;
  readonly value?: unknown;
  readonly beganMs: number;
  readonly endedMs: number;
}

interface Waiting {
  resolve(answer: Answer<never>): void;
  reject(error: Error): void;
}

const MARK = "@bench ";

/** Those that run, or stand still while another is measured. */
const living = new Set<Deno.ChildProcess>();

/** A process that stands still hears no signal but this one. */
export function killAll(): void {
  for (const process of living) process.kill("SIGKILL");
}

/** One process of one system. */
export class Child implements AsyncDisposable {
  readonly system: System;
  /** Of the runtime, once it has started. */
  versions: Readonly<Record<string, string>> = {};
  readonly #process: Deno.ChildProcess;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;
  readonly #waiting = new Map<number, Waiting>();
  #next = 1;
  #ready: () => void = () => {};
  readonly #started: Promise<void>;

  private constructor(system: System, process: Deno.ChildProcess) {
    this.system = system;
    this.#process = process;
    this.#writer = process.stdin.getWriter();
    this.#started = new Promise((resolve) => this.#ready = resolve);
    void this.#read();
  }

  static async start(system: System, url: string): Promise<Child> {
    const { module, settings, runtime, isPeer = false } = system;
    const [program = "", ...args] = programOf(runtime, { isPeer });
    const options = JSON.stringify({ url, settings, cache: CACHE });
    const file = join(import.meta.dirname ?? ".", "serve.ts");
    const process = new Deno.Command(program, {
      args: [...args, file, module, options],
      stdin: "piped",
      stdout: "piped",
      stderr: "inherit",
      // A user's process has no debugger and no warnings about types.
      env: { NODE_NO_WARNINGS: "1", NODE_ENV: "production" },
    }).spawn();
    living.add(process);
    void process.status.then(() => living.delete(process));
    const child = new Child(system, process);
    const ended = process.status.then(({ code }) => {
      throw new Error(`${system.name} ended with ${code} before it began`);
    });
    await Promise.race([child.#started, ended]);
    ended.catch(() => {});
    return child;
  }

  get pid(): number {
    return this.#process.pid;
  }

  /** Asks for a command of `commands.ts`. */
  call<T>(command: string, params: unknown = {}): Promise<Answer<T>> {
    const id = this.#next++;
    const text = JSON.stringify({ id, command, params });
    return new Promise<Answer<T>>((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#write(text).catch(reject);
    });
  }

  /** It takes no CPU while another is measured. */
  pause(): void {
    this.#process.kill("SIGSTOP");
  }

  resume(): void {
    this.#process.kill("SIGCONT");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.resume();
    const late = setTimeout(() => this.#process.kill("SIGKILL"), 10_000);
    await this.#write("end").catch(() => {});
    await this.#process.status;
    clearTimeout(late);
    await this.#writer.close().catch(() => {});
  }

  async #write(line: string): Promise<void> {
    await this.#writer.write(new TextEncoder().encode(`${line}\n`));
  }

  async #read(): Promise<void> {
    const input = Readable.fromWeb(
      this.#process.stdout as unknown as NodeReadableStream,
    );
    for await (const line of createInterface({ input })) {
      if (line.startsWith(MARK)) {
        this.#hear(JSON.parse(line.slice(MARK.length)));
      } else console.error(`${this.system.name}: ${line}`);
    }
    const error = new Error(`${this.system.name} ended too early`);
    for (const { reject } of this.#waiting.values()) reject(error);
  }

  #hear(line: Line): void {
    if (line.ready) {
      this.versions = line.versions ?? {};
      return this.#ready();
    }
    const waiting = this.#waiting.get(line.id ?? 0);
    this.#waiting.delete(line.id ?? 0);
    if (line.error === undefined) waiting?.resolve(line as Answer<never>);
    else waiting?.reject(new Error(`${this.system.name}: ${line.error}`));
  }
}
