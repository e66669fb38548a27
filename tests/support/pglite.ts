/** One PGlite for each test file, from a snapshot of the migrated database. */
import { PGlite } from "@electric-sql/pglite";
import { createHash } from "node:crypto";
import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Database } from "../../src/db/database.ts";
import { migrate } from "../../src/db/migrate.ts";
import { pglite } from "../../src/db/pglite.ts";
import { type Sql, sql } from "../../src/db/sql.ts";
import { readMigrations } from "./build.ts";
import type { PooledWorld } from "./pooled.ts";

const ROOT = join(import.meta.dirname ?? ".", "../..");

/** The world of one test: a transaction that is rolled back at its end. */
export interface TestDb extends Database, AsyncDisposable {
  /** Moves the clock, also backwards. */
  advanceMs(ms: number): void;
  /** The instant that statements take for now. */
  nowAt(): Date;
  setNow(at: Date): void;
}

/**
 * Opens one Postgres for the calling test file, and an empty world per test. Its
 * clock stands at 2026-01-15T12:00:00Z until the test moves it.
 */
export function usePGlite(): () => Promise<TestDb> {
  // Postgres inside PGlite sets timers of its own, and both sanitizers see them.
  Deno.test.sanitizer({ ops: false, resources: false });

  // The same tests on a Postgres behind a proxy; its lane says so.
  if (Deno.env.get("YARDMASTER_TEST_POOLER")) return usePooled();

  let opened: PGlite | undefined;
  Deno.test.beforeAll(async () => {
    opened = await openMigratedPGlite();
  });
  Deno.test.afterAll(() => opened?.close());
  return () => {
    if (opened === undefined) throw new Error("Open the world inside a test");
    return beginTest(opened);
  };
}

/** A PGlite in memory, migrated and empty, outside of any transaction. */
export async function openMigratedPGlite(): Promise<PGlite> {
  return await PGlite.create({
    loadDataDir: new Blob([await migratedSnapshot()]),
  });
}

/** The data folder of a migrated database. Making it costs seconds; once. */
export async function migratedSnapshot(): Promise<Uint8Array<ArrayBuffer>> {
  const path = join(ROOT, ".cache", `pglite-${await snapshotKey()}.tar`);
  try {
    return await Deno.readFile(path);
  } catch {
    // It is not there yet.
  }
  const db = await PGlite.create();
  await migrate(pglite(db), { migrations: readMigrations() });
  await db.exec("vacuum analyze");
  const dump = await db.dumpDataDir("none");
  await db.close();

  // Renamed when complete: another process may look for it meanwhile.
  await mkdir(join(ROOT, ".cache"), { recursive: true });
  const bytes = new Uint8Array(await dump.arrayBuffer());
  const unfinished = `${path}.${crypto.randomUUID()}`;
  await writeFile(unfinished, bytes);
  await rename(unfinished, path);
  return bytes;
}

async function snapshotKey(): Promise<string> {
  const config = await readFile(join(ROOT, "deno.json"), "utf8");
  const { imports } = JSON.parse(config) as { imports: Record<string, string> };
  return createHash("sha256")
    .update(String(imports["@electric-sql/pglite"]))
    .update(
      readMigrations().map((
        { version, name, checksum },
      ) => [version, name, checksum]).join(),
    )
    .digest("hex").slice(0, 16);
}

/**
 * A database for the file that is emptied, and not a transaction for each test:
 * that would hold one connection of the proxy from its first statement on.
 */
function usePooled(): () => Promise<TestDb> {
  let world: PooledWorld | undefined;
  Deno.test.afterAll(() => world?.close());
  return async () => {
    // Not at the top: who uses PGlite needs no Postgres.
    const { openPooledWorld } = await import("./pooled.ts");
    if (world && !await world.empty()) {
      await world.close();
      world = undefined;
    }
    world ??= await openPooledWorld();
    return withClock(world.at, () => Promise.resolve());
  };
}

async function beginTest(opened: PGlite): Promise<TestDb> {
  await opened.exec("begin");
  // Without its transaction(), the adapter knows it as a transaction.
  const inTransaction = {
    query: opened.query.bind(opened),
    exec: opened.exec.bind(opened),
  };
  return withClock(
    (now) => pglite(inTransaction, { now }),
    async () => void await opened.exec("rollback"),
  );
}

function withClock(
  open: (now: () => Sql) => Database,
  close: () => Promise<void>,
): TestDb {
  let now = new Date("2026-01-15T12:00:00Z");
  const db = open(() => sql`${now}::timestamptz`);
  return {
    schema: db.schema,
    get now() {
      return db.now;
    },
    query: db.query,
    transaction: db.transaction,
    script: db.script,
    advanceMs(ms) {
      now = new Date(now.getTime() + ms);
    },
    nowAt: () => now,
    setNow(at) {
      now = at;
    },
    [Symbol.asyncDispose]: close,
  };
}

if (import.meta.main) await migratedSnapshot();
