/** Jobs of which more was told than is kept. */
import type { Database } from "../db/database.ts";
import { sql } from "../db/sql.ts";
import type { JobId } from "../domain/job.ts";
import { EVENTS_KEPT } from "../domain/state.ts";

/** Whose history, and how much of it goes at a time. */
export interface Trimming {
  readonly jobIds: readonly JobId[];
  readonly limit: number;
}

/**
 * Deletes what was told of these jobs between the first event and the newest
 * {@linkcode EVENTS_KEPT}, the oldest first: a job that snoozes for ever must not
 * write for ever.
 *
 * @returns How many events.
 */
export async function trimHistories(
  db: Database,
  { jobIds, limit }: Trimming,
): Promise<number> {
  const rows = await db.query(sql`
    with long as materialized (
      select asked.job_id, kept.from_id, first.id as first_id
      from unnest(${[...jobIds]}::bigint[]) as asked (job_id)
      cross join lateral (
        select event.id as from_id
        from yardmaster.attempt_events as event
        where event.job_id = asked.job_id
        order by event.id desc
        offset ${EVENTS_KEPT - 1}
        limit 1
      ) as kept
      cross join lateral (
        select event.id
        from yardmaster.attempt_events as event
        where event.job_id = asked.job_id
        order by event.id
        limit 1
      ) as first
    ),
    old as materialized (
      select event.job_id, event.id
      from long
      cross join lateral (
        select between_them.job_id, between_them.id
        from yardmaster.attempt_events as between_them
        where between_them.job_id = long.job_id
          and between_them.id > long.first_id
          and between_them.id < long.from_id
        order by between_them.id
        limit ${limit}
      ) as event
      limit ${limit}
    )
    delete from yardmaster.attempt_events as event
    using old
    where event.job_id = old.job_id and event.id = old.id
    returning event.id
  `);
  return rows.length;
}
