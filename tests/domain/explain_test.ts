import assert from "node:assert/strict";
import fc from "fast-check";
import { DIAGNOSES } from "../../src/domain/diagnosis.ts";
import { explainJob } from "../../src/domain/explain.ts";
import { estimateWait } from "../../src/domain/explain_estimate.ts";
import type {
  ExplainedJob,
  ExplainedQueue,
  ExplainFacts,
  ServingExecutor,
} from "../../src/domain/explain_facts.ts";
import { CLEARS } from "../../src/domain/explain_reason.ts";
import { needsSomebody, tellJob } from "../../src/domain/explain_told.ts";
import { duration } from "../../src/domain/explain_words.ts";
import { sentenceWords } from "../../src/domain/sentence.ts";
import { ATTEMPT_EVENT_KINDS, JOB_STATES } from "../../src/domain/state.ts";
import { forbiddenIn } from "../support/forbidden_phrases.ts";

const NOW = new Date("2026-01-15T12:00:00Z");
const inMs = (ms: number) => new Date(NOW.getTime() + ms);
const MINUTE_MS = 60_000;

const JOB: ExplainedJob = {
  id: "7",
  queue: "mail",
  worker: "send_mail",
  state: "available",
  attempt: 0,
  maxAttempts: 5,
  runAt: null,
  claimedAt: null,
  finishedAt: null,
  tookMs: null,
  deadlineAt: null,
  cronEntry: null,
};
const QUEUE: ExplainedQueue = {
  name: "mail",
  recorded: true,
  limit: 3,
  pausedAt: null,
  pausedBy: null,
};
const HOST: ServingExecutor = {
  id: 1,
  name: "host-1",
  health: "healthy",
  beatAt: NOW,
  workers: ["send_mail"],
  held: 0,
};

type Given =
  & Partial<Omit<ExplainFacts, "job" | "queue">>
  & { readonly job?: Partial<ExplainedJob> }
  & { readonly queue?: Partial<ExplainedQueue> };

function facts(given: Given = {}): ExplainFacts {
  return {
    at: NOW,
    serving: [HOST],
    lastStopped: null,
    holder: null,
    turn: null,
    lane: null,
    lastEvent: null,
    supersededBy: null,
    ...given,
    job: { ...JOB, ...given.job },
    queue: { ...QUEUE, ...given.queue },
  };
}

function codes(given: Given = {}): readonly string[] {
  return explainJob(facts(given)).reasons.map(({ code }) => code);
}

/** The sentences, with instants in seconds from now. */
function said(given: Given): readonly string[] {
  const { reasons, notes } = tellJob(facts(given));
  const text = [...reasons.map(({ message }) => message), ...notes];
  return text.map((each) =>
    each.replaceAll(
      /\d{4}-[\d-]+T[\d:.]+Z/g,
      (at) => `${(Date.parse(at) - NOW.getTime()) / 1_000} s`,
    )
  );
}

const PAUSED = { pausedAt: inMs(-MINUTE_MS), pausedBy: "ops-demo" };
const ahead = (count: number) => ({ count, precision: "exact" }) as const;

Deno.test("explainJob() names every reason, what comes first in time first", () => {
  assert.deepEqual(codes(), ["job_ready"]);
  assert.deepEqual(
    codes({
      job: {
        state: "scheduled",
        runAt: inMs(MINUTE_MS),
        deadlineAt: inMs(MINUTE_MS),
      },
      queue: PAUSED,
      serving: [],
    }),
    ["job_deadline_first", "job_queue_paused", "job_unserved"],
  );
  assert.deepEqual(
    codes({
      queue: PAUSED,
      serving: [{ ...HOST, workers: ["other"] }],
      job: { deadlineAt: NOW },
    }),
    ["job_deadline_passed", "job_queue_paused", "job_worker_unknown"],
  );
  const due = { state: "retryable", runAt: inMs(-1_000) } as const;
  assert.deepEqual(codes({ job: due }), ["job_due"]);
  assert.deepEqual(codes({ job: due, queue: PAUSED }), ["job_queue_paused"]);
  assert.deepEqual(
    codes({ job: { state: "scheduled", runAt: inMs(-61_000) } }),
    ["job_overdue"],
  );
});

