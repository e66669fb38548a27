/**
 * What the jobs themselves say: that a run began, and that it came to its end.
 * Each process has a file of its own and writes a line before it goes on, so
 * that neither its death nor a broken database takes anything away.
 */
import { openSync, readdirSync, readFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import type { JobId } from "../../src/domain/job.ts";

export interface LedgerEntry {
  readonly jobId: JobId;
  readonly attempt: number;
  readonly what: "began" | "ended";
  /** The name and the number of the process. */
  readonly by: string;
}

/** The pen of one process. */
export class LedgerPen {
  readonly #file: number;
  readonly #by: string;

  constructor(folder: string, name: string) {
    this.#by = `${name}-${Deno.pid}`;
    this.#file = openSync(join(folder, `${this.#by}.jsonl`), "a");
  }

  write(
    what: LedgerEntry["what"],
    { jobId, attempt }: Pick<LedgerEntry, "jobId" | "attempt">,
  ): void {
    const entry: LedgerEntry = { jobId, attempt, what, by: this.#by };
    writeSync(this.#file, `${JSON.stringify(entry)}\n`);
  }
}

/** Everything that all processes wrote until now. */
export function readLedger(folder: string): LedgerEntry[] {
  return readdirSync(folder).flatMap((file) =>
    readFileSync(join(folder, file), "utf8")
      .split("\n")
      // What a process was just writing when it died has no end of line.
      .slice(0, -1)
      .map((line) => JSON.parse(line) as LedgerEntry)
  );
}
