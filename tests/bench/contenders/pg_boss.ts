/** pg-boss, which keeps its jobs in the table they were inserted into. */
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import type {
  Contender,
  ContenderOptions,
  JobArgs,
  Perform,
  Work,
} from "../contender.ts";
import { type Pool, poolOf } from "./host_pool.ts";

interface Job {
  readonly id: string;
  readonly data: JobArgs;
}

/** What we use of it. */
interface PgBoss {
  on(event: "error", tell: (error: unknown) => void): void;
  start(): Promise<unknown>;
  stop(options: unknown): Promise<void>;
  createQueue(name: string, options: unknown): Promise<void>;
  send(name: string, data: JobArgs, options?: unknown): Promise<unknown>;
  insert(name: string, jobs: readonly unknown[]): Promise<unknown>;
  work(
    name: string,
    options: unknown,
    handler: (jobs: readonly Job[]) => Promise<unknown>,
  ): Promise<string>;
  offWork(name: string, options?: unknown): Promise<void>;
}

interface Settings {
  readonly notify?: boolean;
  readonly work?: Readonly<Record<string, unknown>>;
}

export async function contender(
  options: ContenderOptions,
): Promise<Contender> {
  const require = createRequire(`${options.cache}/package.json`);
  const { PgBoss } = await import(
    pathToFileURL(require.resolve("pg-boss")).href
  );
  const settings: Settings = options.settings;
  const boss: PgBoss = new PgBoss({
    connectionString: options.url,
    useListenNotify: settings.notify ?? false,
  });
  boss.on("error", (error) => console.error(error));
  return new BossContender(boss, {
    settings,
    pool: await poolOf(options),
  });
}

class BossContender implements Contender {
  readonly #boss: PgBoss;
  readonly #settings: Settings;
  readonly #pool: Pool;
  #isStarted = false;

  constructor(boss: PgBoss, { settings, pool }: {
    readonly settings: Settings;
    readonly pool: Pool;
  }) {
    this.#boss = boss;
    this.#settings = settings;
    this.#pool = pool;
  }

  async prepare(): Promise<void> {
    const { notify = false } = this.#settings;
    await (await this.#ready()).createQueue("job", { notify, retryLimit: 0 });
  }

  async enqueue(args: JobArgs): Promise<void> {
    await (await this.#ready()).send("job", args);
  }

  async enqueueMany(jobs: readonly JobArgs[]): Promise<void> {
    const boss = await this.#ready();
    await boss.insert("job", jobs.map((data) => ({ data })));
  }

  async enqueueInTransaction(args: JobArgs): Promise<void> {
    const boss = await this.#ready();
    await this.#pool.inTransaction(async (client) => {
      const db = {
        executeSql: (text: string, values: unknown[]) =>
          client.query(text, values),
      };
      await boss.send("job", args, { db });
    });
  }

  async start({ perform, concurrency }: Work): Promise<void> {
    const boss = await this.#ready();
    if (concurrency === undefined) {
      const { work = {} } = this.#settings;
      await boss.work("job", work, (jobs) => performAll(jobs, perform));
      return;
    }
    // It has no slots: a batch is fetched, run, and ended together.
    const options = {
      batchSize: 2,
      localConcurrency: concurrency / 2,
      burstWhenBatchFull: true,
      pollingIntervalSeconds: 0.5,
      perJobResults: true,
    };
    await boss.work(
      "job",
      options,
      (jobs) => Promise.all(jobs.map((job) => performOne(job, perform))),
    );
  }

  async stop(): Promise<void> {
    await this.#boss.offWork("job", { wait: true });
  }

  async isDrained(): Promise<boolean> {
    return await this.#pool.isNone(
      "select from pgboss.job where name = 'job' and state < 'completed'",
    );
  }

  async end(): Promise<void> {
    if (this.#isStarted) await this.#boss.stop({ graceful: false });
    await this.#pool.end();
  }

  async #ready(): Promise<PgBoss> {
    if (!this.#isStarted) await this.#boss.start();
    this.#isStarted = true;
    return this.#boss;
  }
}

async function performAll(
  jobs: readonly Job[],
  perform: Perform,
): Promise<void> {
  for (const { data } of jobs) {
    const ran = perform(data);
    if (ran !== undefined) await ran;
  }
}

async function performOne({ id, data }: Job, perform: Perform) {
  try {
    await perform(data);
    return { id, status: "completed" };
  } catch (error) {
    return { id, status: "failed", output: String(error) };
  }
}
