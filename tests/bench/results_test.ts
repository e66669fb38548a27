/** What is made of what was measured: rows, aims, and the page. */
import assert from "node:assert/strict";
import { toPage } from "./page.ts";
import { isMet } from "./report.ts";
import { type Results, type Sample, toRows } from "./results.ts";
import { toRatios } from "./targets.ts";

function sample(scenario: string, system: string, value: number): Sample {
  return { scenario, system, value, unit: "jobs/s" };
}

const META = {
  at: "2026-11-21T12:00:00.000Z",
  command: "deno task bench --quick --json /somewhere/of/ours.json",
  mode: "quick",
  rounds: 3,
  tookSeconds: 240,
  loadBefore: 0.1,
  faults: ["growth: it broke"],
  machine: {
    cpus: 2,
    model: "a",
    memoryGiB: 8,
    kernel: "6",
    syncsPerSecond: 9,
  },
  server: { version: "PostgreSQL 18.4", settings: { fsync: "on" } },
  versions: { "pg-boss": "12.38.0" },
  systems: [{ name: "yardmaster", runtime: "deno", how: "as it is" }],
};

function run(samples: readonly Sample[]): Results {
  const rows = toRows(samples);
  return { meta: META, rows, ratios: toRatios(rows) };
}

Deno.test("toRows() keeps the median and both ends of all rounds", () => {
  const [row] = toRows([9, 1, 4].map((n) => sample("drain 50k", "raw SQL", n)));

  assert.ok(row);
  const { median, min, max, runs } = row;
  assert.deepEqual({ median, min, max, runs }, {
    median: 4,
    min: 1,
    max: 9,
    runs: 3,
  });
});

Deno.test("toRatios() holds ours against a peer's better setting", () => {
  const { ratios } = run([
    sample("drain 50k", "yardmaster", 30_000),
    sample("drain 50k", "graphile-worker", 20_000),
    sample("drain 50k", "graphile-worker, as documented", 10_000),
  ]);

  assert.deepEqual(ratios, [{
    scenario: "drain 50k",
    against: "graphile-worker, the better setting",
    value: 1.5,
    target: 2,
    atLeast: true,
  }]);
  assert.deepEqual(ratios.map(isMet), [false]);
});

Deno.test("toRatios() says of a bound that it is a maximum", () => {
  const { ratios } = run([
    sample("back to 0.9 of the flow after the snapshot", "yardmaster", 4),
  ]);

  assert.equal(ratios.length, 1);
  assert.equal(ratios[0]?.atLeast, false);
  assert.deepEqual(ratios.map(isMet), [true]);
});

Deno.test("the page shows what was missed, what broke, and how to repeat it", () => {
  const page = toPage([run([
    sample("drain 50k", "yardmaster", 30_000),
    sample("drain 50k", "graphile-worker", 20_000),
  ])]);

  assert.match(page, /Of 1, 0 were met and 1 missed/);
  assert.match(page, /\| 1\.50 \| at least 2 \| \*\*missed\*\* \|/);
  assert.match(page, /\*\*Did not finish:\*\* growth: it broke/);
  assert.match(page, /deno task bench --quick --json results\.json/);
  assert.ok(!page.includes("/somewhere/of/ours.json"));
});

Deno.test("the page takes of a scenario that ran twice the later run", () => {
  const first = run([sample("drain 50k", "raw SQL", 1_111)]);
  const second = run([sample("drain 50k", "raw SQL", 2_222)]);

  const page = toPage([first, second]);

  assert.match(page, /2,222/);
  assert.ok(!page.includes("1,111"));
});
