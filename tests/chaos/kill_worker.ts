/**
 * A process that works until it is killed: `deno run -A kill_worker.ts <url>
 * <name>`. It tells by lines on its output what it does.
 */
import postgres from "postgres";
import { postgresJs } from "../../src/db/postgres_js.ts";
import { createEngine } from "../../src/engine/engine.ts";
import { ledgerWorkers } from "./ledger.ts";

const [url = "", name = "worker"] = Deno.args;
const pool = postgres(url, { max: 4, onnotice: () => {} });
const engine = createEngine({
  database: postgresJs(pool),
  workers: ledgerWorkers(pool, name),
  queues: { default: { limit: 4 } },
  name,
  notify: Deno.env.get("NOTIFY") !== "off",
  pollMs: 50,
  heartbeatMs: 100,
  heartbeatLateMs: 400,
  heartbeatMissingMs: 1_000,
});
await engine.start();
console.log("started");

Deno.addSignalListener("SIGTERM", async () => {
  await engine.stop({ graceMs: 5_000 });
  await pool.end();
  console.log("stopped");
  Deno.exit(0);
});
