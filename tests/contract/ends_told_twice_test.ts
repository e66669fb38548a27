/** An end that is told again, since nobody knows whether it was written. */
import assert from "node:assert/strict";
import type { Database } from "../../src/db/database.ts";
import { sql } from "../../src/db/sql.ts";
import { systemClock } from "../../src/engine/clock.ts";
import { Acknowledger } from "../../src/engine/acknowledger.ts";
import { HeldLeases } from "../../src/engine/held_leases.ts";
import type { ClaimedJob } from "../../src/store/leases.ts";
import { claimJobs } from "../../src/store/leases.ts";
import {
  acknowledge,
  type Acknowledgement,
  type RunResult,
} from "../../src/store/outcomes.ts";
import { stageJobs } from "../../src/store/scheduled.ts";
import { cancelJob, retryJob } from "../../src/store/transitions.ts";
import { givenExecutor, givenWork } from "../support/limiter_world.ts";
import { usePostgres } from "../support/postgres.ts";
import { until } from "../support/until.ts";

const testPostgres = usePostgres();

function claim(db: Database, executorId: number): Promise<ClaimedJob[]> {
  const queue = { queue: "default", declaredLimit: 100, held: 0, prefetch: 0 };
  return claimJobs(db, {
    executorId,
    workers: ["work"],
    queues: [{ ...queue, most: 100 }],
  });
}

const ENDS = {
  completed: { to: "completed" },
  failed: { to: "retryable", delayMs: 0, event: { kind: "failed" } },
  snoozed: { to: "scheduled", delayMs: 0, event: { kind: "snoozed" } },
  given_back: { to: "available", event: { kind: "given_back" } },
  discarded: { to: "discarded", event: { kind: "failed" } },
} as const;

function ends(run: ClaimedJob, how: keyof typeof ENDS): RunResult {
  const { leaseId, jobId, attempt } = run;
  return { leaseId, jobId, attempt, tookMs: 1, ...ENDS[how] };
}

async function lostEvents(db: Database): Promise<number> {
  const rows = await db.query(sql`
    select from yardmaster.attempt_events where kind = 'lost'
  `);
  return rows.length;
}

/** The first statement with these words fails; nothing else does. */
function failingOnce(db: Database, words: string): Database {
  let left = 1;
  return {
    ...db,
    get now() {
      return db.now;
    },
    query: (statement, options) => {
      if (left > 0 && statement.render("yardmaster").text.includes(words)) {
        left -= 1;
        return Promise.reject(new Error("The connection broke"));
      }
      return db.query(statement, options);
    },
  };
}

Deno.test("acknowledge() whose second statement fails tells lost only of what was, when it is tried again", async () => {
  await using world = await testPostgres();
  const { db } = world;
  const executorId = await givenExecutor(db);
  const kinds = Object.keys(ENDS) as (keyof typeof ENDS)[];
  await givenWork(db, [...kinds, "taken"].map(() => ({})), { limited: false });
  const runs = await claim(db, executorId);
  const taken = runs.at(-1);
  assert.ok(taken && runs.length === 6);
  await cancelJob(db, { jobId: taken.jobId, principal: "ann" });

  const answers = new Map<string, Acknowledgement>();
  const acknowledger = new Acknowledger({
    database: failingOnce(db, "'lost'"),
    leases: new HeldLeases(),
    clock: systemClock,
    onEvent: () => {},
    executorId: () => executorId,
    onFlushed: () => {},
  });
  for (const [index, run] of runs.entries()) {
    acknowledger.add({
      ...ends(run, kinds[index] ?? "completed"),
      onAnswer: (answer) => void answers.set(run.jobId, answer),
    });
  }
  await acknowledger.flushed();

  assert.deepEqual(
    runs.map(({ jobId }) => answers.get(jobId)),
    [...kinds.map(() => "applied"), "lost"],
  );
  assert.equal(await lostEvents(db), 1);
});

Deno.test("an end that is told again is applied, also when an operator moved the job since", async () => {
  await using world = await testPostgres();
  const { db } = world;
  const executorId = await givenExecutor(db);
  await givenWork(db, [{}], { limited: false });
  const [run] = await claim(db, executorId);
  assert.ok(run);
  const failed: RunResult = { ...ends(run, "failed"), delayMs: 60_000 };
  assert.deepEqual(await acknowledge(db, executorId, [failed]), ["applied"]);
  await retryJob(db, { jobId: run.jobId, principal: "ann" });
  assert.deepEqual(await acknowledge(db, executorId, [failed]), ["applied"]);
  const [next] = await claim(db, executorId);
  assert.equal(next?.attempt, 2);
  assert.deepEqual(await acknowledge(db, executorId, [failed]), ["applied"]);
  assert.equal(await lostEvents(db), 0);
});

Deno.test("a run that was given back and tells its end late is lost, though another ended the same attempt", async () => {
  await using world = await testPostgres();
  const { db } = world;
  const [first, second] = [await givenExecutor(db), await givenExecutor(db)];
  const other = await world.connect();
  await givenWork(db, [{}], { limited: false });
  const [run] = await claim(db, first);
  assert.ok(run);
  await acknowledge(db, first, [ends(run, "given_back")]);
  const [again] = await claim(db, second);
  assert.equal(again?.attempt, run.attempt);

  const late = () => acknowledge(other, first, [ends(run, "completed")]);
  // The other has not committed; and then it has.
  await db.transaction(async (tx) => {
    await acknowledge(tx, second, [ends(again, "completed")]);
    assert.deepEqual(await late(), ["lost"]);
  });
  assert.deepEqual(await late(), ["lost"]);
  // Who did end it may say so again.
  assert.deepEqual(
    await acknowledge(db, second, [ends(again, "completed")]),
    ["applied"],
  );
});

Deno.test("a run that was snoozed, and then taken away in the same attempt, is lost when it wants to snooze", async () => {
  await using world = await testPostgres();
  const { db } = world;
  const executorId = await givenExecutor(db);
  await givenWork(db, [{}], { limited: false });
  const [first] = await claim(db, executorId);
  assert.ok(first);
  await acknowledge(db, executorId, [ends(first, "snoozed")]);
  await until("it is due", async () => {
    return (await stageJobs(db, { limit: 10 })).staged === 1;
  });
  const [second] = await claim(db, executorId);
  assert.equal(second?.attempt, 1);
  // Nothing was told of the second yet, and the first was applied.
  assert.deepEqual(
    await acknowledge(db, executorId, [ends(first, "snoozed")]),
    ["applied"],
  );
  await cancelJob(db, { jobId: second.jobId, principal: "ann" });
  assert.deepEqual(
    await acknowledge(db, executorId, [ends(second, "snoozed")]),
    ["lost"],
  );
  assert.equal(await lostEvents(db), 1);
});
