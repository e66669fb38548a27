import type { Database } from "../db/database.ts";
import { json, sql } from "../db/sql.ts";
import type { JobId, JobState } from "../domain/job.ts";
import type { AnyWorker, InputOf, JsonObject } from "../engine/worker.ts";

/** Which jobs a test looks for; what is left out does not matter. */
export interface EnqueuedQuery<W extends AnyWorker = AnyWorker> {
  readonly worker: W;
  /** What must be in the args; there may be more. */
  readonly args?: Partial<InputOf<W>>;
  /** What must be in the meta; there may be more. */
  readonly meta?: JsonObject;
  readonly queue?: string;
  readonly priority?: number;
  /** All of them; there may be more. */
  readonly tags?: readonly string[];
  /** When it is to run, to the second. */
  readonly runAt?: Date;
}

/** A job that has not ended. */
export interface FoundJob {
  readonly id: JobId;
  readonly state: JobState;
  readonly queue: string;
  readonly args: JsonObject;
  readonly meta: JsonObject;
  readonly tags: readonly string[];
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
      and jobs.args @> ${json(query.args ?? {})}
      and jobs.meta @> ${json(query.meta ?? {})}
      and jobs.tags @> ${[...query.tags ?? []]}::text[]
      and jobs.queue = coalesce(${query.queue ?? null}::text, jobs.queue)
      and jobs.priority
        = coalesce(${query.priority ?? null}::smallint, jobs.priority)
    order by jobs.id
    limit ${FOUND_MAX}
  `);
  const { runAt } = query;
  if (runAt === undefined) return found;
  return found.filter((job) =>
    job.runAt !== null &&
    Math.abs(job.runAt.getTime() - runAt.getTime()) < RUN_AT_MS
  );
}

/**
 * Fails unless a job was enqueued that matches; with `count`, exactly so many.
 *
 * @returns The jobs.
 * @throws {Error} That names what is there instead.
 */
export async function assertEnqueued<W extends AnyWorker>(
  database: Database,
  { count, ...query }: EnqueuedQuery<W> & { readonly count?: number },
): Promise<FoundJob[]> {
  const found = await listEnqueued(database, query as EnqueuedQuery<W>);
  if (count === undefined ? found.length > 0 : found.length === count) {
    return found;
  }
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
 * Fails if a job was enqueued that matches.
 *
 * @throws {Error} That names the jobs.
 */
export async function refuteEnqueued<W extends AnyWorker>(
  database: Database,
  query: EnqueuedQuery<W>,
): Promise<void> {
  const found = await listEnqueued(database, query);
  if (found.length === 0) return;
  throw failure(
    `none of ${query.worker.name} must be enqueued that match ` +
      `${described(query)}, and ${found.length} are`,
    found,
  );
}

function described({ worker: _, ...wanted }: object & { worker?: unknown }) {
  return JSON.stringify(wanted);
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
