/**
 * A process that works until it is told to stop, or dies:
 * `deno run -A worker.ts <settings as JSON>`.
 */
import { requireSchema } from "../../src/db/migrate.ts";
import { createEngine } from "../../src/engine/engine.ts";
import { chunkStepWorker } from "./chunk_work.ts";
import { openWorkerDatabase } from "./faults/worker_database.ts";
import { shiftClock } from "./faults/wrong_clock.ts";
import { LedgerPen } from "./ledger.ts";
import { limitedWorkers } from "./limited_work.ts";
import { migrationsOf } from "./releases.ts";
import { stepWorker } from "./step.ts";
import { Stopper } from "./stopper.ts";
import type { FullWorkerSettings } from "./worker_settings.ts";

const RSS_EVERY_MS = 200;

const settings = JSON.parse(Deno.args[0] ?? "{}") as FullWorkerSettings;
const { name, heartbeatMs = 100, clockOffMs = 0 } = settings;
if (clockOffMs !== 0) shiftClock(clockOffMs);

const pen = new LedgerPen(settings.ledgerFolder, name);
const stopper = new Stopper(settings.stop);
const pool = openWorkerDatabase(settings);
const database = stopper.watch(pool.database);
const tell: Parameters<typeof stepWorker>[0] = (place, run) => {
  if (place === "entered") return stopper.reach("before_perform");
  pen.write(place, run);
  stopper.reach(place === "began" ? "during_perform" : "after_perform");
};
const engine = createEngine({
  database,
  workers: [
    stepWorker(tell),
    ...settings.limited ? limitedWorkers(tell) : [],
    ...settings.chunks ? [chunkStepWorker(tell)] : [],
  ],
  queues: { default: { limit: settings.limit ?? 4 } },
  name,
  notify: settings.notify ?? true,
  pollMs: settings.pollMs ?? 50,
  ...(settings.statementMs && { statementMs: settings.statementMs }),
  heartbeatMs,
  heartbeatLateMs: heartbeatMs * 4,
  heartbeatMissingMs: heartbeatMs * 10,
  onEvent(event) {
    if (event.type === "run_ended" || event.type.startsWith("jobs_")) return;
    const { error, ...rest } = { error: null, ...event };
    console.log(
      "event",
      JSON.stringify(rest),
      error === null ? "" : `${error}`,
    );
  },
});

const parent = Deno.ppid;
setInterval(() => {
  console.log("rss", Deno.memoryUsage().rss);
  // Whoever started it was killed, and can not end it any more.
  if (Deno.ppid !== parent) Deno.exit(1);
}, RSS_EVERY_MS);
Deno.addSignalListener("SIGTERM", async () => {
  await engine.stop({ graceMs: settings.graceMs ?? 2_000 });
  await pool.end();
  console.log("stopped");
  Deno.exit(0);
});
const { holdMs } = settings;
if (holdMs) {
  Deno.addSignalListener("SIGUSR1", async () => {
    await pool.hold(holdMs);
    console.log("let go");
  });
}
if (settings.pages) await servePages();
if (settings.release !== undefined) await checkSchema(settings.release);
await engine.start();
console.log("started");

/** As a yardmaster does before it starts. */
async function checkSchema(release: number): Promise<void> {
  try {
    await requireSchema(database, { migrations: migrationsOf(release) });
  } catch (error) {
    console.log(`refused ${error}`);
    Deno.exit(3);
  }
}

/** In the same process, as most hosts do. */
async function servePages(): Promise<void> {
  const { webHost } = await import("../support/web_host.ts");
  const host = webHost({ db: database });
  Deno.serve({
    hostname: "127.0.0.1",
    port: 0,
    onListen: ({ port }) => console.log(`pages http://127.0.0.1:${port}`),
  }, (request) => {
    const { pathname, search } = new URL(request.url);
    return host.request(pathname + search);
  });
}
