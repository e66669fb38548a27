/**
 * What limiters admitted, told by the database itself: every admission leaves a
 * mark in the transaction that makes it, and the marks must add up.
 */
import { sql } from "../../src/db/sql.ts";
import { calmly } from "./faults/recovery.ts";
import {
  BUCKET,
  enqueueLimited,
  IN_ALL,
  KEYS,
  PER_KEY,
  WINDOW,
} from "./limited_work.ts";
import type { ChaosWorld } from "./world.ts";

/** After a choice of an operator, claims that began before it may still end. */
const SETTLES = "1 second";

/** From here on, admissions are watched. */
export async function watchAdmissions({ db }: ChaosWorld): Promise<void> {
  await db.script(`
    create table public.start_marks (job_id bigint, lease_id bigint);
    create function public.mark_starts() returns trigger language plpgsql as $$
    begin
      insert into public.start_marks select unnest(new.job_ids), new.id;
      return null;
    end $$;
    create trigger mark_starts after insert on yardmaster.leases
      for each row execute function public.mark_starts();

    create table public.use_marks (
      id bigint generated always as identity, limiter text, key text,
      used float8, counted_ms float8
    );
    create function public.mark_use() returns trigger language plpgsql as $$
    begin
      insert into public.use_marks (limiter, key, used, counted_ms) select
        new.limiter, new.key, new.used, extract(epoch from new.counted_at) * 1000;
      return null;
    end $$;
    create trigger mark_use after insert or update
      on yardmaster.limiter_partitions
      for each row execute function public.mark_use();

    -- How many ran after it was admitted, and how many might.
    create table public.grant_marks (
      limiter text, key text, used integer, capacity integer,
      is_settled boolean, cools boolean
    );
    create function public.mark_grants() returns trigger language plpgsql as $$
    begin
      insert into public.grant_marks
      select known.name, part.key,
        (
          select sum(given.weight) from yardmaster.limiter_grants as given
          join yardmaster.leases on leases.id = given.lease_id
            and given.job_id = any (leases.job_ids)
          where given.limiter = known.name and given.key = part.key
        ),
        coalesce(known.chosen_capacity, known.declared_capacity),
        not exists (
          select from yardmaster.limiter_facts as fact
          where fact.limiter = known.name and fact.kind <> 'blocked'
            and fact.at > clock_timestamp() - interval '${SETTLES}'
        ),
        coalesce(
          greatest(known.cooldown_until, part.cooldown_until)
            > clock_timestamp(),
          false
        )
      from (select distinct limiter, key from fresh) as fresh
      join yardmaster.limiters as known on known.name = fresh.limiter
      join yardmaster.limiter_partitions as part
        on part.limiter = fresh.limiter and part.key = fresh.key;
      return null;
    end $$;
    create trigger mark_grants after insert on yardmaster.limiter_grants
      referencing new table as fresh
      for each statement execute function public.mark_grants();
  `);
}

/** One line for each thing that does not add up. */
export async function findExcess(world: ChaosWorld): Promise<string[]> {
  return [
    ...await findOverfull(world),
    ...await findOverdrawn(world),
    ...await findLongWindows(world),
  ];
}

async function findOverfull({ db, measured }: ChaosWorld): Promise<string[]> {
  const rows = await db.query<{
    limiter: string;
    key: string;
    used: number;
    capacity: number;
    cools: boolean;
  }>(sql`
    select * from public.grant_marks
    where is_settled and (used > capacity or cools)
    limit 5
  `);
  const [row] = await db.query<{ count: number; full: number }>(sql`
    select count(*)::integer as "count",
      count(*) filter (where used = capacity)::integer as "full"
    from public.grant_marks
  `);
  measured.grantsWatched = row?.count ?? 0;
  measured.filledUp = row?.full ?? 0;
  return rows.map(({ limiter, key, used, capacity, cools }) =>
    `${used} of ${capacity} ran at once: ${limiter} ${key}` +
    (cools ? ", while it cooled down" : "")
  );
}

interface UseMark {
  readonly limiter: string;
  readonly key: string;
  readonly used: number;
  readonly countedMs: number;
}

/** The uses of each partition, in order. */
async function readUses(
  { db }: ChaosWorld,
  limiter: string,
): Promise<UseMark[][]> {
  const rows = await db.query<UseMark>(sql`
    select limiter, key, used, counted_ms as "countedMs"
    from public.use_marks
    where limiter = ${limiter}
    order by id
  `);
  return [...Map.groupBy(rows, ({ key }) => key).values()];
}

