/** The shop of the demo host on a busy day: something in every state. */
import { PEOPLE } from "../../fixtures/ops_demo.ts";
import type { Database } from "../../src/db/database.ts";
import { json, sql } from "../../src/db/sql.ts";
import type { JobId } from "../../src/domain/job.ts";
import { defineLimiter } from "../../src/domain/limiter.ts";
import type { JobState } from "../../src/domain/state.ts";
import { insertJobs } from "../../src/store/jobs.ts";
import { lookAtLanes } from "../../src/store/lanes.ts";
import { claimLimitedJobs } from "../../src/store/limited_claims.ts";
import { coolDownLimiter } from "../../src/store/limiter_cooldowns.ts";
import { declareLimiters } from "../../src/store/limiter_declarations.ts";
import type { Yardmaster } from "../../mod.ts";
import {
  givenEvent,
  givenExecutor,
  givenJob,
  givenQueue,
  type JobOf,
} from "../support/job_world.ts";

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;

/** One job in each state. */
export type Shop = Readonly<Record<JobState, JobId>>;

/** What Yardmaster would have written `ms` ago, or will in `-ms`. */
export function ago(db: Database, ms: number): Database {
  const now = sql`(${db.now} - ${ms} * interval '1 ms')`;
  return {
    schema: db.schema,
    now,
    query: db.query.bind(db),
    transaction: (work) => db.transaction((tx) => work(ago(tx, ms))),
    script: db.script.bind(db),
  };
}

/** Fills the shop. Queues and cron entries are declared by its host already. */
export async function givenShop(db: Database): Promise<Shop> {
  const everything = ["default", "mail", "reports"];
  const workers = ["send_receipt", "sync_stock", "charge_card", "nightly_sync"];
  const one = await givenExecutor(db, {
    name: "shop-1@fra",
    queues: everything,
    workers: [...workers, "build_report", "remind_cart"],
    beatAgoMs: 4_000,
  });
  const two = await givenExecutor(db, {
    name: "shop-2@fra",
    queues: ["mail"],
    workers,
    beatAgoMs: 70_000,
  });
  const completed = await givenEnded(db, one);
  const { discarded, cancelled } = await givenFailures(db, one);
  const waiting = await givenWaiting(db);
  const executing = await givenJob(ago(db, 12_000), {
    state: "executing",
    queue: "reports",
    worker: "build_report",
    args: { month: "2026-09" },
    tags: ["reports"],
    attempt: 1,
    executorId: one,
  });
  await givenJob(ago(db, 95_000), {
    state: "executing",
    queue: "mail",
    worker: "send_receipt",
    args: { order: 1038, email: "ada@example.com" },
    attempt: 1,
    executorId: two,
  });
  await db.query(sql`
    update yardmaster.queues
    set paused_at = ${db.now} - interval '9 minutes', paused_by = 'ops-demo'
    where name = 'mail'
  `);
  await givenLimiters(db, one);
  return { discarded, executing, completed, cancelled, ...waiting };
}

/** One limiter for all, half used, and one of which a key holds jobs back. */
async function givenLimiters(db: Database, executorId: number): Promise<void> {
  const api = defineLimiter({
    name: "warehouse_api",
    rate: { capacity: 6, perMs: 60 * MINUTE_MS },
  });
  const perWarehouse = defineLimiter({
    name: "per_warehouse",
    concurrency: 1,
    partitionBy: "warehouse",
  });
  const limiters = [api, perWarehouse];
  const worker = "count_stock";
  const workers = [worker];
  await declareLimiters(db, {
    limiters,
    workers: [{ name: worker, limiters }],
  });
  await insertJobs(
    db,
    ["north", "north", "north", "south"].map((warehouse) => {
      const insert = { queue: "reports", worker, priority: 0, maxAttempts: 5 };
      return { ...insert, args: { warehouse }, limited: true };
    }),
  );
  const queue = { queue: "reports", declaredLimit: 10, held: 0, prefetch: 0 };
  await lookAtLanes(db, { queues: [queue.queue], workers, freed: [] });
  await claimLimitedJobs(db, {
    executorId,
    workers,
    queues: [{ ...queue, most: 10 }],
  });
  await coolDownLimiter(db, {
    limiter: "warehouse_api",
    key: null,
    forMs: HOUR_MS,
    reason: "The API of the warehouse answers 429",
    by: "ops-demo",
    extendsOnly: false,
  });
}

