/** Lists of jobs, of any size: each page reads a bounded part of an index. */
import type { Database } from "../db/database.ts";
import { type Sql, sql } from "../db/sql.ts";
import { jobCursorText, type JobList } from "../domain/job_cursor.ts";
import type { JobFilter } from "../domain/job_filter.ts";
import type { JobState } from "../domain/state.ts";
import {
  definitionMatches,
  type JobSource,
  jobSource,
  namesMatch,
  type Reading,
} from "./job_sources.ts";
import { STANDINGS } from "./job_standings.ts";

/** One job of a list. */
export interface ListedJob {
  readonly jobId: `${bigint}`;
  readonly state: JobState;
  readonly queue: string;
  readonly worker: string;
  readonly tags: readonly string[];
  /** The attempt that runs, or as many as were made. */
  readonly attempt: number;
  readonly maxAttempts: number;
  readonly insertedAt: Date;
  readonly runAt: Date | null;
  readonly claimedAt: Date | null;
  readonly finishedAt: Date | null;
  readonly tookMs: number | null;
  readonly executorId: number | null;
  readonly cronEntry: string | null;
  /** Why its last attempt failed, where its state is about that. */
  readonly lastError: string | null;
  /** The place of this job in the list. */
  readonly cursor: string;
}

/** One page of a list. */
export interface JobPage {
  readonly jobs: readonly ListedJob[];
  /** Whether there are jobs beyond either end of this page. */
  readonly hasMore: boolean;
  /**
   * Where the search stopped because it had read its window. Null when it read
   * as far as there is something to read.
   */
  readonly stoppedAt: string | null;
}

/** What one page is asked for. */
export interface ListJobs extends Reading {
  readonly state: JobList;
  readonly filter: JobFilter;
  /** Jobs on a page, 1 to 200. */
  readonly limit: number;
}

/**
 * How many rows of a list one page reads at most, whether or not the filter
 * likes them. Looking a definition up takes 2 µs, so this is 0.1 s.
 */
export const SEARCH_WINDOW = 50_000;
/** The same where each row is looked up in four tables. */
export const SUSPENDED_WINDOW = 10_000;

/**
 * One page of a list, in the order of the page either way.
 *
 * Where a filter likes few of them, the page stops after a window and says so,
 * with the cursor to go on from.
 */
export async function listJobs(
  db: Database,
  { state, filter, from, way, limit }: ListJobs,
): Promise<JobPage> {
  const source = jobSource(state, { from, way });
  const rows = await db.query<PageRow>(sql`
    with found as materialized (
      select stood.*, job.tags, job.max_attempts, job.cron_entry,
        job.queue as job_queue, job.worker as job_worker
      from (${source.rows} limit ${windowOf(state)}) as stood,
      -- "offset 0" keeps it a look-up by id for each row: a join could be
      -- planned as a scan of all definitions.
      lateral (
        select queue, worker, tags, max_attempts, cron_entry
        from yardmaster.jobs
        where jobs.id = stood.job_id and ${definitionMatches(filter)}
        offset 0
      ) as job
      where ${source.isOfState} and ${standsAs(source, filter)}
      order by ${source.order}
      limit ${limit + 1}
    ),
    stop as (
      select job_id as stop_job_id, key as stop_key
      from (${source.rows}) as stood
      where (select count(*) from found) <= ${limit}
      order by ${source.order}
      offset ${windowOf(state)} - 1 limit 1
    ),
    page as (${state === "all" ? STANDINGS : sql`select * from found`})
    select ${PAGE_COLUMNS}
    from (select) as one
    left join stop on true
    left join page on true
    left join lateral (
      select message
      from yardmaster.attempt_events as event
      where event.job_id = page.job_id and event.message is not null
        and page.state::text in ('retryable', 'discarded')
      order by event.id desc
      limit 1
    ) as error on true
    order by ${source.order}
  `);
  return pageOf(rows, { way, limit });
}

const PAGE_COLUMNS = sql`
  page.job_id::text as "jobId",
  page.key::text as "key",
  page.state::text as "state",
  page.job_queue as "queue",
  page.job_worker as "worker",
  page.tags as "tags",
  page.attempt as "attempt",
  page.max_attempts as "maxAttempts",
  yardmaster.job_inserted_at(page.job_id) as "insertedAt",
  page.run_at as "runAt",
  page.claimed_at as "claimedAt",
  page.finished_at as "finishedAt",
  page.took_ms as "tookMs",
  page.executor_id as "executorId",
  page.cron_entry as "cronEntry",
  error.message as "lastError",
  stop_job_id::text as "stopJobId",
  stop_key::text as "stopKey"
`;

/** The one row of an empty page has only where the search stopped. */
type PageRow = Omit<ListedJob, "jobId" | "cursor"> & {
  readonly jobId: `${bigint}` | null;
  readonly key: `${bigint}` | null;
  readonly stopJobId: `${bigint}` | null;
  readonly stopKey: `${bigint}` | null;
};

function pageOf(
  rows: readonly PageRow[],
  { way, limit }: Pick<ListJobs, "way" | "limit">,
): JobPage {
  const found = rows.flatMap((row): ListedJob[] => {
    const { stopJobId: _, stopKey: __, key, jobId, ...job } = row;
    if (jobId === null) return [];
    return [{ ...job, jobId, cursor: jobCursorText({ key, jobId }) }];
  });
  const jobs = found.slice(0, limit);
  const [first] = rows;
  return {
    jobs: way === "up" ? jobs.toReversed() : jobs,
    hasMore: found.length > limit,
    stoppedAt: first?.stopJobId
      ? jobCursorText({ key: first.stopKey, jobId: first.stopJobId })
      : null,
  };
}

/** Skips the look-up of rows which say themselves that they do not match. */
function standsAs(source: JobSource, filter: JobFilter): Sql {
  return source.hasNames ? namesMatch(filter, sql`stood`) : sql`true`;
}

/** A literal: with `limit $1` a generic plan would expect a tenth of the table. */
function windowOf(state: JobList): Sql {
  return state === "suspended" ? sql`10000` : sql`50000`;
}
