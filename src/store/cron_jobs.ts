/** The jobs of slots: inserted like any other, with what their worker declares. */
import type { Database } from "../db/database.ts";
import { sql } from "../db/sql.ts";
import { CRON_ON_TIME_MS } from "../domain/cron_due.ts";
import type { CronDefinition } from "../domain/cron_entry.ts";
import type { CronSlotKind } from "../domain/cron_slot.ts";
import type { CronSlotReason } from "../domain/cron_slot_reason.ts";
import type { JobId } from "../domain/job.ts";
import {
  type Asking,
  LOOKS_MAX,
  mustNotBeLost,
  overwriteHolders,
} from "./conflicts.ts";
import { admitInserted } from "./enqueue_gate.ts";
import { insertJobs, type JobInsert } from "./jobs.ts";

/** Why a job of an entry was made; it finds it in its meta, as `cron`. */
export interface CronJobFacts {
  readonly kind: CronSlotKind;
  readonly plannedAt: Date;
  /** Of the operator who asked for it. */
  readonly principal?: string;
}

/** A slot that is to become a job. */
export interface CronAsking {
  readonly entry: CronDefinition;
  readonly facts: CronJobFacts;
}

/** What became of it. */
export type CronInserted =
  | { readonly jobId: JobId; readonly reason: null }
  | {
    readonly jobId: null;
    readonly reason: Exclude<CronSlotReason, "overlap">;
    /** The job that holds the key; null: a limiter was full. */
    readonly holderId: JobId | null;
  };

/**
 * Inserts the jobs of slots, but for those whose key another job holds, and those
 * that a limiter refuses. What their mode says is done to the holders.
 *
 * @returns One answer for each, in that order.
 */
export async function insertCronJobs(
  tx: Database,
  asked: readonly CronAsking[],
): Promise<CronInserted[]> {
  const batch = asked.map(({ entry, facts }) => {
    return { insert: cronJob(entry, facts), rule: entry.uniqueness ?? null };
  });
  const inserted: CronInserted[] = [];
  let open = batch.map((_, place) => place);
  for (let tries = 0; open.length > 0; tries++) {
    const some = open.flatMap((place) => batch[place] ?? []);
    const lost: number[] = [];
    for (const [index, answer] of (await insertSome(tx, some)).entries()) {
      const place = open[index] ?? 0;
      inserted[place] = answer;
      const item = batch[place];
      const isLost = answer.reason === "key_held" && item !== undefined &&
        mustNotBeLost(item);
      if (isLost && tries < LOOKS_MAX) lost.push(place);
    }
    open = lost;
  }
  if (batch.some(({ rule }) => rule !== null && rule.periodMs !== null)) {
    await countFromPlan(tx, { asked, inserted });
  }
  return inserted;
}

async function insertSome(
  tx: Database,
  batch: readonly Asking[],
): Promise<CronInserted[]> {
  const answers = await insertJobs(tx, batch.map(({ insert }) => insert));
  const refused = await admitInserted(
    tx,
    answers.filter(({ status }) => status === "inserted")
      .map(({ jobId }) => jobId),
  );
  const overwritten = batch.some(({ rule }) => rule !== null)
    ? await overwriteHolders(tx, { batch, answers })
    : null;
  return answers.map(({ status, jobId }, place): CronInserted => {
    // Also one that met a job of this very call which a limiter refused.
    if (refused.has(jobId)) {
      return { jobId: null, reason: "limited", holderId: null };
    }
    if (status === "inserted") return { jobId, reason: null };
    const replaced = overwritten?.get(place)?.replaced === true;
    const reason = replaced ? "overwrote" : "key_held";
    return { jobId: null, reason, holderId: jobId };
  });
}

/**
 * A slot that is dealt with in time counts the period of its key from its planned
 * instant: otherwise an entry of each minute and a period of a minute would leave
 * out every other slot, whenever a pass is a little faster than the one before.
 */
async function countFromPlan(
  tx: Database,
  { asked, inserted }: {
    readonly asked: readonly CronAsking[];
    readonly inserted: readonly CronInserted[];
  },
): Promise<void> {
  const counted = asked.flatMap(({ entry, facts }, place) => {
    const { key, periodMs = null } = entry.uniqueness ?? {};
    const jobId = inserted[place]?.jobId ?? null;
    return key === undefined || periodMs === null || jobId === null ||
        facts.kind !== "scheduled"
      ? []
      : [{ key, periodMs, jobId, plannedAt: facts.plannedAt }];
  });
  if (counted.length === 0) return;
  await tx.query(sql`
    update yardmaster.unique_keys as held
    set expires_at = slot.planned_at + slot.period_ms * interval '1 ms'
    from unnest(
      ${counted.map(({ key }) => key)}::text[],
      ${counted.map(({ jobId }) => jobId)}::bigint[],
      ${counted.map(({ plannedAt }) => plannedAt)}::timestamptz[],
      ${counted.map(({ periodMs }) => periodMs)}::float8[]
    ) as slot (key, job_id, planned_at, period_ms)
    where held.key = slot.key and held.job_id = slot.job_id
      and slot.planned_at
        >= ${tx.now} - ${CRON_ON_TIME_MS}::float8 * interval '1 ms'
  `);
}

/**
 * The job of a slot. Its args were checked by nobody: what its worker refuses
 * fails when it runs, and a worker that no process knows leaves it waiting,
 * where pages show it. A plan that fires and is seen to fail is better than one
 * that stops in silence.
 */
export function cronJob(
  entry: CronDefinition,
  { kind, plannedAt, principal }: CronJobFacts,
): JobInsert {
  const { uniqueness = null } = entry;
  return {
    queue: entry.queue,
    worker: entry.worker,
    args: entry.args,
    meta: {
      ...entry.meta,
      cron: {
        name: entry.name,
        kind,
        plannedAt: plannedAt.toISOString(),
        expression: entry.expression,
        timezone: entry.timezone,
        ...(principal === undefined ? {} : { principal }),
      },
    },
    tags: entry.tags,
    priority: entry.priority,
    maxAttempts: entry.maxAttempts,
    deadlineMs: entry.deadlineMs,
    cronEntry: entry.name,
    limited: true,
    ...(uniqueness !== null && { unique: uniqueness }),
    ...(uniqueness?.debounce && { delayMs: uniqueness.debounce.delayMs }),
  };
}
