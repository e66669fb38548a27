import { assert } from "../assert.ts";
import type { Database } from "../db/database.ts";
import { json, sql } from "../db/sql.ts";
import { isWhole, type JobId, type JobState } from "../domain/job.ts";
import type { AnyWorker, InputOf, JsonObject } from "../engine/worker.ts";

/** Stands for any value in args or meta, as long as there is one. */
export const ANY: unique symbol = Symbol("any value");

/** A part of a value, in which any of its values may be {@linkcode ANY}. */
export type Wild<Value> = Value extends readonly unknown[] ? Value
  : Value extends object
    ? { readonly [Key in keyof Value]?: Wild<Value[Key]> | typeof ANY }
  : Value;

/** Which jobs a test looks for; what is left out does not matter. */
export interface EnqueuedQuery<W extends AnyWorker = AnyWorker> {
  /** Whose jobs; it is also where the type of `args` comes from. */
  readonly worker: W;
  /** What must be in the args; there may be more. */
  readonly args?: Wild<InputOf<W>>;
  /** What must be in the meta; there may be more. */
  readonly meta?: Wild<JsonObject>;
  /** Where it waits. */
  readonly queue?: string;
  /** 0 (first) to 9. */
  readonly priority?: number;
  /** All of them; there may be more. */
  readonly tags?: readonly string[];
  /** When it is to run, to the second. */
  readonly runAt?: Date;
}

/** How long a test waits for what others do; not at all when left out. */
export interface Patience {
  /** In milliseconds of the runtime's clock, up to 60,000. */
  readonly withinMs?: number;
}

/** A job that has not ended. */
export interface FoundJob {
  /** Its id, as `enqueue` gave it. */
  readonly id: JobId;
  /** Where it stands; never one in which a job has ended. */
  readonly state: JobState;
  /** Where it waits, or runs. */
  readonly queue: string;
  /**
   * As they are stored: without what is redacted, and sealed where encrypted.
   */
  readonly args: JsonObject;
  /** The notes of the call. */
  readonly meta: JsonObject;
  /** Those of its worker and of the call. */
  readonly tags: readonly string[];
  /** 0 (first) to 9. */
  readonly priority: number;
  /** Null: now, or not by the clock. */
  readonly runAt: Date | null;
}

const FOUND_MAX = 1_000;
const SHOWN_MAX = 10;
const RUN_AT_MS = 1_000;

/**
 * The jobs that have not ended and match, the oldest first; 1,000 at most. Hand
 * in the transaction of the test to see what it enqueued.
 */
export async function listEnqueued<W extends AnyWorker>(
  database: Database,
  query: EnqueuedQuery<W>,
): Promise<FoundJob[]> {
  const found = await database.query<FoundJob>(sql`
    select
      jobs.id::text as "id", jobs.queue, jobs.args, jobs.meta, jobs.tags,
      jobs.priority, standing.run_at as "runAt",
      coalesce(standing.state::text, 'suspended') as "state"
    from yardmaster.jobs
    left join yardmaster.job_states as standing on standing.job_id = jobs.id
    where jobs.worker = ${query.worker.name}
      and coalesce(standing.state::text, 'suspended')
        not in ('completed', 'cancelled', 'discarded')
      and jobs.args @> ${json(fixed(query.args ?? {}))}
      and jobs.meta @> ${json(fixed(query.meta ?? {}))}
      and jobs.tags @> ${[...query.tags ?? []]}::text[]
      and jobs.queue = coalesce(${query.queue ?? null}::text, jobs.queue)
      and jobs.priority
        = coalesce(${query.priority ?? null}::smallint, jobs.priority)
    order by jobs.id
    limit ${FOUND_MAX}
  `);
  const { runAt, args, meta } = query;
  return found.filter((job) =>
    hasAll(job.args, args) && hasAll(job.meta, meta) &&
    (runAt === undefined || isAbout(job.runAt, runAt))
  );
}

function isAbout(at: Date | null, wanted: Date): boolean {
  return at !== null && Math.abs(at.getTime() - wanted.getTime()) < RUN_AT_MS;
}

