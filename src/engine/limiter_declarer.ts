import type { Database } from "../db/database.ts";
import type { JobId } from "../domain/job.ts";
import type { Limiter } from "../domain/limiter.ts";
import { replaceMisplaced } from "../store/limited.ts";
import {
  areLimitersDeclared,
  declareLimiters,
} from "../store/limiter_declarations.ts";
import type { AnyWorker } from "./worker.ts";

/** Jobs that one statement moves. */
const MOVED_MAX = 5_000;
/** Then the keeper goes on. */
const ROUNDS_MAX = 200;

/**
 * Writes down the limiters that code declares, once for each process: when its
 * engine starts, or before it enqueues the first job of a limited worker.
 */
export class LimiterDeclarer {
  readonly #database: Database;
  readonly #declared = new Set<string>();

  constructor(database: Database) {
    this.#database = database;
  }

  /** Also that a worker has no limiters any more. */
  async declareAll(workers: readonly AnyWorker[]): Promise<void> {
    const left = workers.filter(({ name }) => !this.#declared.has(name));
    if (left.length === 0) return;
    await this.#declare(left);
  }

  /**
   * What must be done before jobs of these workers are enqueued; `null` if it
   * was done, as it nearly always was.
   *
   * @param tx The host's own open transaction, if it enqueues in one.
   */
  before(
    workers: readonly AnyWorker[],
    tx: Database | undefined,
  ): Promise<void> | null {
    const left = workers.filter(({ name, limiters }) =>
      limiters.length > 0 && !this.#declared.has(name)
    );
    if (left.length === 0) return null;
    const unique = [...new Set(left)];
    return tx === undefined
      ? this.#declare(unique)
      : this.#declareInside(tx, unique);
  }

  async #declare(workers: readonly AnyWorker[]): Promise<void> {
    const changed = await declareLimiters(this.#database, toDeclare(workers));
    if (changed) await this.#replace();
    for (const { name } of workers) this.#declared.add(name);
  }

  /** With one connection, another statement would wait for ever. */
  async #declareInside(
    tx: Database,
    workers: readonly AnyWorker[],
  ): Promise<void> {
    const declared = toDeclare(workers);
    // Only looked at, it locks nothing until the host commits. What we write may
    // be rolled back, so it is not remembered.
    if (!await areLimitersDeclared(tx, declared)) {
      await declareLimiters(tx, declared);
    }
  }

  /** Jobs that wait stand where their worker's limiters of before put them. */
  async #replace(): Promise<void> {
    let afterId: JobId | null = null;
    for (let round = 0; round < ROUNDS_MAX; round++) {
      const { moved, throughId } = await replaceMisplaced(this.#database, {
        limit: MOVED_MAX,
        afterId,
      });
      afterId = throughId;
      if (afterId === null && moved === 0) return;
    }
  }
}

function toDeclare(workers: readonly AnyWorker[]) {
  const limiters = new Map<string, Limiter>();
  for (const limiter of workers.flatMap((worker) => worker.limiters)) {
    limiters.set(limiter.name, limiter);
  }
  return { limiters: [...limiters.values()], workers };
}
