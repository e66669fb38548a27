import assert from "node:assert/strict";
import fc from "fast-check";
import { DIAGNOSES } from "../../src/domain/diagnosis.ts";
import {
  jobStory,
  type StoryExecutor,
  type StoryFacts,
  type StoryJob,
} from "../../src/domain/job_story.ts";
import { isSentence, type Sentence } from "../../src/domain/sentence.ts";
import { JOB_STATES } from "../../src/domain/state.ts";

const now = new Date("2026-01-15T12:00:00Z");
const minuteAgo = new Date(now.getTime() - 60_000);
const inAMinute = new Date(now.getTime() + 60_000);

const job: StoryJob = {
  state: "available",
  queue: "mail",
  worker: "send_mail",
  attempt: 0,
  maxAttempts: 5,
  runAt: null,
  claimedAt: null,
  finishedAt: null,
  tookMs: null,
  deadlineAt: null,
  queuePausedAt: null,
  queuePausedBy: null,
  ahead: 0,
  now,
};
const executor: StoryExecutor = {
  name: "host-1",
  health: "healthy",
  beatAt: now,
  workers: ["send_mail"],
};

function told(
  facts: Partial<Omit<StoryFacts, "job">> & {
    readonly job?: Partial<StoryJob>;
  },
) {
  const story = jobStory({
    serving: [executor],
    holder: null,
    places: null,
    lastEvent: null,
    ...facts,
    job: { ...job, ...facts.job },
  });
  return [story.code, plain(story.sentence), ...story.also.map(plain)];
}

/** A sentence as a test reads it: instants relative to now, names as they are. */
function plain({ pieces, facts }: Sentence): string {
  return String.raw(
    { raw: pieces },
    ...facts.map((fact) => {
      if (fact instanceof Date) {
        return `${(fact.getTime() - now.getTime()) / 1_000} s`;
      }
      if (typeof fact !== "object") return String(fact);
      if (isSentence(fact)) return plain(fact);
      return fact.kind === "actor"
        ? (fact.value as { id: string }).id
        : String(fact.value);
    }),
  );
}

const paused = { queuePausedAt: minuteAgo, queuePausedBy: "ops-demo" };

Deno.test("jobStory() tells why a ready job waits, the strongest reason first", () => {
  assert.deepEqual(told({ job: paused }), [
    "job_queue_paused",
    "Queue mail was paused by ops-demo -60 s.",
    "It starts only after somebody resumes the queue.",
  ]);
  assert.deepEqual(
    told({ job: paused, serving: [] }).at(-1),
    "No executor serves queue mail.",
  );
  assert.deepEqual(told({ serving: [] }), [
    "job_unserved",
    "No executor serves queue mail.",
  ]);
  assert.deepEqual(
    told({ serving: [{ ...executor, health: "missing", beatAt: minuteAgo }] }),
    [
      "job_unserved",
      "No live executor serves queue mail: the last heartbeat of one was -60 s.",
    ],
  );
  assert.deepEqual(told({ serving: [{ ...executor, workers: ["other"] }] }), [
    "job_worker_unknown",
    "No live executor of queue mail knows worker send_mail.",
    "1 executor of the queue with a heartbeat in time.",
  ]);
  assert.deepEqual(
    told({ places: { taken: 3, total: 3 }, job: { ahead: 7 } }),
    [
      "job_queue_full",
      "All 3 places of queue mail are taken.",
      "Queue mail gives out 7 jobs before it.",
    ],
  );
});

Deno.test("jobStory() tells a ready job's turn as far as it was counted", () => {
  const sentenceOf = (ahead: number | null) => told({ job: { ahead } })[1];
  assert.equal(
    sentenceOf(0),
    "It is ready. It is the next that queue mail gives out.",
  );
  assert.equal(
    sentenceOf(1),
    "It is ready. Queue mail gives out 1 job before it.",
  );
  assert.equal(
    sentenceOf(10_000),
    "It is ready. Queue mail gives out at least 10000 jobs before it.",
  );
  assert.equal(
    sentenceOf(null),
    "It is ready. Live executors serve queue mail.",
  );
});

