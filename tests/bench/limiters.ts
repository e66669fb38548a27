/**
 * What limiters cost, and whether they are exact: three measurements on a
 * database of their own.
 *
 *     deno run -A tests/bench/limiters.ts postgres://postgres@127.0.0.1/postgres
 */
import postgres from "postgres";
import { postgresJs } from "../../src/db/postgres_js.ts";
import type { Database } from "../../src/db/database.ts";
import { migrate } from "../../src/db/migrate.ts";
import { sql } from "../../src/db/sql.ts";
import { defineLimiter, type Limiter } from "../../src/domain/limiter.ts";
import { createEngine } from "../../src/engine/engine.ts";
import { type AnyWorker, defineWorker } from "../../src/engine/worker.ts";
import { until } from "../support/until.ts";

const JOBS = 20_000;
const KEYS = 1_000;
const ROUNDS = 3;
const PROCESSES = 8;
const RATE = 200;
const EXACT_MS = 60_000;
const IDLE = 1_000_000;

const inAll = defineLimiter({
  name: "in_all",
  rate: { capacity: 1_000_000, perMs: 1_000 },
});
const perKey = defineLimiter({
  name: "per_key",
  concurrency: 10,
  partitionBy: "key",
});
const exact = defineLimiter({
  name: "exact",
  rate: { capacity: RATE, perMs: 1_000 },
});

function worker(name: string, limiters: readonly Limiter[]): AnyWorker {
  return defineWorker({ name, limiters, perform: () => {} });
}

const WORKERS = {
  none: worker("none", []),
  global: worker("global", [inAll]),
  keys: worker("keys", [perKey]),
  exact: worker("exact", [exact]),
} as const;
type Kind = keyof typeof WORKERS;

function open(url: string): { db: Database; close: () => Promise<void> } {
  const pool = postgres(url, { max: 4, onnotice: () => {} });
  return { db: postgresJs(pool, { prepare: true }), close: () => pool.end() };
}

async function ended(db: Database, kind: Kind): Promise<number> {
  const [row] = await db.query<{ jobs: number }>(sql`
    select count(*)::integer as jobs
    from yardmaster.outcomes join yardmaster.jobs on jobs.id = job_id
    where worker = ${kind}
  `);
  return row?.jobs ?? 0;
}

async function fill(db: Database, kind: Kind, count: number): Promise<void> {
  const enqueuing = createEngine({ database: db });
  const jobs = Array.from({ length: count }, (_, place) => {
    return { worker: WORKERS[kind], args: { key: place % KEYS } };
  });
  for (let from = 0; from < count; from += 10_000) {
    await enqueuing.enqueueMany(jobs.slice(from, from + 10_000));
  }
  await enqueuing.stop();
}

/** Jobs in a second, from the first claim to the last end. */
async function drain(url: string, kind: Kind): Promise<number> {
  const { db, close } = open(url);
  await db.query(sql`truncate yardmaster.jobs, yardmaster.outcomes`);
  await fill(db, kind, JOBS);
  await db.query(sql`analyze`);
  const engine = createEngine({
    database: db,
    workers: [WORKERS[kind]],
    queues: { default: { limit: 1_000 } },
  });
  const beganMs = performance.now();
  await engine.start();
  await until("all have run", async () => await ended(db, kind) === JOBS, {
    limitMs: 120_000,
    lookMs: 50,
  });
  const tookMs = performance.now() - beganMs;
  await engine.stop();
  await close();
  return JOBS / tookMs * 1_000;
}

function median(values: readonly number[]): number {
  return values.toSorted((left, right) => left - right)[values.length >> 1] ??
    0;
}

async function claims(url: string): Promise<Record<string, number>> {
  const rates: Record<string, number[]> = { none: [], global: [], keys: [] };
  for (let round = 0; round < ROUNDS; round++) {
    for (const kind of ["none", "global", "keys"] as const) {
      rates[kind]?.push(await drain(url, kind));
    }
  }
  return Object.fromEntries(
    Object.entries(rates).map(([kind, all]) => [kind, Math.round(median(all))]),
  );
}

