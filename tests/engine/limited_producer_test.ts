/** The producer of jobs that wait for limiters. */
import assert from "node:assert/strict";
import { defineLimiter } from "../../src/domain/limiter.ts";
import { systemClock } from "../../src/engine/clock.ts";
import type { Executor } from "../../src/engine/executor.ts";
import { HeldLeases } from "../../src/engine/held_leases.ts";
import { LimitedProducer } from "../../src/engine/limited_producer.ts";
import { QueueSlots } from "../../src/engine/slots.ts";
import { defineWorker } from "../../src/engine/worker.ts";
import type { ClaimedJob } from "../../src/store/leases.ts";
import { acknowledge, type RunResult } from "../../src/store/outcomes.ts";
import {
  claimLimited,
  givenExecutor,
  givenLimits,
  givenWork,
} from "../support/limiter_world.ts";
import { usePostgres } from "../support/postgres.ts";

const testPostgres = usePostgres();

Deno.test("each end of a run wakes the limited producer, also while a job that it gave back runs elsewhere", async () => {
  await using world = await testPostgres();
  const limiter = defineLimiter({ name: "few", concurrency: 2 });
  await givenLimits(world.db, [limiter]);
  await givenWork(world.db, [{}, {}]);
  const [here, elsewhere] = [
    await givenExecutor(world.db),
    await givenExecutor(world.db),
  ];
  const accepted: ClaimedJob[] = [];
  let woken = 0;
  const slots = new QueueSlots("default", {
    limit: 10,
    nowMs: 0,
    chunks: null,
  });
  const executor = {
    queues: new Map([["default", slots]]),
    runs: new Set(),
    accept: (jobs: readonly ClaimedJob[]) => void accepted.push(...jobs),
  };
  const producer = new LimitedProducer({
    database: world.db,
    executor: executor as unknown as Executor,
    leases: new HeldLeases(),
    workers: [
      defineWorker({ name: "work", limiters: [limiter], perform: () => {} }),
    ],
    clock: systemClock,
    onEvent: () => {},
    executorId: () => here,
    isFull: () => false,
    pollMs: 1_000,
    wake: () => void (woken += 1),
    budget: { jobsLeft: Infinity, claimed: 0 },
  });
  const end = async (job: ClaimedJob, to: "available" | "completed") => {
    const { leaseId, jobId, attempt } = job;
    const result: RunResult = {
      ...{ leaseId, jobId, attempt, to, tookMs: 1 },
      ...(to === "available" && { event: { kind: "given_back" } }),
    };
    const watched = producer.watch(result);
    const [answer] = await acknowledge(world.db, here, [result]);
    assert.equal(answer, "applied");
    return () => watched?.onAnswer?.(answer);
  };

  await producer.runOnce();
  const [first, second] = accepted;
  assert.ok(first && second);
  const tellFirst = await end(first, "available");
  const again = await claimLimited(world.db, elsewhere);
  assert.deepEqual(again.map(({ jobId }) => jobId), [first.jobId]);
  tellFirst();
  assert.equal(woken, 1);
  await producer.runOnce();

  const tellSecond = await end(second, "completed");
  tellSecond();
  assert.equal(woken, 2);
});
