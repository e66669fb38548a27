/** What pages say of fires that met another job with their unique key. */
import assert from "node:assert/strict";
import { defineLimiter } from "../../src/domain/limiter.ts";
import type { AnyWorker } from "../../src/engine/worker.ts";
import { defineWorker } from "../../src/engine/worker.ts";
import { createYardmaster } from "../../src/yardmaster.ts";
import { HOUR_MS, jobs, scheduler } from "../support/cron_world.ts";
import { forbiddenIn } from "../support/forbidden_phrases.ts";
import { type TestDb, usePGlite } from "../support/pglite.ts";
import { hrefsOf, webVisitor } from "../support/web_host.ts";

const testDb = usePGlite();
const ENTRY = "/ops/jobs/cron/hourly";
const FORENSICS =
  "/ops/jobs/forensics?resource_type=cron_entry&resource_id=hourly";

/** A call, and then a fire that meets it. */
async function givenMeeting(db: TestDb, worker: AnyWorker): Promise<string> {
  const args = { scope: "all" };
  const yard = createYardmaster({
    database: db,
    workers: [worker],
    notify: false,
  });
  await yard.cron.set({
    name: "hourly",
    expression: "0 * * * *",
    worker,
    args,
    overlap: "allow",
  });
  const service = scheduler(db);
  await service.runOnce();
  const call = await yard.enqueue(worker as never, args as never);
  assert.equal(call.status, "inserted");
  db.advanceMs(HOUR_MS);
  await service.runOnce();
  const [holder] = await jobs(db);
  return holder ?? "";
}

Deno.test("a fire whose key another job held says so, with a link to that job", async () => {
  await using db = await testDb();
  const holder = await givenMeeting(
    db,
    defineWorker({ name: "sync", unique: true, perform: () => {} }),
  );
  const visitor = webVisitor(db);

  const page = await visitor.open(ENTRY);
  assert.match(
    page.text,
    /Another job held the key of its last fire\. .*The key was held by job \d+/,
  );
  assert.match(page.text, /Unique Reject It becomes no job while another/);
  assert.match(page.text, /Key held at once held by \d+/);
  const links = hrefsOf(page.html).filter((href) =>
    href.endsWith(`/jobs/${holder}`)
  );
  assert.equal(links.length, 2);
  assert.equal((await visitor.open(links[0] ?? "")).status, 200);
  assert.deepEqual(forbiddenIn(page.text), []);

  const list = await visitor.open("/ops/jobs/cron");
  assert.match(list.text, /hourly .*Another job held the key of its last fire/);

  const bundle = await visitor.open(FORENSICS);
  assert.match(
    bundle.text,
    /Unique key held by another job .*It became no job: this one held the key/,
  );
  assert.match(bundle.text, /The job that held its unique key/);
  assert.deepEqual(forbiddenIn(bundle.text), []);
});

Deno.test("a fire that overwrote another job is none to review, and both of them tell of it", async () => {
  await using db = await testDb();
  const unique = { onConflict: "keep_last" } as const;
  const holder = await givenMeeting(
    db,
    defineWorker({ name: "sync", unique, perform: () => {} }),
  );
  const visitor = webVisitor(db);

  const page = await visitor.open(ENTRY);
  assert.match(page.text, /Fires as planned/);
  assert.match(page.text, /Overwrote a job at once the holder \d+/);
  const bundle = await visitor.open(FORENSICS);
  assert.match(bundle.text, /this one took over its args/);
  const job = await visitor.open(`/ops/jobs/jobs/${holder}`);
  assert.match(job.text, /replaced/i);
});

Deno.test("a fire that a limiter refused does not speak of the overlap policy", async () => {
  await using db = await testDb();
  const limiter = defineLimiter({
    name: "rare",
    at: "enqueue",
    rate: { capacity: 1, perMs: 24 * HOUR_MS },
  });
  await givenMeeting(
    db,
    defineWorker({ name: "sync", limiters: [limiter], perform: () => {} }),
  );
  const page = await webVisitor(db).open(ENTRY);
  assert.match(page.text, /A limiter refused its last fire/);
  assert.match(page.text, /Held by a limiter at once none/);
  assert.doesNotMatch(page.text, /the policy decided/);
});
