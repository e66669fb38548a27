/** Processes that freeze in the middle of a transaction, and all others. */
import pg from "pg";
import postgres from "postgres";
import type { Database } from "../../../src/db/database.ts";
import { nodePostgres } from "../../../src/db/node_postgres.ts";
import { postgresJs } from "../../../src/db/postgres_js.ts";
import { sql } from "../../../src/db/sql.ts";
import { type Deed, DEEDS, takeFailures } from "../../support/deeds.ts";
import { forEver, watched } from "../../support/frozen_db.ts";

/** A statement inside of a transaction, of the first deed that comes by. */
export interface FreezePoint {
  readonly deed: Deed;
  readonly text: string;
  readonly told: string;
}

/** What somebody who is well had to wait for. */
export interface Stall {
  readonly deed: string;
  readonly tookMs: number;
}

/** In place of ten seconds, so that many can freeze one after the other. */
const IDLE_MS = 300;
/** So long after that, nobody may be held up any more. */
const LIMIT_MS = 12_000;

/** Does everything once; answers with every statement inside of a transaction. */
export async function listFreezePoints(db: Database): Promise<{
  readonly points: FreezePoint[];
  /** Of each deed the last one: all that its transaction ever holds is held. */
  readonly last: FreezePoint[];
  /** Transactions that may be left open for longer than ten seconds. */
  readonly unbounded: string[];
}> {
  const points = new Map<string, FreezePoint>();
  const last: FreezePoint[] = [];
  const unbounded: string[] = [];
  // What is done only once, such as making the days of today, is done before.
  for (const deed of DEEDS) await deed.run(db, await deed.given?.(db) ?? "");
  for (const deed of DEEDS) {
    const given = await deed.given?.(db) ?? "";
    let newest: FreezePoint | null = null;
    const seen = watched(db, {
      after: async ({ tx, text: whole, told }) => {
        const text = anyDay(whole);
        if (tx === null) return;
        const [idle] = await tx.query<{ readonly ms: number }>(sql`
        select setting::integer as "ms" from pg_catalog.pg_settings
        where name = 'idle_in_transaction_session_timeout'
      `);
        if (idle === undefined || idle.ms < 1 || idle.ms > 10_000) {
          unbounded.push(`${deed.name}, after ${told}: ${idle?.ms} ms`);
        }
        if (text === "") return;
        newest = { deed, text, told };
        if (!points.has(text)) points.set(text, newest);
      },
    });
    await deed.run(seen, given);
    mustHaveNone(takeFailures(seen), "when nobody is frozen");
    if (newest !== null) last.push(newest);
  }
  return { points: [...points.values()], last, unbounded };
}

/**
 * Freezes a process there, and lets another one do everything.
 *
 * @returns What that one waited for.
 * @throws If it waits for longer than seconds, or fails.
 */
export async function freezeAt(
  { deed, text, told }: FreezePoint,
  { url, well, driver }: {
    readonly url: string;
    readonly well: Database;
    readonly driver: "postgres.js" | "node-postgres";
  },
): Promise<Stall[]> {
  const where = `frozen in "${deed.name}" after: ${told}`;
  const frozen = await freeze(url, { deed, text, driver, well });
  if (!frozen) throw new Error(`It never came there: ${where}`);
  const stalls: Stall[] = [];
  for (const other of DEEDS) {
    const sinceMs = performance.now();
    await withinLimit(
      (async () => other.run(well, await other.given?.(well) ?? ""))(),
      async () =>
        `"${other.name}" is held up, ${where}\n${await whoWaits(well)}`,
    );
    const tookMs = Math.round(performance.now() - sinceMs);
    if (tookMs > IDLE_MS / 2) stalls.push({ deed: other.name, tookMs });
  }
  mustHaveNone(takeFailures(well), where);
  return stalls;
}

/** The same statement is written for each day, and for each range of ids. */
function anyDay(text: string): string {
  return text.replace(/\d{6,}/g, "N");
}

/** So often, since a machine that stands still looks like a frozen process. */
const TRIES_MAX = 5;

async function freeze(url: string, { deed, text, driver, well }: {
  readonly deed: Deed;
  readonly text: string;
  readonly driver: "postgres.js" | "node-postgres";
  readonly well: Database;
}): Promise<boolean> {
  for (let turn = 1; turn <= TRIES_MAX; turn++) {
    const given = await deed.given?.(well) ?? "";
    const frozen = Promise.withResolvers<boolean>();
    const db = openPool(url, driver);
    let isFrozen = false;
    const lost = deed.run(
      watched(db, {
        before: () => isFrozen ? forEver() : Promise.resolve(),
        after: async (statement) => {
          if (statement.tx === null || anyDay(statement.text) !== text) return;
          isFrozen = true;
          frozen.resolve(true);
          await forEver();
        },
      }),
      given,
    );
    lost.then(() => frozen.resolve(false), () => frozen.resolve(false));
    if (await frozen.promise) return true;
  }
  return false;
}

/** Nobody ends it: its process is gone for good, and only Postgres is left. */
function openPool(url: string, driver: "postgres.js" | "node-postgres") {
  if (driver === "postgres.js") {
    return postgresJs(postgres(url, {
      max: 2,
      fetch_types: false,
      onnotice: () => {},
      connection: { idle_in_transaction_session_timeout: IDLE_MS },
    }));
  }
  const pool = new pg.Pool({
    connectionString: url,
    max: 2,
    idle_in_transaction_session_timeout: IDLE_MS,
  });
  pool.on("error", () => {});
  return nodePostgres(pool);
}

async function withinLimit(
  work: Promise<unknown>,
  told: () => Promise<string>,
): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<"late">((resolve) => {
    timer = setTimeout(() => resolve("late"), LIMIT_MS);
  });
  const answer = await Promise.race([work, late]);
  clearTimeout(timer);
  if (answer === "late") throw new Error(await told());
}

async function whoWaits(db: Database): Promise<string> {
  const rows = await db.query<{ readonly line: string }>(sql`
    select format(
      '%s waits for %s (%s): %s', pid, pg_blocking_pids(pid), wait_event,
      left(query, 200)
    ) as "line"
    from pg_catalog.pg_stat_activity
    where datname = current_database() and cardinality(pg_blocking_pids(pid)) > 0
  `);
  return rows.map(({ line }) => line).join("\n");
}

function mustHaveNone(failures: readonly unknown[], where: string): void {
  if (failures.length > 0) throw new Error(`${failures[0]}, ${where}`);
}
