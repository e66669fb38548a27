import assert from "node:assert/strict";
import fc from "fast-check";
import { jobCursorText, parseJobCursor } from "../../src/domain/job_cursor.ts";
import {
  JOB_FILTER_FIELDS,
  parseJobFilter,
} from "../../src/domain/job_filter.ts";

Deno.test("parseJobFilter() keeps what can be asked, and says what can not", () => {
  assert.deepEqual(
    parseJobFilter({
      queue: " mail ",
      worker: "send_*",
      tags: "vip, eu ,,vip",
      args: '{"id": 12345678901234567890}',
      meta: "{}",
      cron: "nightly",
    }),
    {
      filter: {
        queue: "mail",
        worker: "send_*",
        tags: ["vip", "eu"],
        argsJson: '{"id": 12345678901234567890}',
        metaJson: "{}",
        cronEntry: "nightly",
      },
      problems: {},
    },
  );
});

Deno.test("parseJobFilter() names the problem of each field and applies the others", () => {
  const cases = [
    [{ args: "{" }, { args: "not_json" }],
    [{ args: "[1]" }, { args: "not_an_object" }],
    [{ meta: "null" }, { meta: "not_an_object" }],
    [{ args: '{"a": "\\u0000"}' }, { args: "not_storable" }],
    [{ args: '{"a": "\\ud800"}' }, { args: "not_storable" }],
    [{ args: '{"a": "\ud800"}' }, { args: "not_storable" }],
    [{ args: '{"a": 1e200000}' }, { args: "not_storable" }],
    [{ args: `{"a": "${"x".repeat(4_000)}"}` }, { args: "too_long" }],
    [{ worker: "x".repeat(129) }, { worker: "too_long" }],
    [{ worker: "a\0b" }, { worker: "not_text" }],
    [{ tags: "a,\0" }, { tags: "not_text" }],
    [{ tags: Array.from({ length: 21 }, (_, n) => n).join() }, {
      tags: "too_many_tags",
    }],
  ] as const;
  for (const [texts, problems] of cases) {
    assert.deepEqual(parseJobFilter({ ...texts, queue: "mail" }), {
      filter: { queue: "mail" },
      problems,
    });
  }
});

Deno.test("parseJobFilter() takes any text", () => {
  const text = fc.string({ unit: "binary", maxLength: 60 });
  fc.assert(fc.property(
    fc.constantFrom(...JOB_FILTER_FIELDS),
    fc.oneof(text, fc.json()),
    (field, value) => {
      const { filter, problems } = parseJobFilter({ [field]: value });
      assert.ok(Object.keys(filter).length + Object.keys(problems).length <= 1);
    },
  ));
});

Deno.test("parseJobCursor() reads what jobCursorText() wrote, for the order that gave it out", () => {
  const id = fc.bigInt({ min: 1n, max: 2n ** 63n - 1n }).map((n) =>
    `${n}` as const
  );
  fc.assert(fc.property(id, id, (jobId, key) => {
    const simple = { key: null, jobId };
    const double = { key, jobId };
    assert.deepEqual(parseJobCursor(jobCursorText(simple), "inserted"), simple);
    assert.deepEqual(parseJobCursor(jobCursorText(double), "due"), double);
    assert.deepEqual(parseJobCursor(jobCursorText(double), "claimed"), double);
    assert.equal(parseJobCursor(jobCursorText(simple), "due"), null);
    assert.equal(parseJobCursor(jobCursorText(double), "inserted"), null);
  }));
});

Deno.test("parseJobCursor() answers null for what no list gave out", () => {
  const garbage = [
    "",
    "_",
    "0",
    "-1",
    "1.5",
    "abc",
    "1_",
    "_1",
    "1_2_3",
    "9223372036854775808",
    " 1",
    "１",
  ];
  for (const text of garbage) {
    for (const order of ["inserted", "due", "claimed"] as const) {
      assert.equal(parseJobCursor(text, order), null, `${text} in ${order}`);
    }
  }
  fc.assert(fc.property(fc.string(), (text) => {
    parseJobCursor(text, "due");
  }));
});
