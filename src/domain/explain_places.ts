/** Who could take a job of a queue, and how much room they have. */
import type { ExplainedQueue, ServingExecutor } from "./explain_facts.ts";
import type { FullExecutor } from "./explain_reason.ts";

/** A late executor counts: it may well claim. A missing one claims nothing. */
export function isAlive(
  { health }: { readonly health: string },
): boolean {
  return health === "healthy" || health === "late";
}

/** Those that could take a job of this worker. */
export interface Takers {
  /** Live executors of the queue, whatever they know. */
  readonly alive: number;
  /** Of those, the ones that know the worker. */
  readonly takers: readonly ServingExecutor[];
  /** Null: nobody declared a limit. */
  readonly places: number | null;
  readonly taken: number;
  /** Free places of executors whose heartbeat came in time. */
  readonly free: number;
  /** And of those whose heartbeat is late. */
  readonly freeLate: number;
  readonly holders: readonly FullExecutor[];
}

/** Counts the places for a worker. The same rule for one job and for a queue. */
export function takersOf(
  worker: string,
  { queue, serving }: {
    readonly queue: ExplainedQueue;
    readonly serving: readonly ServingExecutor[];
  },
): Takers {
  const { limit } = queue;
  const alive = serving.filter(isAlive);
  const takers = alive.filter(({ workers }) => workers.includes(worker));
  const freeOf = (health: "healthy" | "late") =>
    takers.filter((taker) => taker.health === health)
      .reduce((sum, { held }) => sum + freePlaces(limit, held), 0);
  return {
    alive: alive.length,
    takers,
    places: limit === null ? null : limit * takers.length,
    taken: takers.reduce((sum, { held }) => sum + held, 0),
    free: freeOf("healthy"),
    freeLate: freeOf("late"),
    holders: takers.map(({ name, held }) => ({
      executor: name,
      held,
      limit: limit ?? held,
    })),
  };
}

/** Without a limit on record there is no saying when an executor is full. */
function freePlaces(limit: number | null, held: number): number {
  return limit === null ? Infinity : Math.max(limit - held, 0);
}

/** The workers that anybody knows who could take a job of this worker. */
export function workersBeside(
  worker: string,
  serving: readonly ServingExecutor[],
): readonly string[] {
  const takers = serving.filter(isAlive).filter(({ workers }) =>
    workers.includes(worker)
  );
  return [...new Set(takers.flatMap(({ workers }) => workers))];
}
