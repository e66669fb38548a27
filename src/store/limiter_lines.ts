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
/** Lines that a limiter holds back, and how many of them there are. */
export interface LimiterLines {
  readonly lines: readonly LimiterLine[];
  /** At most {@linkcode LINES_COUNT_MAX}. */
  readonly count: number;
  /** There are more; of many keys, only so many were put in order. */
  readonly capped: boolean;
}

/** Lines that are counted, and of a limiter with keys put in order. */
export const LINES_COUNT_MAX = 2_000;
// Written out: see `limiter_pressure.ts`. One more tells that there are more.
const LINES = sql`2001`;
/** Lines of one key that one statement may answer with. */
const LINES_OF_KEY = sql`100`;

/**
 * The lines that a limiter, or one key of it, holds back, in the order in which
 * they are looked at next. The lines of one key are read in that order, however
 * many they are. Of all keys together no index has it: then 2,000 lines are put
 * in order, and the answer says so.
 *
 * @param asked.key `null`: of all keys. Without keys, all stand under the empty one.
 */
export async function listLimiterLines(
  db: Database,
  { limiter, key, after, limit }: {
    readonly limiter: string;
    readonly key: string | null;
    readonly after: LineCursor | null;
    readonly limit: number;
  },
): Promise<LimiterLines> {
  const place = sql`(
    timestamptz 'epoch'
      + ${after?.lookUs ?? "0"}::bigint * interval '1 microsecond'
  )`;
  const isAfter = after === null
    ? sql`true`
    : sql`(look_at, id) > (${place}, ${after.id}::uuid)`;
  const isHeld = key === null
    ? sql`blocked_limiter = ${limiter}`
    : sql`blocked_limiter = ${limiter} and blocked_key = ${key}`;
  const held = key === null
    ? sql`
      select * from yardmaster.lanes
      where ${isHeld}
      order by blocked_key, look_at
      limit ${LINES}
    `
    : sql`
      select * from yardmaster.lanes
      where ${isHeld} and ${isAfter}
        and ${after === null ? sql`true` : sql`look_at >= ${place}`}
      order by look_at, id
      limit ${LINES_OF_KEY}
    `;
  const rows = await db.query<
    (LimiterLine | { readonly id: null }) & { readonly held: number }
  >(sql`
    with held as materialized (${held}),
    counted as materialized (
      select count(*)::integer as lines
      from (
        select from yardmaster.lanes
        where ${isHeld}
        -- In order, so that the planner does not read all lanes to find a few.
        order by blocked_key
        limit ${LINES}
      ) as each
    ),
    line as materialized (
      select * from held
      where ${isAfter}
      order by look_at, id
      limit ${limit}
    )
    select counted.lines as "held", ${COLUMNS}
    from counted
    left join line on true
    order by look_at, id
  `);
  const count = rows[0]?.held ?? 0;
  return {
    lines: rows.filter((row) => row.id !== null),
    count: Math.min(count, LINES_COUNT_MAX),
    capped: count > LINES_COUNT_MAX,
  };
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
