/** Secrets in cron entries, on both ways in, and in the jobs that they fire. */
import assert from "node:assert/strict";
import { sql } from "../../src/db/sql.ts";
import { parseCronEntry } from "../../src/domain/cron_entry.ts";
import { REDACTED_KEY } from "../../src/domain/redaction.ts";
import { SEALED_KEY } from "../../src/domain/sealed_args.ts";
import type { JobId } from "../../src/domain/job.ts";
import { hideCronArgs } from "../../src/engine/cron_secrets.ts";
import { outputReader } from "../../src/engine/job_output.ts";
import { Sealer } from "../../src/engine/sealer.ts";
import { defineWorker } from "../../src/engine/worker.ts";
import { OptionsError } from "../../src/errors.ts";
import { runCronEntryNow } from "../../src/store/cron.ts";
import { drain } from "../../src/testing/testing.ts";
import { createYardmaster } from "../../src/yardmaster.ts";
import { type TestDb, usePGlite } from "../support/pglite.ts";
import {
  BOTH_KEYS,
  NEW_KEYS,
  OLD_KEYS,
  tablesWith,
} from "../support/secrets.ts";

const testDb = usePGlite();

const TOKEN = "t0ken-of-cron";
const PIN = "p1n-of-cron";
const seen: unknown[] = [];
const sync = defineWorker({
  name: "sync",
  redact: ["token"],
  encrypt: ["pin"],
  perform: (args: object) => void seen.push(args),
});
const args = { scope: "all", token: TOKEN, pin: PIN };
const entry = { name: "hourly", expression: "0 * * * *", worker: sync, args };

function yardOf(db: TestDb, encryption = BOTH_KEYS, given: object = entry) {
  return createYardmaster({
    database: db,
    queues: {},
    encryption,
    cron: [given as typeof entry],
    notify: false,
  });
}

async function storedEntry(db: TestDb) {
  const [row] = await db.query<{
    args: Record<string, unknown>;
    meta: Record<string, unknown>;
    changed: Date;
  }>(sql`
    select args, meta, updated_at as changed from yardmaster.cron_entries
  `);
  assert.ok(row !== undefined);
  return row;
}

Deno.test("an entry that code declares is stored without its secrets, and its jobs have what is encrypted", async () => {
  await using db = await testDb();
  await yardOf(db).tick({ budgetMs: 60_000 });
  const { args: stored, meta } = await storedEntry(db);
  assert.deepEqual(Object.keys(stored).sort(), [SEALED_KEY, "scope"].sort());
  assert.deepEqual(meta[REDACTED_KEY], ["token"]);

  await runCronEntryNow(db, { name: "hourly", principal: "ada" });
  seen.length = 0;
  await drain({ database: db, workers: [sync], encryption: BOTH_KEYS });
  assert.deepEqual(seen, [{ scope: "all", pin: PIN }]);
  assert.deepEqual(await tablesWith(db, TOKEN), []);
  assert.deepEqual(await tablesWith(db, PIN), []);
});

Deno.test("an entry stays as it is when nothing but its encryption would change", async () => {
  await using db = await testDb();
  await yardOf(db, OLD_KEYS).tick({ budgetMs: 60_000 });
  const before = await storedEntry(db);
  db.advanceMs(60_000);
  await yardOf(db).tick({ budgetMs: 60_000 });
  assert.deepEqual(await storedEntry(db), before);

  const changed = { ...entry, args: { ...args, pin: "another" } };
  await yardOf(db, BOTH_KEYS, changed).tick({ budgetMs: 60_000 });
  const after = await storedEntry(db);
  assert.notDeepEqual(after.args, before.args);

  // Without the key nobody can tell: it is written anew.
  await yardOf(db, NEW_KEYS, changed).tick({ budgetMs: 60_000 });
  await yardOf(db, {
    ...NEW_KEYS,
    current: "x",
    keys: { x: new Uint8Array(32) },
  }, changed)
    .tick({ budgetMs: 60_000 });
  const [, sealed] = Object.entries((await storedEntry(db)).args)
    .find(([name]) => name === SEALED_KEY) ?? [];
  assert.equal((sealed as { key: string }).key, "x");
});

