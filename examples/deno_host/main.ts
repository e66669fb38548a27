/**
 * A Deno host. With `DATABASE_URL` it runs on that Postgres, in as many processes
 * as you start; without, on PGlite in the folder `DATA_DIR`.
 */
import { PGlite } from "@electric-sql/pglite";
import postgres from "postgres";
import type { Database } from "../../mod.ts";
import { pglite } from "../../src/db/pglite.ts";
import { postgresJs } from "../../src/db/postgres_js.ts";
import { seed } from "../../fixtures/ops_demo.ts";
import { createDemoHost } from "../../fixtures/ops_demo_host.ts";

const { database, close } = await open();
const host = await createDemoHost({
  database,
  sessionSecret: Deno.env.get("SESSION_SECRET") ?? crypto.randomUUID(),
});

const { from } = await host.yard.migrate();
await host.yard.start();
if (from === 0) await seed(host.yard);

const server = Deno.serve({
  port: Number(Deno.env.get("PORT") ?? 8000),
  hostname: "127.0.0.1",
  onListen: ({ port }) =>
    console.log(
      `Open http://localhost:${port}/ops/jobs and sign in as ops-demo. Ctrl-C stops.`,
    ),
}, host.fetch);

let stopping = false;
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  Deno.addSignalListener(signal, async () => {
    if (stopping) Deno.exit(130);
    stopping = true;
    console.log("Stopping: running jobs get up to 5 seconds.");
    await server.shutdown();
    await host.yard.stop({ graceMs: 5_000 });
    await close();
    Deno.exit(0);
  });
}

async function open(): Promise<
  { database: Database; close: () => Promise<void> }
> {
  const url = Deno.env.get("DATABASE_URL");
  if (url !== undefined && url !== "") {
    const client = postgres(url, { fetch_types: false, onnotice: () => {} });
    return { database: postgresJs(client), close: () => client.end() };
  }
  const folder = Deno.env.get("DATA_DIR") ?? ".data/demo";
  console.log(
    `Starting Postgres in process (PGlite, ${folder}); the first start takes some seconds …`,
  );
  await Deno.mkdir(folder, { recursive: true });
  const client = await PGlite.create(folder);
  return { database: pglite(client), close: () => client.close() };
}
