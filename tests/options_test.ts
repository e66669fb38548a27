import assert from "node:assert/strict";
import type { Database } from "../src/db/database.ts";
import { sql } from "../src/db/sql.ts";
import { defineWorker } from "../src/engine/worker.ts";
import { OptionsError } from "../src/errors.ts";
import {
  OPTION_DEFAULTS,
  parseOptions,
  requireAuth,
  requirePageOptions,
  type YardmasterOptions,
} from "../src/options.ts";

const database: Database = {
  schema: "yardmaster",
  now: sql`now()`,
  query: () => Promise.resolve([]),
  transaction: (work) => work(database),
  script: () => Promise.resolve(),
};
const worker = defineWorker({ name: "sync", perform: () => null });
const auth = {
  currentActor: () => null,
  authorize: () => false,
  auditPrincipal: () => null,
};

Deno.test("parseOptions() fills in what an engine needs from a database alone", () => {
  const options = parseOptions({ database });

  assert.equal(options.reader, database);
  assert.deepEqual(options.workers, []);
  assert.deepEqual(options.queues, { default: { limit: 10 } });
  assert.equal(options.cron, null);
  assert.equal(options.basePath, "/ops/jobs");
  assert.deepEqual(options.executor, {
    heartbeatMs: 15_000,
    lateMs: 45_000,
    missingMs: 120_000,
  });
  assert.equal(options.retentionMs, OPTION_DEFAULTS.retentionMs);
});

Deno.test("parseOptions() keeps what it is given", () => {
  const displayPolicy = () => null;
  const options = parseOptions({
    database,
    workers: [worker],
    queues: { sync: { limit: 3 }, slow: {} },
    cron: [{ name: "nightly_sync", expression: "0 2 * * *", worker }],
    auth,
    displayPolicy,
    basePath: "/",
    allowedOrigins: ["https://ops.example.com", "http://localhost:8000"],
    layout: { title: "Shop", homeHref: "/", signOutHref: "/sign-out?now=1" },
    executor: { name: "web-1", lateMs: 20_000 },
  });

  assert.deepEqual(options.queues, { sync: { limit: 3 }, slow: { limit: 10 } });
  assert.equal(options.cron?.[0]?.timezone, "Etc/UTC");
  assert.equal(options.executor.lateMs, 20_000);
  assert.equal(options.executor.name, "web-1");
  assert.equal(options.basePath, "/");
  assert.deepEqual(requirePageOptions(options), { auth, displayPolicy });
  assert.equal(requireAuth(options), auth);
});

/** Options that are wrong in one place, the key that is named, and the words. */
const WRONG: readonly (readonly [unknown, string, RegExp])[] = [
  [null, "options", /is null and must be an object/],
  [{}, "database", /is missing and must be a database/],
  [{ database: "postgres://u:secret@h/d" }, "database", /is another text/],
  [{ database: () => {} }, "database", /wrap the driver with postgresJs\(\)/],
  [{ database: { query() {} } }, "database", /wrap the driver/],
  [{ reader: {} }, "reader", /must be a database/],
  [{ workers: {} }, "workers", /must be a list of workers/],
  [
    { workers: [{ name: "x" }] },
    "workers[0]",
    /what defineWorker\(\) returned/,
  ],
  [{ workers: [null] }, "workers[0]", /what defineWorker\(\) returned/],
  [
    { workers: [worker, worker] },
    "workers[1]",
    /is a second worker named "sync"/,
  ],
  [{ queues: [] }, "queues", /is a list and must be an object/],
  [{ queues: { a: 3 } }, "queues.a", /is 3 and must be an object/],
  [{ queues: { a: { limit: 0 } } }, "queues.a.limit", /is 0 and must be/],
  [
    { queues: { a: { limit: 10_001 } } },
    "queues.a.limit",
    /whole number from 1 to 10000/,
  ],
  [{ queues: { a: { limit: 1.5 } } }, "queues.a.limit", /is 1.5/],
  [{ queues: { a: { limit: "5" } } }, "queues.a.limit", /is "5"/],
  [{ queues: { a: { limt: 5 } } }, "queues.a.limt", /did you mean "limit"\?/],
  [{ queues: { "": {} } }, "queues", /has the name blank/],
  [{ queues: { ["x".repeat(129)]: {} } }, "queues", /1 to 128 characters/],
  [{ cron: {} }, "cron", /must be a list of entries/],
  [
    { cron: [{ name: "n", expression: "99 * * * *", worker: "w" }] },
    "cron",
    /cron entry "n"/,
  ],
  [
    {
      cron: [{
        name: "n",
        expression: "0 0 * * *",
        timezone: "Mars/Olympus",
        worker: "w",
      }],
    },
    "cron",
    /Mars\/Olympus/,
  ],
  [{ auth: true }, "auth", /is true and must be an object/],
  [
    { auth: { ...auth, authorize: undefined } },
    "auth.authorize",
    /is missing and must be a function/,
  ],
  [
    { auth: { ...auth, onUnauthenticated: "/sign-in" } },
    "auth.onUnauthenticated",
    /must be a function/,
  ],
  [
    { auth: { ...auth, authorise: () => true } },
    "auth.authorise",
    /did you mean "authorize"\?/,
  ],
  [{ displayPolicy: null }, "displayPolicy", /is null and must be a function/],
  [{ escalation: {} }, "escalation", /must be a function/],
  [{ runbook: "https://x" }, "runbook", /must be a function/],
  [{ onError: 1 }, "onError", /must be a function/],
  [{ layout: { title: "x".repeat(41) } }, "layout.title", /1 to 40 characters/],
  [{ layout: { environment: "" } }, "layout.environment", /is blank/],
  [{ layout: { homeHref: "//evil" } }, "layout.homeHref", /on this origin/],
  [{ layout: { homeHref: "/\\evil" } }, "layout.homeHref", /on this origin/],
  [
    { layout: { signOutHref: "javascript:1" } },
    "layout.signOutHref",
    /on this origin/,
  ],
  [{ layout: { name: "x" } }, "layout.name", /is not an option/],
  [{ executor: 5 }, "executor", /is 5 and must be an object/],
  [{ executor: { name: "" } }, "executor.name", /is blank/],
  [{ executor: { heartbeatMs: 0 } }, "executor.heartbeatMs", /is 0/],
  [{ pollMs: 9 }, "pollMs", /from 10 to/],
  [{ notify: "yes" }, "notify", /must be true or false/],
  [{ coalesce: 1 }, "coalesce", /must be true or false/],
  [{ fingerprintKey: "fifteen letters" }, "fingerprintKey", /16 at least$/],
  [{ fingerprintKey: 16 }, "fingerprintKey", /must be text or bytes/],
  [{ onEvent: {} }, "onEvent", /must be a function/],
  [{ executor: { lateMs: 9_000 } }, "executor", /each must be less/],
  [{ executor: { missingMs: 45_000 } }, "executor", /each must be less/],
  [
    { executor: { lateMS: 9 } },
    "executor.lateMS",
    /did you mean "lateMs"\?/,
  ],
  [{ retentionMs: 5 }, "retentionMs", /is 5/],
  [{ allowedOrigins: "x" }, "allowedOrigins", /must be a list/],
  [
    { allowedOrigins: ["https://x/"] },
    "allowedOrigins[0]",
    /scheme, host and port/,
  ],
  [{ basepath: "/x" }, "basepath", /did you mean "basePath"\?/],
  [{ brige: {} }, "brige", /the options are database, /],
];