Deno.test("cron.set() hides secrets by what this process knows of a worker that is only named", async () => {
  await using db = await testDb();
  const named = { ...entry, worker: "sync" };
  const knowing = createYardmaster({
    database: db,
    workers: [sync],
    encryption: BOTH_KEYS,
  });
  assert.deepEqual(await knowing.cron.set(named), { status: "applied" });
  assert.deepEqual(await tablesWith(db, TOKEN), []);
  assert.deepEqual(await knowing.cron.set(named), { status: "unchanged" });

  // What nobody here knows of can not be hidden here.
  const other = createYardmaster({ database: db });
  await other.cron.set({ ...named, name: "other" });
  assert.deepEqual(await tablesWith(db, TOKEN), ["cron_entries"]);
});

Deno.test("hideCronArgs() says what is wrong with which entry", async () => {
  await using db = await testDb();
  const parsed = parseCronEntry(entry);
  const taken = parseCronEntry({
    ...entry,
    name: "x",
    args: { [SEALED_KEY]: 1 },
  });
  assert.ok(parsed.ok && taken.ok);
  const answer = await hideCronArgs(db, {
    definitions: [parsed.definition, taken.definition],
    workers: [],
    sealer: new Sealer(),
  });
  assert.deepEqual(answer, {
    ok: false,
    problems: [
      'cron entry "hourly": encryption is missing, and worker sync encrypts ' +
      "its args",
      `cron entry "x": args can not have the name ${SEALED_KEY}: it is ours`,
    ],
  });
});

Deno.test("createYardmaster() names the worker that needs keys, and every key that is wrong", async () => {
  await using db = await testDb();
  const plain = { database: db, queues: {} };
  for (const given of [{ workers: [sync] }, { cron: [entry] }]) {
    assert.throws(
      () => createYardmaster({ ...plain, ...given }),
      /"encryption" is missing, and worker "sync" encrypts/,
    );
  }
  const keys = { good: new Uint8Array(32), short: "c2hvcnQ=" };
  assert.throws(
    () =>
      createYardmaster({
        ...plain,
        encryption: { current: "gone", keys, reveal: 1 as never },
      }),
    (error) => {
      assert.ok(error instanceof OptionsError);
      assert.deepEqual(error.problems.map(({ key }) => key), [
        "encryption.keys.short",
        "encryption.current",
        "encryption.reveal",
      ]);
      assert.ok(!error.message.includes("c2hvcnQ="));
      return true;
    },
  );
});

Deno.test("what a job of a cron entry returns is encrypted as of any job", async () => {
  await using db = await testDb();
  const issue = defineWorker({
    name: "issue",
    recordOutput: { encrypt: true },
    perform: () => ({ pin: PIN }),
  });
  const given = { ...entry, worker: issue, args: {} };
  await yardOf(db, BOTH_KEYS, given).tick({ budgetMs: 60_000 });
  await runCronEntryNow(db, { name: "hourly", principal: "ada" });
  await drain({ database: db, workers: [issue], encryption: BOTH_KEYS });

  assert.deepEqual(await tablesWith(db, PIN), []);
  const [job] = await db.query<{ id: JobId }>(sql`
    select job_id::text as id from yardmaster.outputs
  `);
  assert.ok(job !== undefined);
  const found = await outputReader(db, new Sealer(NEW_KEYS))(job);
  assert.ok(found.status === "found");
  assert.deepEqual(found.output, { pin: PIN });
});

Deno.test("an entry of a worker that encrypts its output is refused where there are no keys", () => {
  const worker = defineWorker({
    name: "issue",
    recordOutput: { encrypt: true },
    perform: () => PIN,
  });
  assert.throws(
    () =>
      createYardmaster({
        database: {} as never,
        cron: [{ ...entry, worker, args: {} }],
      }),
    OptionsError,
  );
});
