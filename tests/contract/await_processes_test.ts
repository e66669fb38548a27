/** Waiting for a job of another process of the system, whatever is killed. */
import assert from "node:assert/strict";
import { execPath } from "node:process";
import { join } from "node:path";
import { sql } from "../../src/db/sql.ts";
import { createEngine } from "../../src/engine/engine.ts";
import { type TestPostgres, usePostgres } from "../support/postgres.ts";
import { BEGAN, stubborn } from "../support/runner_process.ts";
import { ROOT } from "../support/sources.ts";
import { until } from "../support/until.ts";

const testPostgres = usePostgres();

/** A process that runs jobs, until it is killed. */
function startRunner({ url, directUrl }: TestPostgres) {
  const file = join(ROOT, "tests/support/runner_process.ts");
  const child = new Deno.Command(execPath, {
    args: ["run", "-A", "--no-check", file, url, directUrl],
    stdin: "null",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  let text = "";
  const read = (async () => {
    const decoder = new TextDecoder();
    for await (const bytes of child.stdout) text += decoder.decode(bytes);
  })();
  return {
    began: () => text.includes(BEGAN),
    async kill() {
      child.kill("SIGKILL");
      await child.status;
      await read;
    },
  };
}

Deno.test("a process waits for a job of another one that is killed, while its own connection that listens is killed too", async () => {
  await using world = await testPostgres();
  const waiter = createEngine({ database: world.db, pollMs: 100 });
  await waiter.start();
  const first = startRunner(world);
  const answer = await waiter.enqueue(stubborn, { n: 7 });
  assert.ok(answer.status === "inserted");
  const ended = waiter.awaitJob(stubborn, answer.job.id);
  const stop = new AbortController();
  const given = waiter.awaitJob(answer.job.id, { signal: stop.signal });
  const limit = { limitMs: 60_000 };
  await until("its first attempt runs", () => first.began(), limit);
  await first.kill();
  stop.abort(new Error("nobody wants to know any more"));
  await assert.rejects(given, /nobody wants to know/);

  const killed = await world.db.query(sql`
    select pg_terminate_backend(pid)
    from pg_stat_activity
    where datname = current_database() and pid <> pg_backend_pid()
      and query ilike 'listen%'
  `);
  assert.ok(killed.length > 0);
  const second = startRunner(world);
  const end = await ended;
  await second.kill();
  assert.ok(end.status === "completed" && end.output.status === "found");
  assert.deepEqual(end.output.output, { n: 7, attempt: 2 });
  await waiter.stop();
});
