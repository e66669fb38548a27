/** What goes over the wire, and what becomes of statements that have names. */
import assert from "node:assert/strict";
import { connect, createServer, type Server, type Socket } from "node:net";
import { once } from "node:events";
import postgres from "postgres";
import type { Database } from "../../src/db/database.ts";
import {
  postgresJs,
  type PostgresJsOptions,
} from "../../src/db/postgres_js.ts";
import { sql } from "../../src/db/sql.ts";
import { usePostgres } from "../support/postgres.ts";
import { until } from "../support/until.ts";

const testPostgres = usePostgres();

/** The letters of the messages that a client sends, flight by flight. */
class Wire implements AsyncDisposable {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  flights: string[] = [];

  readonly #closed: Promise<unknown>;

  private constructor(server: Server) {
    this.#server = server;
    this.#closed = once(server, "close");
  }

  /** Takes no connection any more. */
  close(): void {
    this.#server.close();
  }

  static async to(url: URL): Promise<{ wire: Wire; url: URL }> {
    const server = createServer();
    const wire = new Wire(server);
    server.on("connection", (client: Socket) => {
      const upstream = connect(Number(url.port), url.hostname);
      for (const socket of [client, upstream]) {
        wire.#sockets.add(socket);
        socket.setNoDelay(true);
        socket.on("error", () => {});
      }
      let isStarting = true;
      client.on("data", (bytes: Uint8Array) => {
        if (!isStarting) wire.flights.push(letters(bytes));
        isStarting = false;
        upstream.write(bytes);
      });
      upstream.on("data", (bytes: Uint8Array) => client.write(bytes));
      client.on("close", () => upstream.destroy());
      upstream.on("close", () => client.destroy());
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as { port: number };
    const through = new URL(url);
    through.port = String(port);
    return { wire, url: through };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    await this.#closed;
  }
}

/** Parse, Describe, Bind, Execute, Sync, Query, Flush (H). */
function letters(bytes: Uint8Array): string {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let text = "";
  for (let at = 0; at < bytes.length; at += 1 + view.getUint32(at + 1)) {
    text += String.fromCharCode(view.getUint8(at));
  }
  return text;
}

/** One connection, and what it sends. */
async function onWire(
  work: (it: {
    readonly db: Database;
    readonly wire: Wire;
  }) => Promise<void>,
  { driver, ...options }: PostgresJsOptions & {
    readonly driver?: { readonly prepare: boolean };
  } = {},
): Promise<void> {
  await using postgresWorld = await testPostgres();
  const { wire, url } = await Wire.to(new URL(postgresWorld.directUrl));
  await using _wire = wire;
  const pool = postgres(url.href, { max: 1, fetch_types: false, ...driver });
  try {
    const db = postgresJs(pool, options);
    await db.script("create temp table notes (n integer)");
    wire.flights = [];
    await work({ db, wire });
  } finally {
    await pool.end();
  }
}

const HOT = { hot: true };
const add = (db: Database, n: number) =>
  db.query(sql`insert into notes values (${n}::integer) returning n`, HOT);
const notesIn = async (db: Database) =>
  (await db.query<{ n: number }>(sql`select n from notes order by n`))
    .map(({ n }) => n);

Deno.test("postgresJs() sends a statement and its values in one trip", async () => {
  await onWire(async ({ db, wire }) => {
    for (const n of [1, 2]) {
      await db.query(sql`select ${n}::integer, ${"a"}::text`);
    }
    assert.deepEqual(wire.flights, ["PDBES", "PDBES"]);
  });
});

Deno.test("postgresJs() names a hot statement, and afterwards sends its values only", async () => {
  await onWire(async ({ db, wire }) => {
    for (const n of [1, 2, 3]) await add(db, n);
    await db.transaction((tx) => add(tx, 4));
    assert.deepEqual(wire.flights.slice(0, 3), ["PDBES", "BES", "BES"]);
    // The bound of the transaction goes out with its first statement.
    assert.deepEqual(wire.flights.slice(3, 5), ["Q", "QBES"]);
    assert.deepEqual(await notesIn(db), [1, 2, 3, 4]);
  });
});

Deno.test("postgresJs() names nothing when it or the driver is told so, and everything when told so", async () => {
  const twice = ["PDBES", "PDBES"];
  const cases: readonly [Parameters<typeof onWire>[1], string[]][] = [
    [{ prepare: false }, twice],
    [{ driver: { prepare: false } }, twice],
    [{ prepare: true, driver: { prepare: false } }, twice],
    [{ prepare: true }, ["PDBES", "BES"]],
  ];
  for (const [options, flights] of cases) {
    await onWire(async ({ db, wire }) => {
      for (const n of [1, 2]) await db.query(sql`select ${n}::integer`);
      assert.deepEqual(wire.flights, flights);
      wire.flights = [];
      for (const n of [1, 2]) await add(db, n);
      assert.deepEqual(wire.flights, flights);
    }, options);
  }
});

Deno.test("postgresJs() runs a statement once whose name was forgotten, and names no more", async () => {
  await onWire(async ({ db, wire }) => {
    await add(db, 1);
    await db.script("deallocate all");
    await add(db, 2);
    wire.flights = [];
    for (const n of [3, 4]) await add(db, n);
    assert.deepEqual(wire.flights, ["PDBES", "PDBES"]);
    assert.deepEqual(await notesIn(db), [1, 2, 3, 4]);
  });
});

Deno.test("postgresJs() tells what was wrong with a statement whose name was forgotten", async () => {
  await onWire(async ({ db }) => {
    await db.script("alter table notes add check (n < 2)");
    await add(db, 1);
    await db.script("deallocate all");
    await assert.rejects(add(db, 2), { code: "23514" });
    assert.deepEqual(await notesIn(db), [1]);
  });
});

Deno.test("postgresJs() goes on to name what it sends after a table changed under a statement", async () => {
  await onWire(async ({ db, wire }) => {
    const addAll = (n: number) =>
      db.query(sql`insert into notes values (${n}) returning *`, { hot: true });
    await addAll(1);
    await db.script("alter table notes add column more text");
    assert.deepEqual(await addAll(2), [{ n: 2, more: null }]);
    wire.flights = [];
    await addAll(3);
    assert.deepEqual(wire.flights, ["BES"]);

    // The driver tells of the table, whatever was wrong the second time.
    await db.script("alter table notes drop column more, add check (n < 4)");
    await assert.rejects(addAll(4), { code: "23514" });
    assert.deepEqual(await notesIn(db), [1, 2, 3]);
  });
});

Deno.test("postgresJs() fails a transaction in which a name was forgotten, and the next one has none", async () => {
  await onWire(async ({ db, wire }) => {
    await add(db, 1);
    await assert.rejects(
      db.transaction(async (tx) => {
        await tx.query(sql`insert into notes values (7)`);
        await tx.script("deallocate all");
        await add(tx, 2);
      }),
      { code: "26000" },
    );
    wire.flights = [];
    await db.transaction((tx) => add(tx, 3));
    assert.ok(wire.flights.includes("PDBES"));
    assert.deepEqual(await notesIn(db), [1, 3]);
  });
});

Deno.test("postgresJs() sends nothing behind a statement that waits", async () => {
  await using world = await testPostgres();
  const pool = postgres(world.directUrl, { max: 2, fetch_types: false });
  try {
    const db = postgresJs(pool);
    const ended: string[] = [];
    const run = async (name: string, key: number) => {
      await db.query(sql`select pg_advisory_xact_lock(${key}::bigint)`, HOT);
      ended.push(name);
    };
    // Both connections are there, and know the statement.
    await world.db.transaction(async (tx) => {
      await tx.query(sql`select pg_advisory_xact_lock(1)`);
      const both = [run("first", 1), run("first", 1)];
      await until("both wait", () => isAwaited(world.db, 2));
      void Promise.all(both).catch(() => {});
    });
    await until("both know the statement", () => ended.length === 2);
    let all: Promise<unknown> = Promise.resolve();
    await world.db.transaction(async (tx) => {
      await tx.query(sql`select pg_advisory_xact_lock(1)`);
      const slow = run("slow", 1);
      await until("it waits", () => isAwaited(world.db, 1));
      const others = [run("a", 2), run("b", 3), run("c", 4)];
      all = Promise.all([slow, ...others]);
      await until("the others have ended", () => ended.length === 5);
    });
    await all;
    assert.deepEqual(ended.slice(2), ["a", "b", "c", "slow"]);
  } finally {
    await pool.end();
  }
});

/** Whether so many wait for a lock. */
async function isAwaited(db: Database, count: number): Promise<boolean> {
  const rows = await db.query(sql`
    select from pg_stat_activity
    where datname = current_database() and wait_event_type = 'Lock'
  `);
  return rows.length === count;
}

Deno.test("postgresJs() gives up a statement where the server takes no connection for the request to cancel", async () => {
  await onWire(async ({ db, wire }) => {
    wire.close();
    const giveUp = new AbortController();
    const sleeping = db.query(sql`select pg_sleep(0.5)::text`, {
      signal: giveUp.signal,
    });
    await until("it was sent", () => wire.flights.length > 0);
    giveUp.abort();
    // An error that nobody can catch would fail this test.
    await sleeping;
  });
});
