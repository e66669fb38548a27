import assert from "node:assert/strict";
import fc from "fast-check";
import {
  atPath,
  blockerSentence,
  defineLimiter,
  type LimiterBlocker,
  type LimiterDefinition,
  type LimiterRule,
  weightProblem,
} from "../../src/domain/limiter.ts";
import {
  admit,
  type PartitionState,
  UNUSED,
  usage,
} from "../../src/domain/limiter_admission.ts";

const bucket: LimiterRule = {
  kind: "token_bucket",
  capacity: 10,
  perMs: 10_000,
};
const window: LimiterRule = { ...bucket, kind: "fixed_window" };
const slots: LimiterRule = { kind: "concurrency", capacity: 3, perMs: null };

function state(rest: Partial<PartitionState> = {}): PartitionState {
  return { ...UNUSED, ...rest };
}

/** Asks again and again, as a queue that never runs dry does. */
function drain(
  rule: LimiterRule,
  { fromMs, toMs, weights, stepMs }: {
    fromMs: number;
    toMs: number;
    weights: readonly number[];
    stepMs: number;
  },
): { atMs: number; weight: number }[] {
  let now = state();
  const admitted: { atMs: number; weight: number }[] = [];
  for (let nowMs = fromMs; nowMs < toMs; nowMs += stepMs) {
    for (;;) {
      const weight = weights[admitted.length % weights.length] ?? 1;
      const answer = admit(rule, { state: now, weight, nowMs });
      if (!answer.ok) break;
      now = { ...now, used: answer.used, countedMs: answer.countedMs };
      admitted.push({ atMs: nowMs, weight });
    }
  }
  return admitted;
}

Deno.test("defineLimiter() fills in what a definition leaves out", () => {
  assert.deepEqual(
    defineLimiter({ name: "api", rate: { capacity: 5, perMs: 60_000 } }),
    {
      name: "api",
      kind: "token_bucket",
      capacity: 5,
      perMs: 60_000,
      at: "dispatch",
      partitionBy: null,
      weight: 1,
      weightBy: null,
    },
  );
  const exports = defineLimiter({
    name: "exports",
    concurrency: 2,
    partitionBy: "account.id",
    weight: "pages",
  });
  assert.deepEqual(
    [exports.kind, exports.capacity, exports.perMs, exports.weightBy],
    ["concurrency", 2, null, "pages"],
  );
});

Deno.test("defineLimiter() refuses what could never hold, or never let a job start", () => {
  const rate = { capacity: 5, perMs: 60_000 };
  const wrong: Readonly<Record<string, unknown>> = {
    "s name has": { name: "", rate },
    "not both": { name: "a", rate, concurrency: 2 },
    "and not both": { name: "a" },
    "weight of a": { name: "a", rate, weight: 6 },
    "weight of a is 1": { name: "a", rate, weight: 0 },
    "1 second to 31 days": { name: "a", rate: { capacity: 5, perMs: 10 } },
    "capacity of a": { name: "a", rate: { capacity: 0, perMs: 1_000 } },
    "algorithm of a": { name: "a", rate: { ...rate, algorithm: "leaky" } },
    "concurrency of a": { name: "a", concurrency: 0 },
    "partitionBy of a": { name: "a", rate, partitionBy: "a..b" },
    "at of a": { name: "a", rate, at: "later" },
    "holds at dispatch": { name: "a", concurrency: 1, at: "enqueue" },
    "weightBy is no option": { name: "a", rate, weightBy: "size" },
    "per is no option": { name: "a", rate: { ...rate, per: 1 } },
  };
  for (const [words, definition] of Object.entries(wrong)) {
    assert.throws(
      () => defineLimiter(definition as LimiterDefinition),
      (error: Error) => error.message.includes(words),
      words,
    );
  }
});

Deno.test("weightProblem() refuses a weight above the capacity, and what is no weight", () => {
  const limiter = defineLimiter({
    name: "api",
    rate: { capacity: 5, perMs: 60_000 },
    weight: "batch.rows",
  });
  assert.equal(weightProblem(limiter, { batch: { rows: 5 } }), null);
  for (const rows of [6, 0, 1.5, "3", null, undefined]) {
    assert.match(
      weightProblem(limiter, { batch: { rows } }) ?? "",
      /from 1 to 5/,
    );
  }
  assert.equal(atPath({ a: 1 }, "toString"), undefined);
});

Deno.test("admit() blocks in a cooldown, also an empty bucket, and says until when", () => {
  const cooldown = { untilMs: 5_000, reason: "429" };
  for (const rule of [bucket, window, slots]) {
    const answer = admit(rule, {
      state: state({ cooldown }),
      weight: 1,
      nowMs: 4_999,
    });
    assert.deepEqual(answer, {
      ok: false,
      code: "cooldown",
      eligibleMs: 5_000,
      used: 0,
    });
    const after = admit(rule, {
      state: state({ cooldown }),
      weight: 1,
      nowMs: 5_000,
    });
    assert.equal(after.ok, true);
  }
});

