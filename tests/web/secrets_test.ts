/** What pages show of args that are redacted or encrypted. */
import assert from "node:assert/strict";
import { sql } from "../../src/db/sql.ts";
import { unknownKeyMessage } from "../../src/domain/sealed_args.ts";
import type { JobId } from "../../src/domain/job.ts";
import { createEngine } from "../../src/engine/engine.ts";
import { Sealer } from "../../src/engine/sealer.ts";
import { defineWorker } from "../../src/engine/worker.ts";
import type { Reveal } from "../../src/seams.ts";
import { findExplanation } from "../../src/store/explain.ts";
import { createYardmaster } from "../../src/yardmaster.ts";
import { givenEvent, givenExecutor } from "../support/job_world.ts";
import { type TestDb, usePGlite } from "../support/pglite.ts";
import { BOTH_KEYS } from "../support/secrets.ts";
import { Visitor } from "../support/visitor.ts";

const testDb = usePGlite();
const TOKEN = "t0ken-on-page";
const NUMBER = "4111-on-page";

const pay = defineWorker({
  name: "pay",
  redact: ["token"],
  encrypt: ["card.number"],
  perform: (_: object) => {},
});
const all = defineWorker({
  name: "all",
  encrypt: true,
  perform: (_: object) => {},
});
const args = { customer: "ada", token: TOKEN, card: { number: NUMBER } };

async function given(db: TestDb, worker = pay): Promise<JobId> {
  const engine = createEngine({ database: db, sealer: new Sealer(BOTH_KEYS) });
  const result = await engine.enqueue(worker, args);
  assert.ok(result.status === "inserted");
  return result.job.id;
}

interface Asked {
  readonly kind: string;
  readonly value: unknown;
}

async function hostOf(db: TestDb, reveal?: Reveal) {
  const faults: string[] = [];
  const asked: Asked[] = [];
  const yard = createYardmaster({
    database: db,
    workers: [pay, all],
    encryption: { ...BOTH_KEYS, ...(reveal && { reveal }) },
    auth: {
      currentActor: () => ({ id: "ops-demo" }),
      authorize: () => true,
      auditPrincipal: ({ id }) => ({ id, type: "user" }),
    },
    displayPolicy(kind, value) {
      asked.push({ kind, value });
      return kind === "args" ? value : null;
    },
    basePath: "/",
    onError: (_error, where) => faults.push(where),
  });
  await yard.cron.set({
    name: "hourly",
    expression: "@hourly",
    worker: pay,
    args,
  });
  const pages = await yard.pages();
  const visitor = new Visitor((request) => pages.fetch(request), {});
  return { visitor, faults, asked };
}

async function dataOf(db: TestDb, jobId: JobId): Promise<string> {
  const [row] = await db.query<{ data: string }>(sql`
    select args #>> '{__encrypted__,data}' as data
    from yardmaster.jobs where id = ${jobId}::bigint
  `);
  assert.ok(row !== undefined && row.data.length > 10);
  return row.data;
}

Deno.test("a page tells which key encrypted what, and what was redacted, and asks the policy about the rest", async () => {
  await using db = await testDb();
  const jobId = await given(db);
  const data = await dataOf(db, jobId);
  const { visitor, asked } = await hostOf(db);
  for (const path of [`/jobs/${jobId}`, "/cron/hourly"]) {
    const { text, html } = await visitor.open(path);
    assert.match(text, /Encrypted with key 2026-11 ?: card\.number\./);
    assert.match(text, /Redacted, and not stored: token\./);
    assert.match(text, /"customer" : "ada"/);
    for (const hidden of [TOKEN, NUMBER, data, "__encrypted__"]) {
      assert.ok(!html.includes(hidden), `${hidden} on ${path}`);
    }
  }
  assert.ok(!JSON.stringify(asked).includes(data));
  const exports = `/forensics.json?resource_type=job&resource_id=${jobId}`;
  for (const path of [exports, "/jobs", "/"]) {
    const { html, status } = await visitor.open(path);
    assert.equal(status, 200, path);
    assert.ok(!html.includes(data) && !html.includes(NUMBER), path);
  }
});

Deno.test("a page shows no block for args that are encrypted as a whole", async () => {
  await using db = await testDb();
  const jobId = await given(db, all);
  const { visitor, asked } = await hostOf(db);
  const { text } = await visitor.open(`/jobs/${jobId}`);
  assert.match(text, /Encrypted with key 2026-11 ?: all of it\./);
  assert.deepEqual(asked.filter(({ kind }) => kind === "args"), []);
});

