import assert from "node:assert/strict";
import { sql } from "../../src/db/sql.ts";
import { givenJob } from "../support/job_world.ts";
import { usePGlite } from "../support/pglite.ts";
import { webVisitor } from "../support/web_host.ts";

const testDb = usePGlite();
const JOBS = "/ops/jobs/jobs";

Deno.test("GET /jobs/:id says until when a job has a receipt, and not of what", async () => {
  await using db = await testDb();
  const visitor = webVisitor(db);
  const id = await givenJob(db);
  const without = await visitor.open(`${JOBS}/${id}`);
  await db.query(sql`
    insert into yardmaster.receipts (fingerprint, job_id, expires_at)
    values (sha256('key of the caller'), ${id}, ${db.now} + interval '2 hours')
  `);
  const holds = await visitor.open(`${JOBS}/${id}`);
  const [row] = await db.query<{ digest: string }>(sql`
    select encode(fingerprint, 'hex') as digest from yardmaster.receipts
  `);
  db.advanceMs(2 * 60 * 60 * 1_000);
  const held = await visitor.open(`${JOBS}/${id}`);

  assert.doesNotMatch(without.text, /Receipt/);
  assert.match(holds.text, /Receipt ends in 2 h/);
  assert.match(held.text, /Receipt ended/);
  assert.ok(row && !holds.html.includes(row.digest));
});
