import assert from "node:assert/strict";
import fc from "fast-check";
import {
  type CronExpression,
  describeCron,
  firesBetween,
  lastFiresBetween,
  nextFires,
  parseCronExpression,
} from "../../src/domain/cron_expression.ts";

function read(expression: string, timezone = "Etc/UTC"): CronExpression {
  const parsed = parseCronExpression(expression, timezone);
  assert(parsed.ok, parsed.ok ? "" : parsed.message);
  return parsed.expression;
}

function refusal(expression: unknown, timezone: unknown = "Etc/UTC"): string {
  const parsed = parseCronExpression(expression as string, timezone as string);
  assert(!parsed.ok, `${expression} was accepted`);
  return parsed.message;
}

function fires(
  expression: string,
  timezone: string,
  [after, through]: readonly [string, string],
): string[] {
  return firesBetween(read(expression, timezone), {
    after: new Date(after),
    through: new Date(through),
    limit: 1_000,
  }).map((fire) => fire.toISOString().replace(":00.000Z", "Z"));
}

Deno.test("parseCronExpression() reads five fields, six and nicknames", () => {
  const after = new Date("2026-03-10T12:00:30Z");
  for (
    const [text, next] of [
      ["0 2 * * *", "2026-03-11T02:00:00.000Z"],
      ["*/10 * * * * *", "2026-03-10T12:00:40.000Z"],
      ["@daily", "2026-03-11T00:00:00.000Z"],
      ["@HOURLY", "2026-03-10T13:00:00.000Z"],
      ["  0   9-17/4 * * MON-FRI ", "2026-03-10T13:00:00.000Z"],
      ["0 0 L * *", "2026-03-31T00:00:00.000Z"],
      ["0 0 * * FRI#2", "2026-03-13T00:00:00.000Z"],
      ["0 0 15W * *", "2026-03-16T00:00:00.000Z"],
      ["0 0 29 2 *", "2028-02-29T00:00:00.000Z"],
    ] as const
  ) {
    assert.equal(read(text).next(after)?.toISOString(), next, text);
  }
});

Deno.test("parseCronExpression() refuses what is no plan with a sentence", () => {
  const refused = {
    "": /it is empty/,
    "   ": /it is empty/,
    "garbage": /has 1 fields/,
    "* * * *": /has 4 fields/,
    "0 0 0 1 1 * 2027": /has 7 fields/,
    "2026-05-05T00:00:00": /has 1 fields/,
    "*/100 * * * *": /steps cannot be greater/,
    "*/0 * * * *": /illegal stepping: 0/,
    "*/99999999999999999999 * * * *": /steps cannot be greater/,
    "60 * * * *": /a minute must be 0 to 59/,
    "0 24 * * *": /an hour must be 0 to 23/,
    "0 0 32 * *": /a day of the month must be 1 to 31/,
    "0 0 0 * *": /a day of the month must be 1 to 31/,
    "0 0 * 13 *": /a month must be 1 to 12/,
    "0 0 * * 8": /a weekday must be 0 to 7/,
    "5-1 * * * *": /larger than/,
    "a b c d e": /illegal characters/,
    "0 2 * * * ; drop": /has 7 fields/,
    "1,,2 * * * *": /is empty/,
    "@reboot": /a restart is no planned instant/,
    "@fortnightly": /must be one of @yearly/,
    "0 0 30 2 *": /it never fires/,
    "0 0 31 4,6,9,11 *": /it never fires/,
    "0 0 30 2 +MON": /it never fires/,
  };
  for (const [text, why] of Object.entries(refused)) {
    assert.match(refusal(text), why, text);
    assert.match(refusal(text), /^Cannot read the cron expression/);
  }
  assert.match(refusal("* ".repeat(5_000)), /has 10000 characters/);
  assert(refusal("* ".repeat(5_000)).length < 250);
  for (const alien of [null, undefined, 7, {}, []]) refusal(alien);
});

