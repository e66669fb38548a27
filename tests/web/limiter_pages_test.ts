/** The keys of a limiter on its pages: in order, one by one, and never in a URL. */
import assert from "node:assert/strict";
import { defineLimiter } from "../../src/domain/limiter.ts";
import type { DisplayPolicy } from "../../src/seams.ts";
import { forbiddenIn } from "../support/forbidden_phrases.ts";
import {
  API,
  claimLimited,
  givenExecutor,
  givenLimits,
  givenWork,
  PER_CUSTOMER,
} from "../support/limiter_world.ts";
import { type TestDb, usePGlite } from "../support/pglite.ts";
import { formTo, formWith, type Page } from "../support/visitor.ts";
import { hrefsOf, webVisitor } from "../support/web_host.ts";

const testDb = usePGlite();
const ONE = "/ops/jobs/limiters/per_customer";
/** As a host does who shows its args. */
const SHOWS: DisplayPolicy = (kind, value) => kind === "args" ? value : null;
const EACH = defineLimiter({
  name: "each",
  rate: { capacity: 4, perMs: 60_000 },
  partitionBy: "customer",
});

/** The only link of a page that begins so. */
function linkTo(page: Page, start: string): string {
  const [href = ""] = hrefsOf(page.html).filter((each) =>
    each.startsWith(start)
  );
  assert.notEqual(href, "", `no link to ${start} on ${page.text}`);
  return href;
}

function pagerLink(page: Page, rel: "next" | "prev"): string | null {
  const [, href] = new RegExp(`rel="${rel}" href="([^"]+)"`).exec(page.html) ??
    [];
  return href?.replaceAll("&amp;", "&") ?? null;
}

