import assert from "node:assert/strict";
import fc from "fast-check";
import { Hono } from "hono";
import {
  createPaths,
  hostHref,
  nameOf,
  outsideHref,
  parseBasePath,
} from "../../src/web/paths.ts";
import { webHost } from "../support/web_host.ts";

const AWKWARD = [
  ": / ? # % space & =",
  "a/b",
  "a%2Fb",
  "100%",
  ".",
  "..",
  "~",
  "~.",
  "nightly sync+1",
  "øre/漢字",
  "<script>",
  "\u2028",
];

/** Sends a link through Hono and answers with the name that a route sees. */
async function seen(link: string): Promise<string> {
  const app = new Hono().get(
    "/ops/jobs/cron/:name",
    (c) => c.json(nameOf(c.req.param("name"))),
  );
  const answer = await app.request(`https://host.example${link}`);
  return answer.status === 200 ? await answer.json() : `${answer.status}`;
}

Deno.test("createPaths() names survive the way through a browser and a route", async () => {
  const paths = createPaths("/ops/jobs");
  for (const name of AWKWARD) {
    assert.equal(await seen(paths.cronEntry(name)), name);
  }
});

Deno.test("createPaths() any name survives", async () => {
  const paths = createPaths("/ops/jobs");
  await fc.assert(fc.asyncProperty(
    fc.string({ unit: "grapheme", minLength: 1, maxLength: 60 }),
    async (name) => assert.equal(await seen(paths.cronEntry(name)), name),
  ));
});

Deno.test("createPaths() any value of a query survives, and blank ones are dropped", () => {
  const paths = createPaths("/ops/jobs");
  fc.assert(fc.property(fc.string({ unit: "grapheme" }), (value) => {
    const link = paths.jobs({ queue: value, worker: null, state: "retryable" });
    const query = new URL(link, "https://host.example").searchParams;
    assert.equal(query.get("queue"), value.trim() === "" ? null : value);
    assert.deepEqual([...query.keys()].filter((key) => key !== "queue"), [
      "state",
    ]);
  }));
  assert.equal(paths.jobs({ queue: " ", worker: undefined }), "/ops/jobs/jobs");
});

Deno.test("createPaths() fingerprints never stand unescaped in a link", () => {
  const link = createPaths("/ops/jobs").forensics({
    resource_type: "job",
    incident_fingerprint: ": / ? # % space & =",
  });
  assert.equal(
    link,
    "/ops/jobs/forensics?resource_type=job&incident_fingerprint=" +
      "%3A%20%2F%20%3F%20%23%20%25%20space%20%26%20%3D",
  );
});

Deno.test("createPaths() every link of a page begins with its base path", async () => {
  for (const basePath of ["/", "/ops/jobs", "/a/b/c"]) {
    const host = webHost({ basePath });
    const page = await host.request(basePath);
    assert.equal(page.status, 200, basePath);
    const html = await page.text();
    const links = [
      ...html.matchAll(/\b(?:href|src|action|hx-\w+)="(\/[^"]*)"/g),
    ];
    assert.ok(links.length > 8);
    for (const [, link = ""] of links) {
      const inside = basePath === "/" || link === basePath ||
        link.startsWith(`${basePath}/`);
      assert.ok(inside, `${link} is not inside of ${basePath}`);
    }
    const [, css = ""] = /href="([^"]*\.css)"/.exec(html) ?? [];
    assert.equal((await host.request(css)).status, 200);
  }
});

Deno.test("createPaths().back() leads only to our own pages", () => {
  const paths = createPaths("/ops/jobs");
  for (const inside of ["/ops/jobs", "/ops/jobs/jobs?state=a", "/ops/jobs?x"]) {
    assert.equal(paths.back(inside), inside);
  }
  for (
    const outside of [
      "https://evil.example",
      "//evil.example",
      "/\\evil.example",
      "/ops/jobsmore",
      "/",
      "javascript:alert(1)",
      "",
      null,
      "/ops/jobs/\nx",
    ]
  ) assert.equal(paths.back(outside), "/ops/jobs");
});

Deno.test("parseBasePath() refuses what is not a plain path, and says what is", () => {
  assert.equal(parseBasePath("/"), "/");
  assert.equal(parseBasePath("/ops/jobs/"), "/ops/jobs");
  for (const wrong of ["", "ops", "//x", "/a/../b", "/a b", "/a?b", "/a/:id"]) {
    assert.throws(() => parseBasePath(wrong), /must be a path such as/);
  }
});

Deno.test("hostHref() and outsideHref() take no link that would run something", () => {
  assert.equal(hostHref("/home"), "/home");
  assert.equal(hostHref("//evil.example"), null);
  assert.equal(hostHref("https://else.example"), null);
  assert.equal(
    outsideHref("https://wiki.example/a b"),
    "https://wiki.example/a%20b",
  );
  assert.equal(outsideHref("javascript:alert(1)"), null);
  assert.equal(outsideHref("data:text/html,x"), null);
  assert.equal(outsideHref("/runbooks/7"), "/runbooks/7");
});
