/** `encryption status` and `encryption reencrypt`, as a program is run. */
import assert from "node:assert/strict";
import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Database } from "../../src/db/database.ts";
import { sql } from "../../src/db/sql.ts";
import { createEngine } from "../../src/engine/engine.ts";
import { Sealer } from "../../src/engine/sealer.ts";
import { defineWorker } from "../../src/engine/worker.ts";
import { usePostgres } from "../support/postgres.ts";
import { OLD_KEYS } from "../support/secrets.ts";

const testPostgres = usePostgres();
const MAIN = new URL("../../src/cli/main.ts", import.meta.url).pathname;
const SECRET = "s3cret-output";
const worker = defineWorker({
  name: "pay",
  encrypt: true,
  recordOutput: { encrypt: true },
  perform: (_: object) => SECRET,
});
const base64 = (fill: number) => btoa(String.fromCharCode(fill).repeat(32));
const KEYS = {
  current: "2026-11",
  keys: { "2026-11": base64(11), "2025-01": base64(1) },
};

/** Runs the program itself: what it exits with is what a script sees. */
async function cli(url: string, ...args: readonly string[]) {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", MAIN, "encryption", ...args],
    env: { DATABASE_URL: url, NO_COLOR: "1" },
  }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes).trim();
  return { code, out: text(stdout), err: text(stderr) };
}

async function givenOld(db: Database): Promise<void> {
  const engine = createEngine({
    database: db,
    sealer: new Sealer(OLD_KEYS),
    notify: false,
  });
  await engine.enqueue(worker, { pin: 1 });
  await engine.enqueue(worker, { pin: 2 });
}

/** The first of two jobs has run, and left its output. */
async function givenOutput(db: Database): Promise<void> {
  const engine = createEngine({
    database: db,
    workers: [worker],
    queues: { default: { limit: 1 } },
    sealer: new Sealer(OLD_KEYS),
    notify: false,
  });
  await engine.tick({ budgetMs: 10_000, maxJobs: 1 });
}

async function keyFile(content: unknown) {
  const folder = await mkdtemp(join(tmpdir(), "keys-"));
  const path = join(folder, "keys.json");
  await writeFile(path, JSON.stringify(content), { mode: 0o600 });
  return {
    path,
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true }),
  };
}

Deno.test("encryption reencrypt moves jobs and outputs to the current key, and status counts them by key", async () => {
  await using world = await testPostgres();
  const { db, url } = world;
  await givenOld(db);
  await givenOutput(db);
  await using keys = await keyFile(KEYS);
  assert.deepEqual(await cli(url, "status"), {
    code: 0,
    out: "Key 2025-01: 2 jobs, 0 cron entries, 1 output",
    err: "",
  });
  const done = await cli(url, "reencrypt", "--keys", keys.path);
  assert.deepEqual(done, {
    code: 0,
    out: "Encrypted again with key 2026-11: 2 jobs, 0 cron entries, 1 " +
      "output.",
    err: "",
  });
  await chmod(keys.path, 0o644);
  const status = await cli(url, "status", "--keys", keys.path, "--json");
  assert.deepEqual(JSON.parse(status.out), {
    format: 1,
    command: "encryption status",
    ok: true,
    schema_version: 1,
    current: "2026-11",
    keys: [{
      key: "2026-11",
      known: true,
      jobs: 2,
      cronEntries: 0,
      outputs: 1,
    }],
    notes: ["Note: everybody on this machine may read the file of keys."],
  });
});

Deno.test("encryption reencrypt exits with 1 when something can not be decrypted, and leaves it as it is", async () => {
  await using world = await testPostgres();
  const { db, url } = world;
  await givenOld(db);
  await givenOutput(db);
  const read = () =>
    db.query(sql`
      select args, output from yardmaster.jobs
      left join yardmaster.outputs on job_id = id
      order by id
    `);
  const before = await read();
  const { current } = KEYS;
  await using keys = await keyFile({
    current,
    keys: { [current]: base64(11) },
  });
  const { code, out } = await cli(
    url,
    "reencrypt",
    "--keys",
    keys.path,
    "--json",
  );
  assert.equal(code, 1);
  const told = JSON.parse(out);
  assert.deepEqual(
    [told.schema_version, told.jobs, told.outputs, told.unreadable],
    [1, 0, 0, 3],
  );
  assert.ok(!out.includes(SECRET));
  assert.deepEqual(await read(), before);
});

Deno.test("encryption exits with 2 for keys that can not be used, and prints none", async () => {
  await using world = await testPostgres();
  const { url } = world;
  const secret = base64(7).slice(4);
  await using bad = await keyFile({ current: "a", keys: { a: secret } });
  const runs = [
    await cli(url, "reencrypt"),
    await cli(url, "reencrypt", "--keys", "/nowhere/at/all"),
    await cli(url, "reencrypt", "--keys", bad.path),
    await cli(url, "rotate"),
  ];
  assert.deepEqual(runs.map(({ code }) => code), [2, 2, 2, 2]);
  assert.match(runs[2]?.err ?? "", /keys\.a must be 32 bytes/);
  assert.ok(!JSON.stringify(runs).includes(secret));
});
