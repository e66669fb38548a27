/** graphile-worker, which deletes a job that has ended. */
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import type { Contender, ContenderOptions, JobArgs } from "../contender.ts";

/** What we use of it. */
interface GraphileWorker {
  run(options: unknown): Promise<{ stop(): Promise<void> }>;
  makeWorkerUtils(options: unknown): Promise<{
    migrate(): Promise<void>;
    addJob(task: string, payload: JobArgs, spec: unknown): Promise<unknown>;
    addJobs(specs: readonly unknown[]): Promise<unknown>;
    release(): Promise<void>;
  }>;
  Logger: new (factory: () => () => void) => unknown;
}

interface Pool {
  query(text: string, values?: readonly unknown[]): Promise<{
    readonly rows: readonly Record<string, unknown>[];
  }>;
  connect(): Promise<Pool & { release(): void }>;
  end(): Promise<void>;
}

export async function contender(
  { url, settings, cache }: ContenderOptions,
): Promise<Contender> {
  const require = createRequire(`${cache}/package.json`);
  const load = async (name: string) => {
    const module = await import(pathToFileURL(require.resolve(name)).href);
    return "default" in module && name === "pg" ? module.default : module;
  };
  const { run, makeWorkerUtils, Logger }: GraphileWorker = await load(
    "graphile-worker",
  );
  const { Pool: PgPool } = await load("pg");
  const pool: Pool = new PgPool({ connectionString: url, max: 4 });
  const logger = new Logger(() => () => {});
  const utils = await makeWorkerUtils({ connectionString: url, logger });
  const once = { maxAttempts: 1 };
  let runner: Awaited<ReturnType<GraphileWorker["run"]>> | null = null;

  return {
    prepare: () => utils.migrate(),
    async enqueue(args) {
      await utils.addJob("job", args, once);
    },
    async enqueueMany(jobs) {
      await utils.addJobs(
        jobs.map((payload) => ({ identifier: "job", payload, ...once })),
      );
    },
    async enqueueInTransaction(args) {
      const client = await pool.connect();
      await client.query("begin");
      await client.query(
        "insert into host_rows (note) values ('beside a job')",
      );
      // As its documentation does it inside of a transaction.
      await client.query(
        "select graphile_worker.add_job('job', $1::json, max_attempts := 1)",
        [JSON.stringify(args)],
      );
      await client.query("commit");
      client.release();
    },
    async start({ perform, concurrency }) {
      runner = await run({
        preset: {
          worker: {
            connectionString: url,
            logger,
            ...settings,
            ...(concurrency !== undefined && {
              concurrentJobs: concurrency,
              maxPoolSize: concurrency + 2,
            }),
          },
        },
        taskList: { job: (payload: JobArgs) => perform(payload) },
        noHandleSignals: true,
      });
    },
    async stop() {
      await runner?.stop();
      runner = null;
    },
    async isDrained() {
      const { rows } = await pool.query(`
        select exists (
          select from graphile_worker._private_jobs
          where attempts < max_attempts or locked_at is not null
        ) as left
      `);
      return rows[0]?.left === false;
    },
    async end() {
      await runner?.stop();
      await utils.release();
      await pool.end();
    },
  };
}
