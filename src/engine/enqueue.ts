import type { Database } from "../db/database.ts";
import {
  type Answered,
  LOOKS_MAX,
  mayOverwrite,
  mustNotBeLost,
  overwriteHolders,
} from "../store/conflicts.ts";
import { admitInserted, type RefusedJobs } from "../store/enqueue_gate.ts";
import { type InsertAnswer, insertJobs, INSERTS_MAX } from "../store/jobs.ts";
import { takeBackReceipts } from "../store/receipts.ts";
import type { Replaced } from "../store/replacements.ts";
import { type EnqueueResult, toBlocked, toResult } from "./enqueue_result.ts";
import type { Inserter } from "./inserter.ts";
import {
  type EnqueueInput,
  type Preparation,
  prepare,
  type Prepared,
  type PrepareTools,
} from "./prepare.ts";
import type { AnyWorker, InputOf } from "./worker.ts";

export type { EnqueueInput } from "./prepare.ts";

export type { EnqueuedJob, EnqueueResult } from "./enqueue_result.ts";

/** Many, each typed by its own worker. */
export type EnqueueInputs<Workers extends readonly AnyWorker[]> = {
  readonly [Index in keyof Workers]: EnqueueInput & {
    readonly worker: Workers[Index];
    readonly args: InputOf<Workers[Index]>;
  };
};

/** One statement carries so much text; a single job may have 2 MiB. */
const BATCH_LENGTH_MAX = 16 * 1_048_576;

/** Hears where a job that was overwritten waits now; it may hear it twice. */
export type OnReplaced = (replaced: Replaced) => void;

/** Checks and inserts one job, in one statement with others at the same time. */
export async function enqueueJob(
  db: Database,
  { input, inserter, tools, onReplaced }: {
    readonly input: EnqueueInput;
    readonly inserter: Inserter;
    readonly tools: PrepareTools;
    readonly onReplaced?: OnReplaced;
  },
): Promise<EnqueueResult> {
  const preparation = await prepare(input, tools);
  if (!preparation.ok) return { status: "invalid", issues: preparation.issues };
  const { prepared } = preparation;
  const answer = await againAfterDeadlock(() =>
    inserter.insert(prepared.insert)
  );
  if (answer.status === "inserted" || !mayOverwrite(prepared)) {
    return toResult(prepared, { answer });
  }
  const batch = [prepared];
  const settling = { batch, answers: [answer], refused: null, onReplaced };
  const [result] = await againAfterDeadlock(() =>
    settle(db, { ...settling, tries: LOOKS_MAX })
  );
  if (result === undefined) throw new TypeError("an insert has no answer");
  return result;
}

/**
 * Checks and inserts jobs. One statement for up to 10,000.
 *
 * @param isInside A transaction is open, and ends with the first error.
 */
export async function enqueueJobs(
  db: Database,
  { inputs, tools, isInside = false, onReplaced }: {
    readonly inputs: readonly EnqueueInput[];
    readonly tools: PrepareTools;
    readonly isInside?: boolean;
    readonly onReplaced?: OnReplaced;
  },
): Promise<EnqueueResult[]> {
  const preparations = await prepareAll(inputs, tools);
  const valid: Prepared[] = [];
  for (const preparation of preparations) {
    if (preparation.ok) valid.push(preparation.prepared);
  }
  const batches = toBatches(valid);
  // What takes more than one statement is all or nothing.
  const isLong = batches.length > 1 ||
    valid.some((item) => item.gated || mayOverwrite(item));
  const insert = isLong
    ? () => db.transaction((tx) => insertAll(tx, { batches, onReplaced }))
    : () => insertAll(db, { batches, onReplaced });
  const mayRepeat = isLong || !isInside;
  const results = mayRepeat ? await againAfterDeadlock(insert) : await insert();
  let next = 0;
  return preparations.map((item) => {
    if (!item.ok) return { status: "invalid", issues: item.issues };
    const result = results[next++];
    if (result === undefined) throw new TypeError("an insert has no answer");
    return result;
  });
}

/** So many are prepared at the same time: a digest is made by another thread. */
const PREPARED_TOGETHER = 100;

