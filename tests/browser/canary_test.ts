/**
 * Secrets that a host did not permit to be shown, looked for in every answer.
 * It needs no browser, so it runs without one.
 */
import assert from "node:assert/strict";
import type { Database } from "../../src/db/database.ts";
import { json, sql } from "../../src/db/sql.ts";
import { JOB_STATES } from "../../src/domain/state.ts";
import { parseCronEntry } from "../../src/domain/cron_entry.ts";
import type { JobId } from "../../src/domain/job.ts";
import { syncCronEntries } from "../../src/store/cron_sync.ts";
import { givenEvent, givenJob, givenQueue } from "../support/job_world.ts";
import { usePostgres } from "../support/postgres.ts";
import { formTo, type Page, Visitor } from "../support/visitor.ts";
import { BASE_PATH, webAnswer } from "../support/web_host.ts";
import { crawl } from "./pages.ts";
import { listen } from "./world.ts";

const testPostgres = usePostgres();

/** Each place has its own, so that a leak names where it came from. */
const CANARIES = {
  args: "canary-args-7f3a",
  meta: "canary-meta-19bc",
  message: "canary-message-d204",
  stack: "canary-stack-5e61",
  output: "canary-output-8c77",
  cronArgs: "canary-cron-args-b3e9",
  cronMeta: "canary-cron-meta-2a4d",
} as const;

Deno.test("no answer holds a secret of a job or a cron entry that the policy did not show", async () => {
  await using postgres = await testPostgres();
  const { db } = postgres;
  const jobs = await givenCanaries(db);
  // The host of the test shows nothing: its policy answers null.
  const host = webAnswer(db);
  await using server = listen(host);
  const found: string[] = [];
  for (const htmx of [false, true]) {
    const visitor = new Visitor(host, { htmx });
    for (const page of await changesOf(visitor, jobs)) {
      found.push(...leaks(page.url, page.html + [...page.headers].join()));
    }
  }
  const cookie = () => Promise.resolve("");
  const { origin } = server;
  const seen = await crawl({ origin, cookie }, "ops-demo", leaks);
  assert.ok(seen.visited.length > 50, `${seen.visited.length} pages`);
  for (const path of EXPORTS) {
    const answer = await fetch(origin + BASE_PATH + path);
    assert.equal(answer.status, 200, path);
    found.push(...leaks(path, await answer.text()));
  }
  assert.deepEqual([...found, ...seen.faults], []);
});

Deno.test("the same secrets are found where a policy shows them", async () => {
  await using postgres = await testPostgres();
  const { db } = postgres;
  const [job] = await givenCanaries(db);
  const visitor = new Visitor(webAnswer(db, { displayPolicy: (_, it) => it }));
  const pages = [`/jobs/${job}`, "/cron/canary_entry", FORENSICS_EXPORT];
  const found: string[] = [];
  for (const path of pages) {
    const { html } = await visitor.open(BASE_PATH + path);
    found.push(...leaks("it", html));
  }
  // The meta of an entry is nowhere on a page; the jobs of the entry have it.
  const { cronMeta: _, ...shown } = CANARIES;
  assert.deepEqual(
    [...new Set(found)].sort(),
    Object.keys(shown).map((place) => `it shows ${place}`).sort(),
  );
});

const FORENSICS_EXPORT =
  "/forensics.json?resource_type=cron_entry&resource_id=canary_entry";
const EXPORTS = [
  "/audit.csv",
  "/audit.ndjson",
  FORENSICS_EXPORT,
] as const;

function leaks(where: string, body: string): string[] {
  return Object.entries(CANARIES)
    .filter(([, secret]) => body.includes(secret))
    .map(([place]) => `${where} shows ${place}`);
}

async function givenCanaries(db: Database): Promise<JobId[]> {
  await givenQueue(db, { name: "canaries" });
  const parsed = parseCronEntry({
    name: "canary_entry",
    expression: "0 * * * *",
    worker: "canary",
    args: { secret: CANARIES.cronArgs },
    meta: { secret: CANARIES.cronMeta },
  });
  if (!parsed.ok) throw new Error(parsed.problems.join());
  await syncCronEntries(db, [parsed.definition]);
  const jobs: JobId[] = [];
  for (const state of JOB_STATES) {
    const jobId = await givenJob(db, {
      state,
      queue: "canaries",
      worker: "canary",
      args: { secret: CANARIES.args, list: [{ deep: CANARIES.args }] },
      meta: { secret: CANARIES.meta },
      attempt: 1,
    });
    await givenEvent(db, {
      jobId,
      message: CANARIES.message,
      stack: `Error: ${CANARIES.message}\n    at ${CANARIES.stack} (x.ts:1:1)`,
    });
    await db.query(sql`
      insert into yardmaster.outputs (job_id, attempt, output, recorded_at)
      values (${jobId}, 1, ${json({ secret: CANARIES.output })}, ${db.now})
    `);
    jobs.push(jobId);
  }
  return jobs;
}

/** Every change that the pages offer: its preview, a refusal, the result. */
async function changesOf(
  visitor: Visitor,
  jobs: readonly JobId[],
): Promise<Page[]> {
  const pages: Page[] = [];
  const places = [
    ...jobs.map((id) => `/jobs/${id}`),
    "/cron/canary_entry",
    "/queues/canaries",
  ];
  for (const place of places) {
    const opened = await visitor.open(BASE_PATH + place);
    pages.push(opened);
    const offered = opened.forms.filter(({ fields }) => fields["action"]);
    for (const form of offered) {
      const preview = await visitor.send(form);
      pages.push(preview);
      if (!preview.html.includes("/executions")) continue;
      const execute = formTo(preview, "/executions");
      pages.push(
        await visitor.send(execute, { reason: "short" }),
        await visitor.send(execute, { reason: "long enough a reason" }),
      );
    }
  }
  return pages;
}
