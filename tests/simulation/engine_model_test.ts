/**
 * The way of a job against a model of it in memory: after each step, whatever
 * the order, the tables say of everything what the model says.
 *
 * `YARDMASTER_MODEL_RUNS=500 deno task test tests/simulation` looks longer, and
 * `YARDMASTER_MODEL_SEED` repeats what failed: the failure tells its seed.
 */
import fc from "fast-check";
import { ensureQueues } from "../../src/store/queues.ts";
import { usePGlite } from "../support/pglite.ts";
import { usePostgres } from "../support/postgres.ts";
import { ON_JOBS } from "./commands_on_jobs.ts";
import { ON_RUNS } from "./commands_on_runs.ts";
import { begin, makeDay, ON_TIME } from "./commands_on_time.ts";
import { Model } from "./model.ts";
import { BEGIN_MS, inPGlite, type Open, overTwoConnections } from "./worlds.ts";

const testDb = usePGlite();
const testPostgres = usePostgres();

const CI_LIMIT_MS = 12_000;
const LONG_LIMIT_MS = 600_000;

/** As many runs as are asked for; else as many as a gate has time for. */
async function holds(
  open: Open,
): Promise<void> {
  const runs = Number(Deno.env.get("YARDMASTER_MODEL_RUNS") ?? 0);
  const seed = Deno.env.get("YARDMASTER_MODEL_SEED");
  const commands = fc.commands([...ON_JOBS, ...ON_RUNS, ...ON_TIME], {
    maxCommands: 120,
    size: "max",
  });
  await fc.assert(
    fc.asyncProperty(fc.boolean(), commands, async (hasDay, commands) => {
      await using real = await open();
      real.setNow(new Date(BEGIN_MS));
      const model = new Model(BEGIN_MS);
      const [db] = real.connections;
      if (db === undefined) throw new TypeError("there is a connection");
      await ensureQueues(db, [{ name: "mail", limit: 5 }]);
      await begin({ model, db });
      if (hasDay) await makeDay({ model, db });
      await fc.asyncModelRun(() => ({ model, real }), commands);
    }),
    {
      numRuns: runs || 100,
      interruptAfterTimeLimit: runs ? LONG_LIMIT_MS : CI_LIMIT_MS,
      ...(seed && { seed: Number(seed) }),
    },
  );
}

Deno.test("the tables say what a model says after any steps, in PGlite", async () => {
  await holds(inPGlite(testDb));
});

Deno.test("the tables say what a model says after any steps, over two connections to Postgres", async () => {
  await overTwoConnections(testPostgres, holds);
});
