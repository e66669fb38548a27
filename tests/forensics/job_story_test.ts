import fc from "fast-check";
import assert from "node:assert/strict";
import { jobStory, type StoryFacts } from "../../src/domain/job_story.ts";
import { JOB_STATES } from "../../src/domain/state.ts";
import {
  diagnoseJob,
  type JobFacts,
} from "../../src/forensics/job_diagnosis.ts";
import type { ExecutorEvidence } from "../../src/store/queue_evidence.ts";

const now = new Date("2026-01-15T12:00:00Z");
const ago = (ms: number) => new Date(now.getTime() - ms);

const JOB: JobFacts["job"] = {
  id: "1",
  queue: "mail",
  worker: "send_mail",
  tags: [],
  priority: 3,
  maxAttempts: 5,
  deadlineAt: null,
  cronEntry: null,
  parentId: null,
  insertedAt: now,
  state: "available",
  attempt: 1,
  runAt: null,
  leaseId: null,
  executorId: null,
  claimedAt: ago(1_000),
  finishedAt: null,
  tookMs: null,
  outputAt: null,
  now,
};
const QUEUE: JobFacts["queue"] = {
  name: "mail",
  recorded: true,
  limit: null,
  chosenLimit: null,
  pausedAt: null,
  pausedBy: null,
  insertedAt: now,
  ready: 1,
  oldestReadyAt: now,
  running: 0,
  scheduled: 0,
  nextRunAt: null,
  now,
};
const EXECUTOR: ExecutorEvidence = {
  id: 1,
  name: "host-1",
  health: "healthy",
  queues: ["mail"],
  workers: ["send_mail"],
  startedAt: now,
  beatAt: now,
  stoppedAt: null,
};

const instant = fc.constantFrom(null, ago(90_000), ago(60_000), ago(-60_000));
const executor = fc.record({
  health: fc.constantFrom("healthy", "late", "missing"),
  workers: fc.constantFrom(["send_mail"], ["other"]),
}).map((changes): ExecutorEvidence => ({ ...EXECUTOR, ...changes }));
const facts: fc.Arbitrary<JobFacts> = fc.record({
  job: fc.record({ state: fc.constantFrom(...JOB_STATES), runAt: instant })
    .map((changes) => ({ ...JOB, ...changes })),
  queue: fc.record({
    pausedAt: instant,
    limit: fc.constantFrom(null, 1, 2),
    running: fc.nat({ max: 4 }),
  }).map((changes) => ({ ...QUEUE, ...changes })),
  serving: fc.array(executor, { maxLength: 3 }),
  holder: fc.constantFrom(null, "healthy", "late", "missing", "stopped")
    .map((health) => health && { ...EXECUTOR, health }),
});

/** What the page of the job knows, of the same facts. */
function storyFacts({ job, queue, serving, holder }: JobFacts): StoryFacts {
  const alive = serving.filter(({ health }) => health !== "missing").length;
  return {
    job: {
      ...job,
      ahead: 0,
      queuePausedAt: queue.pausedAt,
      queuePausedBy: queue.pausedBy,
    },
    serving,
    holder,
    places: queue.limit === null
      ? null
      : { taken: queue.running, total: queue.limit * alive },
    lastEvent: null,
  };
}

Deno.test("jobStory() and diagnoseJob() say the same of the same facts", () => {
  fc.assert(
    fc.property(facts, (known) => {
      assert.equal(jobStory(storyFacts(known)).code, diagnoseJob(known).code);
    }),
    { numRuns: 1_000 },
  );
});
