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

  assert.equal(marks.learn(demand, { jobs, nowMs: 0 }), true);
  const [next] = marks.applied([demand], 10);

  assert.deepEqual(
    { priority: next?.after?.priority, jobId: next?.after?.jobId },
    { priority: 3, jobId: "2" },
  );
});

Deno.test("ClaimMarks looks at everything before it takes a queue for empty", () => {
  const marks = new ClaimMarks();
  marks.learn(demand, { jobs: [jobOf("1"), jobOf("2")], nowMs: 0 });
  const [marked] = marks.applied([demand], 10);
  assert.ok(marked?.after);

  assert.equal(marks.learn(marked, { jobs: [jobOf("3")], nowMs: 10 }), true);
  const [whole] = marks.applied([demand], 11);
  assert.ok(whole !== undefined && whole.after == null);
  assert.equal(marks.learn(whole, { jobs: [], nowMs: 11 }), false);
});

Deno.test("ClaimMarks looks at everything now and then, also while there is more", () => {
  const marks = new ClaimMarks();
  const jobs = [jobOf("1"), jobOf("2")];
  let looksAtAll = 0;
  for (let nowMs = 0; nowMs < 1_000; nowMs += 10) {
    const [next] = marks.applied([demand], nowMs);
    assert.ok(next !== undefined);
    if (next.after == null) looksAtAll += 1;
    marks.learn(next, { jobs, nowMs });
  }
  assert.equal(looksAtAll, 10);
});

Deno.test("ClaimMarks keeps a mark for each queue", () => {
  const marks = new ClaimMarks();
  const mail = { ...demand, queue: "mail" };
  marks.learn(demand, { jobs: [jobOf("1"), jobOf("2")], nowMs: 0 });

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
