import { join } from "node:path";
import { sql } from "../../../src/db/sql.ts";
import type { JobId } from "../../../src/domain/job.ts";
import type { Scenario } from "../scenario.ts";
import type { ChaosWorld } from "../world.ts";

const HOUR_MS = 60 * 60 * 1_000;
const OFF_MS = [HOUR_MS, 0, -HOUR_MS] as const;
/** How late a job may end that was due while everybody worked. */
const LATE_MS_MAX = 30_000;

/** What time it is, the database says; what a process believes changes nothing. */
export const databaseClockOff: Scenario = {
  name: "database-clock-off",
  about: "processes whose clocks are wrong by an hour run nothing early or " +
    "late, and take nothing from each other",
  async run(world) {
    await Promise.all(
      OFF_MS.map((clockOffMs) =>
        world.spawnWorker({ name: `off-by-${clockOffMs} ms`, clockOffMs })
      ),
    );
    world.faults += OFF_MS.length - 1;
    await world.enqueue(
      world.scale({ short: 200, long: 3_000 }),
      () => ({ ms: world.random.between(1, 30) }),
    );
    // What waits before it would make a job late that is not.
    await world.untilAllEnded();
    const rounds = world.scale({ short: 1, long: 8 });
    for (let round = 0; round < rounds; round++) await enqueueAll(world, round);
    await world.untilAllEnded();
    for (const kind of ["rescued", "lost"]) {
      const events = await world.events(kind);
      if (events > 0) throw new Error(`${events} attempts were ${kind}`);
    }
  },
};

/** What one process was told: of a job for later, and of two with keys. */
type Answers = readonly [later: Answer, minute: Answer, moment: Answer];

interface Answer {
  readonly status: string;
  readonly jobId: JobId;
}

/** The one that is ahead, the one that is right, and the one that is behind. */
async function enqueueAll(world: ChaosWorld, round: number): Promise<void> {
  let first = true;
  for (
    const offMs of world.random.next() < 0.5 ? OFF_MS : OFF_MS.toReversed()
  ) {
    const delayMs = world.random.between(
      300,
      world.scale({ short: 500, long: 1_500 }),
    );
    const fromMs = await databaseMs(world) + delayMs;
    const answers = await enqueueBy(world, {
      offMs,
      delayMs,
      key: `round-${round}`,
    });
    const throughMs = await databaseMs(world) + delayMs + LATE_MS_MAX;
    const [later, minute, moment] = answers;
    const wanted = first ? "inserted" : "conflict";
    first = false;
    if (minute.status !== wanted || moment.status !== "inserted") {
      throw new Error(
        `Off by ${offMs} ms: the keys were ${minute.status}, ${moment.status}`,
      );
    }
    await mustEndBetween(world, { jobId: later.jobId, fromMs, throughMs });
  }
}

async function enqueueBy(world: ChaosWorld, { offMs, delayMs, key }: {
  readonly offMs: number;
  readonly delayMs: number;
  readonly key: string;
}): Promise<Answers> {
  const { stdout, stderr, success } = await new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "-A", "--no-check", "--quiet"],
      join(import.meta.dirname ?? ".", "../faults/wrong_clock_enqueuer.ts"),
      ...[world.url, `${offMs}`, `${delayMs}`, key],
    ],
  }).output();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
  const answers = JSON.parse(new TextDecoder().decode(stdout)) as Answers;
  for (const { jobId } of answers) world.jobIds.add(jobId);
  return answers;
}

async function mustEndBetween(
  world: ChaosWorld,
  { jobId, fromMs, throughMs }: {
    readonly jobId: JobId;
    readonly fromMs: number;
    readonly throughMs: number;
  },
): Promise<void> {
  let endedMs: number | null = null;
  await world.until("the job for later has ended", async () => {
    const [row] = await world.db.query<{ at: Date }>(sql`
      select finished_at as at from yardmaster.outcomes
      where job_id = ${jobId}::bigint
    `);
    endedMs = row?.at.getTime() ?? null;
    return endedMs !== null;
  });
  const wrongMs = (endedMs ?? 0) < fromMs
    ? (endedMs ?? 0) - fromMs
    : Math.max((endedMs ?? 0) - throughMs, 0);
  if (wrongMs !== 0) throw new Error(`${jobId} ended ${wrongMs} ms off`);
}

async function databaseMs({ db }: ChaosWorld): Promise<number> {
  const [row] = await db.query<{ now: Date }>(sql`select ${db.now} as now`);
  if (row === undefined) throw new Error("A select returned no row");
  return row.now.getTime();
}
