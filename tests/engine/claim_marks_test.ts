import assert from "node:assert/strict";
import { ClaimMarks } from "../../src/engine/claim_marks.ts";
import type { ClaimedJob } from "../../src/store/leases.ts";

const demand = {
  queue: "default",
  declaredLimit: 2,
  held: 0,
  prefetch: 0,
  most: 2,
};

Deno.test("ClaimMarks goes on behind the last job of a claim that was met", () => {
  const marks = new ClaimMarks();
  const jobs = [jobOf("1"), jobOf("7", "mail"), jobOf("2", "default", 3)];

  assert.equal(marks.learn(demand, { jobs, nowMs: 0, tookMs: 1 }), true);
  const [next] = marks.applied([demand], 10);

  assert.deepEqual(
    { priority: next?.after?.priority, jobId: next?.after?.jobId },
    { priority: 3, jobId: "2" },
  );
});

Deno.test("ClaimMarks looks at everything before it takes a queue for empty", () => {
  const marks = new ClaimMarks();
  marks.learn(demand, { jobs: [jobOf("1"), jobOf("2")], nowMs: 0, tookMs: 1 });
  const [marked] = marks.applied([demand], 10);
  assert.ok(marked?.after);

  assert.equal(
    marks.learn(marked, { jobs: [jobOf("3")], nowMs: 10, tookMs: 1 }),
    true,
  );
  const [whole] = marks.applied([demand], 11);
  assert.ok(whole !== undefined && whole.after == null);
  assert.equal(marks.learn(whole, { jobs: [], nowMs: 11, tookMs: 1 }), false);
});

Deno.test("ClaimMarks looks at everything now and then, also while there is more", () => {
  const marks = new ClaimMarks();
  const jobs = [jobOf("1"), jobOf("2")];
  let looksAtAll = 0;
  for (let nowMs = 0; nowMs < 1_000; nowMs += 10) {
    const [next] = marks.applied([demand], nowMs);
    assert.ok(next !== undefined);
    if (next.after == null) looksAtAll += 1;
    marks.learn(next, { jobs, nowMs, tookMs: 1 });
  }
  assert.equal(looksAtAll, 10);
});

Deno.test("ClaimMarks goes on behind its mark for ten times as long as looking at everything took", () => {
  const marks = new ClaimMarks();
  const jobs = [jobOf("1"), jobOf("2")];
  let looksAtAll = 0;
  for (let nowMs = 0; nowMs < 20_000; nowMs += 100) {
    const [next] = marks.applied([demand], nowMs);
    assert.ok(next !== undefined);
    const isWhole = next.after == null;
    if (isWhole) looksAtAll += 1;
    // A look at everything takes 202 ms, one behind the mark 2 ms.
    marks.learn(next, { jobs, nowMs, tookMs: isWhole && nowMs > 0 ? 202 : 2 });
  }
  assert.equal(looksAtAll, 12);
});

Deno.test("ClaimMarks keeps a mark that was dear, also when nothing is found behind it", () => {
  const marks = new ClaimMarks();
  const jobs = [jobOf("1"), jobOf("2")];
  marks.learn(demand, { jobs, nowMs: 0, tookMs: 2 });
  marks.learn(demand, { jobs, nowMs: 100, tookMs: 302 });
  // One slow look may be by chance.
  assert.equal(marks.applied([demand], 200)[0]?.after, undefined);
  marks.learn(demand, { jobs, nowMs: 200, tookMs: 302 });
  const [marked] = marks.applied([demand], 500);
  assert.ok(marked?.after);
  assert.equal(marks.learn(marked, { jobs: [], nowMs: 500, tookMs: 2 }), false);
  assert.ok(marks.applied([demand], 3_000)[0]?.after);
  // Then it looks at everything again; that it was quick ends it.
  const [whole] = marks.applied([demand], 3_300);
  assert.ok(whole !== undefined && whole.after == null);
  marks.learn(whole, { jobs: [], nowMs: 3_300, tookMs: 3 });
  assert.equal(marks.applied([demand], 3_301)[0]?.after, undefined);
});

Deno.test("ClaimMarks does not take a database that is far away for a dear one", () => {
  const marks = new ClaimMarks();
  for (const nowMs of [0, 200, 400]) {
    const [next] = marks.applied([demand], nowMs);
    assert.ok(next !== undefined && next.after == null);
    const jobs = [jobOf("1")];
    assert.equal(marks.learn(next, { jobs, nowMs, tookMs: 150 }), false);
  }
});

Deno.test("ClaimMarks keeps a mark for each queue", () => {
  const marks = new ClaimMarks();
  const mail = { ...demand, queue: "mail" };
  marks.learn(demand, { jobs: [jobOf("1"), jobOf("2")], nowMs: 0, tookMs: 1 });

  const [first, second] = marks.applied([demand, mail], 1);

  assert.ok(first?.after);
  assert.ok(second !== undefined && second.after == null);
});

function jobOf(
  jobId: `${bigint}`,
  queue = "default",
  priority = 0,
): ClaimedJob {
  return {
    leaseId: "1",
    jobId,
    attempt: 1,
    queue,
    worker: "free",
    args: {},
    meta: {},
    tags: [],
    priority,
    maxAttempts: 1,
    deadlineInMs: null,
  };
}
