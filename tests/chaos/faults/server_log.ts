/** What a server wrote into its log, from a point on. */
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import type { PostgresServer } from "../../support/postgres_server.ts";

/** Settings of a server whose log is read. */
export const LOGGED = {
  logging_collector: "on",
  log_filename: "server.log",
  log_lock_waits: "on",
  // Whoever looks at what runs sees all of it.
  track_activity_query_size: "16kB",
} as const;

/** The log of a server, from now on. */
export class ServerLog {
  readonly #file: string;
  readonly #from: number;

  /** @throws If the server keeps no log. */
  constructor({ data }: Pick<PostgresServer, "data">) {
    const folder = join(data, "log");
    const name = readdirSync(folder).find((file) => file.endsWith(".log"));
    if (name === undefined) throw new Error("This server keeps no log");
    this.#file = join(folder, name);
    this.#from = statSync(this.#file).size;
  }

  /** The lines that have these words. */
  lines(words: string): string[] {
    return this.#read().split("\n").filter((line) => line.includes(words));
  }

  /** Each deadlock, with who waited for whom and what they were doing. */
  deadlocks(): string[] {
    // What belongs to an entry follows it, under a head of its own.
    return this.#read()
      .split(/\n(?=\d{4}-\d\d-\d\d [^\n]* (?:ERROR|LOG|FATAL|PANIC): )/)
      .filter((entry) => entry.includes("deadlock detected"));
  }

  #read(): string {
    return readFileSync(this.#file).subarray(this.#from).toString();
  }
}
