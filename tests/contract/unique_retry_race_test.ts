/** An operator takes a job back whose unique key somebody else may hold. */
import assert from "node:assert/strict";
import { executePreview } from "../../src/control/execution.ts";
import { createPreview } from "../../src/control/preview.ts";
import type { Database } from "../../src/db/database.ts";
import { sql } from "../../src/db/sql.ts";
import { type JobId, parseJobId } from "../../src/domain/job.ts";
import { cancelJob } from "../../src/store/transitions.ts";
import { controlOf, OPERATOR as actor } from "../support/control_world.ts";
import { usePostgres } from "../support/postgres.ts";
import {
  callerOn,
  jobsOf,
  MODE_CASES,
  type Told,
} from "../support/unique_modes.ts";
import { until } from "../support/until.ts";

const testPostgres = usePostgres();
const reason = "the customer asked";
const [REJECT] = MODE_CASES;
assert.ok(REJECT?.mode === "reject");

async function somebodyWaits(db: Database): Promise<void> {
  await until("somebody waits for a row", async () =>
    (await db.query(sql`
      select from pg_stat_activity
      where datname = current_database() and wait_event_type = 'Lock'
    `)).length > 0);
}

/** A job of the key that was cancelled. */
async function ended(db: Database, key: string): Promise<JobId> {
  assert.ok(REJECT);
  assert.equal(await callerOn(db, REJECT).one(key, 1), "inserted");
  const jobId = parseJobId((await jobsOf(db, key))[0]?.id ?? "");
  assert.ok(jobId !== null);
  await cancelJob(db, { jobId, principal: null });
  return jobId;
}

async function retry(db: Database, targetId: JobId): Promise<string> {
  const control = controlOf(db);
  const action = "retry_job";
  const created = await createPreview(control, { actor, action, targetId });
  if (!created.ok) return created.refusal;
  const { token } = created;
  const executed = await executePreview(control, { actor, token, reason });
  return executed.ok ? "retried" : executed.refusal;
}

Deno.test("a retry is refused while another job holds the unique key, and says which", async () => {
  await using world = await testPostgres();
  const { db } = world;
  assert.ok(REJECT);
  const targetId = await ended(db, "k");
  const control = controlOf(db);
  const created = await createPreview(control, {
    actor,
    action: "retry_job",
    targetId,
  });
  assert.ok(created.ok);
  assert.equal(await callerOn(db, REJECT).one("k", 2), "inserted");
  const [, holder] = await jobsOf(db, "k");
  const executed = await executePreview(control, {
    actor,
    token: created.token,
    reason,
  });
  assert.ok(!executed.ok && executed.refusal === "unique_key_held");
  assert.match(executed.message, new RegExp(`^Job ${holder?.id} holds`));
  assert.deepEqual(executed.legalNextSteps, ["see_holder", "reload"]);

  const holderId = parseJobId(holder?.id ?? "");
  assert.ok(holderId !== null);
  await cancelJob(db, { jobId: holderId, principal: null });
  assert.equal(await retry(db, targetId), "retried");
  // It holds its key again, which the other had taken over.
  assert.equal(await callerOn(db, REJECT).one("k", 3), "conflict");
  const [held] = await db.query<{ id: string }>(
    sql`select job_id::text as id from yardmaster.unique_keys`,
  );
  assert.equal(held?.id, targetId);
});

Deno.test("a retry waits for an insert with its key, and is refused when that commits", async () => {
  await using world = await testPostgres();
  const { db } = world;
  assert.ok(REJECT);
  const targetId = await ended(db, "k");
  const operator = await world.connect();
  let retrying: Promise<string> = Promise.resolve("");
  await db.transaction(async (tx) => {
    assert.ok(REJECT);
    assert.equal(await callerOn(tx, REJECT).one("k", 2), "inserted");
    retrying = retry(operator, targetId);
    await somebodyWaits(db);
  });
  assert.equal(await retrying, "unique_key_held");
});

Deno.test("an insert waits for a retry of the job that held its key, and conflicts with it", async () => {
  await using world = await testPostgres();
  const { db } = world;
  assert.ok(REJECT);
  const targetId = await ended(db, "k");
  const caller = callerOn(await world.connect(), REJECT);
  let call: Promise<Told> = Promise.resolve("inserted");
  await db.transaction(async (tx) => {
    assert.equal(await retry(tx, targetId), "retried");
    call = caller.one("k", 2);
    await somebodyWaits(db);
  });
  assert.equal(await call, "conflict");
  const jobs = await jobsOf(db, "k");
  assert.deepEqual(jobs.map(({ n, state }) => [n, state]), [[1, "available"]]);
});

Deno.test("retries and inserts at once leave one live job of a key", async () => {
  await using world = await testPostgres();
  const { db } = world;
  assert.ok(REJECT);
  const operator = await world.connect();
  const [one, other] = [await world.connect(), await world.connect()];
  const seen = new Set<string>();
  for (let round = 0; round < 20; round++) {
    const key = `k${round}`;
    const targetId = await ended(db, key);
    const [retried, single, bulk]: readonly [
      string,
      Told,
      Told | undefined,
    ] = await Promise.all([
      retry(operator, targetId),
      callerOn(one, REJECT).one(key, 2),
      callerOn(other, REJECT).many([key], 3).then(([first]) => first),
    ]);
    seen.add(retried);
    const inserted: number = [single, bulk].filter((each) =>
      each === "inserted"
    ).length;
    assert.equal(inserted, retried === "retried" ? 0 : 1);
    const jobs = await jobsOf(db, key);
    const live = jobs.filter(({ state }) => state === "available");
    assert.equal(live.length, 1);
    assert.equal(live[0]?.n === 1, retried === "retried");
  }
  for (const outcome of seen) {
    assert.ok(["retried", "unique_key_held"].includes(outcome), outcome);
  }
});
