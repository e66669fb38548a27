/**
 * Releases to come, as far as a test can make them up: the code is that of
 * today, and what differs is which migrations a process knows.
 */
import { MIGRATIONS } from "../../src/db/migrations.gen.ts";
import type { Migration } from "../../src/db/schema_version.ts";

const LAST = MIGRATIONS.at(-1)?.version ?? 0;

/**
 * Each adds to tables that every statement of the engine uses. Not to outcomes:
 * the mark that a scenario keeps beside each of them copies its columns.
 */
const STEPS: readonly Migration[] = [
  step(LAST + 1, {
    compatibleFrom: LAST,
    sql: `
      create table yardmaster.regions (name text primary key);
      alter table yardmaster.jobs add column region text;
      alter table yardmaster.leases add column region text;
      alter table yardmaster.ready add column region text;
      alter table yardmaster.scheduled add column region text;
      create index ready_by_region on yardmaster.ready (region);
    `,
  }),
  // The code of today does not know the step before, and may not meet this one.
  step(LAST + 2, {
    compatibleFrom: LAST + 1,
    sql: "alter table yardmaster.executors add column region text",
  }),
];

/** What the release that is so many after this one knows. */
export function migrationsOf(release: number): readonly Migration[] {
  return [...MIGRATIONS, ...STEPS.slice(0, release)];
}

function step(
  version: number,
  rest: Pick<Migration, "sql" | "compatibleFrom">,
): Migration {
  return { version, name: `step_${version}`, checksum: rest.sql, ...rest };
}
