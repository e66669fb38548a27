/** How many jobs are in each state, as far as it is cheap to know. */
import type { Database } from "../db/database.ts";
import { type Sql, sql } from "../db/sql.ts";
import type { JobFilter } from "../domain/job_filter.ts";
import { type JobSource, jobSource } from "./job_sources.ts";
import { definitionMatches, namesMatch } from "./job_sources.ts";

/** The states that are counted, as tabs. Suspended jobs stand in no table. */
export const COUNTED_STATES = [
  "available",
  "scheduled",
  "executing",
  "retryable",
  "cancelled",
  "discarded",
  "completed",
] as const;
/** One of {@linkcode COUNTED_STATES}. */
export type CountedState = typeof COUNTED_STATES[number];

/** A number of jobs. */
export interface JobCount {
  readonly count: number;
  /** False: there are at least so many, and not all were looked at. */
  readonly isExact: boolean;
}

/**
 * Counts the jobs of each state that match a filter, looking at a bounded
 * number of them.
 */
export async function countJobs(
  db: Database,
  filter: JobFilter,
): Promise<Record<CountedState, JobCount>> {
  const arms = COUNTED_STATES.map((state) => arm(state, filter));
  const rows = await db.query<CountRow>(
    arms.reduce((above, one) => sql`${above} union all ${one}`),
  );
  const counts = rows.map(({ state, matching, looked, most }) =>
    [state, { count: matching, isExact: looked < most }] as const
  );
  return Object.fromEntries(counts) as Record<CountedState, JobCount>;
}

interface CountRow {
  readonly state: CountedState;
  readonly matching: number;
  readonly looked: number;
  readonly most: number;
}

/**
 * One literal arm for each state. A lateral over the states would be planned
 * for all of them alike, as a scan of the whole table for the rare ones.
 */
function arm(state: CountedState, filter: JobFilter): Sql {
  const source = jobSource(state, { from: null, way: "down" });
  const most = isNarrowed(filter) ? sql`1000` : MOST[state] ?? sql`10001`;
  return sql`
    select ${LITERALS[state]} as "state",
      (count(*) filter (where ${source.isOfState} and ${
    matches(source, filter)
  }))
        ::integer as "matching",
      count(*)::integer as "looked",
      ${most} as "most"
    from (${source.rows} limit ${most}) as stood
  `;
}

function matches(source: JobSource, filter: JobFilter): Sql {
  const { queue: _, worker: __, ...rest } = filter;
  if (!isNarrowed(source.hasNames ? rest : filter)) {
    return source.hasNames ? namesMatch(filter, sql`stood`) : sql`true`;
  }
  return sql`(
    select true
    from yardmaster.jobs
    where jobs.id = stood.job_id and ${definitionMatches(filter)}
  ) is not null`;
}

function isNarrowed(filter: JobFilter): boolean {
  return Object.values(filter).some((value) => value?.length > 0);
}

// These share their index with other states, so more rows are looked at.
const MOST: Partial<Record<CountedState, Sql>> = {
  scheduled: sql`20001`,
  completed: sql`20001`,
};

const LITERALS = {
  available: sql`'available'`,
  scheduled: sql`'scheduled'`,
  executing: sql`'executing'`,
  retryable: sql`'retryable'`,
  completed: sql`'completed'`,
  cancelled: sql`'cancelled'`,
  discarded: sql`'discarded'`,
} as const satisfies Record<CountedState, Sql>;
