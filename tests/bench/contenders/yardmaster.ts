/** Ours, as a host uses it: through `mod.ts`, hooks on, history kept. */
import postgres from "postgres";
import {
  createYardmaster,
  type Database,
  defineLimiter,
  defineWorker,
  type Limiter,
  type Yardmaster,
} from "../../../mod.ts";
import { postgresJs } from "../../../src/db/postgres_js.ts";
import type { Contender, ContenderOptions, JobArgs } from "../contender.ts";

/** What a host chooses; the rest is our default. */
interface Settings {
  /** Jobs at a time for no-ops. */
  readonly limit?: number;
  /** Lets the driver name all statements, or none; by default the hot ones. */
  readonly prepare?: boolean;
  /** Enqueues that meet share a statement. */
  readonly coalesce?: boolean;
  /** Each job leaves a receipt, and none is the same as another. */
  readonly idempotent?: boolean;
  /** Queues that the jobs are spread over; one by default. */
  readonly queues?: number;
  /** What the jobs wait for; none by default. */
  readonly limiter?: keyof typeof LIMITERS;
}

/** Of calls of a thousand jobs, each has a number of its own: a thousand keys. */
const LIMITERS = {
  "rate": { rate: { capacity: 1_000_000, perMs: 1_000 } },
  "concurrency": { concurrency: 10_000 },
  "rate of keys": {
    rate: { capacity: 1_000, perMs: 1_000 },
    partitionBy: "n",
  },
  "concurrency of keys": { concurrency: 10, partitionBy: "n" },
} as const;

function limitersOf({ limiter }: Settings): Limiter[] {
  if (limiter === undefined) return [];
  return [defineLimiter({ name: "limiter", ...LIMITERS[limiter] })];
}

export function contender({ url, settings }: ContenderOptions): Contender {
  const { prepare } = settings as Settings;
  const options = prepare === undefined ? {} : { prepare };
  // What enqueues and what runs are two hosts. For one that runs four are enough,
  // and each of its connections reads and plans anew what is named.
  const sql = postgres(url, { max: 10, onnotice: () => {} });
  const running = postgres(url, { max: 4, onnotice: () => {} });
  return yardmasterOn({
    database: postgresJs(running, options),
    enqueueing: postgresJs(sql, options),
    settings: settings as Settings,
    isDrained: async () => {
      const [row] = await sql`
        select exists (select from yardmaster.leases)
          or exists (select from yardmaster.ready)
          or exists (select from yardmaster.limited) as left
      `;
      return row?.left === false;
    },
    inTransaction: async (work) => {
      await sql.begin(async (tx) => {
        await tx`insert into host_rows (note) values ('beside a job')`;
        await work(postgresJs(tx, options));
      });
    },
    async end() {
      await running.end();
      await sql.end();
    },
  });
}

/** What differs between a server and a database in this process. */
export interface Place {
  readonly database: Database;
  /** The same tables, for what enqueues. */
  readonly enqueueing: Database;
  readonly settings: Settings;
  isDrained(): Promise<boolean>;
  inTransaction(work: (tx: Database) => Promise<void>): Promise<void>;
  end(): Promise<void>;
}

export function yardmasterOn(place: Place): Contender {
  const { database, enqueueing, settings } = place;
  const { limit = 100, queues = 1, coalesce = false, idempotent } = settings;
  const asked = idempotent ? unlikeOthers() : (args: JobArgs) => args;
  let events = 0;
  let perform = (_args: JobArgs): void | Promise<void> => {};
  const job = defineWorker<JobArgs>({
    name: "job",
    maxAttempts: 1,
    limiters: limitersOf(settings),
    ...(idempotent && { idempotent: true }),
    perform: (args) => perform(args),
  });

  const names = queueNames(queues);
  const queueOf = ({ n }: JobArgs) => names[n % queues] ?? "default";

  function create(jobsAtATime: number): Yardmaster {
    return createYardmaster({
      database,
      workers: [job],
      queues: limitOf(names, jobsAtATime),
      onEvent: () => events += 1,
    });
  }

  const producer = createYardmaster({ database: enqueueing, coalesce });
  let consumer: Yardmaster | null = null;
  return {
    async prepare() {
      await producer.migrate();
      // Partitions are made when a process first works.
      const first = create(1);
      await first.start();
      await first.stop();
    },
    async enqueue(args) {
      const { status } = await producer.enqueue(job, asked(args));
      if (status !== "inserted") throw new Error(`enqueue answered ${status}`);
    },
    async enqueueMany(jobs) {
      await producer.enqueueMany(jobs.map((args) => ({
        worker: job,
        args: asked(args),
        ...(queues > 1 && { options: { queue: queueOf(args) } }),
      })));
    },
    async enqueueInTransaction(args) {
      await place.inTransaction(async (tx) => {
        await producer.enqueue(job, args, { database: tx });
      });
    },
    async start(work) {
      perform = work.perform;
      consumer = create(work.concurrency ?? limit);
      await consumer.start();
    },
    async stop() {
      await consumer?.stop();
      consumer = null;
      if (events === 0) throw new Error("no event was told");
    },
    isDrained: place.isDrained,
    async end() {
      await consumer?.stop();
      await producer.stop();
      await place.end();
    },
  };
}

/** The numbers of a call begin anew, and a receipt would answer the next call. */
function unlikeOthers(): (args: JobArgs) => JobArgs {
  let n = 0;
  return (args) => ({ ...args, n: n++ });
}

function queueNames(count: number): readonly string[] {
  return count === 1
    ? ["default"]
    : Array.from({ length: count }, (_, n) => `queue ${n}`);
}

function limitOf(names: readonly string[], limit: number) {
  return Object.fromEntries(names.map((name) => [name, { limit }]));
}
