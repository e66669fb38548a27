/**
 * How many no-op jobs are drained a second, history kept, beside graphile-worker
 * in the same run: `deno run -A --no-lock tests/bench/drain.ts`, then jobs and rounds.
 *
 * Both are filled first and then drained by one process, in turns, so that the
 * noise of the machine meets both. With `DATABASE_URL` it uses that server;
 * without, it starts one, which does not fsync, and says so.
 */
import process from "node:process";
import postgres from "postgres";
import { migrate } from "../../src/db/migrate.ts";
import { postgresJs } from "../../src/db/postgres_js.ts";
import { createEngine } from "../../src/engine/engine.ts";
import { defineWorker } from "../../src/engine/worker.ts";
import { startPostgres } from "../support/postgres_server.ts";

/** One drain: how long it took, and the CPU of this process. */
interface Drain {
  readonly jobsPerSecond: number;
  readonly clientMicrosPerJob: number;
}

interface Contender {
  readonly name: string;
  drain(jobs: number): Promise<Drain>;
  end(): Promise<void>;
}

const GRAPHILE = "npm:graphile-worker@0.18.0";
const jobs = Number(Deno.args[0] ?? 20_000);
const rounds = Number(Deno.args[1] ?? 3);

/** Counts runs, and resolves when the last one was counted. */
class Countdown {
  #left: number;
  readonly done: Promise<void>;
  #resolve: () => void = () => {};

  constructor(count: number) {
    this.#left = count;
    this.done = new Promise((resolve) => this.#resolve = resolve);
  }

  tick(): void {
    this.#left -= 1;
    if (this.#left === 0) this.#resolve();
  }
}

async function measure(work: () => Promise<void>): Promise<Drain> {
  const cpu = process.cpuUsage();
  const beganMs = performance.now();
  await work();
  const seconds = (performance.now() - beganMs) / 1_000;
  const { user, system } = process.cpuUsage(cpu);
  return {
    jobsPerSecond: jobs / seconds,
    clientMicrosPerJob: (user + system) / jobs,
  };
}

/** Ours; the database keeps a row of how each job ended. */
async function yardmaster(
  url: string,
  { limit, prepare }: { readonly limit: number; readonly prepare: boolean },
): Promise<Contender> {
  const pool = postgres(url, { max: 10, onnotice: () => {} });
  const database = postgresJs(pool, { prepare });
  await migrate(database);
  let countdown = new Countdown(0);
  const noop = defineWorker({ name: "noop", perform: () => countdown.tick() });
  // Before anything is measured: partitions are made when a process starts.
  const first = createEngine({ database });
  await first.tick({ budgetMs: 10_000 });

  return {
    name: `yardmaster, limit ${limit}${prepare ? ", prepared" : ""}`,
    async drain(count) {
      const engine = createEngine({
        database,
        workers: [noop],
        queues: { default: { limit } },
      });
      await engine.enqueueMany(
        Array.from(
          { length: count },
          (_, n) => ({ worker: noop, args: { n } }),
        ),
      );
      await pool`vacuum analyze yardmaster.ready`;
      countdown = new Countdown(count);
      return await measure(async () => {
        await engine.start();
        await countdown.done;
        // What was run is not drained before it is written.
        await engine.stop();
      });
    },
    end: () => pool.end(),
  };
}

/** graphile-worker, which deletes a job that has ended. */
async function graphile(
  url: string,
  { settings, name }: {
    readonly settings: Record<string, unknown>;
    readonly name: string;
  },
): Promise<Contender> {
  const { run, Logger, makeWorkerUtils } = await import(GRAPHILE);
  const logger = new Logger(() => () => {});
  const base = { connectionString: url, logger };
  const utils = await makeWorkerUtils(base);
  await utils.migrate();
  return {
    name: `graphile-worker 0.18, ${name}`,
    async drain(count) {
      const specs = Array.from({ length: count }, (_, n) => ({
        identifier: "noop",
        payload: { n },
      }));
      for (let from = 0; from < count; from += 10_000) {
        await utils.addJobs(specs.slice(from, from + 10_000));
      }
      const countdown = new Countdown(count);
      return await measure(async () => {
        const runner = await run({
          preset: { worker: { ...base, ...settings } },
          taskList: { noop: () => countdown.tick() },
        });
        await countdown.done;
        await runner.stop();
      });
    },
    end: () => utils.release(),
  };
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((left, right) => left - right);
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
}

async function compare(url: string): Promise<void> {
  const contenders = [
    await graphile(url, {
      name: "as documented",
      settings: {
        concurrentJobs: 24,
        localQueue: { size: 500 },
        completeJobBatchDelay: 0,
        failJobBatchDelay: 0,
      },
    }),
    await graphile(url, {
      name: "at its best",
      settings: {
        concurrentJobs: 100,
        localQueue: { size: 1_000 },
        completeJobBatchDelay: 10,
        failJobBatchDelay: 10,
      },
    }),
    await yardmaster(url, { limit: 100, prepare: false }),
    await yardmaster(url, { limit: 100, prepare: true }),
    await yardmaster(url, { limit: 500, prepare: true }),
  ];
  const drains = contenders.map((): Drain[] => []);
  for (let round = 0; round <= rounds; round++) {
    for (const [index, contender] of contenders.entries()) {
      const drain = await contender.drain(jobs);
      // The first round warms up.
      if (round > 0) drains[index]?.push(drain);
      console.error(
        `${round === 0 ? "warm-up" : `round ${round}`}: ${contender.name}: ` +
          `${Math.round(drain.jobsPerSecond)} jobs/s`,
      );
    }
  }
  const rates = drains.map((each) => median(each.map((d) => d.jobsPerSecond)));
  const best = Math.max(rates[0] ?? 1, rates[1] ?? 1);
  console.log(
    `\n| ${jobs} no-ops, median of ${rounds} | jobs/s | beside the best graphile-worker | client CPU µs/job |`,
  );
  console.log("|---|---|---|---|");
  for (const [index, { name }] of contenders.entries()) {
    const rate = rates[index] ?? 0;
    const micros = median(
      drains[index]?.map((d) => d.clientMicrosPerJob) ?? [],
    );
    console.log(
      `| ${name} | ${Math.round(rate)} | ${(rate / best).toFixed(2)} | ` +
        `${micros.toFixed(1)} |`,
    );
  }
  for (const contender of contenders) await contender.end();
}

/** A database of its own, dropped at the end. */
async function inOwnDatabase(
  admin: string,
  work: (url: string) => Promise<void>,
): Promise<void> {
  const pool = postgres(admin, { max: 1, onnotice: () => {} });
  const [facts] = await pool`
    select version(), current_setting('fsync') as fsync,
      current_setting('synchronous_commit') as commits
  `;
  console.log(
    `${facts?.version}\nfsync ${facts?.fsync}, synchronous_commit ` +
      `${facts?.commits}, ${navigator.userAgent}`,
  );
  const name = `yardmaster_bench_${crypto.randomUUID().slice(0, 8)}`;
  await pool.unsafe(`create database ${name}`);
  const url = new URL(admin);
  url.pathname = `/${name}`;
  try {
    await work(url.href);
  } finally {
    await pool.unsafe(`drop database ${name} with (force)`);
    await pool.end();
  }
}

const given = Deno.env.get("DATABASE_URL");
if (given === undefined) {
  await using server = await startPostgres();
  await inOwnDatabase(server.url, compare);
} else {
  await inOwnDatabase(given, compare);
}
Deno.exit(0);