Deno.test("parseCronExpression() refuses a time zone that is no IANA name", () => {
  const refused = [
    "",
    " ",
    "Mars/Olympus",
    "+02:00",
    "-5",
    "UTC+2",
    "a".repeat(99),
  ];
  for (const zone of [...refused, null, 3]) {
    assert.match(refusal("0 2 * * *", zone), /^Cannot use the time zone/);
  }
  for (const zone of ["America/Argentina/Buenos_Aires", "Etc/GMT+3"]) {
    assert(parseCronExpression("0 2 * * *", zone).ok, zone);
  }
});

Deno.test("parseCronExpression() never throws, and what it accepts fires", () => {
  const field = fc.stringMatching(/^[0-9*\/,\-LW#?+A-Z]{1,5}$/);
  const text = fc.oneof(
    fc.string({ maxLength: 30 }),
    fc.array(field, { minLength: 4, maxLength: 7 }).map((all) => all.join(" ")),
  );
  fc.assert(
    fc.property(text, (expression) => {
      const parsed = parseCronExpression(expression, "Europe/Berlin");
      if (!parsed.ok) return assert.match(parsed.message, /^Cannot read/);
      const after = new Date("2026-01-01T00:00:00Z");
      assert.notEqual(parsed.expression.next(after), null);
      assert.notEqual(describeCron(expression), "");
    }),
    { numRuns: 500 },
  );
});

Deno.test("CronExpression lets either day be enough unless one is * or + is said", () => {
  const span = ["2026-02-01T12:00:00Z", "2026-02-28T12:00:00Z"] as const;
  const days = (text: string) =>
    fires(text, "Etc/UTC", span).map((fire) => Number(fire.slice(8, 10)));
  assert.deepEqual(days("0 0 13 * MON"), [2, 9, 13, 16, 23]);
  assert.deepEqual(days("0 0 13 * *"), [13]);
  assert.deepEqual(days("0 0 * * MON"), [2, 9, 16, 23]);
  assert.deepEqual(days("0 0 13 * +FRI"), [13]);
  assert.deepEqual(days("0 0 13 * +MON"), []);
});

const MISSING:
  readonly (readonly [string, string, string, string[], string[]])[] = [
    // Zone, the local hour before the gap, the span, fixed and elapsed fires.
    ["Europe/Berlin", "2026-03-29T00:00:00Z", "30 2 * * *", [
      "2026-03-29T01:00Z",
      "2026-03-30T00:30Z",
    ], []],
    ["America/New_York", "2026-03-08T06:00:00Z", "0,30 2 * * *", [
      "2026-03-08T07:00Z",
      "2026-03-09T06:00Z",
      "2026-03-09T06:30Z",
    ], []],
    // South: spring is in October. The clocks skip from 2:00 to 3:00.
    ["Australia/Sydney", "2026-10-03T15:00:00Z", "15 2 * * *", [
      "2026-10-03T16:00Z",
      "2026-10-04T15:15Z",
    ], []],
    // Half an hour: from 2:00 to 2:30.
    ["Australia/Lord_Howe", "2026-10-03T15:00:00Z", "10 2 * * *", [
      "2026-10-03T15:30Z",
      "2026-10-04T15:10Z",
    ], []],
    // At midnight: there is no 0:00 on that day.
    ["America/Santiago", "2026-09-06T02:00:00Z", "0 0 * * *", [
      "2026-09-06T04:00Z",
      "2026-09-07T03:00Z",
    ], []],
  ];

Deno.test("CronExpression fires a fixed time that the clocks skip right after the gap", () => {
  for (const [zone, after, text, expected] of MISSING) {
    const through = new Date(Date.parse(after) + 26 * 3_600_000).toISOString();
    assert.deepEqual(fires(text, zone, [after, through]), expected, zone);
    assert.equal(read(text, zone).dst, "fixed");
  }
});

Deno.test("CronExpression fires nothing in a missing hour when it counts elapsed time", () => {
  assert.deepEqual(
    fires("*/20 * * * *", "Europe/Berlin", [
      "2026-03-29T00:30:00Z",
      "2026-03-29T01:30:00Z",
    ]),
    ["2026-03-29T00:40Z", "2026-03-29T01:00Z", "2026-03-29T01:20Z"],
  );
  assert.deepEqual(
    fires("*/30 2 * * *", "Europe/Berlin", [
      "2026-03-29T00:00:00Z",
      "2026-03-29T12:00:00Z",
    ]),
    [],
  );
});

Deno.test("CronExpression fires a fixed time that comes twice the first time only", () => {
  const twice = [
    ["Europe/Berlin", "30 2 * * *", "2026-10-25T00:30Z"],
    ["America/New_York", "0 1 * * *", "2026-11-01T05:00Z"],
    ["Australia/Sydney", "30 2 * * *", "2026-04-04T15:30Z"],
    ["Australia/Lord_Howe", "45 1 * * *", "2026-04-04T14:45Z"],
    ["America/Santiago", "30 23 * * *", "2026-04-05T02:30Z"],
  ] as const;
  for (const [zone, text, fire] of twice) {
    const at = Date.parse(fire.replace("Z", ":00Z"));
    const span = [-6, 6].map((hours) =>
      new Date(at + hours * 3_600_000).toISOString()
    ) as [string, string];
    assert.deepEqual(fires(text, zone, span), [fire], zone);
  }
});

Deno.test("CronExpression fires in both hours of a double hour when it counts elapsed time", () => {
  assert.deepEqual(
    fires("30 * * * *", "Europe/Berlin", [
      "2026-10-25T00:00:00Z",
      "2026-10-25T02:00:00Z",
    ]),
    ["2026-10-25T00:30Z", "2026-10-25T01:30Z"],
  );
  assert.deepEqual(
    fires("*/15 * * * *", "Australia/Lord_Howe", [
      "2026-04-04T14:30:00Z",
      "2026-04-04T15:30:00Z",
    ]),
    [
      "2026-04-04T14:45Z",
      "2026-04-04T15:00Z",
      "2026-04-04T15:15Z",
      "2026-04-04T15:30Z",
    ],
  );
});

const ZONES = [
  "Etc/UTC",
  "Europe/Berlin",
  "America/New_York",
  "America/Santiago",
  "Australia/Lord_Howe",
  "Asia/Kathmandu",
  "Africa/Casablanca",
] as const;
const TEXTS = [
  "* * * * *",
  "*/7 * * * *",
  "30 2 * * *",
  "0,45 1-3 * * *",
  "*/30 2 * * *",
  "0 0 * * *",
  "15 */5 * * *",
  "0 12 1 * MON",
  "30 23 L * *",
] as const;
/** Near a change of the clocks of each zone, and far from any. */
const CHANGES = [
  "2026-01-15T12:00:00Z",
  "2026-03-29T01:00:00Z",
  "2026-10-25T01:00:00Z",
  "2026-03-08T07:00:00Z",
  "2026-11-01T06:00:00Z",
  "2026-09-06T04:00:00Z",
  "2026-04-05T03:00:00Z",
  "2026-10-03T15:30:00Z",
  "2026-02-15T02:00:00Z",
  "2026-03-22T02:00:00Z",
].map((at) => Date.parse(at));

const question = fc.record({
  zone: fc.constantFrom(...ZONES),
  text: fc.constantFrom(...TEXTS),
  around: fc.constantFrom(...CHANGES),
  beforeMs: fc.integer({ min: 0, max: 30 * 3_600_000 }),
  spanMs: fc.integer({ min: 0, max: 60 * 3_600_000 }),
  limit: fc.integer({ min: 0, max: 60 }),
}).map(({ zone, text, around, beforeMs, spanMs, limit }) => {
  const after = new Date(around - beforeMs);
  const through = new Date(after.getTime() + spanMs);
  return { expression: read(text, zone), after, through, limit };
});

Deno.test("firesBetween() is strictly increasing, within its bounds and its limit", () => {
  fc.assert(fc.property(question, ({ expression, ...span }) => {
    const all = firesBetween(expression, span);
    assert(all.length <= span.limit);
    for (const [index, fire] of all.entries()) {
      assert(fire > (all[index - 1] ?? span.after));
      assert(fire <= span.through);
    }
  }));
});

Deno.test("firesBetween() is nextFires() cut at its end, and lastFiresBetween() its tail", () => {
  fc.assert(fc.property(question, ({ expression, after, through, limit }) => {
    const next = nextFires(expression, { after, count: limit });
    assert.deepEqual(
      firesBetween(expression, { after, through, limit }),
      next.filter((fire) => fire <= through),
    );
    const all = firesBetween(expression, { after, through, limit: 5_000 });
    assert.deepEqual(
      lastFiresBetween(expression, { after, through, limit }),
      limit === 0 ? [] : all.slice(-limit),
    );
  }));
});

Deno.test("firesBetween() finds what looking at every wall clock minute finds", () => {
  fc.assert(
    fc.property(question, ({ expression, after, through }) => {
      const minutes = everyMinute(expression, after, through);
      assert.deepEqual(
        firesBetween(expression, { after, through, limit: 5_000 }),
        minutes,
        `${expression.text} in ${expression.timezone} after ${after.toISOString()}`,
      );
    }),
    { numRuns: 30 },
  );
});

/** An oracle of its own: reads the clocks of the zone once a minute. */
function everyMinute(
  { text, timezone, dst }: CronExpression,
  after: Date,
  through: Date,
): Date[] {
  const clock = new Intl.DateTimeFormat("en-GB", {
    timeZone: timezone,
    dateStyle: "short",
    timeStyle: "short",
  });
  // The plan in UTC, where no clock ever changes, asked about a wall clock.
  const plan = read(text);
  const planned = (wall: number) =>
    plan.next(new Date(wall - 1))?.getTime() === wall;
  const found: Date[] = [];
  let last = Number.NEGATIVE_INFINITY;
  const start = Math.floor(after.getTime() / 60_000) * 60_000 - 3 * 3_600_000;
  for (let at = start; at <= through.getTime(); at += 60_000) {
    const wall = wallClock(clock.format(at));
    const skipped = dst === "fixed" && Number.isFinite(last)
      ? minutesBetween(last, wall).some(planned)
      : false;
    const again = dst === "fixed" && wall <= last;
    if ((skipped || planned(wall) && !again) && at > after.getTime()) {
      found.push(new Date(at));
    }
    last = dst === "fixed" ? Math.max(last, wall) : wall;
  }
  return found;
}

function wallClock(text: string): number {
  const [, day, month, year, hour, minute] =
    /^(\d+)\/(\d+)\/(\d+), (\d+):(\d+)$/.exec(text) ?? [];
  return Date.UTC(+year!, +month! - 1, +day!, +hour!, +minute!);
}

function minutesBetween(last: number, wall: number): number[] {
  const count = Math.max(0, (wall - last) / 60_000 - 1);
  return Array.from(
    { length: count },
    (_, index) => last + (index + 1) * 60_000,
  );
}

Deno.test("describeCron() says it in words, and never throws", () => {
  assert.equal(describeCron("0 2 * * *"), "At 02:00");
  assert.equal(describeCron("*/5 * * * *"), "Every 5 minutes");
  assert.equal(describeCron("@daily"), "At 00:00");
  assert.match(describeCron("0 0 1 * MON"), /day 1 of the month, or on Monday/);
  assert.match(
    describeCron("0 0 13 * +FRI"),
    /day 13 of the month.*only on Fri/,
  );
  for (const text of ["", "garbage", "0 0 0 0 0 0 0 0 0"]) {
    assert.equal(describeCron(text), "Has no description in words");
  }
});
