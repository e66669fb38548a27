/** Does it cost more when much has piled up? */
import { interleave, type Scenario, type Size } from "../interleave.ts";
import type { Lab, Station } from "../lab.ts";
import type { Sample } from "../results.ts";
import * as systems from "../systems.ts";
import type { System } from "../systems.ts";
import type { Drain } from "../commands.ts";
import { warmUp } from "./drains.ts";

type Pile = "completed" | "waiting" | "scheduled" | "in other queues";

const PILES: readonly Pile[] = [
  "completed",
  "waiting",
  "scheduled",
  "in other queues",
];

/** Rows of these kinds, as if they had been handed in long ago. */
const OURS: Readonly<Record<Pile, string>> = {
  completed: `
    with made as (${made("'default'")})
    insert into yardmaster.outcomes (
      job_id, state, attempt, executor_id, took_ms, finished_at
    )
    select id, 'completed', 1, 1, 0, now() from made
  `,
  waiting: `
    with made as (${made("'default'")})
    insert into yardmaster.ready (job_id, queue, worker, priority, attempt)
    select id, 'default', 'job', 9, 0 from made
  `,
  scheduled: `
    with made as (${made("'default'")})
    insert into yardmaster.scheduled (
      job_id, queue, worker, priority, state, run_at, attempt
    )
    select id, 'default', 'job', 0, 'scheduled', now() + interval '1 day', 0
    from made
  `,
  "in other queues": `
    with made as (${made("'other ' || n % 100")})
    insert into yardmaster.ready (job_id, queue, worker, priority, attempt)
    select id, queue, 'job', 0, 0 from made
  `,
};

function made(queue: string): string {
  return `
    insert into yardmaster.jobs (
      id, queue, worker, args, meta, tags, priority, max_attempts
    )
    select yardmaster.next_job_id(now()), ${queue}, 'job', '{"n": 0}', '{}',
      '{}', 9, 1
    from generate_series(1, $1::integer) as n
    returning id, queue
  `;
}

/** It keeps none that are completed, and less urgent ones have a higher number. */
const GRAPHILE: Readonly<Partial<Record<Pile, string>>> = {
  waiting: graphileRows("9", "now()"),
  scheduled: graphileRows("0", "now() + interval '1 day'"),
};

function graphileRows(priority: string, runAt: string): string {
  return `
    insert into graphile_worker._private_jobs (
      task_id, payload, priority, run_at, max_attempts
    )
    select id, '{"n": 0}', ${priority}, ${runAt}, 1
    from graphile_worker._private_tasks, generate_series(1, $1::integer)
    where identifier = 'job'
  `;
}

export const growth: Scenario = {
  name: "growth",
  onlyFull: true,
  async run(lab: Lab, size: Size) {
    const rounds = Math.min(size.rounds, 5);
    const rows = size.jobs(1_000_000);
    const jobs = size.jobs(20_000);
    const samples = await grown(lab, { name: EMPTY, rounds, jobs });
    for (const pile of PILES) {
      const name = `drain 20k beside 1M ${pile}`;
      samples.push(...await grown(lab, { name, rounds, jobs, pile, rows }));
    }
    return samples;
  },
};

/** What each of the piles is held against. */
const EMPTY = "drain 20k of empty tables";

/** As many jobs as there are queues at a time, all served by one process. */
export const queues: Scenario = {
  name: "100 queues",
  onlyFull: true,
  run: (lab: Lab, size: Size) =>
    grown(lab, {
      name: "drain 20k out of 100 queues",
      rounds: Math.min(size.rounds, 5),
      jobs: size.jobs(20_000),
      systems: [systems.OURS_100_QUEUES],
    }),
};

interface Growth {
  readonly name: string;
  readonly rounds: number;
  readonly jobs: number;
  readonly pile?: Pile;
  readonly rows?: number;
  readonly systems?: readonly System[];
}

const GROWN = [systems.OURS, systems.GRAPHILE];

