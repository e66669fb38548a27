/** A job inserted inside of the host's transaction is there if, and only if, it commits. */
import { PGlite } from "@electric-sql/pglite";
import { drizzle as drizzleNodePostgres } from "drizzle-orm/node-postgres";
import { drizzle as drizzlePGlite } from "drizzle-orm/pglite";
import { drizzle as drizzlePostgresJs } from "drizzle-orm/postgres-js";
import { sql as drizzleSql } from "drizzle-orm";
import {
  CamelCasePlugin,
  Kysely,
  PGliteDialect,
  PostgresDialect,
  sql as kyselySql,
} from "kysely";
import assert from "node:assert/strict";
import pg from "pg";
import postgres from "postgres";
import type { Database } from "../../src/db/database.ts";
import { drizzle } from "../../src/db/drizzle.ts";
import { kysely } from "../../src/db/kysely.ts";
import { nodePostgres } from "../../src/db/node_postgres.ts";
import { pglite } from "../../src/db/pglite.ts";
import { postgresJs } from "../../src/db/postgres_js.ts";
import { sql } from "../../src/db/sql.ts";
import { defineWorker } from "../../src/engine/worker.ts";
import { createYardmaster } from "../../src/yardmaster.ts";
import { migratedSnapshot } from "../support/pglite.ts";
import { usePostgres } from "../support/postgres.ts";

const testPostgres = usePostgres();
let lite: PGlite;
// Postgres inside PGlite sets timers of its own, and both sanitizers see them.
Deno.test.sanitizer({ ops: false, resources: false });
Deno.test.beforeAll(async () => {
  lite = await PGlite.create({
    loadDataDir: new Blob([await migratedSnapshot()]),
    // Kysely tells no types, so it asks for this.
    parsers: { 20: (text: string) => text },
  });
});
Deno.test.afterAll(() => lite.close());

/** Does the host's own write and ours in one transaction, the host's own way. */
type InOneTransaction = (
  work: (tx: Database, hostWrite: () => Promise<unknown>) => Promise<void>,
) => Promise<unknown>;

interface Host extends AsyncDisposable {
  /** To look at what came of it. */
  readonly db: Database;
  readonly inOneTransaction: InOneTransaction;
}

const HOST_WRITE = "insert into host_orders values (1)";

const HOSTS: Readonly<Record<string, (url: string) => Host>> = {
  "postgres.js": (url) => {
    const host = postgres(url, { max: 2, onnotice: () => {} });
    return {
      db: postgresJs(host),
      inOneTransaction: (work) =>
        host.begin((tx) => work(postgresJs(tx), () => tx.unsafe(HOST_WRITE))),
      [Symbol.asyncDispose]: () => host.end(),
    };
  },
  "node-postgres": (url) => {
    const host = new pg.Pool({ connectionString: url, max: 2 });
    return {
      db: nodePostgres(host),
      async inOneTransaction(work) {
        const client = await host.connect();
        await client.query("begin");
        try {
          await work(nodePostgres(client), () => client.query(HOST_WRITE));
          await client.query("commit");
        } catch (error) {
          await client.query("rollback");
          throw error;
        } finally {
          client.release();
        }
      },
      [Symbol.asyncDispose]: () => host.end(),
    };
  },
  "PGlite": () => ({
    db: pglite(lite),
    inOneTransaction: (work) =>
      lite.transaction((tx) => work(pglite(tx), () => tx.query(HOST_WRITE))),
    async [Symbol.asyncDispose]() {},
  }),
  "Drizzle on postgres.js": (url) => {
    const client = postgres(url, { max: 2, onnotice: () => {} });
    const host = drizzlePostgresJs(client);
    return {
      db: drizzle(host),
      inOneTransaction: (work) =>
        host.transaction((tx) =>
          work(drizzle(tx), () => tx.execute(drizzleSql.raw(HOST_WRITE)))
        ),
      [Symbol.asyncDispose]: () => client.end(),
    };
  },
  "Drizzle on node-postgres": (url) => {
    const client = new pg.Pool({ connectionString: url, max: 2 });
    const host = drizzleNodePostgres(client);
    return {
      db: drizzle(host),
      inOneTransaction: (work) =>
        host.transaction((tx) =>
          work(drizzle(tx), () => tx.execute(drizzleSql.raw(HOST_WRITE)))
        ),
      [Symbol.asyncDispose]: () => client.end(),
    };
  },
  "Drizzle on PGlite": () => {
    const host = drizzlePGlite(lite);
    return {
      db: drizzle(host),
      inOneTransaction: (work) =>
        host.transaction((tx) =>
          work(drizzle(tx), () => tx.execute(drizzleSql.raw(HOST_WRITE)))
        ),
      async [Symbol.asyncDispose]() {},
    };
  },
  "Kysely on node-postgres": (url) => {
    const host = new Kysely<unknown>({
      dialect: new PostgresDialect({
        pool: new pg.Pool({ connectionString: url, max: 2 }),
      }),
      plugins: [new CamelCasePlugin()],
    });
    return {
      db: kysely(host),
      inOneTransaction: (work) =>
        host.transaction().execute((trx) =>
          work(kysely(trx), () => kyselySql.raw(HOST_WRITE).execute(trx))
        ),
      [Symbol.asyncDispose]: () => host.destroy(),
    };
  },
  "Kysely on PGlite": () => {
    const host = new Kysely<unknown>({
      dialect: new PGliteDialect({ pglite: lite }),
    });
    return {
      db: kysely(host),
      inOneTransaction: (work) =>
        host.transaction().execute((trx) =>
          work(kysely(trx), () => kyselySql.raw(HOST_WRITE).execute(trx))
        ),
      async [Symbol.asyncDispose]() {},
    };
  },
};

