// A host that knows us only from the packed tarball. It runs a job, mounts the
// pages, reads one, and prints what it saw as one line of JSON.
import { PGlite } from "@electric-sql/pglite";
import { createYardmaster, defineWorker } from "@yardmaster/yardmaster";
import { nodePostgres } from "@yardmaster/yardmaster/pg";
import { pglite } from "@yardmaster/yardmaster/pglite";
import { postgresJs } from "@yardmaster/yardmaster/postgres";
import { Hono } from "hono";
import { readFile } from "node:fs/promises";
import process from "node:process";
import pg from "pg";
import postgres from "postgres";

// A database that was migrated already: making one costs seconds on a runtime.
const snapshot = await readFile(process.argv[2]);
const db = await PGlite.create({ loadDataDir: new Blob([snapshot]) });

const ran = [];
const greet = defineWorker({
  name: "greet",
  perform: ({ who }) => {
    ran.push(who);
  },
});
const yard = createYardmaster({
  database: pglite(db),
  workers: [greet],
  queues: { default: { limit: 2 } },
  auth: {
    currentActor: () => ({ id: "ops-demo" }),
    authorize: () => true,
    auditPrincipal: (actor) => ({ id: actor.id, type: "user" }),
  },
  displayPolicy: () => null,
});
const { to } = await yard.migrate();
await yard.enqueue(greet, { who: "tarball" });
await yard.tick({ budgetMs: 5_000 });

const host = new Hono().route("/ops/jobs", await yard.pages());
const page = await host.request("http://host.test/ops/jobs");
const text = await page.text();
const style = /href="([^"]+\.css)"/.exec(text)?.[1];
const css = await host.request(new URL(style, "http://host.test/ops/jobs"));
await yard.stop();
await db.close();

// The other drivers, on a real Postgres: one job each, through the whole engine.
const url = process.argv[3];
const sql = postgres(url, { max: 4, onnotice: () => {} });
const pool = new pg.Pool({ connectionString: url, max: 4 });
const drivers = [];
for (const database of [postgresJs(sql), nodePostgres(pool)]) {
  let done = () => {};
  const runs = new Promise((resolve) => done = resolve);
  const charge = defineWorker({
    name: "charge",
    perform: ({ order }) => done(order),
  });
  const other = createYardmaster({
    database,
    workers: [charge],
    queues: { default: { limit: 2 } },
  });
  await other.start();
  await sql.begin((tx) =>
    other.enqueue(charge, { order: 7 }, { database: postgresJs(tx) })
  );
  drivers.push(await runs);
  await other.stop();
}
await sql.end();
await pool.end();
console.log(JSON.stringify({
  version: to,
  ran,
  status: page.status,
  title: /<title>[^<]*<\/title>/.test(text),
  css: css.status,
  drivers,
}));
process.exit(0);
