import { assert } from "../assert.ts";
import type { Database } from "../db/database.ts";
import type { Replaced } from "../store/replacements.ts";
import {
  type EnqueueInput,
  enqueueJob,
  enqueueJobs,
  type EnqueueResult,
} from "./enqueue.ts";
import { checkOptions, type EnqueueOptions } from "./enqueue_options.ts";
import { Inserter } from "./inserter.ts";
import type { LimiterDeclarer } from "./limiter_declarer.ts";
import type { PrepareTools } from "./prepare.ts";
import { orTellSchema } from "./schema_fault.ts";
import { type AnyWorker, isRefusedByLimiters } from "./worker.ts";

/** What the enqueuer needs. */
export interface EnqueuerOptions {
  readonly database: Database;
  readonly limiters: LimiterDeclarer;
  readonly tools: PrepareTools;
  /** Single enqueues that come at once share a statement. */
  readonly coalesce: boolean;
  /** There is work in these queues; or there will be, when the host commits. */
  readonly onReady: (
    queues: readonly string[],
    when: { readonly committed: boolean },
  ) => void;
  /** Jobs were planned that the stager does not know to be due soon. */
  readonly onPlanned: () => void;
}

/** The stager looks so often in any case. */
export const SOON_MS = 1_000;

/** Takes jobs in, and tells of them. */
export class Enqueuer {
  readonly #options: EnqueuerOptions;
  readonly #inserter: Inserter;

  constructor(options: EnqueuerOptions) {
    this.#options = options;
    this.#inserter = new Inserter(options);
  }

  async enqueue(
    worker: AnyWorker,
    { args, options: { database, ...options } }: {
      readonly args: unknown;
      readonly options: EnqueueOptions;
    },
  ): Promise<EnqueueResult> {
    checkWorker(worker);
    const issues = checkOptions(database === undefined ? {} : { database });
    if (issues.length > 0) return { status: "invalid", issues };
    const input = { worker, args, options };
    // A refusal takes a transaction, and so does a host's own.
    if (database === undefined && !isRefusedByLimiters(worker)) {
      if (worker.limiters.length > 0) {
        await this.#options.limiters.before([worker], undefined);
      }
      const inserter = this.#inserter;
      const { database: own, tools } = this.#options;
      const work = new NewWork();
      const { onReplaced } = work;
      const enqueuing = enqueueJob(own, { input, inserter, tools, onReplaced });
      const result = await orTellSchema(own, enqueuing);
      work.add(result);
      this.#tell(work, { committed: true });
      return result;
    }
    const own = database === undefined ? {} : { database };
    const [result] = await this.enqueueMany([input], own);
    assert(result !== undefined, "every input has an answer");
    return result;
  }

  async enqueueMany(
    inputs: readonly EnqueueInput[],
    { database }: { readonly database?: Database },
  ): Promise<EnqueueResult[]> {
    for (const input of inputs) checkWorker(input.worker);
    if (inputs.some(({ worker }) => worker.limiters.length > 0)) {
      const workers = inputs.map(({ worker }) => worker);
      await this.#options.limiters.before(workers, database);
    }
    const { database: own, tools } = this.#options;
    // In the host's transaction, which may hold the only connection, nothing is
    // asked for any more.
    const work = new NewWork();
    const asked = { inputs, tools, onReplaced: work.onReplaced };
    const results = database === undefined
      ? await orTellSchema(own, enqueueJobs(own, asked))
      : await enqueueJobs(database, { ...asked, isInside: true });
    for (const result of results) work.add(result);
    this.#tell(work, { committed: database === undefined });
    return results;
  }

  /** Tells of new work: those who run it here, and the other processes. */
  #tell(
    { queues, isSoon }: NewWork,
    when: { readonly committed: boolean },
  ): void {
    if (isSoon && when.committed) this.#options.onPlanned();
    if (queues.size > 0) this.#options.onReady([...queues], when);
  }
}

/** Where a call made work: of new jobs, and of some that waited longer before. */
class NewWork {
  readonly queues = new Set<string>();
  /** There may be some that is due before the stager looks. */
  isSoon = false;

  add(result: EnqueueResult): void {
    if (result.status !== "inserted") return;
    const { state, queue, runAt, insertedAt } = result.job;
    if (state === "available") this.queues.add(queue);
    else if (runAt && runAt.getTime() - insertedAt.getTime() < SOON_MS) {
      this.isSoon = true;
    }
  }

  readonly onReplaced = ({ queue, runAt }: Replaced): void => {
    if (runAt === null) this.queues.add(queue);
    // The clock of this process will do for a hint.
    else if (runAt.getTime() - Date.now() < SOON_MS) this.isSoon = true;
  };
}

/** Code without types may hand in a name. */
function checkWorker(worker: AnyWorker): void {
  assert(
    Array.isArray(worker?.limiters),
    "a job is enqueued with the worker that defineWorker() made, and not with " +
      "its name",
  );
}
