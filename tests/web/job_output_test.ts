import assert from "node:assert/strict";
import type { Database } from "../../src/db/database.ts";
import { sql } from "../../src/db/sql.ts";
import type { JobId } from "../../src/domain/job.ts";
import { givenJob } from "../support/job_world.ts";
import { usePGlite } from "../support/pglite.ts";
import { webVisitor } from "../support/web_host.ts";

const testDb = usePGlite();
const JOBS = "/ops/jobs/jobs";
const FORENSICS = "/ops/jobs/forensics?resource_type=job&resource_id=";
const HOUR_MS = 60 * 60 * 1_000;

async function givenOutput(db: Database, id: JobId): Promise<void> {
  await db.query(sql`
    insert into yardmaster.outputs (
      job_id, attempt, output, bytes, recorded_at, expires_at
    )
    values (
      ${id}::bigint, 2, '{"rows": "c4nary"}', 1234, ${db.now},
      ${db.now} + interval '6 hours'
    )
  `);
}

/** The panel of the page, as text. */
function panelOf(text: string): string {
  return /Recorded output(.*?)(Identity|$)/s.exec(text)?.[1] ?? "";
}

Deno.test("the page of a job shows its output with size and expiry, and nothing of it once that is over", async () => {
  await using db = await testDb();
  const id = await givenJob(db, { state: "completed", attempt: 3 });
  await givenOutput(db, id);
  const asked: unknown[] = [];
  const visitor = webVisitor(db, {
    displayPolicy: (kind, value) => {
      if (kind === "output") asked.push(value);
      return value;
    },
  });
  const page = await visitor.open(`${JOBS}/${id}`);
  assert.match(page.text, /Output of attempt 2 recorded/);
  assert.match(panelOf(page.text), /1.234 bytes/);
  assert.match(panelOf(page.text), /Expires/);
  assert.match(panelOf(page.text), /"rows" *: *"c4nary"/);
  assert.deepEqual(asked, [{ rows: "c4nary" }]);

  db.advanceMs(6 * HOUR_MS);
  const later = await visitor.open(`${JOBS}/${id}`);
  assert.match(panelOf(later.text), /It has expired and can not be read/);
  assert.match(panelOf(later.text), /1.234 bytes/);
  assert.doesNotMatch(later.html, /c4nary/);
  assert.equal(asked.length, 1);
});

Deno.test("the page of a job says why there is no output", async () => {
  await using db = await testDb();
  const visitor = webVisitor(db);
  const why = async (state: "available" | "completed" | "discarded") => {
    const id = await givenJob(db, { state, attempt: 1 });
    return panelOf((await visitor.open(`${JOBS}/${id}`)).text);
  };
  assert.match(await why("available"), /None: the job has not ended/);
  assert.match(await why("completed"), /None: its worker records none/);
  assert.match(await why("discarded"), /None: only a completed run leaves/);
});

Deno.test("forensics tell until when an output can be read, and that it expired", async () => {
  await using db = await testDb();
  const id = await givenJob(db, { state: "completed", attempt: 2 });
  await givenOutput(db, id);
  const visitor = webVisitor(db, { displayPolicy: (_, value) => value });
  const page = await visitor.open(`${FORENSICS}${id}`);
  assert.match(
    page.text,
    /Output of attempt 2 recorded.*It expires in/s,
  );
  db.advanceMs(6 * HOUR_MS);
  const later = await visitor.open(`${FORENSICS}${id}`);
  assert.match(later.text, /It expired .* and can not be read any more/s);
});