const WORKERS = ["kept", "kept_too", "gone", "gone_too"].map((name) =>
  defineWorker({ name, perform: () => {} })
);

/** Enqueues as a host does, with the handle of its transaction. */
async function insertOne(tx: Database, name: string): Promise<void> {
  const yard = createYardmaster({
    // Not asked: everything goes through the handle that is given below.
    database: {
      ...tx,
      now: tx.now,
      query: () => assert.fail("another handle"),
    },
    workers: WORKERS,
    queues: { default: { limit: 1 } },
  });
  const worker = WORKERS.find((each) => each.name === name);
  assert(worker);
  const answer = await yard.enqueue(
    worker,
    { order: 1 },
    { database: tx, tags: ["a", "b"] },
  );
  assert(answer.status === "inserted", JSON.stringify(answer));
  assert.match(answer.job.id, /^\d+$/);
}

/** What stands in the tables after it. */
async function facts(db: Database): Promise<unknown> {
  const [row] = await db.query(sql`
    select
      (select array_agg(worker order by worker) from yardmaster.jobs) as "jobs",
      (select array_agg(worker order by worker) from yardmaster.ready) as "ready",
      (select count(*)::integer from host_orders) as "orders"
  `);
  return row;
}

/** The host on an empty database, with a table of its own. */
async function openEmpty(openHost: (url: string) => Host): Promise<Host> {
  const world = await testPostgres();
  const host = openHost(world.url);
  for (
    const statement of [
      "drop table if exists host_orders",
      "create table host_orders (id integer)",
      "truncate yardmaster.jobs, yardmaster.ready",
    ]
  ) await host.db.script(statement);
  return {
    ...host,
    async [Symbol.asyncDispose]() {
      await host[Symbol.asyncDispose]();
      await world[Symbol.asyncDispose]();
    },
  };
}

for (const [name, openHost] of Object.entries(HOSTS)) {
  Deno.test(`${name}: a job commits with the host's own transaction`, async () => {
    await using host = await openEmpty(openHost);
    await host.inOneTransaction(async (tx, hostWrite) => {
      await insertOne(tx, "kept");
      await hostWrite();
      await tx.transaction((inner) => insertOne(inner, "kept_too"));
    });
    const both = ["kept", "kept_too"];
    assert.deepEqual(await facts(host.db), {
      jobs: both,
      ready: both,
      orders: 1,
    });
  });

  Deno.test(`${name}: a job rolls back with the host's own transaction`, async () => {
    await using host = await openEmpty(openHost);
    await assert.rejects(
      host.inOneTransaction(async (tx, hostWrite) => {
        await hostWrite();
        await insertOne(tx, "gone");
        await tx.transaction((inner) => insertOne(inner, "gone_too"));
        throw new Error("The order is not valid");
      }),
      { message: "The order is not valid" },
    );
    const none = { jobs: null, ready: null, orders: 0 };
    assert.deepEqual(await facts(host.db), none);
  });

  Deno.test(`${name}: what fails in a transaction of ours leaves the host's as it was`, async () => {
    await using host = await openEmpty(openHost);
    await host.inOneTransaction(async (tx, hostWrite) => {
      await hostWrite();
      await assert.rejects(
        tx.transaction(async (inner) => {
          await insertOne(inner, "gone");
          await inner.query(sql`select 1 / 0`);
        }),
        { code: "22012" },
      );
      await insertOne(tx, "kept");
    });
    const one = { jobs: ["kept"], ready: ["kept"], orders: 1 };
    assert.deepEqual(await facts(host.db), one);
  });
}

Deno.test("drizzle() refuses a driver that it does not know", () => {
  assert.throws(() => drizzle({ _: { session: { client: {} } } }), TypeError);
  assert.throws(() => drizzle({ _: { session: {} } }), TypeError);
});

Deno.test("kysely() refuses a driver that reads int8 as a number", async () => {
  await using world = await testPostgres();
  const types = new pg.TypeOverrides();
  types.setTypeParser(20, Number);
  const host = new Kysely<unknown>({
    dialect: new PostgresDialect({
      pool: new pg.Pool({ connectionString: world.url, types }),
    }),
  });
  await assert.rejects(kysely(host).query(sql`select 1`), {
    name: "TypeError",
    message: /its driver must read int8 as text/,
  });
  await host.destroy();
});
