import type { Database } from "../db/database.ts";
import { sql } from "../db/sql.ts";
import type { CoverageSpan } from "../domain/cron_slot.ts";

/** Spans on one page; a span ends only when every scheduler was away. */
const COVERAGE_SPANS_MAX = 1_000;

/**
 * Lists the spans in which a scheduler looked, those that reach beyond `since`,
 * the oldest first; of very many the newest.
 */
export async function listCoverage(
  db: Database,
  { since }: { readonly since: Date },
): Promise<CoverageSpan[]> {
  const spans = await db.query<CoverageSpan>(sql`
    select from_at as "fromAt", through_at as "throughAt"
    from yardmaster.cron_coverage
    -- By the start, which is the key: there are few, one for each absence.
    where through_at >= ${since}
    order by from_at desc
    limit ${COVERAGE_SPANS_MAX}
  `);
  return spans.reverse();
}

/**
 * Records that a scheduler has dealt with every instant up to `at`: lengthens
 * the newest span when it is at most `gapMs` old, and begins another when
 * nobody looked for longer.
 *
 * Two schedulers that begin together may both begin one. Spans may overlap;
 * together they say the same.
 */
export async function recordCoverage(
  db: Database,
  { at, gapMs }: { readonly at: Date; readonly gapMs: number },
): Promise<void> {
  await db.query(sql`
    with newest as (
      select from_at, through_at
      from yardmaster.cron_coverage
      order by from_at desc
      limit 1
    ),
    lengthened as (
      update yardmaster.cron_coverage as span
      set through_at = greatest(span.through_at, ${at}::timestamptz)
      from newest
      where span.from_at = newest.from_at
        and newest.through_at
          >= ${at}::timestamptz - ${gapMs}::float8 * interval '1 ms'
      returning span.from_at
    )
    insert into yardmaster.cron_coverage (from_at, through_at)
    select ${at}::timestamptz, ${at}::timestamptz
    where not exists (select from lengthened)
    on conflict (from_at) do nothing
  `);
}

/**
 * Prunes spans that ended longer ago than `keepMs`.
 *
 * @returns How many there were.
 */
export async function pruneCoverage(
  db: Database,
  { keepMs }: { readonly keepMs: number },
): Promise<number> {
  const rows = await db.query(sql`
    delete from yardmaster.cron_coverage
    where through_at < ${db.now} - ${keepMs}::float8 * interval '1 ms'
    returning from_at
  `);
  return rows.length;
}
