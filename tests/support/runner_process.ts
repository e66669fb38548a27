/** A process that runs jobs: the first attempt of each never ends. */
import process from "node:process";
import postgres from "postgres";
import { postgresJs } from "../../src/db/postgres_js.ts";
import { createEngine } from "../../src/engine/engine.ts";
import { defineWorker } from "../../src/engine/worker.ts";

/** By which a test knows that it has begun. */
export const BEGAN = "began";

/** Its second attempt tells which one it was. */
export const stubborn = defineWorker({
  name: "stubborn",
  recordOutput: true,
  perform: ({ n }: { n: number }, { attempt }) => {
    console.log(BEGAN);
    if (attempt > 1) return { n, attempt };
    return new Promise<{ n: number; attempt: number }>(() => {});
  },
});

if (import.meta.main) {
  const [url = "", direct = ""] = process.argv.slice(2);
  const options = { fetch_types: false, onnotice: () => {} };
  const listenOn = url === direct
    ? undefined
    : postgresJs(postgres(direct, { ...options, max: 1 }));
  const pool = postgres(url, { ...options, max: 3 });
  const database = postgresJs(pool, listenOn && { listenOn });
  const engine = createEngine({
    database,
    workers: [stubborn],
    queues: { default: { limit: 5 } },
    heartbeatMs: 100,
    heartbeatLateMs: 300,
    heartbeatMissingMs: 1_000,
  });
  await engine.start();
}
