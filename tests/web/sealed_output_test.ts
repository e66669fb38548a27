/** What pages, exports and explanations show of outputs that are encrypted. */
import assert from "node:assert/strict";
import { json, sql } from "../../src/db/sql.ts";
import { SEALED_KEY } from "../../src/domain/sealed_args.ts";
import type { JobId } from "../../src/domain/job.ts";
import type { EncryptionKeys } from "../../src/domain/key_ring.ts";
import { createEngine } from "../../src/engine/engine.ts";
import { Sealer } from "../../src/engine/sealer.ts";
import { defineWorker } from "../../src/engine/worker.ts";
import type { DisplayPolicy, Reveal } from "../../src/seams.ts";
import { findExplanation } from "../../src/store/explain.ts";
import { createYardmaster } from "../../src/yardmaster.ts";
import { type TestDb, usePGlite } from "../support/pglite.ts";
import { BOTH_KEYS, OLD_KEYS } from "../support/secrets.ts";
import { Visitor } from "../support/visitor.ts";

const testDb = usePGlite();
const PIN = "pin-4711-of-ada";
const ARG = "arg-4712-of-ada";

const issue = defineWorker({
  name: "issue",
  encrypt: ["secret"],
  recordOutput: { encrypt: true },
  perform: (_: { secret: string }) => ({ pin: PIN }),
});

/** A job that has run, and the ciphertext that it left. */
async function given(db: TestDb): Promise<{ jobId: JobId; data: string }> {
  const engine = createEngine({
    database: db,
    workers: [issue],
    queues: { default: { limit: 1 } },
    sealer: new Sealer(BOTH_KEYS),
  });
  const result = await engine.enqueue(issue, { secret: ARG });
  assert.ok(result.status === "inserted");
  await engine.tick({ budgetMs: 5_000 });
  const [row] = await db.query<{ data: string }>(sql`
    select output #>> ${[SEALED_KEY, "data"]}::text[] as data
    from yardmaster.outputs
  `);
  assert.ok(row !== undefined && row.data.length > 10);
  return { jobId: result.job.id, data: row.data };
}

interface HostOptions {
  readonly reveal?: Reveal;
  readonly displayPolicy?: DisplayPolicy;
  readonly keys?: EncryptionKeys;
}

async function hostOf(db: TestDb, options: HostOptions = {}) {
  const { reveal, displayPolicy = (_, value) => value } = options;
  const faults: string[] = [];
  const asked: { readonly kind: string; readonly value: unknown }[] = [];
  const yard = createYardmaster({
    database: db,
    workers: [issue],
    encryption: { ...options.keys ?? BOTH_KEYS, ...(reveal && { reveal }) },
    auth: {
      currentActor: () => ({ id: "ops-demo" }),
      authorize: () => true,
      auditPrincipal: ({ id }) => ({ id, type: "user" }),
    },
    displayPolicy(kind, value, context) {
      asked.push({ kind, value });
      return displayPolicy(kind, value, context);
    },
    basePath: "/",
    onError: (_error, where) => faults.push(where),
  });
  const pages = await yard.pages();
  const visitor = new Visitor((request) => pages.fetch(request), {});
  const outputs = () => asked.filter(({ kind }) => kind === "output");
  return { visitor, faults, asked, outputs };
}

Deno.test("no page, export, search or explanation holds an encrypted output, also where the policy shows all", async () => {
  await using db = await testDb();
  const { jobId, data } = await given(db);
  const { visitor, asked, outputs, faults } = await hostOf(db);
  const { text } = await visitor.open(`/jobs/${jobId}`);
  assert.match(text, /Encrypted with key 2026-11 ?: all of it\./);
  assert.match(text, /25 bytes/);
  const resource = `resource_type=job&resource_id=${jobId}`;
  const find = encodeURIComponent(JSON.stringify({ pin: PIN }));
  const paths = [
    `/jobs/${jobId}`,
    "/",
    "/jobs",
    `/jobs?args=${find}`,
    "/queues",
    "/audit",
    "/audit.csv",
    "/audit.ndjson",
    `/forensics?${resource}`,
    `/forensics.json?${resource}`,
  ];
  for (const path of paths) {
    const { html, status } = await visitor.open(path);
    assert.equal(status, 200, path);
    const found = path.includes(find)
      ? [data, SEALED_KEY]
      : [PIN, data, SEALED_KEY];
    for (const each of found) {
      assert.ok(!html.includes(each), `${each} on ${path}`);
    }
  }
  const explained = JSON.stringify(await findExplanation(db, jobId));
  for (const each of [PIN, data]) {
    assert.ok(!explained.includes(each));
    assert.ok(!JSON.stringify(asked).includes(each));
  }
  assert.deepEqual(outputs(), []);
  assert.deepEqual(faults, []);
});

