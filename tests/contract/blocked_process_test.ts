/** A process that stands still in the middle of a transaction, and wakes up. */
import assert from "node:assert/strict";
import pg from "pg";
import postgres from "postgres";
import type { Database } from "../../src/db/database.ts";
import { nodePostgres } from "../../src/db/node_postgres.ts";
import { postgresJs } from "../../src/db/postgres_js.ts";
import { sql } from "../../src/db/sql.ts";
import { defineLimiter } from "../../src/domain/limiter.ts";
import { createEngine } from "../../src/engine/engine.ts";
import { defineWorker } from "../../src/engine/worker.ts";
import { watched } from "../support/frozen_db.ts";
import { usePostgres } from "../support/postgres.ts";
import { until } from "../support/until.ts";

const testPostgres = usePostgres();

// Connections that Postgres ended leave timers of their pools.
Deno.test.sanitizer({ ops: false, resources: false });

const IDLE_MS = 200;
/** Postgres has ended the transaction long before the process wakes up. */
const STILL_MS = 600;
const JOBS = 5;

const limiter = defineLimiter({ name: "few", concurrency: 2 });

const POOLS: Readonly<Record<string, (url: string) => Database>> = {
  "postgres.js": (url) =>
    postgresJs(postgres(url, {
      max: 3,
      fetch_types: false,
      onnotice: () => {},
      connection: { idle_in_transaction_session_timeout: IDLE_MS },
    })),
  "node-postgres"(url) {
    const pool = new pg.Pool({
      connectionString: url,
      max: 3,
      idle_in_transaction_session_timeout: IDLE_MS,
    });
    pool.on("error", () => {});
    return nodePostgres(pool);
  },
};

/** As a stopped process, or one whose host computes: no event is served. */
function standStill(): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, STILL_MS);
}

for (const [driver, open] of Object.entries(POOLS)) {
  Deno.test(`a process on ${driver} that stands still in a claim until Postgres has ended it goes on by itself, and burns no attempt`, async () => {
    await using world = await testPostgres();
    let claims = 0;
    const database = watched(open(world.directUrl), {
      after({ tx, text }) {
        // Jobs are taken, and nothing is committed. The third is let through.
        const isClaim = tx !== null && /insert into \S+leases/.test(text);
        if (isClaim && (claims += 1) <= 2) standStill();
        return Promise.resolve();
      },
    });
    const attempts: number[] = [];
    const worker = defineWorker({
      name: "stills",
      limiters: [limiter],
      perform: (_args: { n: number }, { attempt }) =>
        void attempts.push(attempt),
    });
    const failed: string[] = [];
    const engine = createEngine({
      database,
      workers: [worker],
      queues: { default: { limit: 5 } },
      pollMs: 20,
      notify: false,
      onEvent(event) {
        if (event.type === "service_failed") failed.push(event.service);
      },
    });
    await engine.enqueueMany(
      Array.from({ length: JOBS }, (_, n) => ({ worker, args: { n } })),
    );
    await engine.start();
    await until("all have ended", async () => {
      const rows = await world.db.query(sql`select from yardmaster.outcomes`);
      return rows.length === JOBS;
    }, { limitMs: 30_000 });
    await engine.stop();
    assert.ok(claims > 2);
    assert.ok(failed.length >= 1, "it was told of it");
    assert.deepEqual(attempts, Array.from({ length: JOBS }, () => 1));
    const rows = await world.db.query(sql`
      select state::text as "state", attempt from yardmaster.outcomes
    `);
    assert.deepEqual(
      rows,
      rows.map(() => ({ state: "completed", attempt: 1 })),
    );
    assert.deepEqual(
      await world.db.query(sql`select from yardmaster.attempt_events`),
      [],
    );
  });
}
