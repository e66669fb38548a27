/** An executor without a database. */
import type { EndedRun } from "../../src/engine/ended_run.ts";
import { Executor } from "../../src/engine/executor.ts";
import { Sealer } from "../../src/engine/sealer.ts";
import type { AnyWorker } from "../../src/engine/worker.ts";
import type { YardmasterEvent } from "../../src/events.ts";
import type { ClaimedJob } from "../../src/store/leases.ts";
import type { Acknowledgement } from "../../src/store/outcomes.ts";
import { createTestClock } from "../../src/testing/testing.ts";

/** A job as a claim gives it. */
export const claimed: ClaimedJob = {
  leaseId: "1",
  jobId: "7",
  attempt: 1,
  queue: "default",
  worker: "work",
  args: { customer: 7 },
  meta: {},
  tags: [],
  priority: 0,
  maxAttempts: 3,
  deadlineInMs: null,
};

/** An executor whose results are written at once, or when the test says. */
export function executorWorld(
  worker: AnyWorker,
  {
    answer = "applied" as Acknowledgement | "later",
    clock = createTestClock(),
    limit = 10,
    others = [] as readonly AnyWorker[],
  } = {},
) {
  const results: EndedRun[] = [];
  const events: YardmasterEvent[] = [];
  const executor = new Executor({
    workers: new Map([worker, ...others].map((each) => [each.name, each])),
    queues: { default: { limit } },
    clock,
    sealer: new Sealer(),
    random: () => 0,
    onEvent: (event) => events.push(event),
    onResult(result) {
      results.push(result);
      if (answer !== "later") {
        queueMicrotask(() => result.onAnswer?.(answer));
      }
    },
    isFull: () => false,
    onHungry: () => false,
  });
  return { clock, executor, results, events };
}