Deno.test("args are decrypted for a page when the host says exactly true, and then still go through the policy", async () => {
  await using db = await testDb();
  const jobId = await given(db);
  const about: unknown[] = [];
  const { visitor, asked, faults } = await hostOf(db, (actor, resource) => {
    about.push([actor.id, resource]);
    return Promise.resolve(resource.type === "job");
  });
  const { text } = await visitor.open(`/jobs/${jobId}`);
  assert.match(text, new RegExp(NUMBER));
  assert.match(
    text,
    /Decrypted for you, and stored encrypted with key 2026-11/,
  );
  assert.ok(
    asked.some(({ kind, value }) =>
      kind === "args" && JSON.stringify(value).includes(NUMBER)
    ),
  );
  const entry = await visitor.open("/cron/hourly");
  assert.ok(!entry.html.includes(NUMBER));
  assert.deepEqual(about, [
    ["ops-demo", { type: "job", id: jobId }],
    ["ops-demo", { type: "cron_entry", id: "hourly" }],
  ]);
  assert.deepEqual(faults, []);
});

Deno.test("args stay encrypted on a page when the host throws, answers nonsense or too truly, and it is told", async () => {
  await using db = await testDb();
  const jobId = await given(db);
  const bad: readonly Reveal[] = [
    () => {
      throw new Error("no");
    },
    () => Promise.reject(new Error("no")),
    () => "yes" as never,
    () => 1 as never,
    () => undefined as never,
  ];
  for (const reveal of bad) {
    const { visitor, faults } = await hostOf(db, reveal);
    const { html, status } = await visitor.open(`/jobs/${jobId}`);
    assert.equal(status, 200);
    assert.ok(!html.includes(NUMBER));
    assert.deepEqual(faults, ["encryption.reveal"]);
  }
});

Deno.test("args that were changed are shown as encrypted to those who may see them too", async () => {
  await using db = await testDb();
  const jobId = await given(db);
  const { visitor, faults } = await hostOf(db, () => true);
  await db.query(sql`
    update yardmaster.jobs
    set args = jsonb_set(args, '{__encrypted__,data}', '"AAAA"')
  `);
  assert.match(
    (await visitor.open(`/jobs/${jobId}`)).text,
    /Encrypted with key/,
  );
  await db.query(sql`
    update yardmaster.jobs set args = '{"__encrypted__": "<b>x</b>"}'
  `);
  const broken = await visitor.open(`/jobs/${jobId}`);
  assert.match(broken.text, /Encrypted, and changed since/);
  assert.ok(!broken.html.includes("&lt;b"));
  assert.deepEqual(faults, []);
});

Deno.test("a search finds jobs by the key of their args, and by nothing else of what is encrypted", async () => {
  await using db = await testDb();
  const jobId = await given(db);
  const data = await dataOf(db, jobId);
  const { visitor } = await hostOf(db);
  const search = (filter: unknown) =>
    visitor.open(`/jobs?args=${encodeURIComponent(JSON.stringify(filter))}`);
  const byKey = await search({ __encrypted__: { key: "2026-11" } });
  assert.ok(byKey.html.includes(jobId));
  const probes = [{ data }, { iv: "" }, "x", { key: "2026-11", data }];
  for (const probe of probes) {
    const { text } = await search({ __encrypted__: probe });
    assert.match(text, /only the key can be searched for/);
  }
  const byValue = await search({ card: { number: NUMBER } });
  assert.ok(!byValue.html.includes(jobId));
});

Deno.test("a job that waits for an executor which knows its key says so", async () => {
  await using db = await testDb();
  const jobId = await given(db);
  await givenExecutor(db);
  const message = unknownKeyMessage("2026-11");
  await givenEvent(db, { jobId, kind: "given_back", message });
  const { visitor } = await hostOf(db);
  const { text } = await visitor.open(`/jobs/${jobId}`);
  assert.match(
    text,
    /encrypted with key 2026-11 , which that executor did not know/,
  );
  assert.doesNotMatch(text, /Error: /);
  const told = await findExplanation(db, jobId);
  assert.match(
    told?.notes.join(" ") ?? "",
    /encrypted with key 2026-11, which the executor that met it .* does not know/,
  );
});
