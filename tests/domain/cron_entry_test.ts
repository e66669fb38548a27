import assert from "node:assert/strict";
import fc from "fast-check";
import {
  type CronDeclaration,
  parseCronEntries,
  parseCronEntry,
} from "../../src/domain/cron_entry.ts";

const NIGHTLY: CronDeclaration = {
  name: "nightly_sync",
  expression: " 0 2 * * * ",
  worker: "nightly_sync",
};

function problems(change: Record<string, unknown>): readonly string[] {
  const parsed = parseCronEntry({ ...NIGHTLY, ...change } as CronDeclaration);
  return parsed.ok ? [] : parsed.problems;
}

Deno.test("parseCronEntry() fills in what is left out", () => {
  assert.deepEqual(parseCronEntry(NIGHTLY), {
    ok: true,
    definition: {
      name: "nightly_sync",
      worker: "nightly_sync",
      queue: "default",
      expression: "0 2 * * *",
      timezone: "Etc/UTC",
      args: {},
      meta: {},
      priority: 0,
      maxAttempts: 20,
      tags: [],
      deadlineMs: null,
      overlap: "queue_one",
      catchUp: "latest",
      catchUpMax: 10,
    },
  });
});

Deno.test("parseCronEntry() takes from the worker what the entry does not say", () => {
  const worker = {
    name: "sync",
    queue: "slow",
    priority: 3,
    maxAttempts: 2,
    tags: ["Sync", "sync"],
    deadlineMs: 60_000,
  };
  const parsed = parseCronEntry({ ...NIGHTLY, worker, priority: 5 });
  assert(parsed.ok);
  const { queue, priority, maxAttempts, tags, deadlineMs } = parsed.definition;
  assert.deepEqual(
    { queue, priority, maxAttempts, tags, deadlineMs },
    {
      queue: "slow",
      priority: 5,
      maxAttempts: 2,
      tags: ["sync"],
      deadlineMs: 60_000,
    },
  );
});

Deno.test("parseCronEntry() says every problem at once", () => {
  assert.equal(
    problems({
      name: "",
      worker: "",
      expression: "nope",
      args: [],
      overlap: "maybe",
      catchUp: "some",
      catchUpMax: 1_001,
      priority: -1,
      maxAttempts: 1.5,
      deadlineMs: 0,
      tags: "x",
    }).length,
    11,
  );
});

Deno.test("parseCronEntry() refuses what the database could not hold", () => {
  const wrong: readonly Record<string, unknown>[] = [
    { name: "x".repeat(129) },
    { name: "a\0b" },
    { name: " padded" },
    { name: "line\nbreak" },
    { name: "\ud800" },
    { name: 7 },
    { name: null },
    { queue: "" },
    { worker: {} },
    { worker: null },
    { timezone: "Mars/Olympus" },
    { args: null, meta: 3 },
    { args: { text: "\0" } },
    { args: { text: "\ud800" } },
    { tags: ["\ud800"] },
    { meta: { big: 10n } },
    { args: { long: "x".repeat(1_048_577) } },
    { tags: [1] },
    { deadlineMs: Number.NaN },
    { catchUpMax: -1 },
  ];
  for (const change of wrong) {
    assert.notEqual(problems(change).length, 0, String(Object.keys(change)));
  }
  assert.deepEqual(problems({ name: "🦊".repeat(128) }), []);
  assert.deepEqual(problems({ catchUpMax: 0 }), []);
  assert.deepEqual(problems({ args: { text: "\\u0000" } }), []);
});

Deno.test("parseCronEntry() never throws", () => {
  fc.assert(fc.property(fc.anything(), (anything) => {
    parseCronEntry(anything as CronDeclaration);
  }));
  fc.assert(fc.property(
    fc.record({
      name: fc.anything(),
      expression: fc.anything(),
      timezone: fc.anything(),
      worker: fc.anything(),
      args: fc.anything(),
      tags: fc.anything(),
      catchUpMax: fc.anything(),
    }),
    (anything) => {
      parseCronEntry(anything as unknown as CronDeclaration);
    },
  ));
});

Deno.test("parseCronEntries() refuses a name that is used twice", () => {
  const parsed = parseCronEntries([NIGHTLY, { ...NIGHTLY, name: "" }, NIGHTLY]);
  assert(!parsed.ok);
  assert.deepEqual(parsed.problems, [
    "cron[1]: name must be text of 1 to 128 characters, without spaces around it",
    'cron entry "nightly_sync": its name is used twice',
  ]);
});
