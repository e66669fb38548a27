/** What node-postgres needs beside what all drivers have in common. */
import assert from "node:assert/strict";
import pg from "pg";
import { nodePostgres } from "../../src/db/node_postgres.ts";
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
