/** Where a ready job stands among the others, and how fast they go. */
import type { Database } from "../db/database.ts";
import { sql } from "../db/sql.ts";
import type { Known, Pace } from "../domain/explain_facts.ts";
import type { JobId } from "../domain/job.ts";

/** Rows that are counted one by one; beyond them a sample tells. */
export const AHEAD_MAX = 10_000;

/**
 * Pages of the table of ready jobs that a sample reads: so many that the number
 * is known to within a tenth, and so few that it takes some ten milliseconds.
 */
const SAMPLE_PAGES = 1_000;

/** How far back the pace of a queue is measured, in the ends of its jobs. */
const PACE_MS = 300_000;
const PACE_JOBS = 1_000;

/**
 * Counts the jobs that a queue gives out before one, of workers that who could
 * take it knows: the others are passed over by a claim. Those that are due and
 * not staged count too: they are staged before the next claim.
 */
export async function readAhead(
  db: Database,
  { job, workers }: {
    readonly job: {
      readonly id: JobId;
      readonly queue: string;
      readonly priority: number;
    };
    readonly workers: readonly string[];
  },
): Promise<Known> {
  const { id, queue, priority } = job;
  const [counted] = await db.query<{ looked: number; ahead: number }>(sql`
    with due as materialized (
      select queue, worker, priority, job_id
      from yardmaster.scheduled
      where run_at <= ${db.now}
      order by run_at, job_id
      limit ${AHEAD_MAX}
    )
    select
      count(*)::integer as "looked",
      (count(*) filter (where worker = any (${[...workers]}::text[])))::integer
        as "ahead"
    from (
      (
        select worker from yardmaster.ready
        where queue = ${queue}
          and (priority, job_id) < (${priority}::smallint, ${id}::bigint)
        order by priority, job_id
        limit ${AHEAD_MAX}
      )
      union all
      select worker from due
      where queue = ${queue}
        and (priority, job_id) < (${priority}::smallint, ${id}::bigint)
    ) as first
  `);
  const { looked = 0, ahead = 0 } = counted ?? {};
  if (looked < AHEAD_MAX) return { count: ahead, precision: "exact" };

  const [sampled] = await db.query<{ ahead: number }>(sql`
    select (count(*) * ${sampleScale})::float8 as "ahead"
    from yardmaster.ready tablesample system (${sampleShare}) repeatable (0)
    where queue = ${queue}
      and (priority, job_id) < (${priority}::smallint, ${id}::bigint)
      and worker = any (${[...workers]}::text[])
  `);
  const about = Math.round(sampled?.ahead ?? 0);
  return about > ahead
    ? { count: about, precision: "about" }
    : { count: ahead, precision: "at_least" };
}

/** The share of the table that a sample reads, in percent. */
const sampleShare = sql`
  least(
    100,
    100.0 * ${SAMPLE_PAGES}::integer * 8192
      / greatest(pg_relation_size('yardmaster.ready'), 8192)
  )
`;

/** How many rows each row of the sample stands for. */
const sampleScale = sql`(100.0 / ${sampleShare})`;

/**
 * Measures how many jobs of a queue ended lately.
 *
 * Outcomes are found by id, which is in order of insertion. What was claimed last
 * lies right before the head of the queue, so it is among the ends of the jobs
 * before that: a thousand of them, of whatever queue.
 */
export async function readPace(
  db: Database,
  queue: string,
): Promise<Pace | null> {
  const [pace] = await db.query<Pace>(sql`
    with ended as materialized (
      select job_id, finished_at
      from yardmaster.outcomes
      where job_id < (
        select job_id from yardmaster.ready
        where ready.queue = ${queue}
        order by priority, job_id
        limit 1
      )
      order by job_id desc
      limit ${PACE_JOBS}
    )
    select
      count(*)::integer as "ended",
      case
        -- All of the span was looked at, or only what ended since the oldest.
        when (select count(*) from ended) < ${PACE_JOBS} then ${PACE_MS}::float8
        else greatest(
          (extract(epoch from ${db.now} - min(finished_at)) * 1000)::float8, 1
        )
      end as "spanMs"
    from ended, lateral (
      select queue from yardmaster.jobs where id = ended.job_id offset 0
    ) as job
    where job.queue = ${queue}
      and finished_at > ${db.now} - ${PACE_MS}::float8 * interval '1 ms'
  `);
  return pace === undefined || pace.ended === 0 ? null : pace;
}

/** Reckons how many ready jobs of a queue there are, by worker. */
export async function readReadySample(
  db: Database,
  queue: string,
): Promise<readonly { readonly worker: string; readonly jobs: number }[]> {
  return await db.query(sql`
    select worker, (count(*) * ${sampleScale})::float8 as "jobs"
    from yardmaster.ready tablesample system (${sampleShare}) repeatable (0)
    where queue = ${queue}
    group by worker
    order by count(*) desc
    limit 100
  `);
}