Deno.test("explainJob() calls a job runnable only if there are more free places than jobs before it", () => {
  const turn = (count: number) => ({
    turn: { ahead: ahead(count), pace: null },
  });
  assert.deepEqual(codes(turn(2)), ["job_ready"]);
  assert.deepEqual(codes(turn(3)), ["job_behind"]);
  const two = { ...HOST, id: 2, name: "host-2", held: 2 };
  assert.deepEqual(codes({ ...turn(3), serving: [HOST, two] }), ["job_ready"]);
  assert.deepEqual(codes({ ...turn(4), serving: [HOST, two] }), ["job_behind"]);

  const full = { ...HOST, held: 3 };
  assert.deepEqual(codes({ ...turn(0), serving: [full] }), ["job_queue_full"]);
  assert.deepEqual(codes({ ...turn(1), serving: [full] }), [
    "job_queue_full",
    "job_behind",
  ]);
  assert.deepEqual(codes({ ...turn(3), serving: [full] }), [
    "job_behind",
    "job_queue_full",
  ]);
  // Whoever does not know the worker has no place for it.
  assert.deepEqual(
    codes({ serving: [full, { ...HOST, id: 3, workers: ["other"] }] }),
    ["job_queue_full"],
  );
  assert.deepEqual(
    codes({ serving: [full, { ...HOST, id: 3, health: "late" }] }),
    ["job_served_late"],
  );
  assert.deepEqual(
    codes({ serving: [{ ...HOST, health: "missing" }] }),
    ["job_unserved"],
  );
});

Deno.test("explainJob() says when a job runs at the earliest only if it is known", () => {
  const runAt = inMs(MINUTE_MS);
  const earliest = (given: Given) => explainJob(facts(given)).earliestAt;
  assert.deepEqual(earliest({}), NOW);
  assert.deepEqual(earliest({ job: { state: "scheduled", runAt } }), runAt);
  assert.equal(
    earliest({ job: { state: "scheduled", runAt }, queue: PAUSED }),
    null,
  );
  assert.equal(earliest({ serving: [] }), null);
});

Deno.test("tellJob() offers the steps that are legal, and no others", () => {
  const steps = (given: Given) =>
    tellJob(facts(given)).reasons.flatMap(({ nextSteps }) =>
      nextSteps.map(({ step, target }) => `${step} ${target?.type ?? "-"}`)
    );
  assert.deepEqual(steps({ queue: PAUSED }), [
    "review_queue queue",
    "resume_its_queue queue",
    "inspect_audit -",
  ]);
  assert.deepEqual(
    steps({ serving: [{ ...HOST, held: 3 }], queue: { recorded: false } }),
    ["review_queue queue"],
  );
  assert.deepEqual(
    steps({
      job: { state: "discarded", attempt: 5, finishedAt: NOW },
      lastEvent: { kind: "failed", principal: null, at: NOW },
    }),
    ["tell_worker_owner -", "retry_job job"],
  );
});

Deno.test("tellJob() says in words what each reason rests on", () => {
  assert.deepEqual(said({ queue: PAUSED }), [
    "Queue mail was paused by ops-demo -60 s. It starts only after somebody resumes the queue.",
  ]);
  assert.deepEqual(said({ serving: [] }), [
    "No live executor serves queue mail.",
  ]);
  const gone = {
    ...HOST,
    health: "missing",
    beatAt: inMs(-MINUTE_MS),
  } as const;
  assert.deepEqual(said({ serving: [gone] }), [
    "No live executor serves queue mail: the last heartbeat, of host-1, was -60 s.",
  ]);
  assert.deepEqual(
    said({ serving: [gone], lastStopped: { name: "host-2", at: NOW } }),
    [
      "No live executor serves queue mail: the last one, host-2, stopped 0 s.",
    ],
  );
  assert.deepEqual(said({ serving: [{ ...HOST, workers: [] }] }), [
    "1 live executor serves queue mail, and it does not know worker send_mail.",
  ]);
  const full = [1, 2, 3, 4, 5].map((id) => ({
    ...HOST,
    id,
    name: `host-${id}`,
    held: 3,
  }));
  assert.deepEqual(said({ serving: full }), [
    "Queue mail has no free place: host-1 holds 3 of 3, host-2 holds 3 of 3, host-3 holds 3 of 3, 2 more are as full.",
  ]);
  assert.deepEqual(
    said({
      turn: {
        ahead: { count: 512_345, precision: "about" },
        pace: { ended: 10_000, spanMs: 10_000 },
      },
    }),
    [
      "Queue mail gives out about 510000 jobs before it. At the pace of late that takes 7.5 min to 9.6 min: 10000 of its jobs ended in the last 10 s.",
    ],
  );
  assert.deepEqual(
    said({
      job: { state: "retryable", attempt: 2, runAt: inMs(MINUTE_MS) },
      lastEvent: { kind: "retried", principal: "ops-demo", at: NOW },
    }),
    [
      "Attempt 2 of 5 failed. The next attempt is due 60 s.",
      "ops-demo sent it back to work 0 s.",
    ],
  );
});

