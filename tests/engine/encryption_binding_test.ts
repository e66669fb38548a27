/** Where encrypted args can be decrypted: what the docs say, and no more. */
import assert from "node:assert/strict";
import { sql } from "../../src/db/sql.ts";
import type { JobId } from "../../src/domain/job.ts";
import { createEngine } from "../../src/engine/engine.ts";
import { Sealer } from "../../src/engine/sealer.ts";
import { type AnyWorker, defineWorker } from "../../src/engine/worker.ts";
import { drain } from "../../src/testing/testing.ts";
import { type TestDb, usePGlite } from "../support/pglite.ts";
import { BOTH_KEYS } from "../support/secrets.ts";

const testDb = usePGlite();
const seen: unknown[] = [];
const worker = (name: string, encrypt: readonly string[]) =>
  defineWorker({
    name,
    encrypt,
    maxAttempts: 1,
    perform: (args: object) => void seen.push(args),
  });
const pay = worker("pay", ["pin"]);
const refund = worker("refund", ["pin"]);
const both = worker("both", ["code", "pin"]);

async function enqueued(db: TestDb, to: AnyWorker, pin: string) {
  const engine = createEngine({ database: db, sealer: new Sealer(BOTH_KEYS) });
  const result = await engine.enqueue(to, { who: to.name, pin } as never);
  assert.ok(result.status === "inserted");
  return result.job.id;
}

/** Puts the encrypted part of one job in the place of another's. */
async function move(db: TestDb, from: JobId, to: JobId): Promise<void> {
  await db.query(sql`
    update yardmaster.jobs set args = jobs.args || jsonb_build_object(
      '__encrypted__', other.args -> '__encrypted__'
    )
    from yardmaster.jobs as other
    where jobs.id = ${to}::bigint and other.id = ${from}::bigint
  `);
}

Deno.test("encrypted args can be moved to no other worker and to no other fields", async () => {
  await using db = await testDb();
  const from = await enqueued(db, pay, "1");
  await move(db, from, await enqueued(db, refund, "2"));
  const fields = await enqueued(db, pay, "3");
  await db.query(sql`
    update yardmaster.jobs
    set args = jsonb_set(args, '{__encrypted__,fields}', '["who"]')
    where id = ${fields}::bigint
  `);
  await move(db, from, await enqueued(db, both, "4"));
  seen.length = 0;
  const workers = [pay, refund, both];
  const { ends } = await drain({
    database: db,
    workers,
    encryption: BOTH_KEYS,
  });
  assert.deepEqual(ends, { completed: 1, failed: 3 });
  assert.deepEqual(seen, [{ who: "pay", pin: "1" }]);
});

Deno.test("encrypted args can be moved to another job of their worker, as the docs say", async () => {
  await using db = await testDb();
  const from = await enqueued(db, pay, "1");
  await move(db, from, await enqueued(db, pay, "2"));
  seen.length = 0;
  await drain({ database: db, workers: [pay], encryption: BOTH_KEYS });
  assert.deepEqual(seen, [{ who: "pay", pin: "1" }, { who: "pay", pin: "1" }]);
});
