/** A cron entry, its scheduler, and what can be read of them. */
import assert from "node:assert/strict";
import type { Database } from "../../src/db/database.ts";
import { sql } from "../../src/db/sql.ts";
import {
  type CronDeclaration,
  type CronDefinition,
  parseCronEntry,
} from "../../src/domain/cron_entry.ts";
import type { JobId } from "../../src/domain/job.ts";
import { createCronScheduler } from "../../src/engine/cron_scheduler.ts";
import type { Service } from "../../src/engine/service.ts";
import { listCronSlots } from "../../src/store/cron_slots.ts";
import { syncCronEntries } from "../../src/store/cron_sync.ts";
import type { Notice } from "../../src/store/notices.ts";

export const MINUTE_MS = 60_000;
export const HOUR_MS = 3_600_000;

/** An hourly entry, with changes. */
export function define(change: Partial<CronDeclaration> = {}): CronDefinition {
  const parsed = parseCronEntry({
    name: "hourly",
    expression: "0 * * * *",
    worker: "sync",
    args: { scope: "all" },
    ...change,
  });
  assert(parsed.ok, parsed.ok ? "" : parsed.problems.join());
  return parsed.definition;
}

/** A scheduler whose notices and faults are kept. */
export function scheduler(
  db: Database,
  told: Notice[] = [],
  faults: string[] = [],
): Service {
  return createCronScheduler({
    database: db,
    clock: { monotonicMs: () => 0 },
    notify: (notice) => told.push(notice),
    onFault: (name) => faults.push(name),
  });
}

/** One entry that is declared at this moment, and a pass of its scheduler. */
export async function cronWorld(
  db: Database,
  change: Partial<CronDeclaration> = {},
  told: Notice[] = [],
): Promise<Service> {
  await syncCronEntries(db, [define(change)]);
  const service = scheduler(db, told);
  await service.runOnce();
  return service;
}

/** Time of day and state of each slot, oldest first. */
export async function slots(db: Database, name = "hourly"): Promise<string[]> {
  const found = await listCronSlots(db, { name, limit: 200 });
  return found.reverse().map((slot) =>
    `${slot.plannedAt.toISOString().slice(11, 19)} ${slot.state}`
  );
}

/** The ids of all jobs, oldest first. */
export async function jobs(db: Database): Promise<JobId[]> {
  const rows = await db.query<{ id: JobId }>(
    sql`select id::text from yardmaster.jobs order by id`,
  );
  return rows.map((row) => row.id);
}

/** Ends a job as a run would. */
export async function complete(
  db: Database,
  jobId: JobId | undefined,
): Promise<void> {
  await db.query(sql`
    with taken as (
      delete from yardmaster.ready where job_id = ${jobId ?? null}::bigint
      returning job_id
    )
    insert into yardmaster.outcomes (
      job_id, state, attempt, took_ms, finished_at
    )
    select job_id, 'completed', 1, 5, ${db.now} from taken
  `);
}

/** Where each job stands, oldest first. */
export async function states(db: Database): Promise<string[]> {
  const rows = await db.query<{ state: string }>(
    sql`select state::text from yardmaster.job_states order by job_id`,
  );
  return rows.map((row) => row.state);
}
