/** The three drivers, opened as a host would, for tests that run on each. */
import type { PGlite } from "@electric-sql/pglite";
import pg from "pg";
import postgres from "postgres";
import type { Database } from "../../src/db/database.ts";
import { nodePostgres } from "../../src/db/node_postgres.ts";
import { pglite } from "../../src/db/pglite.ts";
import { postgresJs } from "../../src/db/postgres_js.ts";

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

/** Opens a driver on the database `url`, or on `lite`. */
export function openDriver(name: DriverName, { url, lite, odd = false }: {
  readonly url: string;
  readonly lite: PGlite;
  readonly odd?: boolean;
}): OpenDriver {
  switch (name) {
    case "postgres.js":
      return openPostgresJs(url, odd);
    case "node-postgres":
      return openNodePostgres(url, odd);
    case "PGlite":
      return openPGlite(lite);
  }
}

function openPostgresJs(url: string, odd: boolean): OpenDriver {
  const host = postgres(url, {
    max: 3,
    onnotice: () => {},
    ...(odd && {
      types: { bigint: postgres.BigInt },
      transform: postgres.camel,
    }),
  });
  return {
    db: postgresJs(host),
    in: (schema) => postgresJs(host, { schema }),
    hostTransaction: (work) =>
      host.begin((tx) => work(postgresJs(tx))) as ReturnType<typeof work>,
    async hostConnection() {
      const reserved = await host.reserve();
      return { db: postgresJs(reserved), release: () => reserved.release() };
    },
    [Symbol.asyncDispose]: () => host.end({ timeout: 1 }),
  };
}

function openNodePostgres(url: string, odd: boolean): OpenDriver {
  const types = new pg.TypeOverrides();
  if (odd) types.setTypeParser(20, BigInt);
  const host = new pg.Pool({ connectionString: url, max: 3, types });
  // An idle connection that breaks is told to the pool; nobody hearing it would
  // end the process, so every host listens.
  host.on("error", () => {});
  return {
    db: nodePostgres(host),
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
    [Symbol.asyncDispose]: () => host.end(),
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
