/** The three drivers, opened as a host would, for tests that run on each. */
import type { PGlite } from "@electric-sql/pglite";
import assert from "node:assert/strict";
import pg from "pg";
import postgres from "postgres";
import type { Database } from "../../src/db/database.ts";
import { nodePostgres } from "../../src/db/node_postgres.ts";
import { pglite } from "../../src/db/pglite.ts";
import { postgresJs } from "../../src/db/postgres_js.ts";
import { sql } from "../../src/db/sql.ts";
import { openMigratedPGlite } from "./pglite.ts";
import { POOLER, usePostgres } from "./postgres.ts";

/** A driver, and what a host does with it itself. */
export interface OpenDriver extends AsyncDisposable {
  readonly db: Database;
  /** The same in another schema. */
  in(schema: string): Database;
  /** Runs `work` in a transaction that the host began, in the host's own way. */
  hostTransaction<T>(work: (tx: Database) => Promise<T>): Promise<T>;
  /** A single connection of the host, outside of any transaction. */
  hostConnection(): Promise<
    { readonly db: Database; release(): void }
  >;
}

export const DRIVER_NAMES = ["postgres.js", "node-postgres", "PGlite"] as const;
export type DriverName = typeof DRIVER_NAMES[number];

/** Where a driver finds its database. */
interface Place {
  readonly url: string;
  /** Past the proxy, if one is between. */
  readonly directUrl?: string;
  /** Where PGlite is one of the drivers. */
  readonly lite: PGlite | undefined;
  readonly odd?: boolean;
}

/** Opens a driver on the database `url`, or on `lite`. */
export function openDriver(name: DriverName, place: Place): OpenDriver {
  switch (name) {
    case "postgres.js":
      return openPostgresJs(place);
    case "node-postgres":
      return openNodePostgres(place);
    case "PGlite":
      assert(place.lite);
      return openPGlite(place.lite);
  }
}

function openPostgresJs({ url, directUrl = url, odd }: Place): OpenDriver {
  const direct = directUrl === url ? null : postgres(directUrl, { max: 1 });
  const options = direct ? { listenOn: postgresJs(direct) } : {};
  const host = postgres(url, {
    max: 3,
    onnotice: () => {},
    ...(odd && {
      types: { bigint: postgres.BigInt },
      transform: postgres.camel,
    }),
  });
  return {
    db: postgresJs(host, options),
    in: (schema) => postgresJs(host, { schema }),
    hostTransaction: (work) =>
      host.begin((tx) => work(postgresJs(tx))) as ReturnType<typeof work>,
    async hostConnection() {
      const reserved = await host.reserve();
      return { db: postgresJs(reserved), release: () => reserved.release() };
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(
        [host, direct].map((each) => each?.end({ timeout: 1 })),
      );
    },
  };
}

function openNodePostgres({ url, directUrl = url, odd }: Place): OpenDriver {
  const direct = directUrl === url
    ? null
    : new pg.Pool({ connectionString: directUrl, max: 1 });
  const options = direct ? { listenOn: nodePostgres(direct) } : {};
  const types = new pg.TypeOverrides();
  if (odd) types.setTypeParser(20, BigInt);
  const host = new pg.Pool({ connectionString: url, max: 3, types });
  // An idle connection that breaks is told to the pool; nobody hearing it would
  // end the process, so every host listens.
  host.on("error", () => {});
  return {
    db: nodePostgres(host, options),
    in: (schema) => nodePostgres(host, { schema }),
    async hostTransaction(work) {
      const client = await host.connect();
      try {
        await client.query("begin");
        const result = await work(nodePostgres(client));
        await client.query("commit");
        return result;
      } catch (error) {
        await client.query("rollback");
        throw error;
      } finally {
        client.release();
      }
    },
    async hostConnection() {
      const client = await host.connect();
      return { db: nodePostgres(client), release: () => client.release() };
    },
    async [Symbol.asyncDispose]() {
      await Promise.all([host.end(), direct?.end()]);
    },
  };
}

function openPGlite(lite: PGlite): OpenDriver {
  return {
    db: pglite(lite),
    in: (schema) => pglite(lite, { schema }),
    hostTransaction: (work) => lite.transaction((tx) => work(pglite(tx))),
    hostConnection: () =>
      Promise.resolve({ db: pglite(lite), release: () => {} }),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

/** What a test asks of a driver; on a Postgres that others reach too. */
export type Fact = (
  driver: OpenDriver,
  other: Database,
) => Promise<void>;

/** Declares a test for each driver. */
export type OnEachDriver = (
  name: string,
  fact: Fact,
  options?: { readonly drivers?: readonly DriverName[] },
) => void;

/**
 * Opens all drivers for the calling test file. Each test runs twice on each: as
 * the driver comes, and as a host with habits of its own opens it. It begins
 * with an empty table `notes`.
 */
export function useDrivers(): OnEachDriver {
  const testPostgres = usePostgres();
  let lite: PGlite | undefined;
  // Postgres inside PGlite sets timers of its own, and both sanitizers see them.
  Deno.test.sanitizer({ ops: false, resources: false });
  Deno.test.beforeAll(async () => {
    if (!Deno.env.get(POOLER)) lite = await openMigratedPGlite();
  });
  Deno.test.afterAll(() => lite?.close());

  return (name, fact, { drivers = DRIVER_NAMES } = {}) => {
    for (const driverName of drivers) {
      // It is in this process, and no proxy is between.
      if (driverName === "PGlite" && Deno.env.get(POOLER)) continue;
      Deno.test(`${driverName}: ${name}`, async () => {
        await using world = await testPostgres();
        for (const odd of [false, true]) {
          const { url, directUrl } = world;
          const options = { url, directUrl, lite, odd };
          await using driver = openDriver(driverName, options);
          await driver.db.script(`
            drop table if exists notes;
            create table notes (id integer primary key);
          `);
          await fact(driver, world.db);
        }
      });
    }
  };
}

/** Asserts that `promise` rejects with that SQLSTATE. */
export async function rejectsWith(
  promise: Promise<unknown>,
  code: string,
): Promise<void> {
  await assert.rejects(promise, { code });
}

/** The ids that stand in `notes`. */
export async function notesIn(db: Database): Promise<number[]> {
  const rows = await db.query<{ readonly id: number }>(sql`
    select id from notes order by id
  `);
  return rows.map((row) => row.id);
}
