/** A database for each test file, on a real Postgres. */
import { createHash } from "node:crypto";
import postgres from "postgres";
import type { Database } from "../../src/db/database.ts";
import { migrate } from "../../src/db/migrate.ts";
import { postgresJs } from "../../src/db/postgres_js.ts";
import { readMigrations } from "./build.ts";
import { type PostgresServer, startPostgres } from "./postgres_server.ts";

/** The world of one test: its own database, migrated and empty. */
export interface TestPostgres extends AsyncDisposable {
  readonly url: string;
  /** The way past the proxy; the same where there is none. */
  readonly directUrl: string;
  /** A pool of four connections. */
  readonly db: Database;
  /** Another pool, of one connection: another process, as Postgres sees it. */
  connect(): Promise<Database>;
  /** Empties every table. */
  reset(): Promise<void>;
}

/** `host:port` of a PgBouncer in front of `YARDMASTER_TEST_POSTGRES`. */
export const POOLER = "YARDMASTER_TEST_POOLER";

/**
 * Makes a database for the calling test file; each call empties it.
 *
 * The server is the one of `YARDMASTER_TEST_POSTGRES`, which the runner sets;
 * without, the file starts one of its own, which costs seconds. With
 * `YARDMASTER_TEST_POOLER`, the worlds reach it through a proxy.
 */
export function usePostgres(): () => Promise<TestPostgres> {
  let server: PostgresServer | undefined;
  let url: string | undefined;
  let clean = true;

  Deno.test.beforeAll(async () => {
    let admin = Deno.env.get("YARDMASTER_TEST_POSTGRES");
    if (!admin) {
      server = await startPostgres();
      admin = server.url;
    }
    url = await cloneTemplate(admin);
  });
  Deno.test.afterAll(async () => {
    if (server === undefined && url !== undefined) await dropDatabase(url);
    await server?.[Symbol.asyncDispose]();
  });
  return async () => {
    if (url === undefined) throw new Error("Open the world inside a test");
    const world = openWorld(url);
    if (!clean) await world.reset();
    clean = false;
    return world;
  };
}

/**
 * The way to a database that a host behind a proxy is told to take: through the
 * proxy, where postgres.js names no statements of its own. Without one, the way
 * that was given.
 */
export function pooled(direct: string): string {
  const host = Deno.env.get(POOLER);
  if (!host) return direct;
  const url = new URL(direct);
  url.host = host;
  url.searchParams.set("prepare", "false");
  return url.href;
}

function openWorld(direct: string): TestPostgres {
  const url = pooled(direct);
  const pools: postgres.Sql[] = [];
  function open(at: string, max: number): postgres.Sql {
    const pool = postgres(at, { max, fetch_types: false, onnotice: () => {} });
    pools.push(pool);
    return pool;
  }
  function databaseOn(pool: postgres.Sql): Database {
    if (url === direct) return postgresJs(pool);
    return postgresJs(pool, { listenOn: postgresJs(open(direct, 1)) });
  }

  const pool = open(url, 4);
  return {
    url,
    directUrl: direct,
    db: databaseOn(pool),
    connect: () => Promise.resolve(databaseOn(open(url, 1))),
    reset: () => emptyTables(pool),
    async [Symbol.asyncDispose]() {
      await Promise.all(pools.map((each) => each.end({ timeout: 1 })));
    },
  };
}

/** What the migrations left in the tables is what an empty world has. */
async function emptyTables(pool: postgres.Sql): Promise<void> {
  const tables = await pool`
    select string_agg(format('%I.%I', schemaname, tablename), ', ') as names
    from pg_tables
    where schemaname = 'yardmaster'
      and tablename not in ('schema_migrations', 'settings')
  `;
  await pool.begin(async (tx) => {
    // Triggers keep the audit from being emptied, and not only from operators.
    await tx`set local session_replication_role = replica`;
    await tx.unsafe(`truncate ${tables[0]?.names} restart identity cascade`);
    await tx`
      insert into yardmaster.audit_head (only_row, last_id, hash)
      values (true, 0, decode(repeat('00', 32), 'hex'))
    `;
  });
}

/** Answers with the URL of a new database, a copy of the migrated one. */
export async function cloneTemplate(admin: string): Promise<string> {
  const key = createHash("sha256")
    .update(readMigrations().map((step) => step.checksum).join())
    .digest("hex").slice(0, 12);
  const template = `yardmaster_template_${key}`;
  const name = `yardmaster_test_${crypto.randomUUID().replaceAll("-", "_")}`;

  const pool = postgres(admin, { max: 1, onnotice: () => {} });
  try {
    // Files that start at once take turns: one migrates, the others copy.
    await pool`select pg_advisory_lock(hashtext(${template}))`;
    const found = await pool`
      select 1 from pg_database where datname = ${template}
    `;
    if (found.length === 0) await makeTemplate(pool, { admin, template });
    await pool.unsafe(`create database ${name} template ${template}`);
    await pool`select pg_advisory_unlock(hashtext(${template}))`;
  } finally {
    await pool.end();
  }
  return withDatabase(admin, name);
}

async function makeTemplate(
  pool: postgres.Sql,
  { admin, template }: { readonly admin: string; readonly template: string },
): Promise<void> {
  // Under another name until it is complete.
  const unfinished = `${template}_unfinished`;
  await pool.unsafe(`drop database if exists ${unfinished}`);
  await pool.unsafe(`create database ${unfinished}`);
  const inside = postgres(withDatabase(admin, unfinished), { max: 1 });
  try {
    await migrate(postgresJs(inside), { migrations: readMigrations() });
  } finally {
    await inside.end();
  }
  await pool.unsafe(`alter database ${unfinished} rename to ${template}`);
}

/** Also while somebody is connected to it. */
export async function dropDatabase(url: string): Promise<void> {
  const admin = postgres(withDatabase(url, "postgres"), { max: 1 });
  try {
    const name = new URL(url).pathname.slice(1);
    await admin.unsafe(`drop database if exists ${name} with (force)`);
  } finally {
    await admin.end();
  }
}

function withDatabase(url: string, name: string): string {
  const changed = new URL(url);
  changed.pathname = `/${name}`;
  return changed.href;
}
