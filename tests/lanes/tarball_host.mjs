// A host that knows us only from the packed tarball. It runs a job, mounts the
// pages, reads one, and prints what it saw as one line of JSON.
import { PGlite } from "@electric-sql/pglite";
import { createYardmaster, defineWorker } from "@yardmaster/yardmaster";
import { pglite } from "@yardmaster/yardmaster/pglite";
import { Hono } from "hono";
import { readFile } from "node:fs/promises";
import process from "node:process";

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
console.log(JSON.stringify({
  version: to,
  ran,
  status: page.status,
  title: /<title>[^<]*<\/title>/.test(text),
  css: css.status,
}));
process.exit(0);
