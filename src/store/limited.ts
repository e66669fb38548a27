/** Where due jobs come to stand: in `ready`, or in `limited` for their turn. */
import type { Database } from "../db/database.ts";
import { type Sql, sql } from "../db/sql.ts";
import type { JobId } from "../domain/job.ts";

/**
 * The part of a statement that puts due jobs where they wait, as CTEs that end
 * with a comma. With every job of a lane comes an arrival, and a claim makes the
 * lane of it.
 *
 * @param due A CTE with `job_id, queue, worker, priority, attempt`.
 * @param options.args Of a row of `due`. Left out, they are looked up.
 */
export function placed(
  due: Sql,
  { args = DEFINED_ARGS }: { readonly args?: Sql } = {},
): Sql {
  return sql`
    in_ready as (
      insert into yardmaster.ready (job_id, queue, worker, priority, attempt)
      select job_id, queue, worker, priority, attempt
      from ${due} as due
      where not ${HAS_LIMITS}
    ),
    -- As limits_of() says it, but for all jobs at once: a call of a function for
    -- each took most of the time of the statement.
    parted as (
      select due.*, known.name as limiter,
        yardmaster.limiter_key(due.args #>> known.partition_by) as key,
        yardmaster.limiter_weight(due.args #> known.weight_by, known.weight)
          as weight
      from (
        select job_id, queue, worker, priority, attempt, ${args} as args
        from ${due} as due
        where ${HAS_LIMITS}
        offset 0
      ) as due
      join yardmaster.worker_limits as named
        on named.worker = due.worker and named.point = 'dispatch'
      join yardmaster.limiters as known on known.name = named.limiter
      -- One sort for all jobs, and not some for each: a group is read in order.
      order by due.job_id, known.name
    ),
    wanted as (
      select job_id, min(queue) as queue, min(worker) as worker,
        min(priority) as priority, min(attempt) as attempt,
        array_agg(limiter) as limiters, array_agg(key) as keys,
        array_agg(weight) as weights
      from parted
      group by job_id
    ),
    gated as materialized (
      select wanted.*,
        yardmaster.lane_id(queue, worker, limiters, keys) as lane_id
      from wanted
    ),
    in_limited as (
      insert into yardmaster.limited (
        job_id, queue, worker, priority, attempt, lane_id, weights
      )
      select job_id, queue, worker, priority, attempt, lane_id, weights
      from gated
    ),
    arrived as (
      insert into yardmaster.lane_arrivals (
        lane_id, queue, worker, limiters, keys
      )
      select distinct lane_id, queue, worker, limiters, keys
      from gated
    ),
  `;
}

/** Puts jobs back of which an acknowledgement says so: those of its `unhappy`. */
export function givenBack(): Sql {
  return sql`
    given_back as materialized (
      select job.id as job_id, job.queue, job.worker, job.priority,
        unhappy.attempt - 1 as attempt
      from unhappy
      cross join lateral (
        select id, queue, worker, priority
        from yardmaster.jobs
        where jobs.id = unhappy.job_id
        offset 0
      ) as job
      where unhappy.state = 'available'
    ),
    ${placed(sql`given_back`)}
  `;
}

/** As {@linkcode placed}, where the worker is known to have no limiters. */
export function inReady(): Sql {
  return sql`
    in_ready as (
      insert into yardmaster.ready (job_id, queue, worker, priority, attempt)
      select job_id, queue, worker, priority, attempt
      from due
    ),
  `;
}

const HAS_LIMITS = sql`exists (
  select from yardmaster.worker_limits
  where worker_limits.worker = due.worker and point = 'dispatch'
)`;

const DEFINED_ARGS = sql`(
  select args from yardmaster.jobs where jobs.id = due.job_id
)`;

/** What a look for misplaced jobs found. */
export interface Replaced {
  readonly moved: number;
  /** Of what was moved. */
  readonly queues: readonly string[];
  /** Ready jobs up to here were looked at; `null` at their end. */
  readonly throughId: JobId | null;
}

/** Ready jobs that one statement looks at, of the next ones and of the newest. */
const LOOKED_AT_MAX = 10_000;

/**
 * Moves jobs to where they belong: what stands in `ready` though its worker has
 * limits by now, or waits in a lane of other limits than its worker has now. It
 * happens when code changes, and where a process of older code put a job.
 *
 * No index tells which ready jobs these are, as each claim would pay for one. So
 * it looks at some of them, in the order of their ids, and at the newest, which
 * older code may just have enqueued.
 *
 * @param limit Jobs at a time, of each kind.
 * @param afterId Looks at ready jobs after this one; from the first, by default.
 */
