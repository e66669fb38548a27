/** What waits for what before results are written, and what is known of leases. */
import assert from "node:assert/strict";
import type { JobId } from "../../src/domain/job.ts";
import type { EndedRun } from "../../src/engine/ended_run.ts";
import { completionsOf } from "../../src/engine/completions.ts";
import {
  GATHER_MS,
  ResultGathering,
} from "../../src/engine/result_gathering.ts";
import { HeldLeases } from "../../src/engine/held_leases.ts";
import type { ClaimedJob, LeaseId } from "../../src/store/leases.ts";
import { outputOf } from "../support/outputs.ts";

function claimed(leaseId: LeaseId, jobIds: readonly JobId[]): ClaimedJob[] {
  return jobIds.map((jobId) => ({ leaseId, jobId } as ClaimedJob));
}

function completed(leaseId: LeaseId, jobId: JobId): EndedRun {
  return { leaseId, jobId, attempt: 1, to: "completed", tookMs: Number(jobId) };
}

function leasesOf(held: Readonly<Record<LeaseId, JobId[]>>): HeldLeases {
  const leases = new HeldLeases();
  for (const [id, jobIds] of Object.entries(held)) {
    leases.open(1, claimed(id as LeaseId, jobIds));
  }
  return leases;
}

function ids(batch: readonly EndedRun[]): string[] {
  return batch.map(({ jobId }) => jobId);
}

Deno.test("ResultGathering gives a whole lease at once, and the rest of another when it has waited", () => {
  const leases = leasesOf({ "1": ["10", "11"], "2": ["20", "21"] });
  const gathering = new ResultGathering();
  const add = (leaseId: LeaseId, jobId: JobId, nowMs: number) =>
    gathering.add(completed(leaseId, jobId), {
      lease: leases.get(leaseId),
      nowMs,
    });

  assert.equal(add("1", "10", 0), false);
  assert.equal(add("2", "20", 1), false);
  assert.deepEqual(gathering.take({ all: false, nowMs: 2 }), []);
  assert.equal(gathering.dueInMs(2), GATHER_MS - 2);
  assert.equal(add("1", "11", 2), true);
  assert.deepEqual(ids(gathering.take({ all: false, nowMs: 2 })), ["10", "11"]);

  assert.equal(gathering.size, 1);
  assert.equal(gathering.dueInMs(2), GATHER_MS - 1);
  assert.deepEqual(gathering.take({ all: false, nowMs: GATHER_MS }), []);
  const late = gathering.take({ all: false, nowMs: GATHER_MS + 1 });
  assert.deepEqual(ids(late), ["20"]);
  assert.equal(gathering.dueInMs(9), null);
});

Deno.test("ResultGathering does not wait for company where there is no lease that it knows, nor in a hurry", () => {
  const gathering = new ResultGathering();
  const leases = leasesOf({ "2": ["20", "21"] });
  assert.equal(
    gathering.add(completed("1", "10"), { lease: null, nowMs: 0 }),
    true,
  );
  gathering.add(completed("2", "20"), { lease: leases.get("2"), nowMs: 0 });
  assert.deepEqual(ids(gathering.list()), ["10", "20"]);
  assert.deepEqual(ids(gathering.take({ all: true, nowMs: 0 })), ["10", "20"]);
  assert.equal(gathering.size, 0);
});

Deno.test("completionsOf() tells durations in the order of ids, whatever the order of the claim and of the runs", () => {
  const leases = leasesOf({ "1": ["9", "100", "10"] });
  const batch = [completed("1", "100"), completed("1", "9")];
  const { completions, named } = completionsOf(batch, leases);
  assert.deepEqual(named, []);
  assert.deepEqual(completions.map(({ end }) => end), [
    { leaseId: "1", outermost: ["9", "100"], tookMs: [9, null, 100] },
  ]);

  leases.removeAll(batch);
  const rest = completionsOf([completed("1", "10")], leases);
  assert.deepEqual(rest.completions[0]?.end.tookMs, [10]);
  leases.removeAll([completed("1", "10")]);
  assert.equal(leases.get("1"), null);
});

Deno.test("completionsOf() names each run of a lease in which one did more than complete, and of one that is not known", () => {
  const leases = leasesOf({ "1": ["10", "11"], "2": ["20"], "3": ["30"] });
  const batch: EndedRun[] = [
    completed("1", "10"),
    { ...completed("1", "11"), to: "available" },
    { ...completed("2", "20"), output: outputOf(1) },
    completed("4", "40"),
    // It is not in the lease that it names.
    completed("3", "31"),
  ];
  const { completions, named } = completionsOf(batch, leases);
  assert.deepEqual(completions, []);
  assert.deepEqual(ids(named), ["10", "11", "20", "40", "31"]);
});

Deno.test("HeldLeases forgets what it held as an executor that was found missing", () => {
  const leases = leasesOf({ "1": ["10"] });
  leases.open(2, claimed("2", ["20"]));
  assert.equal(leases.get("1"), null);
  assert.deepEqual(leases.get("2")?.jobIds, ["20"]);
});

Deno.test("HeldLeases forgets the oldest leases when it knows of too many: some may end without its knowledge", () => {
  const leases = leasesOf({});
  const ids = Array.from({ length: 10_001 }, (_, n) => `${BigInt(n)}` as const);
  for (const id of ids) leases.open(1, claimed(id, [id]));
  assert.equal(leases.get("0"), null);
  assert.deepEqual(leases.get("1")?.jobIds, ["1"]);
  assert.deepEqual(leases.get("10000")?.jobIds, ["10000"]);
});
