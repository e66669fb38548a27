import type { Database } from "../db/database.ts";
import {
  type InsertAnswer,
  insertJobs,
  type JobInsert,
} from "../store/jobs.ts";

/** A job that waits for the next statement, and who waits for it. */
interface Waiting {
  readonly insert: JobInsert;
  readonly resolve: (answer: InsertAnswer) => void;
  readonly reject: (error: unknown) => void;
}

/** One commit is on its way to the disk while the next one fills. */
const STATEMENTS_MAX = 2;
/** Each may have 2 MiB, but those that come one by one seldom do. */
const BATCH_MAX = 200;

/** What the inserter needs. */
export interface InserterOptions {
  readonly database: Database;
  /** Off: each job has a statement of its own. */
  readonly coalesce: boolean;
}

/**
 * Inserts jobs that are enqueued one by one but at the same time: where the host
 * wants it, the first at once, and those that come while it is under way
 * together. A commit costs as much for one job as for a hundred.
 *
 * A promise resolves only after the commit of its job, so nothing is less safe.
 * Only a lost connection strikes all that shared a statement.
 */
export class Inserter {
  readonly #database: Database;
  readonly #coalesce: boolean;
  #waiting: Waiting[] = [];
  #underWay = 0;

  constructor({ database, coalesce }: InserterOptions) {
    this.#database = database;
    this.#coalesce = coalesce;
  }

  insert(insert: JobInsert): Promise<InsertAnswer> {
    // A job that is unique, or leaves a receipt, may have to wait for a transaction
    // that has asked for the same one. Nobody else must wait with it.
    const isFree = insert.unique == null && insert.receipt == null;
    return this.#coalesce && isFree
      ? this.#insertWithOthers(insert)
      : this.#insertAlone(insert);
  }

  async #insertAlone(insert: JobInsert): Promise<InsertAnswer> {
    const [answer] = await insertJobs(this.#database, [insert]);
    if (answer === undefined) throw new TypeError("an insert has no answer");
    return answer;
  }

  #insertWithOthers(insert: JobInsert): Promise<InsertAnswer> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ insert, resolve, reject });
      // What is enqueued in the same turn of the event loop goes together.
      if (this.#waiting.length === 1) queueMicrotask(() => this.#next());
    });
  }

  #next(): void {
    if (this.#underWay >= STATEMENTS_MAX || this.#waiting.length === 0) return;
    const batch = this.#waiting.slice(0, BATCH_MAX);
    this.#waiting = this.#waiting.slice(BATCH_MAX);
    this.#underWay += 1;
    void this.#write(batch).finally(() => {
      this.#underWay -= 1;
      this.#next();
    });
    this.#next();
  }

  async #write(batch: readonly Waiting[]): Promise<void> {
    try {
      const answers = await insertJobs(
        this.#database,
        batch.map((each) => each.insert),
      );
      for (const [index, { resolve, reject }] of batch.entries()) {
        const answer = answers[index];
        if (answer === undefined) {
          reject(new TypeError("an insert has no answer"));
        } else resolve(answer);
      }
    } catch (error) {
      if (batch.length === 1 || !isAboutData(error)) {
        // The commit may have happened: to try again might insert twice.
        for (const { reject } of batch) reject(error);
      } else {
        // One of them is refused by the tables; the others must not suffer.
        for (const each of batch) await this.#write([each]);
      }
    }
  }
}

/**
 * The class of the SQLSTATE: a value, a constraint, or more than Postgres can
 * take. Nothing was written.
 */
export function isAboutData(error: unknown): boolean {
  return error instanceof Error && "code" in error &&
    typeof error.code === "string" && /^(?:2[23]|54)/.test(error.code);
}
