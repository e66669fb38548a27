/** What node-postgres needs beside what all drivers have in common. */
import assert from "node:assert/strict";
import pg from "pg";
import { nodePostgres } from "../../src/db/node_postgres.ts";
import { sql } from "../../src/db/sql.ts";
import { usePostgres } from "../support/postgres.ts";

const testPostgres = usePostgres();

Deno.test("listen() connects with the password that the pool hides", async () => {
  await using world = await testPostgres();
  const passwords: unknown[] = [];
  class Watched extends pg.Client {
    constructor(options: pg.ClientConfig) {
      super(options);
      passwords.push(options.password);
    }
  }
  const { hostname, port, pathname } = new URL(world.url);
  const pool = new pg.Pool({
    host: hostname,
    port: Number(port),
    database: pathname.slice(1),
    user: "postgres",
    password: "secret",
    Client: Watched as unknown as new () => pg.ClientBase,
  });
  const db = nodePostgres(pool);
  assert(db.listen);
  const stop = await db.listen("yardmaster_a", () => {});
  await stop();
  await pool.end();
  assert.deepEqual(passwords, ["secret"]);
});

/** What a server says, as its protocol has it. */
const READY = message("Z", "I");
const WELCOME = message("R", "\0\0\0\0") + READY;
const DONE = message("1", "") + message("2", "") + message("n", "") +
  message("C", "SELECT 0\0") + READY;
const GOODBYE = message("E", "SFATAL\0C57P01\0Mterminating connection\0\0");

Deno.test("a connection that ends with the word that it is ready fails the transaction, and not the process", async () => {
  await using server = serverThatSays([WELCOME + GOODBYE]);
  const pool = poolOf(server);

  await assert.rejects(
    nodePostgres(pool).transaction((tx) => tx.query(sql`select`)),
    /not queryable/,
  );
  await pool.end();
});

Deno.test("a connection that ends with an answer fails the transaction that waited for it, and not the process", async () => {
  await using server = serverThatSays([WELCOME, DONE + GOODBYE]);
  const pool = poolOf(server);
  const db = nodePostgres(pool);

  const query = db.query(sql`select`);
  const waiting = db.transaction((tx) => tx.query(sql`select`));
  await Promise.all([
    query,
    assert.rejects(waiting, /not queryable/),
  ]);
  await pool.end();
});

Deno.test("a connection that ends with the word that it is ready fails a statement that can be given up", async () => {
  await using server = serverThatSays([WELCOME + GOODBYE]);
  const pool = poolOf(server);

  await assert.rejects(
    nodePostgres(pool).query(sql`select`, {
      signal: new AbortController().signal,
    }),
    /not queryable/,
  );
  await pool.end();
});

Deno.test("a statement that was given up before it had a connection leaves that connection to others", async () => {
  await using world = await testPostgres();
  const pool = new pg.Pool({ connectionString: world.url, max: 1 });
  const db = nodePostgres(pool);
  const pid = () => db.query(sql`select pg_backend_pid()`);
  const before = await pid();
  const giveUp = new AbortController();

  const busy = await pool.connect();
  const waiting = [
    db.query(sql`select 1`, { signal: giveUp.signal }),
    db.transaction((tx) => tx.query(sql`select 1`), { signal: giveUp.signal }),
  ].map((each) => assert.rejects(each, { name: "QueryCancelledError" }));
  giveUp.abort();
  busy.release();

  await Promise.all(waiting);
  assert.deepEqual(await pid(), before);
  await pool.end();
});

function message(type: string, body: string): string {
  return `${type}\0\0\0${String.fromCharCode(body.length + 4)}${body}`;
}

/**
 * A server that says the first word when it is greeted and the next ones when it
 * is asked, each in one piece, as the network would hand over what was sent at
 * about the same time.
 */
function serverThatSays(
  words: readonly string[],
): AsyncDisposable & { readonly port: number } {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const talking = (async () => {
    using connection = await listener.accept();
    const heard = new Uint8Array(4_096);
    for (const word of words) {
      await connection.read(heard);
      await connection.write(new TextEncoder().encode(word));
    }
    // The client closes it.
    while (await connection.read(heard).catch(() => null) !== null);
  })();
  return {
    port: listener.addr.port,
    async [Symbol.asyncDispose]() {
      await talking;
      listener.close();
    },
  };
}

function poolOf({ port }: { readonly port: number }): pg.Pool {
  const pool = new pg.Pool({
    host: "127.0.0.1",
    port,
    user: "postgres",
    password: "",
    max: 1,
  });
  // As hosts do: what happens to a connection that nobody uses.
  pool.on("error", () => {});
  return pool;
}
