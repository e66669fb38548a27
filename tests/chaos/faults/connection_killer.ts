/** Ends connections in the middle of what they run. */
import { sql } from "../../../src/db/sql.ts";
import type { ChaosWorld } from "../world.ts";

/** Statements, by what only they have in them. */
export const VICTIMS = {
  claim: "%insert into yardmaster.leases%",
  result: "%delete from yardmaster.leases%",
  enqueue: "%insert into yardmaster.jobs%",
  beat: "%update yardmaster.executors%",
} as const;
export type Victim = keyof typeof VICTIMS;

const LOOKS = 400;

/** Makes writes of the engine take a few milliseconds, in which they can end. */
export async function slowDown(world: ChaosWorld): Promise<void> {
  const triggers = ["jobs", "leases", "outcomes", "executors"].map((table) => `
    create trigger slow after insert or update on yardmaster.${table}
      for each statement execute function public.slow();
  `);
  await world.db.script(`
    create function public.slow() returns trigger language plpgsql as $$
    begin
      perform pg_sleep(0.003);
      return null;
    end $$;
    ${triggers.join("")}
    create function public.kill_during(pattern text, looks integer)
    returns integer language plpgsql as $$
    declare
      victim integer;
    begin
      for _ in 1 .. looks loop
        -- Otherwise a transaction sees all that goes on as it was at first.
        perform pg_stat_clear_snapshot();
        select pid into victim from pg_stat_activity
        where datname = current_database() and pid <> pg_backend_pid()
          and state = 'active' and query like pattern
          and backend_type = 'client backend'
        limit 1;
        if victim is not null and pg_terminate_backend(victim) then
          return 1;
        end if;
        perform pg_sleep(0.0005);
      end loop;
      return 0;
    end $$;
  `);
}

/**
 * Watches for connections that run such a statement right now, and ends the first
 * that it sees. After {@linkcode slowDown}.
 *
 * @returns Whether there was one.
 */
export async function killDuring(
  world: ChaosWorld,
  victim: Victim,
): Promise<boolean> {
  const [row] = await world.db.query<{ killed: number }>(sql`
    select public.kill_during(${VICTIMS[victim]}, ${LOOKS}) as killed
  `);
  return row?.killed === 1;
}