for (const [given, key, words] of WRONG) {
  Deno.test(`parseOptions() names "${key}" for ${words.source}`, () => {
    const needsDatabase = typeof given === "object" && given !== null &&
      !("database" in given) && Object.keys(given).length > 0;
    const options = needsDatabase ? { database, ...given } : given;

    const error = problemsOf(options);

    assert.deepEqual(error.problems.map((problem) => problem.key), [key]);
    assert.match(error.problems[0]?.message ?? "", words);
    assert.doesNotMatch(error.message, /secret/);
  });
}

for (
  const basePath of [
    "",
    "ops",
    "/ops/",
    "//ops",
    "/ops//jobs",
    "/ops/../jobs",
    "/ops/.",
    "/ops?x=1",
    "/ops#x",
    "/o ps",
    "/ops%2f",
    "/öps",
    "https://host/ops",
    "/" + "x".repeat(200),
    7,
    null,
  ]
) {
  Deno.test(`parseOptions() refuses basePath ${JSON.stringify(basePath)?.slice(0, 24)}`, () => {
    const { problems } = problemsOf({ database, basePath });
    assert.deepEqual(problems.map((problem) => problem.key), ["basePath"]);
  });
}

Deno.test("parseOptions() reports everything at once, with an example and the moment it is needed", () => {
  const error = problemsOf({
    workers: [worker, worker],
    queues: { a: { limit: 0 }, b: { limit: -1 } },
    cron: [
      { name: "", expression: "x", worker: "w" },
      { name: "two", expression: "0 0 30 2 *", worker: "w" },
    ],
    auth: {},
    basePath: "ops",
    colour: "red",
  });

  assert.equal(error.code, "options");
  const keys = new Set(error.problems.map((problem) => problem.key));
  assert.deepEqual([...keys].sort(), [
    "auth.auditPrincipal",
    "auth.authorize",
    "auth.currentActor",
    "basePath",
    "colour",
    "cron",
    "database",
    "queues.a.limit",
    "queues.b.limit",
    "workers[1]",
  ]);
  for (const { key, example, needed } of error.problems) {
    assert(error.message.includes(`"${key}"`), key);
    assert(error.message.includes(example.split("\n")[0] ?? "?"), key);
    assert(error.message.includes(needed), key);
  }
  assert.match(
    error.message,
    /^Cannot create a yardmaster: \d+ options are not/,
  );
});

Deno.test("requirePageOptions() names both seams that have no default", () => {
  assert.throws(() => requirePageOptions({}), (error) => {
    assert(error instanceof OptionsError);
    assert.deepEqual(error.problems.map((problem) => problem.key), [
      "auth",
      "displayPolicy",
    ]);
    assert.match(error.message, /^Cannot mount the pages: 2 options are/);
    assert.match(error.message, /auditPrincipal: \(actor\)/);
    return true;
  });
  assert.throws(
    () => requirePageOptions({ auth }),
    /1 option is not right\n- "displayPolicy" is missing and has no default/,
  );
});

Deno.test("requireAuth() names the seam that an operator's commands need", () => {
  assert.throws(() => requireAuth({}), /Cannot act for an operator: 1 option/);
});

function problemsOf(options: unknown): OptionsError {
  try {
    parseOptions(options as YardmasterOptions);
  } catch (error) {
    assert(error instanceof OptionsError);
    return error;
  }
  throw new Error("It was accepted");
}
