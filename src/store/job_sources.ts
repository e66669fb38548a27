/**
 * Where the jobs of each state stand, as a piece of a statement that is read in
 * the order of an index and never further than a window.
 */
import { type Sql, sql } from "../db/sql.ts";
import {
  JOB_ORDERS,
  type JobCursor,
  type JobList,
  type JobOrder,
} from "../domain/job_cursor.ts";
import type { JobFilter } from "../domain/job_filter.ts";
import { DUE_JOBS } from "./waiting_queues.ts";

/** Which part of a list is read, and which way. */
export interface Reading {
  readonly from: JobCursor | null;
  /** `down` the page, or `up` towards its beginning. */
  readonly way: "down" | "up";
}

/** The table that a list is read from, in its order. */
export interface JobSource {
  /**
   * Rows of `job_id, key, queue, worker, attempt, run_at, lease_id,
   * executor_id, claimed_at, finished_at, took_ms, state`, without a limit.
   */
  readonly rows: Sql;
  /** The order of `rows`, over the names of its columns. */
  readonly order: Sql;
  /** What a row of the window must also be, to be of the list. */
  readonly isOfState: Sql;
  /** Whether queue and worker stand in the row, or only in the definition. */
  readonly hasNames: boolean;
}

/** The jobs of a list. States are literals: an index is chosen by them. */
export function jobSource(list: JobList, reading: Reading): JobSource {
  const place = placeOf(JOB_ORDERS[list], reading);
  switch (list) {
    case "all":
      return {
        ...place,
        hasNames: true,
        isOfState: sql`true`,
        rows: definitionRows(place, sql`null`),
      };
    case "available":
      return { ...place, ...READY, rows: readyRows(place) };
    case "scheduled":
      // The index is over both waiting states, so this one is told by its row.
      return {
        ...place,
        hasNames: true,
        isOfState: sql`stood.state = 'scheduled'`,
        rows: scheduledRows(place, sql`true`),
      };
    case "retryable":
      return {
        ...place,
        hasNames: true,
        isOfState: sql`true`,
        rows: scheduledRows(place, sql`state = 'retryable'`),
      };
    case "executing":
      return { ...place, ...DEFINED, rows: leaseRows(place, reading) };
    case "completed":
      // Listed by the primary key, so that success pays for no other index.
      return {
        ...place,
        hasNames: false,
        isOfState: sql`stood.state = 'completed'`,
        rows: outcomeRows(place, sql`true`),
      };
    case "cancelled":
      return {
        ...place,
        ...DEFINED,
        rows: outcomeRows(place, sql`state = 'cancelled'`),
      };
    case "discarded":
      return {
        ...place,
        ...DEFINED,
        rows: outcomeRows(place, sql`state = 'discarded'`),
      };
    case "suspended":
      return {
        ...place,
        hasNames: true,
        isOfState: NOWHERE_ELSE,
        rows: definitionRows(place, sql`'suspended'`),
      };
  }
}

/** What a filter asks of the definition, as a condition on `jobs`. */
export function definitionMatches(filter: JobFilter): Sql {
  const { tags, argsJson, metaJson, cronEntry } = filter;
  const asked = [namesMatch(filter, sql`jobs`)];
  if (tags?.length) asked.push(sql`jobs.tags @> ${tags}::text[]`);
  if (argsJson) asked.push(sql`jobs.args @> ${argsJson}::text::jsonb`);
  if (metaJson) asked.push(sql`jobs.meta @> ${metaJson}::text::jsonb`);
  if (cronEntry) asked.push(sql`jobs.cron_entry = ${cronEntry}`);
  return all(asked);
}

/** What a filter asks of queue and worker, wherever they stand. */
export function namesMatch({ queue, worker }: JobFilter, at: Sql): Sql {
  const asked: Sql[] = [];
  if (queue) asked.push(sql`${at}.queue = ${queue}`);
  if (worker?.endsWith("*")) {
    asked.push(sql`starts_with(${at}.worker, ${worker.slice(0, -1)})`);
  } else if (worker) asked.push(sql`${at}.worker = ${worker}`);
  return all(asked);
}

function all(conditions: readonly Sql[]): Sql {
  return conditions.reduce((both, one) => sql`${both} and ${one}`, sql`true`);
}

const READY = { hasNames: true, isOfState: sql`true` };
const DEFINED = { hasNames: false, isOfState: sql`true` };

interface Place {
  readonly order: Sql;
  /** What a row must be to come after the cursor. */
  readonly beyond: Sql;
}