/** Without what may be anything: the rest is for the database to compare. */
function fixed(wanted: object): JsonObject {
  return Object.fromEntries(
    Object.entries(wanted).filter(([, value]) => value !== ANY)
      .map(([key, value]) => [key, isParts(value) ? fixed(value) : value]),
  );
}

/** Whether there is something wherever anything will do. */
function hasAll(found: unknown, wanted: unknown): boolean {
  if (wanted === ANY) return found !== undefined;
  if (!isParts(wanted)) return true;
  return Object.entries(wanted).every(([key, value]) =>
    hasAll(isParts(found) ? found[key] : undefined, value)
  );
}

function isParts(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value) &&
    !(value instanceof Date);
}

/**
 * Fails unless a job was enqueued that matches; with `count`, exactly so many.
 * With `withinMs` it looks again until then.
 *
 * @returns The jobs.
 * @throws {Error} That names what is there instead.
 */
export async function assertEnqueued<W extends AnyWorker>(
  database: Database,
  { count, withinMs = 0, ...rest }:
    & EnqueuedQuery<W>
    & Patience
    & { readonly count?: number },
): Promise<FoundJob[]> {
  const query = rest as EnqueuedQuery<W>;
  const isRight = (found: readonly FoundJob[]) =>
    count === undefined ? found.length > 0 : found.length === count;
  const found = await lookUntil(withinMs, async () => {
    const jobs = await listEnqueued(database, query);
    return { jobs, ends: isRight(jobs) };
  });
  if (isRight(found)) return found;
  const { worker } = query;
  const all = await listEnqueued(database, { worker });
  throw failure(
    `${
      count ?? "at least one"
    } of ${worker.name} must be enqueued that match ` +
      `${described(query)}, and ${found.length} are`,
    all,
  );
}

/**
 * Fails if a job was enqueued that matches; with `withinMs`, also if one is until
 * then.
 *
 * @throws {Error} That names the jobs.
 */
export async function refuteEnqueued<W extends AnyWorker>(
  database: Database,
  { withinMs = 0, ...rest }: EnqueuedQuery<W> & Patience,
): Promise<void> {
  const query = rest as unknown as EnqueuedQuery<W>;
  const found = await lookUntil(withinMs, async () => {
    const jobs = await listEnqueued(database, query);
    return { jobs, ends: jobs.length > 0 };
  });
  if (found.length === 0) return;
  throw failure(
    `none of ${query.worker.name} must be enqueued that match ` +
      `${described(query)}, and ${found.length} are`,
    found,
  );
}

const WITHIN_MS_MAX = 60_000;
const LOOK_MS = 20;

/** What the last look found: the one that ends it, or that at the end. */
async function lookUntil(
  withinMs: number,
  look: () => Promise<{
    readonly jobs: FoundJob[];
    readonly ends: boolean;
  }>,
): Promise<FoundJob[]> {
  assert(
    isWhole(withinMs, { least: 0, most: WITHIN_MS_MAX }),
    "withinMs is whole milliseconds, up to 60,000",
  );
  const untilMs = performance.now() + withinMs;
  for (;;) {
    const { jobs, ends } = await look();
    const leftMs = untilMs - performance.now();
    if (ends || leftMs <= 0) return jobs;
    const pauseMs = Math.min(LOOK_MS, leftMs);
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
  }
}

function described({ worker: _, ...wanted }: object & { worker?: unknown }) {
  return JSON.stringify(
    wanted,
    (_key, value) => value === ANY ? "(any)" : value,
  );
}

function failure(what: string, jobs: readonly FoundJob[]): Error {
  const lines = jobs.slice(0, SHOWN_MAX).map(({ id, state, queue, args }) =>
    `\n  ${id} ${state} in ${queue}: ${JSON.stringify(args)}`
  );
  const rest = jobs.length - lines.length;
  if (rest > 0) lines.push(`\n  and ${rest} more`);
  const error = new Error(`${what}.${lines.join("")}`);
  error.name = "AssertionError";
  return error;
}
