/** What a host uses to test workers that take chunks. */
import assert from "node:assert/strict";
import { z } from "zod";
import { defineChunkWorker } from "../../src/engine/chunk_worker.ts";
import { cancel, snooze } from "../../src/engine/verdict.ts";
import { defineWorker } from "../../src/engine/worker.ts";
import {
  createTestClock,
  runChunk,
  runWorker,
} from "../../src/testing/testing.ts";

const told: string[] = [];
const index = defineChunkWorker({
  name: "index_documents",
  args: z.object({ id: z.string() }),
  chunk: { size: 10, waitMs: 60_000 },
  timeoutMs: 1_000,
  async perform(jobs, chunk) {
    for (const job of jobs) {
      if (job.args.id === "bad") chunk.fail(job, new Error("no document"));
      if (job.args.id === "later") chunk.decide(job, snooze(50));
      if (job.args.id === "kept") chunk.complete(job, job.attempt);
      if (job.args.id === "hangs") await new Promise(() => {});
    }
    return jobs.every(({ args }) => args.id === "gone")
      ? cancel("nothing left")
      : undefined;
  },
  onSuccess: ({ jobId }) => void told.push(`done ${jobId}`),
  onFailure: ({ jobId }) => void told.push(`failed ${jobId}`),
});

Deno.test("runChunk() answers what each job came to, and calls its hooks", async () => {
  const outcomes = await runChunk(index, {
    jobs: [
      { args: { id: "ok" } },
      { args: { id: "bad" } },
      { args: { id: 5 } as never },
      { args: { id: "later" } },
      { args: { id: "kept" }, context: { attempt: 4 } },
    ],
  });
  const kinds = outcomes.map(({ kind }) => kind);
  assert.deepEqual(kinds, [
    "completed",
    "failed",
    "failed",
    "snoozed",
    "completed",
  ]);
  assert.deepEqual(outcomes[4], { kind: "completed", value: 4 });
  const [, , bad] = outcomes;
  assert.match(String(bad?.kind === "failed" && bad.error), /args\.id/);
  // Of args that could not be read no hook is told.
  assert.deepEqual(told.splice(0).toSorted(), [
    "done 1",
    "done 5",
    "failed 2",
  ]);
});

Deno.test("runChunk() does not wait for a call that takes too long", async () => {
  const clock = createTestClock();
  const running = runChunk(index, {
    clock,
    jobs: [{ args: { id: "kept" } }, { args: { id: "hangs" } }],
  });
  await clock.advanceMs(1_000);
  const [first, second] = await running;
  assert.equal(first?.kind, "completed");
  assert.match(String(second?.kind === "failed" && second.error), /1000 ms/);
});

Deno.test("runChunk() refuses what the engine would never call", async () => {
  const one = { args: { id: "ok" } };
  await assert.rejects(runChunk(index, { jobs: [] }), /1 to 10 jobs/);
  const many = Array.from({ length: 11 }, () => one);
  await assert.rejects(runChunk(index, { jobs: many }), /1 to 10 jobs/);
  const plain = defineWorker({ name: "plain", perform: () => {} });
  await assert.rejects(
    runChunk(plain, { jobs: [{ args: {} }] }),
    /plain takes no chunks/,
  );
});

Deno.test("runWorker() runs a job of a chunk alone", async () => {
  const outcome = await runWorker(index, { args: { id: "gone" } });
  assert.deepEqual(outcome, { kind: "cancelled", reason: "nothing left" });
});

Deno.test("a redacted path may be absent in the jobs of a chunk, and is", async () => {
  const seen: unknown[] = [];
  const login = defineChunkWorker({
    name: "login",
    args: z.object({ user: z.string(), token: z.string() }),
    chunk: { size: 2, by: ["user"] },
    redact: ["token"],
    perform(jobs) {
      for (const { args } of jobs) {
        // @ts-expect-error: it is not stored
        const token: string = args.token;
        seen.push([args.user.length, token]);
      }
    },
  });
  const [outcome] = await runChunk(login, {
    jobs: [{ args: { user: "ann", token: "t" } }],
  });
  assert.equal(outcome?.kind, "completed");
  assert.deepEqual(seen, [[3, undefined]]);
});
