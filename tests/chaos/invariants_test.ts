/** Whoever checks must find what it is there for. */
import assert from "node:assert/strict";
import { sql } from "../../src/db/sql.ts";
import type { JobId } from "../../src/domain/job.ts";
import {
  type PostgresServer,
  startPostgres,
} from "../support/postgres_server.ts";
import { checkInvariants } from "./invariants.ts";
import { LedgerPen } from "./ledger.ts";
import { Random } from "./random.ts";
import { ChaosWorld } from "./world.ts";

let server: PostgresServer;
Deno.test.beforeAll(async () => {
  server = await startPostgres();
});
Deno.test.afterAll(async () => await server[Symbol.asyncDispose]());

/** A world in which three jobs ran and ended, the first one by `first`. */
async function calmWorld(): Promise<{
  readonly world: ChaosWorld;
  readonly pen: LedgerPen;
  readonly first: JobId;
}> {
  const world = await ChaosWorld.open({
    name: "calm",
    server,
    random: new Random(1),
    size: "short",
    minutes: 0,
  });
  const [first] = await world.enqueue(3, () => ({ ms: 1 }));
  assert.ok(first);
  await world.spawnWorker({ name: "only" });
  await world.untilAllEnded();
  await world.endWorkers();
  return { world, pen: new LedgerPen(world.ledgerFolder, "liar"), first };
}

Deno.test("checkInvariants() finds nothing wrong with jobs that ran once", async () => {
  const { world } = await calmWorld();
  await using _ = world;

  assert.deepEqual(await checkInvariants(world), {
    executions: 3,
    fenced: 0,
    lost: 0,
    doubleOutcomes: 0,
    broken: [],
  });
});

Deno.test("checkInvariants() finds a job that stands nowhere, and one that stands twice", async () => {
  const { world, first } = await calmWorld();
  await using _ = world;
  await world.db.query(sql`
    insert into yardmaster.ready (job_id, queue, worker, priority, attempt)
    values (${first}::bigint, 'default', 'step', 0, 1)
  `);
  await world.db.query(sql`
    delete from yardmaster.outcomes where job_id > ${first}::bigint
  `);

  const { lost, broken } = await checkInvariants(world);

  assert.equal(lost, 3);
  assert.match(broken[0] ?? "", /^3 has no outcome, or stands in two places/);
});

Deno.test("checkInvariants() finds an outcome that was written again", async () => {
  const { world, first } = await calmWorld();
  await using _ = world;
  await world.db.query(sql`
    delete from yardmaster.outcomes where job_id = ${first}::bigint
  `);
  await world.db.query(sql`
    insert into yardmaster.outcomes (
      job_id, state, attempt, executor_id, took_ms, finished_at
    )
    values (${first}::bigint, 'completed', 1, 1, 1, ${world.db.now})
  `);

  const { doubleOutcomes, broken } = await checkInvariants(world);

  assert.equal(doubleOutcomes, 1);
  assert.deepEqual(broken, [`1 ended twice: ${first}`]);
});

Deno.test("checkInvariants() finds runs that nothing tells of", async () => {
  const { world, pen, first } = await calmWorld();
  await using _ = world;

  pen.write("began", { jobId: first, attempt: 1 });
  pen.write("began", { jobId: first, attempt: 2 });

  assert.deepEqual((await checkInvariants(world)).broken, [
    `1 began, and nothing says what became of it: attempt 2 of ${first}`,
    `1 began after the job had ended: attempt 2 of ${first}`,
    `2 was given to two processes at once: attempt 1 of ${first}`,
  ]);
});

Deno.test("checkInvariants() finds an end that no run came to, and a job that nobody enqueued", async () => {
  const { world, first } = await calmWorld();
  await using _ = world;
  await world.db.query(sql`
    update yardmaster.outcomes set attempt = 7 where job_id = ${first}::bigint
  `);
  world.jobIds.delete(first);

  assert.deepEqual((await checkInvariants(world)).broken, [
    `1 ended twice: ${first}`,
    `1 is known to nobody who enqueued: ${first}`,
    `1 began, and nothing says what became of it: attempt 1 of ${first}`,
    `1 has an outcome, and never ended: attempt 7 of ${first}`,
  ]);
});

for (const kind of ["rescued", "lost"]) {
  Deno.test(`checkInvariants() finds the outcome of a run that was ${kind}`, async () => {
    const { world, first } = await calmWorld();
    await using _ = world;
    await world.db.query(sql`
      insert into yardmaster.attempt_events (job_id, attempt, kind, at)
      values (
        ${first}::bigint, 1, ${kind}::yardmaster.attempt_event_kind,
        ${world.db.now}
      )
    `);

    assert.deepEqual((await checkInvariants(world)).broken, [
      `1 has the outcome of a run that was fenced off: attempt 1 of ${first}`,
    ]);
  });
}