/** The order of a list and the condition of its cursor, both as an index has them. */
function placeOf(order: JobOrder, { from, way }: Reading): Place {
  switch (order) {
    case "inserted":
      return way === "down"
        ? { order: sql`job_id desc`, beyond: after(from, sql`<`) }
        : { order: sql`job_id`, beyond: after(from, sql`>`) };
    case "due":
      return way === "down"
        ? { order: sql`run_at, job_id`, beyond: afterDue(from, sql`>`) }
        : {
          order: sql`run_at desc, job_id desc`,
          beyond: afterDue(from, sql`<`),
        };
    case "claimed":
      return way === "down"
        ? {
          order: sql`lease_id desc, job_id desc`,
          beyond: afterClaimed(from, sql`<`),
        }
        : { order: sql`lease_id, job_id`, beyond: afterClaimed(from, sql`>`) };
  }
}

function after(from: JobCursor | null, is: Sql): Sql {
  return from ? sql`job_id ${is} ${from.jobId}::bigint` : sql`true`;
}

/** Microseconds are exact in a double until the year 2255. */
function afterDue(from: JobCursor | null, is: Sql): Sql {
  return from
    ? sql`(run_at, job_id) ${is} (
      timestamptz 'epoch' + ${from.key}::bigint * interval '1 microsecond',
      ${from.jobId}::bigint
    )`
    : sql`true`;
}

function afterClaimed(from: JobCursor | null, is: Sql): Sql {
  return from
    ? sql`(lease.id, run.job_id) ${is} (${from.key}::bigint, ${from.jobId}::bigint)`
    : sql`true`;
}

function readyRows({ order, beyond }: Place): Sql {
  return sql`
    select job_id, null::bigint as key, queue, worker, attempt,
      null::timestamptz as run_at, null::bigint as lease_id,
      null::integer as executor_id, null::timestamptz as claimed_at,
      null::timestamptz as finished_at, null::integer as took_ms,
      'available' as state
    from ${DUE_JOBS} as due
    where ${beyond}
    order by ${order}
  `;
}

function scheduledRows({ order, beyond }: Place, stateIs: Sql): Sql {
  return sql`
    select job_id, (extract(epoch from run_at) * 1000000)::bigint as key,
      queue, worker, attempt, run_at, null::bigint as lease_id,
      null::integer as executor_id, null::timestamptz as claimed_at,
      null::timestamptz as finished_at, null::integer as took_ms, state
    from yardmaster.scheduled
    where ${beyond} and ${stateIs}
    order by ${order}
  `;
}

/** Leases are as many as there is capacity, not as there are jobs. */
function leaseRows({ order, beyond }: Place, { from, way }: Reading): Sql {
  const leaseFrom = from === null
    ? sql`true`
    : way === "down"
    ? sql`id <= ${from.key}::bigint`
    : sql`id >= ${from.key}::bigint`;
  return sql`
    select run.job_id, lease.id as key, null::text as queue,
      null::text as worker, run.attempt, null::timestamptz as run_at,
      lease.id as lease_id, lease.executor_id, lease.claimed_at,
      null::timestamptz as finished_at, null::integer as took_ms,
      'executing' as state
    from (
      select id, executor_id, job_ids, attempts, claimed_at
      from yardmaster.leases
      where ${leaseFrom}
      order by ${way === "down" ? sql`id desc` : sql`id`}
      limit 10000
    ) as lease, unnest(lease.job_ids, lease.attempts) as run (job_id, attempt)
    where ${beyond}
    order by ${order}
  `;
}

function outcomeRows({ order, beyond }: Place, stateIs: Sql): Sql {
  return sql`
    select job_id, null::bigint as key, null::text as queue,
      null::text as worker, attempt, null::timestamptz as run_at,
      null::bigint as lease_id, executor_id, null::timestamptz as claimed_at,
      finished_at, took_ms, state
    from yardmaster.outcomes
    where ${beyond} and ${stateIs}
    order by ${order}
  `;
}

/** A definition does not say where its job stands. */
function definitionRows({ order, beyond }: Place, state: Sql): Sql {
  return sql`
    select job_id, null::bigint as key, queue, worker, 0 as attempt,
      null::timestamptz as run_at, null::bigint as lease_id,
      null::integer as executor_id, null::timestamptz as claimed_at,
      null::timestamptz as finished_at, null::integer as took_ms,
      ${state} as state
    from (select id as job_id, queue, worker from yardmaster.jobs) as job
    where ${beyond}
    order by ${order}
  `;
}

// Nothing says that a job is suspended but that it is nowhere else. Scalar
// subqueries and a hashed list: an anti-join would be planned as a scan of all
// outcomes.
const NOWHERE_ELSE = sql`
  (select true from yardmaster.outcomes where job_id = stood.job_id) is null
  and (select true from yardmaster.ready where job_id = stood.job_id) is null
  and (select true from yardmaster.limited where job_id = stood.job_id) is null
  and (select true from yardmaster.scheduled where job_id = stood.job_id) is null
  and stood.job_id not in (select unnest(job_ids) from yardmaster.leases)
`;