/** What was started of the jobs of a worker, by their weights or by number. */
async function readStarted(
  { db }: ChaosWorld,
  worker: string,
  weighs: boolean,
): Promise<number> {
  const [row] = await db.query<{ started: number }>(sql`
    select coalesce(
      sum(case when ${weighs}::boolean then (args ->> 'weight')::integer else 1 end),
      0
    )::integer as "started"
    from public.start_marks
    join yardmaster.jobs on jobs.id = job_id
    where worker = ${worker}
  `);
  return row?.started ?? 0;
}

const ROUNDING = 0.01;

/** A bucket gives what refilled, and each start has taken its part of it. */
async function findOverdrawn(world: ChaosWorld): Promise<string[]> {
  const { capacity, perMs } = BUCKET;
  let taken = 0;
  const wrong: string[] = [];
  for (const uses of await readUses(world, BUCKET.name)) {
    for (const [index, { used, countedMs }] of uses.entries()) {
      const before = uses[index - 1] ?? { used: 0, countedMs };
      const refilled = (countedMs - before.countedMs) * capacity /
        (perMs ?? 1);
      const left = Math.max(before.used - refilled, 0);
      if (used > capacity + ROUNDING) wrong.push(`The bucket gave ${used}`);
      taken += used - left;
    }
  }
  const started = await readStarted(world, "bucket", true);
  if (Math.abs(taken - started) > 1) {
    wrong.push(`The bucket gave ${taken}, and ${started} were started`);
  }
  return wrong;
}

/** A window gives its capacity, and begins when the one before has ended. */
async function findLongWindows(world: ChaosWorld): Promise<string[]> {
  let taken = 0;
  const wrong: string[] = [];
  for (const uses of await readUses(world, WINDOW.name)) {
    const windows = new Map<number, number>();
    for (const { used, countedMs } of uses) {
      windows.set(countedMs, Math.max(windows.get(countedMs) ?? 0, used));
    }
    const begins = [...windows.keys()].filter((ms) => windows.get(ms) !== 0);
    for (const [index, begin] of begins.entries()) {
      const next = begins[index + 1] ?? Infinity;
      if (next - begin < (WINDOW.perMs ?? 0) - 1) {
        wrong.push(`A window lasted ${next - begin} ms`);
      }
    }
    for (const used of windows.values()) {
      if (used > WINDOW.capacity) wrong.push(`A window gave ${used}`);
      taken += used;
    }
  }
  const started = await readStarted(world, "window", false);
  if (taken !== started) {
    wrong.push(`Windows gave ${taken}, and ${started} were started`);
  }
  return wrong;
}

/** Looks once how many run, of each partition that counts what runs. */
export async function readRunning(
  { db }: ChaosWorld,
): Promise<ReadonlyMap<string, number>> {
  const rows = await db.query<{ name: string; used: number }>(sql`
    select limiter || ' ' || key as name, sum(weight)::integer as used
    from yardmaster.limiter_grants as given
    join yardmaster.leases on leases.id = given.lease_id
      and given.job_id = any (leases.job_ids)
    group by limiter, key
  `);
  return new Map(rows.map(({ name, used }) => [name, used]));
}

/** How many may run of each, by its name in {@linkcode readRunning}. */
export const FULL: ReadonlyMap<string, number> = new Map([
  [`${IN_ALL.name} `, IN_ALL.capacity],
  ...KEYS.map((key) => [`${PER_KEY.name} ${key}`, PER_KEY.capacity] as const),
]);

/** Looks again and again, beside what is done, that no more run than may. */
export async function whileNoneIsOverfull(
  world: ChaosWorld,
  act: () => Promise<void>,
): Promise<void> {
  let isOver = false;
  let looks = 0;
  const excess: string[] = [];
  async function look(): Promise<boolean> {
    for (const [name, used] of await readRunning(world)) {
      if (used > (FULL.get(name) ?? 0)) excess.push(`${used} of ${name}`);
    }
    looks += 1;
    return true;
  }
  const looking = (async () => {
    while (!isOver) {
      await calmly(look);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  })();
  try {
    await act();
  } finally {
    isOver = true;
    await looking;
  }
  world.measured.looks = looks;
  if (excess.length > 0) throw new Error(`Too many ran at once: ${excess[0]}`);
}

/**
 * Every key can be used to the full: no grant outlived what it was for, and no
 * lane waits for a turn that nobody gives it.
 */
export async function untilAllFull(world: ChaosWorld): Promise<void> {
  await enqueueLimited(
    world,
    "held",
    KEYS.flatMap((key) =>
      Array.from({ length: 3 * PER_KEY.capacity }, () => ({ key, ms: 250 }))
    ),
  );
  await world.measureRecovery("every key is used to the full", async () => {
    const running = await readRunning(world);
    return [...FULL].every(([name, most]) => running.get(name) === most);
  });
  await world.untilAllEnded();
}
