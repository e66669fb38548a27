/**
 * The way of a job against a model of it in memory: after each step, whatever
 * the order, the tables say of everything what the model says.
 *
 * `YARDMASTER_MODEL_RUNS=500 deno task test tests/simulation` looks longer, and
 * `YARDMASTER_MODEL_SEED` repeats what failed: the failure tells its seed.
 */
import fc from "fast-check";
import postgres from "postgres";
import { postgresJs } from "../../src/db/postgres_js.ts";
import { sql } from "../../src/db/sql.ts";
import { ensureQueues } from "../../src/store/queues.ts";
import { usePGlite } from "../support/pglite.ts";
import { usePostgres } from "../support/postgres.ts";
import { ON_JOBS } from "./commands_on_jobs.ts";
import { ON_RUNS } from "./commands_on_runs.ts";
import { begin, makeDay, ON_TIME } from "./commands_on_time.ts";
import { Model } from "./model.ts";
import type { Real } from "./step.ts";
import { WITHOUT_DAYS } from "./without_days.ts";

const testDb = usePGlite();
const testPostgres = usePostgres();

const BEGIN_MS = Date.parse("2026-01-15T12:00:00Z");
const CI_LIMIT_MS = 12_000;
const LONG_LIMIT_MS = 600_000;

/** As many runs as are asked for; else as many as a gate has time for. */
async function holds(
  open: () => Promise<Real & AsyncDisposable>,
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
  await holds(async () => {
    const db = await testDb();
    return {
      connections: [db],
      setNow: (at) => db.setNow(at),
      [Symbol.asyncDispose]: () => db[Symbol.asyncDispose](),
    };
  });
});

Deno.test("the tables say what a model says after any steps, over two connections to Postgres", async () => {
  await using world = await testPostgres();
  const options = { max: 1, fetch_types: false, onnotice: () => {} };
  await using stack = new AsyncDisposableStack();
  const pools = [postgres(world.url, options), postgres(world.url, options)];
  for (const pool of pools) stack.defer(() => pool.end({ timeout: 1 }));

  let at = new Date(BEGIN_MS);
  const now = () => sql`${at}::timestamptz`;
  const connections = pools.map((pool, n) =>
    // One names its statements, so that plans for any values are met as well.
    postgresJs(pool, { now, prepare: n === 1 })
  );
  await holds(async () => {
    await world.reset();
    await pools[0]?.unsafe(WITHOUT_DAYS);
    return {
      connections,
      setNow: (to) => at = to,
      async [Symbol.asyncDispose]() {},
    };
  });
});
