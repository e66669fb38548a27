/** Whether processes that were cut off from their database are back. */
import { sql } from "../../../src/db/sql.ts";
import type { WorkerProcess } from "../worker_process.ts";
import type { ChaosWorld } from "../world.ts";

/** A fact that can not be asked for while the database is away. */
export async function calmly(
  fact: () => Promise<boolean>,
): Promise<boolean> {
  try {
    return await fact();
  } catch {
    return false;
  }
}

/**
 * Waits until every worker, the very process that was there before, has told the
 * database that it lives, and until work goes on; keeps how long that took.
 */
export async function untilRecovered(
  world: ChaosWorld,
  { sinceMs, workers = world.workers, limitMs }: {
    readonly sinceMs: number;
    readonly workers?: readonly WorkerProcess[];
    readonly limitMs?: number;
  },
): Promise<void> {
  const limit = limitMs === undefined ? {} : { limitMs };
  let before = -1;
  let since: Date | null = null;
  await world.measureRecovery("every worker is back, and work goes on", () => {
    mustLive(workers);
    return calmly(async () => {
      since ??= await clock(world);
      const ended = await world.ended();
      if (before < 0) before = ended;
      const goesOn = ended > before || ended >= world.jobIds.size;
      return goesOn && await allBeat(world, { workers, since });
    });
  }, { sinceMs, ...limit });
}

/** Waits until these count as missing, as seen by the others. */
export async function untilMissing(
  world: ChaosWorld,
  workers: readonly WorkerProcess[],
): Promise<void> {
  const names = workers.map(({ name }) => name);
  await world.until("the others miss them", async () => {
    const rows = await world.db.query<{ name: string }>(sql`
      select name from yardmaster.executors
      where name = any (${names}::text[]) and stopped_at is null
    `);
    return rows.length === 0;
  });
}

/** Also when nothing is to be done, a process must not give up. */
export function mustLive(workers: readonly WorkerProcess[]): void {
  const dead = workers.filter((worker) => worker.hasEnded);
  if (dead.length > 0) {
    throw new Error(`${dead.map(({ name }) => name)} ended by themselves`);
  }
}

async function clock({ db }: ChaosWorld): Promise<Date> {
  const [row] = await db.query<{ now: Date }>(sql`select ${db.now} as now`);
  if (row === undefined) throw new Error("A select returned no row");
  return row.now;
}

async function allBeat(world: ChaosWorld, { workers, since }: {
  readonly workers: readonly WorkerProcess[];
  readonly since: Date;
}): Promise<boolean> {
  const rows = await world.db.query<{ name: string }>(sql`
    select distinct name from yardmaster.executors
    where stopped_at is null and beat_at > ${since}
  `);
  const names = rows.map(({ name }) => name);
  return workers.every(({ name }) => names.includes(name));
}
