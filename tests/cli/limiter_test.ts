/** `limiter explain` and `limiter simulate`, as a program is run. */
import assert from "node:assert/strict";
import { type CliIo, type ExitCode, main } from "../../src/cli/main.ts";
import { coolDownLimiter } from "../../src/store/limiter_cooldowns.ts";
import {
  API,
  claimLimited,
  count,
  givenExecutor,
  givenLimits,
  givenWork,
  PER_CUSTOMER,
} from "../support/limiter_world.ts";
import { usePostgres } from "../support/postgres.ts";

const testPostgres = usePostgres();

interface Run {
  readonly exit: ExitCode;
  readonly out: string;
  readonly err: string;
}

async function cli(url: string, ...args: readonly string[]): Promise<Run> {
  const out: string[] = [];
  const err: string[] = [];
  const io: CliIo = {
    env: { DATABASE_URL: url },
    out: (line) => void out.push(line),
    err: (line) => void err.push(line),
  };
  const exit = await main(["limiter", ...args], io);
  return { exit, out: out.join("\n"), err: err.join("\n") };
}

Deno.test("limiter explain tells what is used, what holds a job back and until when", async () => {
  await using world = await testPostgres();
  const { db, url } = world;
  await givenLimits(db, [API, PER_CUSTOMER]);
  const free = await cli(url, "explain", "--limiter", "api");
  assert.equal(free.exit, 0, free.err);
  assert.equal(
    free.out,
    "api: 0 of 5 used (token_bucket, 5 in 5000 ms)\nStatus: runnable",
  );

  await givenWork(db, [1, 1, 1, 2].map((customer) => ({ customer })));
  await claimLimited(db, await givenExecutor(db));
  await coolDownLimiter(db, {
    limiter: "api",
    key: null,
    forMs: 60_000,
    reason: "429",
    by: "ops",
    extendsOnly: false,
  });
  const args = JSON.stringify({ customer: 1 });
  const run = await cli(
    url,
    ...["explain", "--worker", "work", "--args", args, "--json"],
  );
  const told = JSON.parse(run.out);
  assert.equal(told.schema_version, 1);
  assert.equal(told.status, "blocked");
  assert.deepEqual(
    told.blockers.map((
      { limiter, key, code, reason }: Record<string, unknown>,
    ) => [limiter, key, code, reason]),
    [
      ["api", "", "cooldown", "429"],
      ["per_customer", "1", "limit_reached", null],
    ],
  );
  assert.equal(told.limiters[1].used, 2);
  assert.equal(told.limiters[1].snapshot.details.code, "limit_reached");

  const other = ["explain", "--limiter", "per_customer", "--key", "9"];
  assert.match(
    (await cli(url, ...other)).out,
    /key 9: 0 of 2 .*\nStatus: runn/,
  );
});

Deno.test("limiter simulate tries requests out and leaves nothing behind", async () => {
  await using world = await testPostgres();
  const { db, url } = world;
  await givenLimits(db, [API]);
  const run = await cli(
    url,
    ...["simulate", "--limiter", "api", "--weight", "2", "--count", "3"],
  );
  assert.equal(run.exit, 0, run.err);
  assert.deepEqual(run.out.split("\n"), [
    "Tried out: token_bucket, 5 in 5000 ms, weight 2",
    "1 after 0 ms: reserved, 2 of 5 used",
    "2 after 0 ms: reserved, 4 of 5 used",
    "3 after 0 ms: limit_reached, 4 of 5 used; after 1000 ms",
  ]);
  const changed = await cli(
    url,
    ...["simulate", "--limiter", "api", "--capacity", "1", "--json"],
    ...["--algorithm", "fixed_window", "--count", "3", "--every-ms", "3000"],
  );
  const told = JSON.parse(changed.out);
  assert.equal(told.schema_version, 1);
  assert.deepEqual(
    told.verdicts.map(({ verdict }: { verdict: string }) => verdict),
    ["reserved", "limit_reached", "reserved"],
  );
  for (const table of ["limiter_partitions", "limiter_facts"]) {
    assert.equal(await count(db, table), 0, table);
  }
});

Deno.test("limiter simulate replays what came against a limit that was not", async () => {
  await using world = await testPostgres();
  const { db, url } = world;
  const perKey = { ...API, partitionBy: "customer" };
  await givenLimits(db, [perKey]);
  await givenWork(db, [1, 1, 1, 1, 1, 2].map((customer) => ({ customer })));
  const args = ["simulate", "--limiter", "api", "--replay", "work"];
  const run = await cli(url, ...args);
  assert.deepEqual(run.out.split("\n"), [
    "Replayed: 6 jobs, 2 keys, against token_bucket, 5 in 5000 ms",
    "At once: 6. Held back: 0, for 0 ms at most.",
  ], run.err);
  const tight = await cli(url, ...args, "--capacity", "2", "--json");
  const told = JSON.parse(tight.out);
  assert.deepEqual([told.requests, told.atOnce, told.heldBack], [6, 3, 3]);
  // The third after two, at one each two seconds and a half.
  assert.ok(told.longestWaitMs > 7_000 && told.longestWaitMs <= 7_500);
});

Deno.test("commands on limiters exit with 2 and name what can not be read", async () => {
  await using world = await testPostgres();
  const wrong: readonly [RegExp, ...string[]][] = [
    [/either --limiter, or --worker/, "explain"],
    [
      /--limiter names none .*: "none"; a process/,
      "explain",
      "--limiter",
      "none",
    ],
    [/--worker names none/, "explain", "--worker", "none"],
    [/--args must be a JSON/, "explain", "--worker", "work", "--args", "[1]"],
    [/--capacity belongs to "limiter sim/, "explain", "--capacity", "1"],
    [/Give --limiter, or --capacity/, "simulate"],
    [
      /--weight must be .* 1 to 3/,
      "simulate",
      "--capacity",
      "3",
      "--weight",
      "4",
    ],
    [
      /--count must be .*, and is "0"/,
      "simulate",
      "--capacity",
      "3",
      "--count",
      "0",
    ],
    [
      /--algorithm is for a rate: give --per-ms as well/,
      "simulate",
      "--capacity",
      "3",
      "--algorithm",
      "fixed_window",
    ],
    [/--algorithm must be/, "simulate", "--capacity", "3", "--algorithm", "x"],
    [
      /--replay needs --limiter/,
      "simulate",
      "--capacity",
      "3",
      "--replay",
      "w",
    ],
    [/There is no flag --repo/, "simulate", "--repo", "x"],
  ];
  for (const [words, ...args] of wrong) {
    const run = await cli(world.url, ...args);
    assert.equal(run.exit, 2, args.join(" "));
    assert.match(run.err, words);
    assert.equal(run.out, "");
  }
});
