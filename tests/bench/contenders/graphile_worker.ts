/** graphile-worker, which deletes a job that has ended. */
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import type {
  Contender,
  ContenderOptions,
  JobArgs,
  Work,
} from "../contender.ts";
import { type Pool, poolOf } from "./host_pool.ts";

/** What we use of it. */
interface GraphileWorker {
  run(options: unknown): Promise<{ stop(): Promise<void> }>;
  makeWorkerUtils(options: unknown): Promise<Utils>;
  Logger: new (factory: () => () => void) => unknown;
}

interface Utils {
  migrate(): Promise<void>;
  addJob(task: string, payload: JobArgs, spec: unknown): Promise<unknown>;
  addJobs(specs: readonly unknown[]): Promise<unknown>;
  release(): Promise<void>;
}

const ONCE = { maxAttempts: 1 };

export async function contender(
  options: ContenderOptions,
): Promise<Contender> {
  const require = createRequire(`${options.cache}/package.json`);
  const library: GraphileWorker = await import(
    pathToFileURL(require.resolve("graphile-worker")).href
  );
  const logger = new library.Logger(() => () => {});
  const connection = { connectionString: options.url, logger };
  return new GraphileContender({
    library,
    connection,
    settings: options.settings,
    utils: await library.makeWorkerUtils(connection),
    pool: await poolOf(options),
  });
}

interface Parts {
  readonly library: GraphileWorker;
  readonly connection: Readonly<Record<string, unknown>>;
  readonly settings: Readonly<Record<string, unknown>>;
  readonly utils: Utils;
  readonly pool: Pool;
}

class GraphileContender implements Contender {
  readonly #parts: Parts;
  #runner: { stop(): Promise<void> } | null = null;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  async prepare(): Promise<void> {
    await this.#parts.utils.migrate();
  }

  async enqueue(args: JobArgs): Promise<void> {
    await this.#parts.utils.addJob("job", args, ONCE);
  }

  async enqueueMany(jobs: readonly JobArgs[]): Promise<void> {
    await this.#parts.utils.addJobs(
      jobs.map((payload) => ({ identifier: "job", payload, ...ONCE })),
    );
  }

  async enqueueInTransaction(args: JobArgs): Promise<void> {
    await this.#parts.pool.inTransaction(async (client) => {
      // As its documentation does it inside of a transaction.
      await client.query(
        "select graphile_worker.add_job('job', $1::json, max_attempts := 1)",
        [JSON.stringify(args)],
      );
    });
  }

  async start({ perform, concurrency }: Work): Promise<void> {
    const { library, connection, settings } = this.#parts;
    const chosen = concurrency === undefined ? {} : {
      concurrentJobs: concurrency,
      maxPoolSize: concurrency + 2,
    };
    this.#runner = await library.run({
      preset: { worker: { ...connection, ...settings, ...chosen } },
      taskList: { job: (payload: JobArgs) => perform(payload) },
      noHandleSignals: true,
    });
  }

  async stop(): Promise<void> {
    await this.#runner?.stop();
    this.#runner = null;
  }

  async isDrained(): Promise<boolean> {
    return await this.#parts.pool.isNone(`
      select from graphile_worker._private_jobs
      where attempts < max_attempts or locked_at is not null
    `);
  }

  async end(): Promise<void> {
    await this.stop();
    await this.#parts.utils.release();
    await this.#parts.pool.end();
  }
}
