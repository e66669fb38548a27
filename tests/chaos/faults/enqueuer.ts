/** Enqueues while things break, and knows what it was told of each job. */
import postgres from "postgres";
import { postgresJs } from "../../../src/db/postgres_js.ts";
import { sql } from "../../../src/db/sql.ts";
import type { JobId } from "../../../src/domain/job.ts";
import { createEngine, type Engine } from "../../../src/engine/engine.ts";
import { until } from "../../support/until.ts";
import { stepWorker } from "../step.ts";
import type { ChaosWorld } from "../world.ts";
import { calmly } from "./recovery.ts";
import { closedWhenSilent } from "./silence.ts";

/** Between two; so that jobs are inserted all the time and not all at once. */
const PAUSE_MS = 10;
const STATEMENT_MS = 5_000;

const worker = stepWorker(() => {});
const unique = { periodMs: null, states: "all" } as const;

/** What was asked for, under a name of its own. */
interface Asked {
  readonly token: string;
  readonly isUnique: boolean;
  /** What the answer said; null if there was none, or an error. */
  jobId: JobId | null;
}

/**
 * One process that enqueues, again and again: every second job is plain, and is
 * tried once; the others have a key, and are tried until there is an answer.
 */
export class Enqueuer {
  readonly #world: ChaosWorld;
  readonly #name: string;
  readonly #pool: postgres.Sql;
  readonly #engine: Engine;
  readonly #asked: Asked[] = [];
  #isOver = false;
  #running: Promise<void> = Promise.resolve();
  #errors = 0;

  constructor(world: ChaosWorld, { name, url = world.url, silenceMs }: {
    readonly name: string;
    readonly url?: string;
    readonly silenceMs?: number;
  }) {
    this.#world = world;
    this.#name = name;
    this.#pool = postgres(url, {
      max: 2,
      fetch_types: false,
      onnotice: () => {},
      backoff: () => 0.05,
      ...(silenceMs !== undefined && closedWhenSilent(silenceMs)),
    });
    this.#engine = createEngine({
      database: postgresJs(this.#pool),
      statementMs: STATEMENT_MS,
    });
  }

  start(): void {
    this.#running = this.#run();
  }

  /**
   * Ends, and holds what is in the tables against what it was told: what was
   * answered is there, and nothing is there twice. What is there counts as a job
   * of the world.
   *
   * @throws If that is not so.
   */
  async settle(): Promise<void> {
    this.#isOver = true;
    await this.#running;
    // Whoever has a key can find out what became of it.
    for (const each of this.#asked) {
      if (!each.isUnique || each.jobId !== null) continue;
      await until("the database answers again", () =>
        calmly(async () => {
          await this.#ask(each);
          return true;
        }));
    }
    const there = await this.#read();
    const wrong: string[] = [];
    for (const { token, isUnique, jobId } of this.#asked) {
      const ids = there.get(token) ?? [];
      for (const id of ids) this.#world.jobIds.add(id);
      if (jobId !== null && !ids.includes(jobId)) {
        wrong.push(`${token} is lost`);
      }
      if (ids.length > 1) wrong.push(`${token} is there ${ids.length} times`);
      if (isUnique && ids.length === 0) wrong.push(`${token} was never made`);
    }
    await this.#engine.stop();
    await this.#pool.end({ timeout: 1 });
    this.#measure(there);
    if (wrong.length > 0) {
      throw new Error(`${wrong.length} enqueued wrong: ${wrong.slice(0, 5)}`);
    }
  }

  async #run(): Promise<void> {
    while (!this.#isOver) {
      const number = this.#asked.length;
      const token = `${this.#name}-${number}`;
      const each = { token, isUnique: number % 2 === 1, jobId: null };
      this.#asked.push(each);
      await this.#try(each);
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
  }

  async #try(each: Asked): Promise<void> {
    do {
      try {
        return await this.#ask(each);
      } catch {
        this.#errors += 1;
        await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
      }
    } while (each.isUnique && !this.#isOver);
  }

  async #ask(each: Asked): Promise<void> {
    const args = { ms: 5, token: each.token };
    const answer = await this.#engine.enqueue(
      worker,
      args,
      each.isUnique ? { unique } : {},
    );
    if (!("job" in answer)) throw new Error("It refused what is valid");
    each.jobId = answer.job.id;
  }

  async #read(): Promise<ReadonlyMap<string, readonly JobId[]>> {
    const rows = await this.#world.db.query<{ token: string; id: JobId }>(sql`
      select args->>'token' as token, id::text
      from yardmaster.jobs
      where args->>'token' like ${`${this.#name}-%`}
    `);
    const there = new Map<string, JobId[]>();
    for (const { token, id } of rows) {
      there.set(token, [...there.get(token) ?? [], id]);
    }
    return there;
  }

  #measure(there: ReadonlyMap<string, unknown>): void {
    const { measured } = this.#world;
    const inSpite = this.#asked.filter(({ token, jobId, isUnique }) =>
      !isUnique && jobId === null && there.has(token)
    );
    const counts = {
      enqueued: this.#asked.length,
      enqueueErrors: this.#errors,
      thereInSpiteOfAnError: inSpite.length,
    };
    for (const [name, count] of Object.entries(counts)) {
      measured[name] = (measured[name] ?? 0) + count;
    }
  }
}