Deno.test("tellJob() tells how sure it is that a job runs, and how it ended", () => {
  const running = {
    state: "executing",
    attempt: 1,
    claimedAt: inMs(-MINUTE_MS),
  } as const;
  const held = "Attempt 1 of 5 was claimed by executor host-1 -60 s.";
  assert.deepEqual(said({ job: running, holder: HOST }), [held]);
  assert.deepEqual(
    said({ job: running, holder: { ...HOST, health: "late" } }),
    [
      `${held} Its heartbeat is late: the last one was 0 s. The run may still be going on.`,
    ],
  );
  assert.deepEqual(said({ job: running }), [
    "Attempt 1 of 5 is in a lease of an executor that is gone, since -60 s.",
  ]);
  const ended = (
    state: "completed" | "cancelled" | "discarded",
    kind: typeof ATTEMPT_EVENT_KINDS[number] | null = null,
    principal: string | null = null,
  ) =>
    said({
      job: { state, attempt: 5, finishedAt: NOW, tookMs: 1_240 },
      lastEvent: kind === null ? null : { kind, principal, at: NOW },
    })[0];
  assert.equal(
    ended("completed"),
    "It completed 0 s on attempt 5 of 5. It took 1.2 s.",
  );
  assert.equal(ended("cancelled"), "It was cancelled 0 s.");
  assert.equal(
    ended("cancelled", "cancelled", "ops-demo"),
    "ops-demo cancelled it 0 s.",
  );
  assert.equal(
    ended("discarded", "timed_out"),
    "Attempt 5 of 5 took too long 0 s, and no attempt is left.",
  );
  assert.equal(
    ended("discarded", "discarded", "ops-demo"),
    "ops-demo discarded it 0 s.",
  );
});

Deno.test("estimateWait() says nothing with few ends, and holds the truth in 19 of 20 cases", () => {
  assert.equal(estimateWait(ahead(5), null), null);
  assert.equal(estimateWait(ahead(5), { ended: 9, spanMs: 1_000 }), null);
  assert.equal(
    estimateWait({ count: 10, precision: "at_least" }, {
      ended: 100,
      spanMs: 1_000,
    })?.mostMs,
    null,
  );
  // Ends that come at random, at a rate of one in a millisecond.
  let seed = 42;
  const random = () => (seed = (seed * 48_271) % 2_147_483_647) / 2_147_483_647;
  const gap = () => -Math.log(random());
  let held = 0;
  for (let round = 0; round < 500; round++) {
    let ended = 0;
    for (let at = gap(); at < 100; at += gap()) ended += 1;
    const estimate = estimateWait(ahead(10_000), { ended, spanMs: 100 });
    assert.ok(estimate !== null && estimate.mostMs !== null);
    if (estimate.leastMs <= 10_000 && 10_000 <= estimate.mostMs) held += 1;
  }
  assert.ok(held >= 460, `${held} of 500`);
});

Deno.test("duration() keeps two digits", () => {
  const words = [40, 1_240, 59_400, 90_000, 5_400_000, 864_000_000]
    .map((ms) => sentenceWords(duration(ms)));
  assert.deepEqual(words, [
    "40 ms",
    "1.2 s",
    "59 s",
    "1.5 min",
    "1.5 h",
    "10 d",
  ]);
});

Deno.test("explainJob() has reasons for any facts, each with words, a way to clear and no boast", () => {
  const instant = fc.constantFrom(null, inMs(-90_000), NOW, inMs(MINUTE_MS));
  const executor = fc.record({
    health: fc.constantFrom("healthy", "late", "missing"),
    workers: fc.constantFrom(["send_mail"], ["other"]),
    held: fc.nat({ max: 4 }),
  }).map((changes): ServingExecutor => ({ ...HOST, ...changes }));
  fc.assert(fc.property(
    fc.record({
      state: fc.constantFrom(...JOB_STATES),
      runAt: instant,
      claimedAt: instant,
      finishedAt: instant,
      deadlineAt: instant,
    }),
    fc.record({ pausedAt: instant, limit: fc.constantFrom(null, 1, 3) }),
    fc.array(executor, { maxLength: 3 }),
    fc.constantFrom(null, ...ATTEMPT_EVENT_KINDS),
    fc.constantFrom(0, 1, 7),
    (job, queue, serving, kind, count) => {
      const given = facts({
        job,
        queue,
        serving,
        holder: serving[0] ?? null,
        turn: { ahead: ahead(count), pace: null },
        lastEvent: kind === null ? null : { kind, principal: null, at: NOW },
      });
      const told = tellJob(given);
      const found = told.reasons.map(({ code }) => code);
      assert.equal(new Set(found).size, found.length);
      assert.equal(told.runnable, found.includes("job_ready"));
      assert.ok(!told.runnable || found.length === 1);
      assert.ok(!told.runnable || !needsSomebody(told));
      for (const { code, message, clears } of told.reasons) {
        assert.match(message, /^[A-Z0-9].*\.$/);
        assert.deepEqual(forbiddenIn(message), []);
        assert.equal(clears, CLEARS[code]);
        assert.ok(code in DIAGNOSES);
      }
    },
  ));
});
