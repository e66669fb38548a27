/** Closed lists are the same in the database and in the types. */
import assert from "node:assert/strict";
import { sql } from "../../src/db/sql.ts";
import { AUDIT_RESULTS } from "../../src/domain/audit.ts";
import {
  CRON_CATCH_UPS,
  CRON_OVERLAPS,
  CRON_SOURCES,
} from "../../src/domain/cron_entry.ts";
import {
  CRON_SLOT_KINDS,
  CRON_SLOT_STATES,
} from "../../src/domain/cron_slot.ts";
import { CRON_SLOT_REASONS } from "../../src/domain/cron_slot_reason.ts";
import {
  LIMITER_FACT_KINDS,
  LIMITER_KINDS,
  LIMITER_POINTS,
} from "../../src/domain/limiter.ts";
import { PREVIEW_STATUSES } from "../../src/domain/preview.ts";
import {
  ATTEMPT_EVENT_KINDS,
  JOB_STATES,
  TERMINAL_STATES,
} from "../../src/domain/state.ts";
import { usePGlite } from "../support/pglite.ts";

const testDb = usePGlite();

const LISTS: Readonly<Record<string, readonly string[]>> = {
  attempt_event_kind: ATTEMPT_EVENT_KINDS,
  audit_result: AUDIT_RESULTS,
  cron_catch_up: CRON_CATCH_UPS,
  cron_overlap: CRON_OVERLAPS,
  cron_slot_kind: CRON_SLOT_KINDS,
  cron_slot_reason: CRON_SLOT_REASONS,
  cron_slot_state: CRON_SLOT_STATES,
  cron_source: CRON_SOURCES,
  job_state: JOB_STATES,
  limiter_fact_kind: LIMITER_FACT_KINDS,
  limiter_kind: LIMITER_KINDS,
  limiter_point: LIMITER_POINTS,
  outcome_state: TERMINAL_STATES,
  preview_status: PREVIEW_STATUSES,
  waiting_state: ["retryable", "scheduled"],
};

Deno.test("every enum of the schema has the same list in the types", async () => {
  await using db = await testDb();
  const rows = await db.query<{ name: string; labels: string[] }>(sql`
    select typname as "name", array_agg(enumlabel::text order by enumlabel::text)
      as "labels"
    from pg_type
    join pg_enum on enumtypid = pg_type.oid
    where typnamespace = 'yardmaster'::regnamespace
    group by typname
    order by typname
  `);
  assert.deepEqual(
    Object.fromEntries(rows.map(({ name, labels }) => [name, labels])),
    Object.fromEntries(
      Object.entries(LISTS).map(([name, list]) => [name, [...list].sort()]),
    ),
  );
});

Deno.test("every constraint of the schema has a name that reads as a fact", async () => {
  await using db = await testDb();
  const rows = await db.query<{ name: string }>(sql`
    select conrelid::regclass::text || ': ' || conname as "name"
    from pg_constraint
    where connamespace = 'yardmaster'::regnamespace
      and contype in ('p', 'u', 'c', 'f', 'x')
      and conparentid = 0
      and conname ~ '_(pkey|key|check|check[0-9]+|fkey)$'
      and conislocal
  `);
  assert.deepEqual(rows, []);
});

Deno.test("no column of the schema takes its instant from a default", async () => {
  await using db = await testDb();
  const rows = await db.query(sql`
    select adrelid::regclass::text as "table"
    from pg_attrdef
    join pg_class on pg_class.oid = adrelid
    where relnamespace = 'yardmaster'::regnamespace
      and relname <> 'schema_migrations'
      and pg_get_expr(adbin, adrelid) ~* 'now\(\)|timestamp'
  `);
  assert.deepEqual(rows, []);
});
