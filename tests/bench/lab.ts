/** The server under all of them, and what is read off it and off `/proc`. */
import { readdirSync, readFileSync } from "node:fs";
import postgres from "postgres";
import {
  type PostgresServer,
  startPostgres,
} from "../support/postgres_server.ts";
import { Child } from "./child.ts";
import type { System } from "./systems.ts";

/** As installed, but for these. Nothing is less durable than by default. */
export const SERVER_SETTINGS = {
  shared_buffers: "1GB",
  fsync: "on",
  synchronous_commit: "on",
  // No checkpoint falls into a measurement by chance: each begins after one.
  checkpoint_timeout: "30min",
  max_wal_size: "8GB",
  max_connections: 200,
} as const;

/** What a piece of work cost. */
export interface Cost {
  readonly walBytes: number;
  readonly clientUs: number;
  readonly serverUs: number;
}

/** What lies in the tables of a database. */
export interface Storage {
  readonly deadTuples: number;
  readonly tableBytes: number;
  readonly indexBytes: number;
}

/** What went wrong in a database, whoever was told. */
export interface Faults {
  readonly deadlocks: number;
  /** Among them every statement that could not be serialized. */
  readonly rolledBack: number;
}

/** The kernel counts what has ended in hundredths of a second. */
const TICK_US = 10_000;

/** A running server with databases for contenders. */
export class Lab implements AsyncDisposable {
  readonly #server: PostgresServer;
  readonly #admin: postgres.Sql;
  #databases = 0;

  private constructor(server: PostgresServer) {
    this.#server = server;
    this.#admin = postgres(server.url, { max: 1, onnotice: () => {} });
  }

  static async open(): Promise<Lab> {
    const settings = SERVER_SETTINGS;
    // The same version for everybody; Debian's where npm can not be reached.
    const server = await startPostgres({ settings, from: "npm" })
      .catch((error: unknown) => {
        console.error(`No Postgres from npm (${error}); looking for another`);
        return startPostgres({ settings });
      });
    return new Lab(server);
  }

  get version(): string {
    return this.#server.version;
  }

  /** A database of its own for a system in a scenario. */
  async database(): Promise<Station> {
    const name = `bench_${++this.#databases}`;
    await this.#admin.unsafe(`create database ${name}`);
    const url = new URL(this.#server.url);
    url.pathname = `/${name}`;
    const station = new Station(url.href, this.#server.pid, async () => {
      await this.#admin.unsafe(`drop database ${name} with (force)`);
    });
    await station.sql`create table host_rows (note text not null)`;
    return station;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#admin.end();
    await this.#server[Symbol.asyncDispose]();
  }
}

/** One database, and the processes of one system on it. */
export class Station implements AsyncDisposable {
  readonly url: string;
  readonly sql: postgres.Sql;
  readonly children: Child[] = [];
  readonly #serverPid: number;
  readonly #drop: () => Promise<void>;

  constructor(url: string, serverPid: number, drop: () => Promise<void>) {
    this.url = url;
    this.sql = postgres(url, { max: 2, onnotice: () => {} });
    this.#serverPid = serverPid;
    this.#drop = drop;
  }

  async start(system: System, count = 1): Promise<Child> {
    for (let n = 0; n < count; n++) {
      this.children.push(await Child.start(system, this.url));
    }
    await this.child.call("prepare");
    return this.child;
  }

  get child(): Child {
    const [first] = this.children;
    if (first === undefined) throw new Error("nothing was started");
    return first;
  }

  pause(): void {
    for (const child of this.children) child.pause();
  }

  resume(): void {
    for (const child of this.children) child.resume();
  }

  /** Dead rows of the round before are gone, and no autovacuum is due. */
  async tidy(): Promise<void> {
    await this.sql`vacuum (analyze)`;
    await this.sql`checkpoint`;
  }

  /** Runs `work` and says what it cost, here and in the server. */
  async cost<T>(work: () => Promise<T>): Promise<{ value: T; cost: Cost }> {
    const before = await this.#sample();
    const value = await work();
    const after = await this.#sample();
    const cost = {
      walBytes: after.walBytes - before.walBytes,
      clientUs: after.clientUs - before.clientUs,
      serverUs: after.serverUs - before.serverUs,
    };
    return { value, cost };
  }

  async storage(): Promise<Storage> {
    const [row] = await this.sql`
      select
        coalesce(sum(n_dead_tup), 0)::float8 as "deadTuples",
        coalesce(sum(pg_table_size(relid)), 0)::float8 as "tableBytes",
        coalesce(sum(pg_indexes_size(relid)), 0)::float8 as "indexBytes"
      from pg_stat_user_tables
    `;
    return row as unknown as Storage;
  }

  async faults(): Promise<Faults> {
    const [row] = await this.sql`
      select deadlocks::float8, xact_rollback::float8 as "rolledBack"
      from pg_stat_database
      where datname = current_database()
    `;
    return row as unknown as Faults;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const child of this.children) await child[Symbol.asyncDispose]();
    await this.sql.end();
    await this.#drop();
  }

  async #sample(): Promise<Cost> {
    const [row] = await this.sql`
      select (pg_current_wal_lsn() - '0/0')::float8 as bytes
    `;
    return {
      walBytes: row?.bytes as number,
      clientUs: sum(this.children.map(({ pid }) => runUs(pid))),
      serverUs: treeUs(this.#serverPid),
    };
  }
}

/** Of the postmaster, its children that live, and those that have ended. */
function treeUs(pid: number): number {
  const living = readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((child) => child === pid || statOf(child).parent === pid);
  return sum(living.map(runUs)) + statOf(pid).endedTicks * TICK_US;
}

/** Of all threads of a process, exactly. */
function runUs(pid: number): number {
  try {
    const folder = `/proc/${pid}/task`;
    return sum(
      readdirSync(folder).map((thread) => {
        const text = readFileSync(`${folder}/${thread}/schedstat`, "utf8");
        return Number(text.split(" ")[0]) / 1_000;
      }),
    );
  } catch {
    return 0;
  }
}

function statOf(pid: number): { parent: number; endedTicks: number } {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "utf8");
    // The name in parentheses may hold anything.
    const fields = text.slice(text.lastIndexOf(")") + 2).split(" ").map(Number);
    const [, parent = 0] = fields;
    return { parent, endedTicks: sum(fields.slice(13, 15)) };
  } catch {
    return { parent: 0, endedTicks: 0 };
  }
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
