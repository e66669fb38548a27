/** The same host under Bun: `DATABASE_URL=postgres://… bun examples/bun_host/main.ts`. */
import postgres from "postgres";
import process from "node:process";
import { postgresJs } from "../../src/db/postgres_js.ts";
import { createDemoHost } from "../../fixtures/ops_demo_host.ts";
import { seed } from "../../fixtures/ops_demo.ts";

declare const Bun: {
  serve(options: {
    port: number;
    hostname: string;
    fetch: (request: Request) => Response | Promise<Response>;
  }): { readonly port: number; stop(): Promise<void> };
};

const url = process.env.DATABASE_URL;
if (url === undefined || url === "") {
  console.error(
    'Cannot start: "DATABASE_URL" is missing, such as postgres://user@127.0.0.1:5432/shop',
  );
  process.exit(2);
}

const client = postgres(url, { fetch_types: false, onnotice: () => {} });
const host = await createDemoHost({
  database: postgresJs(client),
  sessionSecret: process.env.SESSION_SECRET ?? crypto.randomUUID(),
});

const { from } = await host.yard.migrate();
await host.yard.start();
if (from === 0) await seed(host.yard);

const server = Bun.serve({
  port: Number(process.env.PORT ?? 8000),
  hostname: "127.0.0.1",
  fetch: host.fetch,
});
console.log(
  `Open http://localhost:${server.port}/ops/jobs and sign in as ops-demo. Ctrl-C stops.`,
);

for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.once(signal, async () => {
    await server.stop();
    await host.yard.stop({ graceMs: 5_000 });
    await client.end();
    process.exit(0);
  });
}