/** With a million partitions that nobody uses, beside none. */
async function idle(url: string): Promise<Record<string, number>> {
  const before = median([await drain(url, "keys"), await drain(url, "keys")]);
  const { db, close } = open(url);
  await db.query(sql`
    insert into yardmaster.limiter_partitions (limiter, key, used, counted_at)
    select 'per_key', 'idle-' || number, 0, ${db.now}
    from generate_series(1, ${IDLE}::integer) as number
  `);
  await db.query(sql`analyze yardmaster.limiter_partitions`);
  const after = median([await drain(url, "keys"), await drain(url, "keys")]);
  await close();
  return { before: Math.round(before), after: Math.round(after) };
}

/** What eight processes admit in a minute, beside what they may. */
async function exactness(url: string): Promise<Record<string, number>> {
  const { db, close } = open(url);
  await db.query(sql`truncate yardmaster.jobs, yardmaster.outcomes`);
  await fill(db, "exact", RATE * EXACT_MS / 1_000 + 1_000);
  // Nothing is left of the bucket at an instant that is known.
  await db.query(sql`
    insert into yardmaster.limiter_partitions (limiter, key, used, counted_at)
    values ('exact', '', ${RATE}, ${db.now})
  `);
  const [start] = await db.query<{ fromMs: number }>(sql`
    select (extract(epoch from counted_at) * 1000)::float8 as "fromMs"
    from yardmaster.limiter_partitions where limiter = 'exact'
  `);
  const children = Array.from(
    { length: PROCESSES },
    () =>
      new Deno.Command(Deno.execPath(), {
        args: [
          "run",
          "-A",
          "--no-check",
          import.meta.filename ?? "",
          url,
          "run",
        ],
      }).output(),
  );
  const codes = await Promise.all(children);
  const [end] = await db.query<
    { toMs: number; admitted: number; executors: number }
  >(sql`
    select (extract(epoch from counted_at) * 1000)::float8 as "toMs",
      (select count(*)::integer from yardmaster.outcomes) as admitted,
      (
        select count(distinct executor_id)::integer from yardmaster.outcomes
      ) as executors
    from yardmaster.limiter_partitions where limiter = 'exact'
  `);
  await close();
  const spanMs = (end?.toMs ?? 0) - (start?.fromMs ?? 0);
  return {
    failed: codes.filter(({ code }) => code !== 0).length,
    executors: end?.executors ?? 0,
    spanMs: Math.round(spanMs),
    allowed: Math.floor(spanMs * RATE / 1_000 + 1e-6),
    admitted: end?.admitted ?? 0,
  };
}

async function run(url: string): Promise<void> {
  const { db, close } = open(url);
  const engine = createEngine({
    database: db,
    workers: [WORKERS.exact],
    queues: { default: { limit: 50 } },
  });
  await engine.start();
  await new Promise((resolve) => setTimeout(resolve, EXACT_MS));
  await engine.stop();
  await close();
}

/** A new database for one measurement, dropped at its end. */
async function inNewDatabase<T>(
  admin: string,
  work: (url: string) => Promise<T>,
): Promise<T> {
  const pool = postgres(admin, { max: 1, onnotice: () => {} });
  const name = `yardmaster_limiters_${Date.now()}`;
  await pool.unsafe(`create database ${name}`);
  const url = new URL(admin);
  url.pathname = `/${name}`;
  try {
    const { db, close } = open(url.href);
    await migrate(db);
    await close();
    return await work(url.href);
  } finally {
    await pool.unsafe(`drop database if exists ${name} with (force)`);
    await pool.end();
  }
}

const [url = "", what = "claims"] = Deno.args;
if (what === "run") await run(url);
else {
  const measure = { claims, idle, exact: exactness }[what];
  if (measure === undefined) throw new Error("claims, idle or exact");
  console.log(what, JSON.stringify(await inNewDatabase(url, measure)));
}
