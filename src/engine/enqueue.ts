import type { Database } from "../db/database.ts";
import {
  JOB_BOUNDS,
  type JobId,
  jobInsertedAt,
  normalizeTags,
} from "../domain/job.ts";
import {
  uniqueKey,
  type UniqueRule,
  uniqueRule,
} from "../domain/unique_key.ts";
import { isStorableJson } from "../domain/storable.ts";
import {
  type InsertAnswer,
  insertJobs,
  INSERTS_MAX,
  type JobInsert,
} from "../store/jobs.ts";
import { replaceJob } from "../store/unique_keys.ts";
import { checkArgs } from "./args.ts";
import { checkOptions, type EnqueueOptions } from "./enqueue_options.ts";
import type { Inserter } from "./inserter.ts";
import type { Issue } from "./standard_schema.ts";
import type { AnyWorker, InputOf, JsonObject } from "./worker.ts";

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
  /** Reserved for limits that refuse at enqueue. Nothing answers it yet. */
  | { readonly status: "blocked"; readonly reason: string };

/** One of many. */
export interface EnqueueInput {
  readonly worker: AnyWorker;
  readonly args: unknown;
  readonly options?: Omit<EnqueueOptions, "database">;
}

/** Many, each typed by its own worker. */
export type EnqueueInputs<Workers extends readonly AnyWorker[]> = {
  readonly [Index in keyof Workers]: EnqueueInput & {
    readonly worker: Workers[Index];
    readonly args: InputOf<Workers[Index]>;
  };
};

/** What was checked, and is to be inserted. */
interface Prepared {
  readonly insert: JobInsert;
  readonly rule: UniqueRule | null;
  /** Of its args and meta, as text. */
  readonly length: number;
}

/** One statement carries so much text; a single job may have 2 MiB. */
const BATCH_LENGTH_MAX = 16 * 1_048_576;

type Preparation =
  | { readonly ok: true; readonly prepared: Prepared }
  | { readonly ok: false; readonly issues: readonly Issue[] };

/** Checks and inserts one job, in one statement with others at the same time. */
export async function enqueueJob(
  db: Database,
  { input, inserter }: {
    readonly input: EnqueueInput;
    readonly inserter: Inserter;
  },
): Promise<EnqueueResult> {
  const preparation = await prepare(input);
  if (!preparation.ok) return { status: "invalid", issues: preparation.issues };
  const { prepared } = preparation;
  return await toResult(db, prepared, await inserter.insert(prepared.insert));
}

/** Checks and inserts jobs. One statement for up to 10,000. */
export async function enqueueJobs(
  db: Database,
  inputs: readonly EnqueueInput[],
): Promise<EnqueueResult[]> {
  const preparations: Preparation[] = [];
  for (const input of inputs) preparations.push(await prepare(input));
  const valid = preparations.flatMap((item) => item.ok ? [item.prepared] : []);
  const batches = toBatches(valid);
  const results = batches.length <= 1
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
    for (const [index, answer] of answers.entries()) {
      const item = batch[index];
      if (item !== undefined) results.push(await toResult(db, item, answer));
    }
  }
  return results;
}

async function toResult(
  db: Database,
  { insert, rule }: Prepared,
  answer: InsertAnswer,
): Promise<EnqueueResult> {
  const { jobId } = answer;
  const insertedAt = jobInsertedAt(jobId);
  if (answer.status === "inserted") {
    const { queue, worker } = insert;
    const { state, runAt } = answer;
    const job = { id: jobId, queue, worker, state, runAt, insertedAt };
    return { status: "inserted", job };
  }
  const fields = rule?.replace ?? [];
  const replaced = fields.length > 0 &&
    await replaceJob(db, { jobId, fields, insert });
  return { status: "conflict", job: { id: jobId, insertedAt }, replaced };
}

async function prepare(input: EnqueueInput): Promise<Preparation> {
  const { worker, options = {} } = input;
  const args = toStored(input.args, "args");
  const meta = toStored(options.meta ?? {}, "meta");
  const issues = [...checkOptions(options), ...args.issues, ...meta.issues];
  if (args.issues.length === 0) {
    const check = await checkArgs(worker, args.value);
    if (!check.ok) issues.push(...check.issues);
  }
  if (issues.length > 0) return { ok: false, issues };

  const insert: JobInsert = {
    queue: options.queue ?? worker.queue,
    worker: worker.name,
    args: args.value,
    meta: meta.value,
    tags: normalizeTags([...worker.tags, ...options.tags ?? []]),
    priority: options.priority ?? worker.priority,
    maxAttempts: options.maxAttempts ?? worker.maxAttempts,
    runAt: options.runAt ?? null,
    delayMs: options.delayMs ?? null,
    deadlineMs: options.deadlineMs ?? worker.deadlineMs,
  };
  const rule = uniqueRule(worker.unique, options.unique);
  const length = args.length + meta.length;
  if (rule === null) return { ok: true, prepared: { insert, rule, length } };
  const subject = {
    queue: insert.queue,
    worker: insert.worker,
    args: args.value,
    meta: meta.value,
  };
  const unique = {
    key: await uniqueKey(rule, subject),
    states: rule.states,
    periodMs: rule.periodMs,
  };
  const prepared = { insert: { ...insert, unique }, rule, length };
  return { ok: true, prepared };
}

interface Stored {
  readonly value: JsonObject;
  readonly length: number;
  readonly issues: Issue[];
}

/**
 * A value as the database will give it back: a date is a text then, and what is
 * undefined is not there. The schema sees this, at enqueue as at run.
 */
function toStored(
  value: unknown,
  path: string,
): Stored {
  const bad = (message: string): Stored => {
    return { value: {}, length: 0, issues: [{ path, message }] };
  };
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    return bad("must be a JSON object");
  }
  let text: string | undefined;
  try {
    text = JSON.stringify(value);
  } catch (error) {
    return bad(`can not be written as JSON: ${String(error)}`);
  }
  if (text === undefined || !text.startsWith("{")) {
    return bad("must be a JSON object");
  }
  if (text.length > JOB_BOUNDS.jsonLengthMax) {
    return bad("must be at most 1 MiB as JSON");
  }
  if (!isStorableJson(text)) {
    return bad(
      "must not hold NUL characters or half of a surrogate pair, nor be " +
        "nested deeper than 1,000",
    );
  }
  const stored = JSON.parse(text) as JsonObject;
  return { value: stored, length: text.length, issues: [] };
}
