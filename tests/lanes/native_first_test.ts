/** The pages need no other engine and no bridge, and lead nowhere that is not. */
import assert from "node:assert/strict";
import { createDemoHost } from "../../fixtures/ops_demo_host.ts";
import { seed } from "../../fixtures/ops_demo.ts";
import { usePGlite } from "../support/pglite.ts";
import { formTo, type Page, Visitor } from "../support/visitor.ts";

const testDb = usePGlite();
const BASE = "/ops/jobs";
const PAGES_MAX = 150;

Deno.test("native first: every link of every page leads to a page of ours", async () => {
  await using db = await testDb();
  const host = await createDemoHost({ database: db, sessionSecret: "secret" });
  await seed(host.yard);
  await host.yard.tick({ budgetMs: 60_000 });
  const visitor = new Visitor(host.fetch);
  const signIn = await visitor.open("/sign-in");
  await visitor.send({ ...formTo(signIn, "/sign-in"), fields: {} }, {
    person: "ops-demo",
  });

  const pages = await crawl(visitor);

  for (const noun of ["jobs", "queues", "cron", "forensics", "audit"]) {
    assert.ok(pages.has(`${BASE}/${noun}`), `no link leads to ${noun}`);
  }
  for (const [url, page] of pages) {
    assert.ok(page.status < 400, `${url} answers ${page.status}`);
    assert.doesNotMatch(page.text, /\boban\b/i, `${url} names another engine`);
  }
  const annex = await visitor.open(`${BASE}/oban`);
  assert.equal(annex.status, 404);
});

/** Follows links, breadth first, until there are no more, or enough. */
async function crawl(visitor: Visitor): Promise<Map<string, Page>> {
  const pages = new Map<string, Page>();
  const queue = [BASE];
  for (let url = queue.shift(); url !== undefined; url = queue.shift()) {
    if (pages.has(url) || pages.size >= PAGES_MAX) continue;
    const page = await visitor.open(url);
    pages.set(url, page);
    queue.push(...linksOf(page));
  }
  return pages;
}

function linksOf(page: Page): string[] {
  const hrefs = page.html.matchAll(/<a\b[^>]*\shref="([^"]*)"/g);
  return [...hrefs].map(([, href = ""]) => href.replaceAll("&amp;", "&"))
    .filter((href) => !href.startsWith("#"))
    .map((href) => {
      const { pathname, search } = new URL(href, `http://localhost${page.url}`);
      return pathname + search;
    })
    .filter((path) => path === BASE || path.startsWith(`${BASE}/`));
}