Deno.test("an output is decrypted for a page when the host says exactly true, is asked once, and the policy decides", async () => {
  await using db = await testDb();
  const { jobId } = await given(db);
  const about: unknown[] = [];
  const reveal: Reveal = (actor, resource) => {
    about.push([actor.id, resource]);
    return true;
  };
  const host = await hostOf(db, { reveal });
  const { text } = await host.visitor.open(`/jobs/${jobId}`);
  assert.ok(text.includes(PIN) && text.includes(ARG));
  assert.match(
    text,
    /Decrypted for you, and stored encrypted with key 2026-11 ?: all of it/,
  );
  assert.deepEqual(about, [["ops-demo", { type: "job", id: jobId }]]);
  assert.deepEqual(host.outputs().map(({ value }) => value), [{ pin: PIN }]);

  const hiding = await hostOf(db, { reveal, displayPolicy: () => null });
  const page = await hiding.visitor.open(`/jobs/${jobId}`);
  assert.ok(!page.html.includes(PIN));
  assert.deepEqual([...host.faults, ...hiding.faults], []);
});

Deno.test("an output stays encrypted on a page when the host throws, or answers anything but true", async () => {
  await using db = await testDb();
  const { jobId } = await given(db);
  const bad: readonly [Reveal, boolean][] = [
    [() => Promise.reject(new Error("no")), true],
    [() => "true" as never, true],
    [() => ({}) as never, true],
    [() => false, false],
  ];
  for (const [reveal, isFault] of bad) {
    const { visitor, faults, outputs } = await hostOf(db, { reveal });
    const { html, status } = await visitor.open(`/jobs/${jobId}`);
    assert.equal(status, 200);
    assert.ok(!html.includes(PIN));
    assert.deepEqual(outputs(), []);
    assert.deepEqual(faults, isFault ? ["encryption.reveal"] : []);
  }
});

Deno.test("an output of a key that is not known, or that was changed, leaves the page whole", async () => {
  await using db = await testDb();
  const { jobId, data } = await given(db);
  const reveal = () => true;
  const open = async (keys = BOTH_KEYS) => {
    const host = await hostOf(db, { reveal, keys });
    const page = await host.visitor.open(`/jobs/${jobId}`);
    assert.equal(page.status, 200);
    assert.deepEqual([host.faults, host.outputs()], [[], []]);
    assert.ok(!page.html.includes(PIN) && !page.html.includes("<b>x"));
    return page.text;
  };
  assert.match(await open(OLD_KEYS), /Encrypted with key 2026-11 ?: all of it/);
  const part = { v: 1, key: "2026-11", iv: "AAAAAAAAAAAAAAAA", data };
  const kinds: readonly [unknown, RegExp][] = [
    [part, /Encrypted with key 2026-11/],
    [{ ...part, data: data.slice(0, 8) }, /Encrypted with key 2026-11/],
    [{ ...part, key: "<b>x</b>" }, /Encrypted, and changed since/],
    ["<b>x</b>", /Encrypted, and changed since/],
    [null, /Encrypted, and changed since/],
  ];
  for (const [changed, says] of kinds) {
    await db.query(sql`
      update yardmaster.outputs set output = ${json({ [SEALED_KEY]: changed })}
    `);
    assert.match(await open(), says);
  }
});

Deno.test("nobody is asked about an encrypted output that has expired", async () => {
  await using db = await testDb();
  const { jobId } = await given(db);
  await db.query(sql`
    update yardmaster.jobs set args = '{}' where id = ${jobId}::bigint
  `);
  let asked = 0;
  const { visitor } = await hostOf(db, { reveal: () => ++asked > 0 });
  db.advanceMs(7 * 24 * 60 * 60 * 1_000);
  const { text } = await visitor.open(`/jobs/${jobId}`);
  assert.match(text, /It has expired and can not be read/);
  assert.equal(asked, 0);
});

Deno.test("createYardmaster() refuses a worker that encrypts its output where there are no keys", () => {
  const database = {} as never;
  assert.throws(
    () => createYardmaster({ database, workers: [issue] }),
    /"encryption" is missing, and worker "?issue"? encrypts/,
  );
});
