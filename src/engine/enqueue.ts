import type { Database } from "../db/database.ts";
import { type JobId, jobInsertedAt } from "../domain/job.ts";
import { blockerSentence, type LimiterBlocker } from "../domain/limiter.ts";
import { admitInserted, type RefusedJobs } from "../store/enqueue_gate.ts";
import { type InsertAnswer, insertJobs, INSERTS_MAX } from "../store/jobs.ts";
import { replaceJob } from "../store/unique_keys.ts";
import type { Inserter } from "./inserter.ts";
import {
  type EnqueueInput,
  type Preparation,
  prepare,
  type Prepared,
  type PrepareTools,
} from "./prepare.ts";
import type { Issue } from "./standard_schema.ts";
import type { AnyWorker, InputOf } from "./worker.ts";

export type { EnqueueInput } from "./prepare.ts";

/** A job that was inserted. */
export interface EnqueuedJob {
  readonly id: JobId;
  readonly queue: string;
  readonly worker: string;
  readonly state: "available" | "scheduled";
  readonly runAt: Date | null;
  readonly insertedAt: Date;
}

/** What became of an enqueue. */
export type EnqueueResult =
  | { readonly status: "inserted"; readonly job: EnqueuedJob }
  /** Another job holds the uniqueness; `replaced` if it was overwritten. */
  | {
    readonly status: "conflict";
    readonly job: { readonly id: JobId; readonly insertedAt: Date };
    readonly replaced: boolean;
  }
  /** Nothing was written: the args or an option can not be used. */
  | { readonly status: "invalid"; readonly issues: readonly Issue[] }
  /** Limiters that hold at enqueue refused it: nothing was written. */
  | {
    readonly status: "blocked";
    readonly blockers: readonly LimiterBlocker[];
    /** The first of them, as a sentence. */
    readonly reason: string;
  };

/** Many, each typed by its own worker. */
export type EnqueueInputs<Workers extends readonly AnyWorker[]> = {
  readonly [Index in keyof Workers]: EnqueueInput & {
    readonly worker: Workers[Index];
    readonly args: InputOf<Workers[Index]>;
  };
};

/** One statement carries so much text; a single job may have 2 MiB. */
const BATCH_LENGTH_MAX = 16 * 1_048_576;

/** Checks and inserts one job, in one statement with others at the same time. */
export async function enqueueJob(
  db: Database,
  { input, inserter, tools }: {
    readonly input: EnqueueInput;
    readonly inserter: Inserter;
    readonly tools: PrepareTools;
  },
): Promise<EnqueueResult> {
  const preparation = await prepare(input, tools);
  if (!preparation.ok) return { status: "invalid", issues: preparation.issues };
  const { prepared } = preparation;
  return await toResult(db, prepared, await inserter.insert(prepared.insert));
}

/** Checks and inserts jobs. One statement for up to 10,000. */
export async function enqueueJobs(
  db: Database,
  { inputs, tools }: {
    readonly inputs: readonly EnqueueInput[];
    readonly tools: PrepareTools;
  },
): Promise<EnqueueResult[]> {
  const preparations: Preparation[] = [];
  const valid: Prepared[] = [];
  for (const input of inputs) {
    const preparing = prepare(input, tools);
    // Most have nothing to wait for, and a turn for each of them adds up.
    const preparation = preparing instanceof Promise
      ? await preparing
      : preparing;
    preparations.push(preparation);
    if (preparation.ok) valid.push(preparation.prepared);
  }
  const batches = toBatches(valid);
  const isGated = valid.some((item) => item.gated);
  const results = batches.length <= 1 && !isGated
    ? await insertAll(db, batches)
    : await insertTogether(db, batches);
  let next = 0;
  return preparations.map((item) => {
    if (!item.ok) return { status: "invalid", issues: item.issues };
    const result = results[next++];
    if (result === undefined) throw new TypeError("an insert has no answer");
    return result;
  });
}

function toBatches(prepared: readonly Prepared[]): Prepared[][] {
  const batches: Prepared[][] = [];
  let batch: Prepared[] = [];
  let length = 0;
  for (const item of prepared) {
    const isFull = batch.length === INSERTS_MAX ||
      (batch.length > 0 && length + item.length > BATCH_LENGTH_MAX);
    if (isFull || batches.length === 0) {
      batch = [];
      batches.push(batch);
      length = 0;
    }
    batch.push(item);
    length += item.length;
  }
  return batches;
}

/** How often two that ask for the same unique jobs may be in each other's way. */
const DEADLOCKS_MAX = 5;

/** All or nothing, also when it takes several statements. */
async function insertTogether(
  db: Database,
  batches: readonly (readonly Prepared[])[],
): Promise<EnqueueResult[]> {
  for (let deadlocks = 0;; deadlocks++) {
    try {
      return await db.transaction((tx) => insertAll(tx, batches));
    } catch (error) {
      // One statement takes its keys in order, two do not. Nothing was written.
      const isDeadlock = error instanceof Error && "code" in error &&
        error.code === "40P01";
      if (!isDeadlock || deadlocks >= DEADLOCKS_MAX) throw error;
    }
  }
}

async function insertAll(
  db: Database,
  batches: readonly (readonly Prepared[])[],
): Promise<EnqueueResult[]> {
  const results: EnqueueResult[] = [];
  for (const batch of batches) {
    const answers = await insertJobs(db, batch.map((item) => item.insert));
    const refused = await gate(db, { batch, answers });
    for (const [index, answer] of answers.entries()) {
      const item = batch[index];
      if (item === undefined) continue;
      const blockers = refused?.get(answer.jobId);
      if (blockers !== undefined) {
        results.push(toBlocked(blockers));
        continue;
      }
      const result = toResult(db, item, answer);
      results.push(result instanceof Promise ? await result : result);
    }
  }
  return results;
}

/** Asks the limiters that hold at enqueue about what was inserted. */
function gate(
  db: Database,
  { batch, answers }: {
    readonly batch: readonly Prepared[];
    readonly answers: readonly InsertAnswer[];
  },
): Promise<RefusedJobs> | null {
  if (!batch.some((item) => item.gated)) return null;
  const inserted = answers.filter(({ status }, index) =>
    status === "inserted" && batch[index]?.gated
  );
  return admitInserted(db, inserted.map(({ jobId }) => jobId));
}

function toBlocked(blockers: readonly LimiterBlocker[]): EnqueueResult {
  const [first] = blockers;
  const reason = first === undefined ? "" : blockerSentence(first);
  return { status: "blocked", blockers, reason };
}

function toResult(
  db: Database,
  prepared: Prepared,
  answer: InsertAnswer,
): EnqueueResult | Promise<EnqueueResult> {
  if (answer.status === "conflict") {
    return toConflict(db, prepared, answer.jobId);
  }
  const { queue, worker } = prepared.insert;
  const { jobId: id, state, runAt } = answer;
  const insertedAt = jobInsertedAt(id);
  const job = { id, queue, worker, state, runAt, insertedAt };
  return { status: "inserted", job };
}

async function toConflict(
  db: Database,
  { insert, rule }: Prepared,
  jobId: JobId,
): Promise<EnqueueResult> {
  const fields = rule?.replace ?? [];
  const replaced = fields.length > 0 &&
    await replaceJob(db, { jobId, fields, insert });
  const job = { id: jobId, insertedAt: jobInsertedAt(jobId) };
  return { status: "conflict", job, replaced };
}
