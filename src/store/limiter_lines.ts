/** Lines of jobs that a limiter holds back, and the jobs of one line in order. */
import type { Database } from "../db/database.ts";
import { sql } from "../db/sql.ts";
import type { JobId } from "../domain/job.ts";

/** Jobs that wait for the same partitions, held back by one of them. */
export interface LimiterLine {
  readonly id: string;
  readonly queue: string;
  readonly worker: string;
  readonly limiters: readonly string[];
  readonly keys: readonly string[];
  /** Of the limiter that holds it back. */
  readonly key: string;
  readonly lookAt: Date;
  /** Microseconds since 1970: a `Date` has none. */
  readonly lookUs: `${bigint}`;
  /** Jobs in it, at most {@linkcode LINE_JOBS_MAX}. */
  readonly jobs: number;
  readonly firstJobId: JobId | null;
}

/** A place between two lines. */
export interface LineCursor {
  readonly lookUs: `${bigint}`;
  readonly id: string;
}

/** Jobs of a line that are counted. */
export const LINE_JOBS_MAX = 200;
// Written out: see `limiter_pressure.ts`.
/** Lines of a whole limiter that are looked at. */
const LINES = sql`2000`;

/**
 * The lines that a limiter, or one key of it, holds back, in the order in which
 * they are looked at next. Of a limiter with more than 2,000 of them, so
 * many are put in order.
 */
export async function listLimiterLines(
  db: Database,
  { limiter, key, after, limit }: {
    readonly limiter: string;
    readonly key: string | null;
    readonly after: LineCursor | null;
    readonly limit: number;
  },
): Promise<LimiterLine[]> {
  const isAfter = after === null ? sql`true` : sql`
    (look_at, id) > (
      timestamptz 'epoch' + ${after.lookUs}::bigint * interval '1 microsecond',
      ${after.id}::uuid
    )
  `;
  const held = key === null
    ? sql`
      select * from yardmaster.lanes
      where blocked_limiter = ${limiter}
      order by blocked_key, look_at
      limit ${LINES}
    `
    : sql`
      select * from yardmaster.lanes
      where blocked_limiter = ${limiter} and blocked_key = ${key}
      order by look_at
      limit ${LINES}
    `;
  return await db.query<LimiterLine>(sql`
    with held as materialized (${held}),
    line as materialized (
      select * from held
      where ${isAfter}
      order by look_at, id
      limit ${limit}
    )
    select ${COLUMNS}
    from line
    order by look_at, id
  `);
}

/** Finds a line, whatever holds it back; `null` if no job waits in it. */
export async function findLimiterLine(
  db: Database,
  { limiter, id }: { readonly limiter: string; readonly id: string },
): Promise<LimiterLine | null> {
  const [line] = await db.query<LimiterLine>(sql`
    select ${COLUMNS}
    from yardmaster.lanes as line
    where id = ${id}::uuid and ${limiter} = any (limiters)
  `);
  return line ?? null;
}

const COLUMNS = sql`
  line.id::text as "id", line.queue as "queue", line.worker as "worker",
  line.limiters as "limiters", line.keys as "keys",
  coalesce(line.blocked_key, '') as "key", line.look_at as "lookAt",
  (extract(epoch from line.look_at) * 1000000)::bigint::text as "lookUs",
  (
    select count(*)::integer from (
      select from yardmaster.limited
      where limited.lane_id = line.id
      limit 200
    ) as counted
  ) as "jobs",
  (
    select job_id from yardmaster.limited
    where limited.lane_id = line.id
    order by priority, job_id
    limit 1
  ) as "firstJobId"
`;

/** A job of a line. */
export interface LineJob {
  readonly jobId: JobId;
  readonly priority: number;
  /** Attempts that were made. */
  readonly attempt: number;
  readonly insertedAt: Date;
  /** What it takes, in the order of the limiters of its line. */
  readonly weights: readonly number[];
}

/** A place between two jobs of a line. */
export interface LineJobCursor {
  readonly priority: number;
  readonly jobId: JobId;
}

/** The jobs of a line in the order in which they start, from one place on. */
export async function listLineJobs(
  db: Database,
  { id, from, way, limit }: {
    readonly id: string;
    readonly from: LineJobCursor | null;
    readonly way: "down" | "up";
    readonly limit: number;
  },
): Promise<LineJob[]> {
  const place = sql`(${from?.priority ?? 0}::smallint, ${
    from?.jobId ?? "0"
  }::bigint)`;
  const isThere = from === null
    ? sql`true`
    : way === "down"
    ? sql`(priority, job_id) > ${place}`
    : sql`(priority, job_id) < ${place}`;
  const order = way === "down"
    ? sql`priority, job_id`
    : sql`priority desc, job_id desc`;
  return await db.query<LineJob>(sql`
    with job as materialized (
      select job_id, priority, attempt, weights
      from yardmaster.limited
      where lane_id = ${id}::uuid and ${isThere}
      order by ${order}
      limit ${limit}
    )
    select job_id as "jobId", priority as "priority", attempt as "attempt",
      yardmaster.job_inserted_at(job_id) as "insertedAt", weights as "weights"
    from job
    order by priority, job_id
  `);
}

/** Jobs before a place that are added up. */
export const AHEAD_MAX = 10_000;

/** What jobs take that stand before another, and how many take as much. */
export interface WeightsAhead {
  readonly weights: readonly number[];
  readonly jobs: number;
}

/** Adds up what stands before a job in its line. */
export async function readWeightsAhead(
  db: Database,
  { id, before }: { readonly id: string; readonly before: LineJobCursor },
): Promise<WeightsAhead[]> {
  return await db.query<WeightsAhead>(sql`
    select weights as "weights", count(*)::integer as "jobs"
    from (
      select weights
      from yardmaster.limited
      where lane_id = ${id}::uuid
        and (priority, job_id) <
          (${before.priority}::smallint, ${before.jobId}::bigint)
      order by priority, job_id
      limit 10000
    ) as first
    group by weights
  `);
}
