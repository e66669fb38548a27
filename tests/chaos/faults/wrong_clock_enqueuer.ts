/**
 * A process whose clock is wrong enqueues:
 * `deno run -A wrong_clock_enqueuer.ts <url> <offMs> <delayMs> <key>`. It prints
 * the answers: of a job for later, of one whose key is held for a while, and of
 * one whose key is held for a moment.
 */
import postgres from "postgres";
import { postgresJs } from "../../../src/db/postgres_js.ts";
import { createEngine } from "../../../src/engine/engine.ts";
import { stepWorker } from "../step.ts";
import { shiftClock } from "./wrong_clock.ts";

/** Longer than a round on a slow machine, and shorter than clocks are off. */
const WHILE_MS = 600_000;
const MOMENT_MS = 50;

const [url = "", offMs = "0", delayMs = "0", key = ""] = Deno.args;
shiftClock(Number(offMs));

const pool = postgres(url, { max: 1, fetch_types: false, onnotice: () => {} });
const engine = createEngine({ database: postgresJs(pool) });
const worker = stepWorker(() => {});

function enqueueUnique(periodMs: number) {
  const args = { ms: 1, key, periodMs };
  return engine.enqueue(worker, args, { unique: { periodMs, states: "all" } });
}
const answers = [
  await engine.enqueue(worker, { ms: 1 }, { delayMs: Number(delayMs) }),
  await enqueueUnique(WHILE_MS),
  await enqueueUnique(MOMENT_MS),
];
console.log(JSON.stringify(answers.map((answer) => ({
  status: answer.status,
  jobId: "job" in answer ? answer.job.id : null,
}))));
await engine.stop();
await pool.end();
