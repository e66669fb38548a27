/** The database of a worker process, by the driver that it was told. */
import pg from "pg";
import postgres from "postgres";
import type { Database } from "../../../src/db/database.ts";
import { nodePostgres } from "../../../src/db/node_postgres.ts";
import { postgresJs } from "../../../src/db/postgres_js.ts";
import type { FullWorkerSettings } from "../worker_settings.ts";
import { closedWhenSilent } from "./silence.ts";

/** An open pool; the host of a worker may hold its connections. */
export interface WorkerDatabase {
  readonly database: Database;
  /** Keeps every connection busy for so long. */
  hold(ms: number): Promise<void>;
  end(): Promise<void>;
}

/** Opens the pool of a worker. */
export function openWorkerDatabase(
  settings: FullWorkerSettings,
): WorkerDatabase {
  return settings.driver === "node-postgres"
    ? openNodePostgres(settings)
    : openPostgresJs(settings);
}

function openPostgresJs(
  { url, connections = 4, silenceMs }: FullWorkerSettings,
): WorkerDatabase {
  const pool = postgres(url, {
    max: connections,
    onnotice: () => {},
    // With it, postgres.js 3.4.9 reads types whenever it connects, and when that
    // breaks leaves a rejection that nobody can catch.
    fetch_types: false,
    backoff: () => 0.05,
    ...(silenceMs !== undefined && closedWhenSilent(silenceMs)),
  });
  return {
    database: postgresJs(pool),
    hold: (ms) =>
      holdAll(connections, () => pool`select pg_sleep(${ms / 1_000})`),
    end: () => pool.end({ timeout: 1 }),
  };
}

function openNodePostgres(
  { url, connections = 4 }: FullWorkerSettings,
): WorkerDatabase {
  const pool = new pg.Pool({
    connectionString: url,
    max: connections,
    connectionTimeoutMillis: 5_000,
  });
  // An idle connection that breaks; nobody hearing it would end the process.
  pool.on("error", () => {});
  return {
    database: nodePostgres(pool),
    hold: (ms) =>
      holdAll(
        connections,
        () => pool.query(`select pg_sleep(${ms / 1_000})`),
      ),
    end: () => pool.end(),
  };
}

async function holdAll(
  connections: number,
  query: () => PromiseLike<unknown>,
): Promise<void> {
  const held = Array.from({ length: connections }, () => query());
  await Promise.allSettled(held);
}