async function grown(
  lab: Lab,
  { name, rounds, jobs, pile, rows = 0, systems = GROWN }: Growth,
): Promise<Sample[]> {
  return await interleave(lab, {
    systems: systems.filter((system) =>
      pile === undefined || pileOf(system, pile) !== undefined
    ),
    rounds,
    async warmUp({ system, station }) {
      await warmUp(station, Math.min(jobs, 5_000));
      const text = pile && pileOf(system, pile);
      if (text) await station.sql.unsafe(text, [rows]);
    },
    measure: async ({ system, station }) => {
      await station.child.call("fill", { jobs, perCall: 1_000 });
      await station.sql`analyze`;
      return [await drainFresh({ system, station }, { name, jobs })];
    },
  });
}

function pileOf(system: System, pile: Pile): string | undefined {
  return (system.isPeer ? GRAPHILE : OURS)[pile];
}

/** The fresh ones come first, so the drain is over after so many runs. */
async function drainFresh(
  { system, station }: { readonly system: System; readonly station: Station },
  { name, jobs }: { readonly name: string; readonly jobs: number },
): Promise<Sample> {
  const { value: { value }, cost } = await station.cost(() =>
    station.child.call<Drain>("drain", { jobs, whole: false })
  );
  const { ran, firstMs, lastMs } = value;
  if (ran < jobs) throw new Error(`${system.name}: ${ran} of ${jobs} were run`);
  return {
    scenario: name,
    system: system.name,
    value: ran / (lastMs - (firstMs ?? 0)) * 1_000,
    unit: "jobs/s",
    jobs,
    cost,
  };
}

const BEFORE_S = 10;
const AFTER_S = 20;
const WAITING = 3_000;

/** Somebody forgets a transaction, and no dead row can be taken away. */
export const snapshot: Scenario = {
  name: "snapshot",
  onlyFull: true,
  run: (lab: Lab, size: Size) =>
    interleave(lab, {
      systems: GROWN,
      rounds: Math.min(size.rounds, 2),
      warmUp: ({ station }) => warmUp(station, 1_000),
      measure: (bench) => holdSnapshot(bench, size.mode === "full" ? 60 : 5),
    }),
};

async function holdSnapshot(
  { system, station }: { readonly system: System; readonly station: Station },
  heldS: number,
): Promise<Sample[]> {
  const before = heldS < 10 ? 3 : BEFORE_S;
  const after = heldS < 10 ? 4 : AFTER_S;
  const seconds = before + heldS + after;
  const flowing = station.child.call<number[]>("flow", {
    seconds,
    waiting: WAITING,
  });
  await wait(before);
  await station.sql.begin("isolation level repeatable read", async (tx) => {
    await tx`select count(*) from pg_class`;
    await wait(heldS);
  });
  const { value: counts } = await flowing;
  const mean = (from: number, through: number) => {
    const part = counts.slice(from, through);
    return part.reduce((total, count) => total + count, 0) / part.length;
  };
  const common = { system: system.name, unit: "jobs/s" };
  const end = before + heldS;
  const usual = mean(2, before);
  return [
    // The first seconds warm up, and the last before the end count most.
    { ...common, scenario: "flow before", value: usual },
    {
      ...common,
      scenario: "flow while a snapshot is held",
      value: mean(end - Math.min(10, heldS), end),
    },
    {
      ...common,
      scenario: "flow 10 s after the snapshot",
      value: mean(end + after / 2, seconds),
    },
    {
      ...common,
      scenario: "back to 0.9 of the flow after the snapshot",
      unit: "s",
      value: secondsUntil(
        (s) => mean(end + s, end + s + STEADY_S) >= 0.9 * usual,
        { most: after - STEADY_S },
      ),
    },
  ];
}

/** One good second is luck. */
const STEADY_S = 2;

/** Whole seconds until it holds, counted from 1; `most` if it never did. */
function secondsUntil(
  holds: (second: number) => boolean,
  { most }: { readonly most: number },
): number {
  for (let second = 0; second < most; second++) {
    if (holds(second)) return second + 1;
  }
  return most;
}

function wait(seconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, seconds * 1_000));
}
