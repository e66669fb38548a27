import assert from "node:assert/strict";
import fc from "fast-check";
import type { LimiterRule } from "../../src/domain/limiter.ts";
import type { PartitionState } from "../../src/domain/limiter_admission.ts";
import {
  type Lane,
  partitionId,
  serveInTurn,
  type TurnsAsked,
} from "../../src/domain/limiter_turns.ts";

const rules: ReadonlyMap<string, LimiterRule> = new Map([
  ["key", { kind: "concurrency", capacity: 2, perMs: null }],
  ["all", { kind: "token_bucket", capacity: 5, perMs: 5_000 }],
]);

function lane(
  id: string,
  { jobs, weight = 1, all = false }: {
    jobs: number;
    weight?: number;
    all?: boolean;
  },
): Lane {
  return {
    id,
    queue: "default",
    partitions: [
      ...all ? [{ limiter: "all", key: "" }] : [],
      { limiter: "key", key: id },
    ],
    jobs: Array.from({ length: jobs }, (_, index) => {
      return { jobId: `${id}${index}`, weights: all ? [weight, 1] : [weight] };
    }),
  };
}

function serve(lanes: readonly Lane[], rest: Partial<TurnsAsked> = {}) {
  return serveInTurn({
    lanes,
    rules,
    states: new Map(),
    room: new Map([["default", 100]]),
    nowMs: 10_000,
    ...rest,
  });
}

Deno.test("serveInTurn() takes one of each lane before a second of any", () => {
  const { lanes } = serve([lane("a", { jobs: 9 }), lane("b", { jobs: 9 })], {
    room: new Map([["default", 3]]),
  });
  assert.deepEqual(lanes.map(({ served }) => served), [["a0", "a1"], ["b0"]]);
});

Deno.test("serveInTurn() lets a blocked lane take nothing from the others", () => {
  const full: PartitionState = { used: 2, countedMs: 0, cooldown: null };
  const blocked = { limiter: "key", key: "a" };
  const { lanes } = serve([lane("a", { jobs: 5 }), lane("b", { jobs: 1 })], {
    states: new Map([[partitionId(blocked), full]]),
  });
  assert.deepEqual(lanes, [
    {
      id: "a",
      served: [],
      block: { ...blocked, code: "limit_reached", eligibleMs: null, used: 2 },
      waits: false,
    },
    { id: "b", served: ["b0"], block: null, waits: false },
  ]);
});

Deno.test("serveInTurn() takes from all limiters of a job or from none", () => {
  const full: PartitionState = { used: 2, countedMs: 0, cooldown: null };
  const { lanes, states } = serve([lane("a", { jobs: 1, all: true })], {
    states: new Map([[partitionId({ limiter: "key", key: "a" }), full]]),
  });
  assert.equal(lanes[0]?.block?.limiter, "key");
  assert.equal(states.size, 0);
});

Deno.test("serveInTurn() tells lanes behind one bucket to come back one after the other", () => {
  const names = ["a", "b", "c", "d", "e", "f", "g", "h"];
  const { lanes } = serve(
    names.map((name) => lane(name, { jobs: 1, all: true })),
  );
  assert.equal(lanes.filter(({ served }) => served.length === 1).length, 5);
  assert.deepEqual(
    lanes.slice(5).map(({ block }) => block?.eligibleMs),
    [11_000, 12_000, 13_000],
  );
});

Deno.test("serveInTurn() marks a lane that found no room, so that it keeps its turn", () => {
  const { lanes } = serve([lane("a", { jobs: 1 }), lane("b", { jobs: 1 })], {
    room: new Map([["default", 1]]),
  });
  assert.deepEqual(lanes.map(({ waits }) => waits), [false, true]);
});

Deno.test("serveInTurn() never serves two lanes that could both go on more than one job apart", () => {
  fc.assert(fc.property(
    fc.array(fc.integer({ min: 0, max: 8 }), { minLength: 1, maxLength: 12 }),
    fc.integer({ min: 0, max: 40 }),
    fc.integer({ min: 1, max: 6 }),
    (counts, room, capacity) => {
      const given = counts.map((jobs, index) => lane(`l${index}`, { jobs }));
      const { lanes, states } = serve(given, {
        room: new Map([["default", room]]),
        rules: new Map([["key", {
          kind: "concurrency",
          capacity,
          perMs: null,
        }]]),
      });
      const served = lanes.map((turn) => turn.served.length);
      const all = served.reduce((sum, count) => sum + count, 0);
      const wanted = counts.reduce(
        (sum, jobs) => sum + Math.min(jobs, capacity),
        0,
      );
      assert.equal(all, Math.min(wanted, room), "neither room nor jobs wasted");
      for (const state of states.values()) assert.ok(state.used <= capacity);
      const most = Math.max(...served);
      for (const [index, turn] of lanes.entries()) {
        const couldGoOn = turn.block === null &&
          turn.served.length < (counts[index] ?? 0);
        if (couldGoOn) assert.ok(most - turn.served.length <= 1);
        assert.deepEqual(
          turn.served,
          given[index]?.jobs.slice(0, turn.served.length).map((job) =>
            job.jobId
          ),
          "in the order of the lane",
        );
      }
    },
  ));
});