async function givenEnded(db: Database, executorId: number): Promise<JobId> {
  const done: readonly JobOf[] = [
    { queue: "mail", worker: "send_receipt", args: { order: 1031 } },
    { worker: "sync_stock", args: { warehouse: "north" }, attempt: 2 },
    { worker: "nightly_sync", args: { scope: "ops-demo" } },
    { queue: "reports", worker: "build_report", args: { month: "2026-08" } },
  ];
  let newest: JobId = "0";
  for (const [index, job] of done.entries()) {
    newest = await givenJob(ago(db, (50 - index * 12) * MINUTE_MS), {
      attempt: 1,
      ...job,
      state: "completed",
      executorId,
    });
  }
  await db.query(sql`
    insert into yardmaster.outputs (job_id, attempt, output, recorded_at)
    values (
      ${newest}, 1, ${json({ month: "2026-08", rows: 12_480 })}, ${db.now}
    )
  `);
  return newest;
}

async function givenFailures(db: Database, executorId: number) {
  let discarded: JobId = "0";
  for (const [order, minutes] of [[1029, 42], [1033, 17], [1037, 6]] as const) {
    const at = ago(db, minutes * MINUTE_MS);
    discarded = await givenJob(at, {
      state: "discarded",
      worker: "charge_card",
      args: { order, cents: 4_990 },
      meta: { source: "checkout" },
      tags: ["billing"],
      attempt: 2,
      maxAttempts: 2,
      executorId,
    });
    for (const attempt of [1, 2]) {
      await givenEvent(ago(db, minutes * MINUTE_MS + (2 - attempt) * 4_000), {
        jobId: discarded,
        attempt,
        message: "The card was declined",
        stack: "Error: The card was declined\n" +
          "    at chargeCard (file:///shop/workers/charge_card.ts:12:11)",
      });
    }
  }
  const lost = await givenJob(ago(db, 31 * MINUTE_MS), {
    state: "discarded",
    queue: "reports",
    worker: "build_report",
    args: { month: "2026-07" },
    attempt: 3,
    maxAttempts: 3,
    executorId,
  });
  await givenEvent(ago(db, 31 * MINUTE_MS), {
    jobId: lost,
    attempt: 3,
    message: "No space is left on the disk of the reports",
  });
  const cancelled = await givenJob(ago(db, 25 * MINUTE_MS), {
    state: "cancelled",
    queue: "mail",
    worker: "remind_cart",
    args: { cart: 77 },
    attempt: 1,
    executorId,
  });
  return { discarded, cancelled };
}

async function givenWaiting(db: Database) {
  for (const order of [1040, 1041, 1042]) {
    await givenJob(ago(db, 8 * MINUTE_MS), {
      queue: "mail",
      worker: "send_receipt",
      args: { order, email: "ada@example.com" },
      tags: ["mail"],
    });
  }
  const available = await givenJob(ago(db, 2 * MINUTE_MS), {
    worker: "resize_photo",
    args: { photo: 311 },
  });
  await givenQueue(db, { name: "photos", limit: 4 });
  for (const photo of [312, 313]) {
    await givenJob(ago(db, 3 * MINUTE_MS), {
      queue: "photos",
      worker: "resize_photo",
      args: { photo },
    });
  }
  const scheduled = await givenJob(db, {
    state: "scheduled",
    queue: "mail",
    worker: "remind_cart",
    args: { cart: 78 },
    dueInMs: HOUR_MS,
  });
  const suspended = await givenJob(ago(db, 30_000), {
    state: "suspended",
    worker: "sync_stock",
  });
  const retryable = await givenJob(ago(db, 40_000), {
    state: "retryable",
    worker: "sync_stock",
    args: { warehouse: "south" },
    tags: ["warehouse"],
    attempt: 1,
    dueInMs: 3 * MINUTE_MS,
  });
  await givenEvent(ago(db, 39_000), {
    jobId: retryable,
    message: 'Warehouse "south" answered 503, try again',
    stack: 'Error: Warehouse "south" answered 503, try again\n' +
      "    at syncStock (file:///shop/workers/sync_stock.ts:31:9)",
  });
  return { available, scheduled, suspended, retryable };
}

/** What an operator did in it, from one change that was made to one refused. */
export async function givenChanges(
  { operator }: Yardmaster,
  shop: Shop,
): Promise<void> {
  const actor = { id: "ops-demo", label: PEOPLE["ops-demo"].label };
  await operator.pauseCronEntry({
    actor,
    name: "reports",
    reason: "The disk of the reports is full",
  });
  await operator.scaleQueue({ actor, name: "mail", limit: 2, reason: "" });
  await operator.retryJob({
    actor,
    jobId: shop.cancelled,
    reason: "The customer came back",
  });
  await operator.cancelJob({
    actor: { id: "viewer" },
    jobId: shop.scheduled,
    reason: "May I do this?",
  });
}
