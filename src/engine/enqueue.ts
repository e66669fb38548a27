import type { Database } from "../db/database.ts";
import { withArgsVersion } from "../domain/args_version.ts";
import { type JobId, jobInsertedAt, normalizeTags } from "../domain/job.ts";
import {
  uniqueKey,
  type UniqueRule,
  uniqueRule,
} from "../domain/unique_key.ts";
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
import { NOTHING_STORED, type StoredJson, toStored } from "./stored_json.ts";
import type { AnyWorker, InputOf } from "./worker.ts";

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

const NO_OPTIONS: Omit<EnqueueOptions, "database"> = {};

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
  const valid: Prepared[] = [];
  for (const input of inputs) {
    const preparing = prepare(input);
    // Most have nothing to wait for, and a turn for each of them adds up.
    const preparation = preparing instanceof Promise
      ? await preparing
      : preparing;
    preparations.push(preparation);
    if (preparation.ok) valid.push(preparation.prepared);
  }
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
      if (item === undefined) continue;
      const result = toResult(db, item, answer);
      results.push(result instanceof Promise ? await result : result);
    }
  }
  return results;
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

/** At once, unless a schema or a key has to be waited for. */
function prepare(input: EnqueueInput): Preparation | Promise<Preparation> {
  const { worker, options = NO_OPTIONS } = input;
  const args = toStored(input.args);
  const meta = options.meta == null ? NOTHING_STORED : toStored(options.meta);
  const issues = options === NO_OPTIONS ? [] : checkOptions(options);
  if (!args.ok) issues.push({ path: "args", message: args.message });
  if (!meta.ok) issues.push({ path: "meta", message: meta.message });
  if (!args.ok) return { ok: false, issues };
  const stored = {
    args: args.stored,
    meta: meta.ok ? meta.stored : NOTHING_STORED.stored,
  };
  if (worker.args === null) return toPreparation(input, { stored, issues });
  return checkArgs(worker, args.stored.value).then((check) => {
    if (!check.ok) issues.push(...check.issues);
    return toPreparation(input, { stored, issues });
  });
}

interface Checked {
  readonly stored: { readonly args: StoredJson; readonly meta: StoredJson };
  readonly issues: readonly Issue[];
}

function toPreparation(
  { worker, options = NO_OPTIONS }: EnqueueInput,
  { stored: { args, meta }, issues }: Checked,
): Preparation | Promise<Preparation> {
  if (issues.length > 0) return { ok: false, issues };
  const insert: JobInsert = {
    queue: options.queue ?? worker.queue,
    worker: worker.name,
    get args() {
      return args.value;
    },
    argsText: args.text,
    meta: withArgsVersion(meta.value, worker.version),
    tags: options.tags === undefined && worker.tags.length === 0
      ? worker.tags
      : normalizeTags([...worker.tags, ...options.tags ?? []]),
    priority: options.priority ?? worker.priority,
    maxAttempts: options.maxAttempts ?? worker.maxAttempts,
    runAt: options.runAt ?? null,
    delayMs: options.delayMs ?? null,
    deadlineMs: options.deadlineMs ?? worker.deadlineMs,
  };
  const rule = uniqueRule(worker.unique, options.unique);
  const length = args.text.length + meta.text.length;
  const prepared = { insert, rule, length };
  return rule === null ? { ok: true, prepared } : toUnique(prepared, rule);
}

async function toUnique(
  prepared: Prepared,
  rule: UniqueRule,
): Promise<Preparation> {
  const { queue, worker, args, meta = {} } = prepared.insert;
  const unique = {
    // Which version it was is not what makes it the same.
    key: await uniqueKey(rule, {
      queue,
      worker,
      args,
      meta: withArgsVersion(meta, 1),
    }),
    states: rule.states,
    periodMs: rule.periodMs,
  };
  const insert = { ...prepared.insert, unique };
  return { ok: true, prepared: { ...prepared, insert } };
}