export async function replaceMisplaced(
  db: Database,
  { limit, afterId = null }: {
    readonly limit: number;
    readonly afterId?: JobId | null;
  },
): Promise<Replaced> {
  const rows = await db.query<Replaced>(sql`
    with looked_at as materialized (
      select job_id, worker, ctid as place
      from yardmaster.ready
      where (
          select true from yardmaster.worker_limits
          where point = 'dispatch' limit 1
        )
        and job_id > ${afterId ?? "-1"}::bigint
      order by job_id
      limit ${LOOKED_AT_MAX}
    ),
    newest as materialized (
      select job_id, worker, ctid as place
      from yardmaster.ready
      where (select count(*) from looked_at) = ${LOOKED_AT_MAX}
      order by job_id desc
      limit ${LOOKED_AT_MAX}
    ),
    misplaced as materialized (
      select job_id, place
      from (
        select job_id, place from looked_at where ${IS_LIMITED}
        union
        select job_id, place from newest where ${IS_LIMITED}
      ) as seen
      order by job_id
      limit ${limit}
    ),
    ungated as materialized (
      select ready.ctid as place
      from yardmaster.ready
      where ctid = any (array(select place from misplaced))
      for update skip locked
    ),
    ${STALE_LANES}
    stale as materialized (
      select limited.ctid as place
      from stale_lane
      join yardmaster.limited on limited.lane_id = stale_lane.id
      limit ${limit}
      for update of limited skip locked
    ),
    from_ready as (
      delete from yardmaster.ready
      where ctid = any (array(select place from ungated))
      returning job_id, queue, worker, priority, attempt
    ),
    from_limited as (
      delete from yardmaster.limited
      where ctid = any (array(select place from stale))
      returning job_id, queue, worker, priority, attempt
    ),
    moved as (
      select * from from_ready
      union all
      select * from from_limited
    ),
    ${placed(sql`moved`)}
    total as (
      select count(*)::integer as moved, array_agg(distinct queue) as queues
      from moved
    )
    select total.moved, coalesce(total.queues, '{}') as "queues",
      case
        -- There may be more of those that were looked at.
        when (select count(*) from misplaced) = ${limit} then least(
          (select max(job_id) from misplaced),
          (select max(job_id) from looked_at)
        )
        when (select count(*) from looked_at) = ${LOOKED_AT_MAX}
          then (select max(job_id) from looked_at)
      end::text as "throughId"
    from total
  `);
  return rows[0] ?? { moved: 0, queues: [], throughId: null };
}

/** Few workers have limits, so they are looked for as one array. */
const IS_LIMITED = sql`worker = any (array(
  select worker from yardmaster.worker_limits where point = 'dispatch'
))`;

/** Lanes of other limiters than their worker has now; with or without a row. */
const STALE_LANES = sql`
  named as materialized (
    select worker, array_agg(limiter order by limiter) as limiters
    from yardmaster.worker_limits
    where point = 'dispatch'
    group by worker
  ),
  stale_lane as materialized (
    select lane.id
    from (
      select id, worker, limiters from yardmaster.lanes
      union
      select lane_id, worker, limiters from yardmaster.lane_arrivals
    ) as lane
    left join named using (worker)
    where lane.limiters is distinct from named.limiters
  ),
`;

/**
 * Deletes lanes, and arrivals at them, that are empty and stay so: their worker
 * has other limiters now, or none.
 *
 * @returns How many lanes.
 */
export async function pruneStaleLanes(db: Database): Promise<number> {
  return await db.transaction(async (tx) => {
    // Held first and judged in another statement: a job that came in between is
    // seen then, and one that comes later makes its lane anew.
    const held = await tx.query<{ id: string }>(sql`
      with ${STALE_LANES}
      held as materialized (
        select lanes.id
        from yardmaster.lanes
        join stale_lane using (id)
        limit 1000
        for update of lanes skip locked
      )
      select id::text from held
    `);
    const rows = await tx.query(sql`
      with ${STALE_LANES}
      idle as materialized (
        select lane_arrivals.ctid as place
        from yardmaster.lane_arrivals
        where lane_id in (select id from stale_lane)
          and not exists (
            select from yardmaster.limited
            where limited.lane_id = lane_arrivals.lane_id
          )
        -- Whoever makes lanes of them may wait for a lane that is held here.
        for update skip locked
      ),
      arrival as (
        delete from yardmaster.lane_arrivals
        where ctid = any (array(select place from idle))
      )
      delete from yardmaster.lanes
      where id = any (${held.map(({ id }) => id)}::uuid[])
        and not exists (
          select from yardmaster.limited where limited.lane_id = lanes.id
        )
      returning id
    `);
    return rows.length;
  });
}
