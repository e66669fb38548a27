import { assert } from "../assert.ts";
import type { Database } from "../db/database.ts";
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
const SOON_MS = 1_000;

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
      const enqueuing = enqueueJob(own, { input, inserter, tools });
      const result = await orTellSchema(own, enqueuing);
      this.#tell([result], { committed: true });
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
    const results = database === undefined
      ? await orTellSchema(own, enqueueJobs(own, { inputs, tools }))
      : await enqueueJobs(database, { inputs, tools, isInside: true });
    this.#tell(results, { committed: database === undefined });
    return results;
  }

  /** Tells of new work: those who run it here, and the other processes. */
  #tell(
    results: readonly EnqueueResult[],
    when: { readonly committed: boolean },
  ): void {
    const queues = new Set<string>();
    let isSoon = false;
    for (const result of results) {
      if (result.status !== "inserted") continue;
      const { state, queue, runAt, insertedAt } = result.job;
      if (state === "available") queues.add(queue);
      else if (runAt && runAt.getTime() - insertedAt.getTime() < SOON_MS) {
        isSoon = true;
      }
    }
    if (isSoon && when.committed) this.#options.onPlanned();
    if (queues.size > 0) this.#options.onReady([...queues], when);
  }
}

/** Code without types may hand in a name. */
function checkWorker(worker: AnyWorker): void {
  assert(
    Array.isArray(worker?.limiters),
    "a job is enqueued with the worker that defineWorker() made, and not with " +
      "its name",
  );
}
