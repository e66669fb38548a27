import type { AnyWorker } from "./any_worker.ts";
import type { Middleware } from "./middleware.ts";

/**
 * The workers of an engine with its own middleware around theirs. Without any
 * they stay what they are, and their runs pay nothing.
 */
export function wrappedWorkers(
  workers: readonly AnyWorker[] = [],
  middleware: readonly Middleware[] = [],
): readonly AnyWorker[] {
  if (middleware.length === 0) return workers;
  return workers.map((worker) => wrapped(worker, middleware));
}

/** A worker with other middleware around its own. */
export function wrapped<W extends AnyWorker>(
  worker: W,
  middleware: readonly Middleware[],
): W {
  if (middleware.length === 0) return worker;
  return {
    ...worker,
    middleware: [...middleware, ...worker.middleware ?? []],
  };
}