/** The keys of the table, in its order. */
function keysOf(page: Page): readonly string[] {
  return [...page.html.matchAll(/\/keys\/[\w-]+">(c\d+)</g)].map(([, key]) =>
    key ?? ""
  );
}

/** Seventy customers: one that waits, some half used, most a little. */
async function givenCustomers(db: TestDb): Promise<void> {
  await givenLimits(db, [EACH]);
  const jobs = Array.from({ length: 70 }, (_, index) => {
    const of = index === 41 ? 6 : index % 10 === 0 ? 2 : 1;
    return Array.from({ length: of }, () => ({ customer: `c${index}` }));
  });
  await givenWork(db, jobs.flat());
  await claimLimited(db, await givenExecutor(db), { most: 200 });
}

Deno.test("keys in use come the most pressed first, page by page and back, each of them once", async () => {
  await using db = await testDb();
  await givenCustomers(db);
  const visitor = webVisitor(db, { displayPolicy: SHOWS });
  const pages = [await visitor.open("/ops/jobs/limiters/each")];
  for (let next = pagerLink(pages[0] as Page, "next"); next !== null;) {
    assert.ok(pages.length < 5, "there is an end");
    // What refills meanwhile does not change the order that was begun.
    db.advanceMs(1_000);
    const page = await visitor.open(next);
    assert.equal(page.status, 200);
    pages.push(page);
    next = pagerLink(page, "next");
  }
  const seen = pages.flatMap(keysOf);
  assert.equal(seen.length, 70);
  assert.equal(new Set(seen).size, 70);
  assert.deepEqual(seen.slice(0, 8), [
    "c41",
    ...["c0", "c10", "c20", "c30", "c40", "c50", "c60"],
  ]);
  assert.match(pages[1]?.text ?? "", /in the order of 2026-01-15 12:00:00 UTC/);

  const back = pagerLink(pages[2] as Page, "prev");
  assert.deepEqual(
    keysOf(await visitor.open(back ?? "")),
    keysOf(pages[1] as Page),
  );
});

Deno.test("a place in the list that the pages did not give out is answered with 400 and a way on", async () => {
  await using db = await testDb();
  await givenCustomers(db);
  const visitor = webVisitor(db, { displayPolicy: SHOWS });
  const page = await visitor.open("/ops/jobs/limiters/each");
  const next = pagerLink(page, "next") ?? "";
  const last = next.at(-1) === "A" ? "B" : "A";
  const wrong = [
    `${next.slice(0, -2)}${last}${last}`,
    "/ops/jobs/limiters/each?after=c41",
    "/ops/jobs/limiters/each?find=c41",
    "/ops/jobs/limiters/each?lines=1_2",
    "/ops/jobs/limiters/each/keys/c41",
    "/ops/jobs/limiters/each/lines/0000",
  ];
  for (const path of wrong) {
    const answer = await visitor.open(path);
    assert.equal(answer.status, 400, path);
    assert.match(answer.text, /did not give out, or not for this list/);
    assert.ok(hrefsOf(answer.html).includes("/ops/jobs/limiters/each"));
  }
});

Deno.test("a key is found by how it begins, and an unused one by all of it, without being in the address", async () => {
  await using db = await testDb();
  await givenCustomers(db);
  const visitor = webVisitor(db, { displayPolicy: SHOWS });
  const page = await visitor.open("/ops/jobs/limiters/each");
  const form = formTo(page, "/searches");
  const found = await visitor.send(form, { key: "c4" });
  assert.equal(found.status, 200);
  assert.deepEqual(
    [...keysOf(found)].sort(),
    ["c4", ...Array.from({ length: 10 }, (_, index) => `c4${index}`)].sort(),
  );
  assert.doesNotMatch(found.url, /c4/);

  db.advanceMs(600_000);
  const idle = await visitor.send(form, { key: "c7" });
  assert.deepEqual(keysOf(idle), ["c7"]);
  const none = await visitor.send(form, { key: "nobody" });
  assert.match(none.text, /No key in use begins with that/);
});

Deno.test("the page of a key tells who waits, who holds it and what was then, and cools that key down", async () => {
  await using db = await testDb();
  await givenLimits(db, [API, PER_CUSTOMER]);
  await givenWork(db, [7, 7, 7, 7, 8].map((customer) => ({ customer })));
  await claimLimited(db, await givenExecutor(db));
  const visitor = webVisitor(db, { displayPolicy: SHOWS });
  const one = await visitor.open(ONE);
  const page = await visitor.open(linkTo(one, `${ONE}/keys/`));
  assert.match(
    page.text,
    /Key 7 .*It holds back 1 line of jobs\. They start by themselves.*Cool down….*How it stands .*Use 2 of 2 Cooldown of this key None/s,
  );
  assert.match(page.text, /Who waits .*7 2 jobs \d+ default/s);
  assert.match(page.text, /Who holds it .*\d+ 7 work a 1 .*\d+ 7 work a 1 /s);
  assert.match(page.text, /Then and now .*, key 7 .*The limit is reached/s);
  assert.deepEqual(forbiddenIn(page.text), []);

  const form = formWith(page, { action: "cool_down_limiter" });
  const preview = await visitor.send(form, { param_forMs: "60000" });
  assert.equal(preview.status, 200);
  await visitor.send(formTo(preview, "/executions"), {
    reason: "Its API answers 429",
  });
  const after = await visitor.open(page.url);
  assert.match(
    after.text,
    /It cools down: 1 line of jobs waits until it is over, in 1 min ?\. Jobs wait and lose nothing\. End the cooldown of this key to let them start\. .*Cooldown of this key Ends in .*: Its API answers 429/s,
  );
  assert.match(after.text, /Then and now .*Answer .*It cools down/s);
  assert.match(after.text, /A cooldown began.*Policy/s);
  formWith(after, { action: "clear_limiter_cooldown" });
});

Deno.test("a key that would turn the text around is written out, and is found as it is", async () => {
  await using db = await testDb();
  const key = "\u202e7c";
  await givenLimits(db, [PER_CUSTOMER]);
  await givenWork(db, [{ customer: key }]);
  await claimLimited(db, await givenExecutor(db));
  const visitor = webVisitor(db, { displayPolicy: SHOWS });
  const one = await visitor.open(ONE);
  const page = await visitor.open(linkTo(one, `${ONE}/keys/`));
  assert.match(page.text, /Key \\u202e7c .*No job waits for it/s);
  const found = await visitor.send(formTo(one, "/searches"), { key });
  assert.match(found.text, /Keys in use .*\\u202e7c 1 of 2/s);
});

Deno.test("the newest block stands beside the live decision, for which a bucket has refilled since", async () => {
  await using db = await testDb();
  await givenLimits(db, [API]);
  await givenWork(db, Array.from({ length: 6 }, () => ({})));
  await claimLimited(db, await givenExecutor(db));
  const visitor = webVisitor(db);
  const full = await visitor.open("/ops/jobs/limiters/api");
  assert.match(full.text, /Answer The limit is reached The limit is reached/);
  assert.match(full.text, /Use 5 of 5 5 of 5 Eligible again in 1 s/);

  db.advanceMs(60_000);
  const later = await visitor.open("/ops/jobs/limiters/api");
  assert.match(later.text, /Answer The limit is reached A job may start/);
  assert.match(later.text, /Use 5 of 5 0 of 5 Eligible again .* At once/);
});

Deno.test("a key that is a number is cooled down from the page of its limiter", async () => {
  await using db = await testDb();
  await givenLimits(db, [PER_CUSTOMER]);
  const visitor = webVisitor(db, { displayPolicy: SHOWS });
  const form = formWith(await visitor.open(ONE), {
    action: "cool_down_limiter",
  });
  const preview = await visitor.send(form, {
    param_key: "7",
    param_forMs: "60000",
  });
  await visitor.send(formTo(preview, "/executions"), {
    reason: "Its API answers 429",
  });
  const after = await visitor.open(ONE);
  assert.deepEqual([...after.html.matchAll(/\/keys\/[\w-]+">7</g)].length, 1);
});

Deno.test("a line tells its jobs in the order in which they start, and before when they can not", async () => {
  await using db = await testDb();
  const limiter = defineLimiter({
    name: "per_customer",
    rate: { capacity: 1, perMs: 60_000 },
    partitionBy: "customer",
  });
  await givenLimits(db, [limiter]);
  const jobs = await givenWork(
    db,
    Array.from({ length: 31 }, () => ({ customer: "c1" })),
    { priority: 1 },
  );
  const [urgent = ""] = await givenWork(db, [{ customer: "c1" }]);
  await claimLimited(db, await givenExecutor(db), { most: 5 });
  db.advanceMs(1_000);
  const visitor = webVisitor(db, { displayPolicy: SHOWS });
  const page = await visitor.open(
    linkTo(await visitor.open(ONE), `${ONE}/lines/`),
  );
  const order = (seen: Page) =>
    [...seen.html.matchAll(/href="\/ops\/jobs\/jobs\/(\d+)"/g)].map(([, id]) =>
      id
    );
  assert.ok(!order(page).includes(urgent), "it was the first to start");
  assert.deepEqual(order(page), jobs.slice(0, 25));
  assert.match(page.text, /in 59 s 2026-01-15 12:01:00 UTC/);
  assert.match(page.text, /in 25 min 2026-01-15 12:25:00 UTC/);
  const next = await visitor.open(pagerLink(page, "next") ?? "");
  assert.deepEqual(order(next), jobs.slice(25));
  assert.match(next.text, /in 31 min 2026-01-15 12:31:00 UTC/);
  const back = await visitor.open(pagerLink(next, "prev") ?? "");
  assert.deepEqual(order(back), jobs.slice(0, 25));
  assert.equal((await visitor.open(`${page.url}?after=x`)).status, 400);
});

Deno.test("no page, form, title or address of a limiter holds a key that the policy hides by its name", async () => {
  await using db = await testDb();
  const secret = "sesame-4711";
  await givenLimits(db, [PER_CUSTOMER]);
  await givenWork(db, [1, 2, 3].map(() => ({ customer: secret })));
  await claimLimited(db, await givenExecutor(db));
  const visitor = webVisitor(db, {
    displayPolicy: (kind, value) =>
      kind === "args"
        ? { ...Object(value), customer: "•••" }
        : kind === "snapshot"
        ? { ...Object(value), key: "•••" }
        : null,
  });
  const one = await visitor.open(ONE);
  const search = await visitor.send(formTo(one, "/searches"), {
    key: "sesame",
  });
  assert.deepEqual(
    hrefsOf(search.html).filter((href) => /keys/.test(href)),
    [],
  );
  const key = await visitor.open(linkTo(one, `${ONE}/keys/`));
  const line = await visitor.open(linkTo(one, `${ONE}/lines/`));
  const form = formWith(key, { action: "cool_down_limiter" });
  const preview = await visitor.send(form, { param_forMs: "1000" });
  const done = await visitor.send(formTo(preview, "/executions"), {
    reason: "Its API answers 429",
  });
  // One that is closed and was not used offers a fresh one, for the same key.
  const other = await visitor.send(form, { param_forMs: "1000" });
  await visitor.send(formTo(other, "/withdrawals"));
  const spent = await visitor.open(other.url);
  const again = await visitor.send(
    formWith(spent, { action: "cool_down_limiter" }),
  );
  assert.match(again.text, /Cool down limiter/);
  const [, jobId = ""] = /jobs\/jobs\/(\d+)/.exec(line.html) ?? [];
  const job = await visitor.open(`/ops/jobs/jobs/${jobId}`);
  assert.match(job.text, /Limiter per_customer , key ••• , cools down/);
  for (const page of [one, key, line, preview, done, spent, again, job]) {
    assert.match(page.html, /•••/);
    assert.doesNotMatch(page.html + page.url, /sesame|4711/);
  }
});
