/** What a Postgres refuses of an output, which PGlite's one transaction hides. */
import assert from "node:assert/strict";
import { sql } from "../../src/db/sql.ts";
import { createEngine } from "../../src/engine/engine.ts";
import { defineWorker } from "../../src/engine/worker.ts";
import type { YardmasterEvent } from "../../src/events.ts";
import { usePostgres } from "../support/postgres.ts";

const testPostgres = usePostgres();

Deno.test("an output that Postgres can not store is told of, and its job completes", async () => {
  await using world = await testPostgres();
  const { db } = world;
  const events: YardmasterEvent[] = [];
  // A number with more digits than numeric has; no `JSON.stringify` writes one.
  const huge = (JSON as unknown as { rawJSON(text: string): unknown })
    .rawJSON("1e200000");
  const worker = defineWorker({
    name: "work",
    recordOutput: true,
    perform: () => huge,
  });
  const engine = createEngine({
    database: db,
    workers: [worker],
    queues: { default: { limit: 1 } },
    onEvent: (event) => events.push(event),
  });
  const enqueued = await engine.enqueue(worker, {});
  assert.ok(enqueued.status === "inserted");
  await engine.tick({ budgetMs: 60_000 });
  assert.deepEqual(
    events.filter(({ type }) => type === "output_dropped"),
    [{
      type: "output_dropped",
      worker: "work",
      why: "refused",
      bytes: 8,
      limitBytes: 65_536,
    }],
  );
  assert.deepEqual(
    await db.query(sql`select state::text from yardmaster.outcomes`),
    [{ state: "completed" }],
  );
});