Deno.test("admit() begins a fixed window with its first job and ends it after its span", () => {
  const full = state({ used: 10, countedMs: 1_000 });
  assert.deepEqual(admit(window, { state: full, weight: 1, nowMs: 10_999 }), {
    ok: false,
    code: "limit_reached",
    eligibleMs: 11_000,
    used: 10,
  });
  assert.deepEqual(admit(window, { state: full, weight: 4, nowMs: 12_345 }), {
    ok: true,
    used: 4,
    countedMs: 12_345,
  });
});

Deno.test("admit() refills a bucket evenly and never above its capacity", () => {
  const empty = state({ used: 10, countedMs: 0 });
  assert.deepEqual(admit(bucket, { state: empty, weight: 2, nowMs: 1_000 }), {
    ok: false,
    code: "limit_reached",
    eligibleMs: 2_000,
    used: 9,
  });
  assert.equal(usage(bucket, { state: empty, nowMs: 99_000 }).used, 0);
});

Deno.test("admit() does not know when a run will end", () => {
  assert.deepEqual(
    admit(slots, { state: state({ used: 3 }), weight: 1, nowMs: 7 }),
    { ok: false, code: "limit_reached", eligibleMs: null, used: 3 },
  );
});

Deno.test("admit() lets a job take all of a capacity that was lowered below its weight", () => {
  assert.equal(
    admit(bucket, { state: state(), weight: 99, nowMs: 0 }).ok,
    true,
  );
  assert.equal(
    admit(slots, { state: state({ used: 1 }), weight: 9, nowMs: 0 }).ok,
    false,
  );
});

const anyRule = fc.record({
  kind: fc.constantFrom("token_bucket" as const, "fixed_window" as const),
  capacity: fc.integer({ min: 1, max: 50 }),
  perMs: fc.integer({ min: 1_000, max: 20_000 }),
});

Deno.test("admit() never admits more than the allowance of any span", () => {
  fc.assert(
    fc.property(
      anyRule,
      fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1, maxLength: 5 }),
      fc.integer({ min: 7, max: 900 }),
      (rule, given, stepMs) => {
        const weights = given.map((weight) => Math.min(weight, rule.capacity));
        const admitted = drain(rule, {
          fromMs: 5,
          toMs: 60_000,
          weights,
          stepMs,
        });
        for (const [index, { atMs }] of admitted.entries()) {
          let sum = 0;
          for (const later of admitted.slice(index)) {
            sum += later.weight;
            const spanMs = later.atMs - atMs;
            const most = rule.kind === "token_bucket"
              ? rule.capacity + spanMs * rule.capacity / rule.perMs
              : rule.capacity * (Math.ceil((spanMs + 1) / rule.perMs) + 1);
            assert.ok(sum <= most + 1e-3, `${sum} of ${most} in ${spanMs} ms`);
          }
        }
      },
    ),
    { numRuns: 60 },
  );
});

Deno.test("admit() says the first instant at which a job may start, and no earlier one", () => {
  fc.assert(fc.property(
    anyRule,
    fc.double({ min: 0, max: 1, noNaN: true }),
    fc.integer({ min: 1, max: 50 }),
    fc.integer({ min: 0, max: 30_000 }),
    (rule, share, given, nowMs) => {
      const weight = Math.min(given, rule.capacity);
      const at = state({ used: share * rule.capacity, countedMs: 3_000 });
      const answer = admit(rule, { state: at, weight, nowMs });
      if (answer.ok || answer.eligibleMs === null) return;
      const { eligibleMs } = answer;
      assert.ok(eligibleMs >= nowMs);
      const isOk = (ms: number) =>
        admit(rule, { state: at, weight, nowMs: ms }).ok;
      assert.equal(isOk(eligibleMs), true);
      assert.equal(eligibleMs - 2 > nowMs && isOk(eligibleMs - 2), false);
    },
  ));
});

Deno.test("blockerSentence() says what is full, or why it cools down", () => {
  const blocker: LimiterBlocker = {
    code: "limit_reached",
    limiter: "api",
    kind: "token_bucket",
    at: "dispatch",
    scope: "partitioned",
    key: "7",
    eligibleAt: null,
    capacity: 10,
    used: 9.2,
    weight: 1,
    reason: null,
  };
  assert.equal(
    blockerSentence(blocker),
    "Limiter api, key 7 is used up: 10 of 10.",
  );
  assert.equal(
    blockerSentence({ ...blocker, kind: "concurrency", key: "", used: 10 }),
    "Limiter api is full: 10 of 10 run.",
  );
  assert.equal(
    blockerSentence({ ...blocker, code: "cooldown", reason: "429" }),
    "Limiter api, key 7 cools down: 429.",
  );
});