async function prepareAll(
  inputs: readonly EnqueueInput[],
  tools: PrepareTools,
): Promise<Preparation[]> {
  const preparations: Preparation[] = [];
  for (let from = 0; from < inputs.length; from += PREPARED_TOGETHER) {
    const some = inputs.slice(from, from + PREPARED_TOGETHER)
      .map((input) => prepare(input, tools));
    // Most have nothing to wait for, and a turn for each of them adds up.
    const waits = some.some((each) => each instanceof Promise);
    const ready = waits ? await Promise.all(some) : some as Preparation[];
    preparations.push(...ready);
  }
  return preparations;
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

/** What is all or nothing by itself, or in a transaction of its own. */
async function againAfterDeadlock<T>(insert: () => Promise<T>): Promise<T> {
  for (let deadlocks = 0;; deadlocks++) {
    try {
      return await insert();
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
  { batches, onReplaced }: {
    readonly batches: readonly (readonly Prepared[])[];
    readonly onReplaced: OnReplaced | undefined;
  },
): Promise<EnqueueResult[]> {
  const results: EnqueueResult[] = [];
  for (const batch of batches) {
    const trying = { batch, tries: LOOKS_MAX, onReplaced };
    for (const result of await insertBatch(db, trying)) results.push(result);
  }
  return results;
}

/** A batch, and how often what must not be lost may be tried again. */
interface Trying {
  readonly batch: readonly Prepared[];
  readonly tries: number;
  readonly onReplaced: OnReplaced | undefined;
}

async function insertBatch(
  db: Database,
  { batch, tries, onReplaced }: Trying,
): Promise<EnqueueResult[]> {
  const answers = await insertJobs(db, batch.map((item) => item.insert));
  const refused = await gate(db, { batch, answers });
  return await settle(db, { batch, answers, refused, tries, onReplaced });
}

/** What becomes of a batch that was inserted, as far as it was. */
async function settle(
  db: Database,
  { batch, answers, refused, tries, onReplaced }:
    & Trying
    & Pick<Answered, "answers">
    & {
      readonly refused: RefusedJobs | null;
    },
): Promise<EnqueueResult[]> {
  const overwritten = await overwriteHolders(db, { batch, answers });
  const results: EnqueueResult[] = [];
  const lost: number[] = [];
  for (const [place, item] of batch.entries()) {
    const answer = answers[place];
    if (answer === undefined) throw new TypeError("an insert has no answer");
    const blockers = refused?.get(answer.jobId);
    const replaced = overwritten.get(place);
    results.push(
      blockers !== undefined
        ? toBlocked(blockers)
        : toResult(item, { answer, replaced }),
    );
    if (replaced?.replaced) onReplaced?.(replaced);
    else if (replaced && mustNotBeLost(item)) lost.push(place);
  }
  if (lost.length === 0 || tries === 0) return results;
  const again = lost.flatMap((place) => batch[place] ?? []);
  const rest = await insertBatch(db, {
    batch: again,
    tries: tries - 1,
    onReplaced,
  });
  for (const [index, place] of lost.entries()) {
    const result = rest[index];
    if (result !== undefined) results[place] = result;
  }
  return results;
}

/**
 * Asks the limiters that hold at enqueue about what was inserted. What they refuse
 * leaves no receipt, so that it can be asked for again.
 */
async function gate(
  db: Database,
  { batch, answers }: {
    readonly batch: readonly Prepared[];
    readonly answers: readonly InsertAnswer[];
  },
): Promise<RefusedJobs | null> {
  if (!batch.some((item) => item.gated)) return null;
  const inserted = answers.filter(({ status }, index) =>
    status === "inserted" && batch[index]?.gated
  );
  const refused = await admitInserted(db, inserted.map(({ jobId }) => jobId));
  const left = answers.flatMap(({ status, jobId }, index) => {
    const receipt = batch[index]?.insert.receipt;
    const isLeft = status === "inserted" && refused.has(jobId);
    return receipt != null && isLeft ? [receipt.fingerprint] : [];
  });
  if (left.length > 0) await takeBackReceipts(db, left);
  return refused;
}
