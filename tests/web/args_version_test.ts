import assert from "node:assert/strict";
import {
  ARGS_VERSION_KEY,
  newerArgsMessage,
} from "../../src/domain/args_version.ts";
import { findExplanation } from "../../src/store/explain.ts";
import { givenEvent, givenExecutor, givenJob } from "../support/job_world.ts";
import { usePGlite } from "../support/pglite.ts";
import { webVisitor } from "../support/web_host.ts";

const testDb = usePGlite();

Deno.test("GET /jobs/:id shows the version of its args, and that it waits for newer code", async () => {
  await using db = await testDb();
  await givenExecutor(db);
  const jobId = await givenJob(db, {
    state: "scheduled",
    meta: { [ARGS_VERSION_KEY]: 3 },
  });
  const message = newerArgsMessage({ version: 3, known: 1 });
  await givenEvent(db, { jobId, kind: "given_back", message });

  const page = await webVisitor(db).open(`/ops/jobs/jobs/${jobId}`);
  assert.equal(page.status, 200);
  assert.match(page.text, /Args Version 3/);
  assert.match(page.text, /version 3, and its code there knew version 1/);

  const explanation = await findExplanation(db, jobId);
  assert.match(
    explanation?.notes.join(" ") ?? "",
    /Its args have version 3, .* knows version 1: it waits for newer code/,
  );
});

Deno.test("GET /jobs/:id says nothing of the first version", async () => {
  await using db = await testDb();
  const jobId = await givenJob(db);
  const page = await webVisitor(db).open(`/ops/jobs/jobs/${jobId}`);
  assert.doesNotMatch(page.text, /Args Version/);
});