Deno.test("jobStory() tells when a job that waits for its time comes next", () => {
  assert.deepEqual(told({ job: { state: "scheduled", runAt: inAMinute } }), [
    "job_scheduled",
    "It becomes ready 60 s.",
  ]);
  assert.deepEqual(
    told({
      job: { state: "retryable", attempt: 2, runAt: inAMinute, ...paused },
    }),
    [
      "job_retryable",
      "Attempt 2 of 5 failed. The next attempt is due 60 s.",
      "Queue mail was paused by ops-demo -60 s. It does not start while that lasts.",
    ],
  );
  const long = new Date(now.getTime() - 61_000);
  assert.deepEqual(
    told({ job: { state: "scheduled", runAt: long, deadlineAt: inAMinute } }),
    [
      "job_overdue",
      "It was due -61 s, and no executor has moved it into its queue.",
      "Its deadline is 60 s.",
    ],
  );
  assert.equal(
    told({ job: { state: "scheduled", runAt: now } })[1],
    "It is due, and is moved into its queue next.",
  );
});

Deno.test("jobStory() tells how sure it is that a job still runs", () => {
  const running = {
    state: "executing",
    attempt: 1,
    claimedAt: minuteAgo,
  } as const;
  const claimed = "Attempt 1 of 5 was claimed by executor host-1 -60 s.";
  assert.deepEqual(told({ job: running, holder: executor }), [
    "job_running",
    claimed,
  ]);
  assert.deepEqual(
    told({
      job: running,
      holder: { ...executor, health: "late", beatAt: minuteAgo },
    }),
    [
      "job_executor_late",
      `${claimed} Its heartbeat is late: the last one was -60 s.`,
      "The run may still be going on.",
    ],
  );
  assert.deepEqual(
    told({
      job: running,
      holder: { ...executor, health: "missing", beatAt: minuteAgo },
    }),
    [
      "job_executor_missing",
      `${claimed} Its last sign of life was -60 s.`,
      "Whether the run still goes on is not known.",
    ],
  );
  assert.deepEqual(told({ job: running }), [
    "job_executor_missing",
    "Attempt 1 of 5 is in a lease of an executor that is gone.",
  ]);
});

Deno.test("jobStory() tells how a job ended, and who ended it", () => {
  const ended = { attempt: 5, finishedAt: minuteAgo, tookMs: 1_240 };
  const by = (kind: string, principal: string | null = null) => ({
    kind,
    principal,
    at: minuteAgo,
  });
  const sentenceOf = (
    state: "completed" | "cancelled" | "discarded",
    lastEvent: StoryFacts["lastEvent"] = null,
  ) => told({ job: { ...ended, state }, lastEvent })[1];

  assert.equal(
    sentenceOf("completed"),
    "It completed -60 s on attempt 5 of 5. It took 1.2 s.",
  );
  assert.equal(sentenceOf("cancelled"), "It was cancelled -60 s.");
  assert.equal(
    sentenceOf("cancelled", by("cancelled", "ops-demo")),
    "ops-demo cancelled it -60 s.",
  );
  assert.equal(
    sentenceOf("discarded", by("discarded", "ops-demo")),
    "ops-demo discarded it -60 s.",
  );
  assert.equal(
    sentenceOf("discarded", by("failed")),
    "Attempt 5 of 5 failed -60 s, and no attempt is left.",
  );
  assert.equal(
    sentenceOf("discarded", by("expired")),
    "It was not over at its deadline, and was discarded -60 s.",
  );
  assert.equal(
    sentenceOf("discarded", by("lost")),
    "It was discarded -60 s, after 5 of 5 attempts.",
  );
});

Deno.test("jobStory() has a story for every state and any facts", () => {
  const instant = fc.constantFrom(null, minuteAgo, now, inAMinute);
  fc.assert(fc.property(
    fc.constantFrom(...JOB_STATES),
    fc.record({
      runAt: instant,
      claimedAt: instant,
      finishedAt: instant,
      deadlineAt: instant,
      queuePausedAt: instant,
    }),
    fc.constantFrom("healthy", "late", "missing", "stopped"),
    fc.constantFrom(
      "failed",
      "timed_out",
      "snoozed",
      "given_back",
      "rescued",
      "lost",
      "cancelled",
      "discarded",
      "expired",
      "retried",
      "replaced",
    ),
    (state, instants, health, kind) => {
      const holder = { ...executor, health } as const;
      const [code, first] = told({
        job: { ...instants, state },
        serving: [holder],
        holder,
        lastEvent: { kind, principal: null, at: now },
      });
      assert.ok(code && code in DIAGNOSES);
      assert.match(String(first), /^[A-Z].*\.$/);
    },
  ));
});
