/** pg-boss, which keeps its jobs in the table they were inserted into. */
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import type { Contender, ContenderOptions, JobArgs } from "../contender.ts";

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
  { url, settings, cache }: ContenderOptions,
): Promise<Contender> {
  const require = createRequire(`${cache}/package.json`);
  const { PgBoss } = await import(
    pathToFileURL(require.resolve("pg-boss")).href
  );
  const { default: pg } = await import(
    pathToFileURL(require.resolve("pg")).href
  );
  const pool = new pg.Pool({ connectionString: url, max: 4 });
  const { notify = false, work = {} } = settings as Settings;
  const boss: PgBoss = new PgBoss({
    connectionString: url,
    useListenNotify: notify,
  });
  boss.on("error", (error) => console.error(error));
  let started = false;
  async function ready(): Promise<PgBoss> {
    if (!started) await boss.start();
    started = true;
    return boss;
  }

  return {
    async prepare() {
      await ready();
      await boss.createQueue("job", { notify, retryLimit: 0 });
    },
    async enqueue(args) {
      await (await ready()).send("job", args);
    },
    async enqueueMany(jobs) {
      await (await ready()).insert("job", jobs.map((data) => ({ data })));
    },
    async enqueueInTransaction(args) {
      await ready();
      const client = await pool.connect();
      await client.query("begin");
      await client.query(
        "insert into host_rows (note) values ('beside a job')",
      );
      const db = {
        executeSql: (text: string, values: unknown[]) =>
          client.query(text, values),
      };
      await boss.send("job", args, { db });
      await client.query("commit");
      client.release();
    },
    async start({ perform, concurrency }) {
      await ready();
      // It has no slots: a batch is fetched, run, and ended together.
      const options = concurrency === undefined ? work : {
        batchSize: 2,
        localConcurrency: concurrency / 2,
        burstWhenBatchFull: true,
        pollingIntervalSeconds: 0.5,
        perJobResults: true,
      };
      const each = async ({ id, data }: Job) => {
        try {
          await perform(data);
          return { id, status: "completed" as const };
        } catch (error) {
          return { id, status: "failed" as const, output: String(error) };
        }
      };
      await boss.work("job", options, async (jobs) => {
        if (concurrency !== undefined) return await Promise.all(jobs.map(each));
        for (const { data } of jobs) {
          const ran = perform(data);
          if (ran !== undefined) await ran;
        }
      });
    },
    async stop() {
      await boss.offWork("job", { wait: true });
    },
    async isDrained() {
      const { rows } = await pool.query(`
        select exists (
          select from pgboss.job where name = 'job' and state < 'completed'
        ) as left
      `);
      return rows[0]?.left === false;
    },
    async end() {
      if (started) await boss.stop({ graceful: false });
      await pool.end();
    },
  };
}
