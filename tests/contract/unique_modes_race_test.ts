/** Every mode of uniqueness, while others call, claim, end and cancel. */
import assert from "node:assert/strict";
import type { Database } from "../../src/db/database.ts";
import { sql } from "../../src/db/sql.ts";
import { parseJobId } from "../../src/domain/job.ts";
import { cancelJob } from "../../src/store/transitions.ts";
import { type TestPostgres, usePostgres } from "../support/postgres.ts";
import {
  callerOn,
  jobsOf,
  MODE_CASES,
  runnerOn,
  type Told,
} from "../support/unique_modes.ts";
import { until } from "../support/until.ts";

const testPostgres = usePostgres();
const ROUNDS = 12;

async function connections(
  world: TestPostgres,
  count: number,
): Promise<Database[]> {
  const dbs: Database[] = [];
  while (dbs.length < count) dbs.push(await world.connect());
  return dbs;
}

async function somebodyWaits(db: Database): Promise<void> {
  await until("somebody waits for a row", async () =>
    (await db.query(sql`
      select from pg_stat_activity
      where datname = current_database() and wait_event_type = 'Lock'
    `)).length > 0);
}

for (const each of MODE_CASES) {
  const { mode, meetsWaiting, meetsRunning, meetsEnded } = each;
  const overwrites = meetsWaiting === "replaced";
  const isNeverLost = meetsRunning === "inserted";

  Deno.test(`${mode}: of two single calls at once one is inserted, and the other meets it`, async () => {
    await using world = await testPostgres();
    const callers = (await connections(world, 2)).map((db) =>
      callerOn(db, each)
    );
    for (let round = 0; round < ROUNDS; round++) {
      const key = `k${round}`;
      const answers = await Promise.all(
        callers.map((caller, n) => caller.one(key, n)),
      );
      const expected = ["inserted", meetsWaiting].toSorted();
      assert.deepEqual(answers.toSorted(), expected);
      const last = answers.indexOf(overwrites ? "replaced" : "inserted");
      const [job, ...more] = await jobsOf(world.db, key);
      assert.deepEqual([job?.n, job?.state, more], [last, "available", []]);
      assert.equal(job?.told, overwrites ? 1 : 0);
    }
  });

  Deno.test(`${mode}: a single call and a bulk call at once leave one job of each key`, async () => {
    await using world = await testPostgres();
    const [one, other] = await connections(world, 2) as [Database, Database];
    const [single, bulk] = [callerOn(one, each), callerOn(other, each)];
    for (let round = 0; round < ROUNDS; round++) {
      const keys = ["a", "b", "c", "b"].map((key) => `${key}${round}`);
      const [alone, together] = await Promise.all([
        single.one(`b${round}`, 1),
        bulk.many(keys, 2),
      ]);
      assert.equal(together[0], "inserted");
      assert.equal(together[2], "inserted");
      const ofB = [alone, together[1], together[3]];
      assert.equal(ofB.filter((told) => told === "inserted").length, 1);
      assert.equal(ofB.filter((told) => told === meetsWaiting).length, 2);
      assert.equal(together[3], meetsWaiting);
      for (const key of new Set(keys)) {
        const [job, ...more] = await jobsOf(world.db, key);
        assert.deepEqual([job?.state, more], ["available", []]);
        if (overwrites || !key.startsWith("b")) continue;
        assert.equal(job?.n, alone === "inserted" ? 1 : 2);
      }
    }
  });

  Deno.test(`${mode}: bulk calls with the same keys in opposite orders never deadlock`, async () => {
    await using world = await testPostgres();
    const callers = (await connections(world, 4)).map((db) =>
      callerOn(db, each)
    );
    const keys = Array.from({ length: 60 }, (_, index) => `k${index}`);
    for (let round = 0; round < 4; round++) {
      const answers = await Promise.all(callers.map(async (caller, n) => {
        const mine = n % 2 === 0 ? keys : keys.toReversed();
        const answers = await caller.many(mine, round * 10 + n);
        return new Map(mine.map((key, index) => [key, answers[index]]));
      }));
      for (const key of keys) {
        const told = answers.map((of) => of.get(key)).toSorted();
        const inserted = round === 0 ? 1 : 0;
        const others = Array<string>(4 - inserted).fill(meetsWaiting);
        assert.deepEqual(
          told,
          [...Array(inserted).fill("inserted"), ...others].toSorted(),
        );
        const [job, ...more] = await jobsOf(world.db, key);
        assert.deepEqual(more, []);
        assert.equal(job?.told, overwrites ? 3 + 4 * round : 0);
        const writer = answers[(job?.n ?? 0) % 10]?.get(key);
        if (overwrites) assert.equal(writer, "replaced");
      }
    }
  });

  Deno.test(`${mode}: a call that waits for a claim of the holder is told the truth, and overwrites nothing that runs`, async () => {
    await using world = await testPostgres();
    const { db } = world;
    const runner = await runnerOn(db);
    const caller = callerOn(await world.connect(), each);
    assert.equal(await caller.one("k", 1), "inserted");
    let call: Promise<Told> = Promise.resolve("inserted");
    await db.transaction(async (tx) => {
      assert.equal((await runner.claim(tx)).length, 1);
      call = caller.one("k", 2);
      // The others are answered at once: the holder holds in any case.
      if (overwrites) await somebodyWaits(db);
    });
    assert.equal(await call, overwrites ? meetsRunning : "conflict");
    const jobs = await jobsOf(db, "k");
    const found = jobs.map(({ n, state, told }) => [n, state, told]);
    const running = [1, "executing", 0];
    assert.deepEqual(
      found,
      isNeverLost ? [running, [2, "available", 0]] : [running],
    );
  });

  Deno.test(`${mode}: calls and claims at once: what was claimed is what runs, and no newest call is lost`, async () => {
    await using world = await testPostgres();
    const [one, other] = await connections(world, 2) as [Database, Database];
    const caller = callerOn(one, each);
    const runner = await runnerOn(other);
    for (let round = 0; round < ROUNDS * 2; round++) {
      const key = `k${round}`;
      assert.equal(await caller.one(key, 1), "inserted");
      const [answer, claimed] = await Promise.all([
        round % 2 === 0
          ? caller.one(key, 2)
          : caller.many([key], 2).then(([first]) => first),
        runner.claim(),
      ]);
      const runs = claimed.filter(({ args }) => args.key === key);
      const jobs = await jobsOf(world.db, key);
      for (const run of runs) {
        const job = jobs.find(({ id }) => id === run.jobId);
        assert.deepEqual([job?.n, job?.state], [run.args.n, "executing"]);
      }
      const waiting = jobs.filter(({ state }) => state === "available");
      assert.equal(runs.length + waiting.length, jobs.length);
      if (answer === "replaced") {
        assert.deepEqual(jobs.map(({ n }) => n), [2]);
      } else if (answer === "inserted") {
        assert.ok(isNeverLost);
        assert.deepEqual(jobs.map(({ n }) => n), [1, 2]);
      } else {
        assert.ok(!isNeverLost);
        assert.deepEqual(jobs.map(({ n }) => n), [1]);
      }
      await runner.end(claimed);
      await runner.end(await runner.claim());
    }
  });

  Deno.test(`${mode}: a call while its holder ends meets it running or ended, and nothing else`, async () => {
    await using world = await testPostgres();
    const [one, other] = await connections(world, 2) as [Database, Database];
    const caller = callerOn(one, each);
    const runner = await runnerOn(other);
    for (let round = 0; round < ROUNDS; round++) {
      const key = `k${round}`;
      await caller.one(key, 1);
      const runs = await runner.claim();
      const [answer, ended] = await Promise.all([
        caller.one(key, 2),
        runner.end(runs),
      ]);
      assert.deepEqual(ended, ["applied"]);
      assert.ok(answer === meetsRunning || answer === meetsEnded);
      const found = (await jobsOf(world.db, key)).map((job) => job.state);
      assert.deepEqual(
        found,
        answer === "inserted" ? ["completed", "available"] : ["completed"],
      );
      assert.equal(
        await caller.one(key, 3),
        answer === "inserted" ? meetsWaiting : meetsEnded,
      );
      await runner.end(await runner.claim());
    }
  });

  Deno.test(`${mode}: a call that waits for a transaction is inserted when that rolls back`, async () => {
    await using world = await testPostgres();
    const { db } = world;
    const caller = callerOn(await world.connect(), each);
    for (const isMet of [false, true]) {
      const key = `k${isMet}`;
      if (isMet) assert.equal(await caller.one(key, 0), "inserted");
      let call: Promise<Told> = Promise.resolve("conflict");
      const theirs = db.transaction(async (tx) => {
        const told = await callerOn(tx, each).one(key, 1);
        assert.equal(told, isMet ? meetsWaiting : "inserted");
        call = caller.one(key, 2);
        await somebodyWaits(db);
        throw new Error("theirs rolls back");
      });
      await assert.rejects(theirs, /theirs rolls back/);
      assert.equal(await call, isMet ? meetsWaiting : "inserted");
      const [job, ...more] = await jobsOf(db, key);
      assert.deepEqual([job?.n, more], [isMet && !overwrites ? 0 : 2, []]);
      assert.equal(job?.told, isMet && overwrites ? 1 : 0);
    }
  });

  Deno.test(`${mode}: a call at the moment of an operator's cancel meets the holder waiting or ended`, async () => {
    await using world = await testPostgres();
    const [one, other] = await connections(world, 2) as [Database, Database];
    const caller = callerOn(one, each);
    for (let round = 0; round < ROUNDS; round++) {
      const key = `k${round}`;
      await caller.one(key, 1);
      const [holder] = await jobsOf(world.db, key);
      const jobId = parseJobId(holder?.id ?? "");
      assert.ok(jobId !== null);
      const [answer, moved] = await Promise.all([
        caller.one(key, 2),
        cancelJob(other, { jobId, principal: "ann" }),
      ]);
      assert.equal(moved?.before, "available");
      const told = answer;
      assert.ok([meetsWaiting, meetsEnded, "conflict"].includes(told));
      // Its newest call may be cancelled with it, but is never lost unsaid.
      if (isNeverLost) assert.notEqual(told, "conflict");
      const jobs = await jobsOf(world.db, key);
      assert.deepEqual(
        jobs.map(({ n, state }) => [n, state]),
        told === "inserted"
          ? [[1, "cancelled"], [2, "available"]]
          : [[told === "replaced" ? 2 : 1, "cancelled"]],
      );
    }
  });
}
