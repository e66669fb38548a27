/** Pages refresh themselves, and never at a bad moment. */
import assert from "node:assert/strict";
import type { Page } from "playwright-core";
import { givenJob } from "../support/job_world.ts";
import { BASE, type World } from "./world.ts";

/** Longer than the rhythm of these pages, and shorter than a request may take. */
const STEP_MS = 6_000;
const STEPS = 3;

/** What somebody types, selects or has open is left alone. */
export async function refreshWaits(world: World): Promise<void> {
  await using tab = await world.open("ops-demo");
  const { page } = tab;
  await openStill(page, `${BASE}/jobs?state=all`);
  await givenJob(world.db, { worker: "first_news" });
  assert.ok(await refreshes(page) > 0, "a page that nobody touches refreshes");
  await page.getByText("first_news").first().waitFor();

  await page.getByLabel("Worker").fill("send_");
  await givenJob(world.db, { worker: "second_news" });
  assert.equal(await refreshes(page), 0, "nothing is sent while one types");
  assert.equal(await page.getByLabel("Worker").inputValue(), "send_");
  await page.getByLabel("Worker").blur();

  await page.evaluate(`getSelection().selectAllChildren(
    document.querySelector("#jobs-live a")
  )`);
  assert.equal(await refreshes(page), 0, "nothing is sent while one selects");
  await page.evaluate("getSelection().removeAllRanges()");

  await setHidden(page, true);
  assert.equal(await refreshes(page), 0, "a hidden tab sends nothing");
  assert.equal(await page.getByText("second_news").count(), 0);
  await setHidden(page, false);
  assert.ok(await refreshes(page) > 0, "then it goes on");
  await page.getByText("second_news").first().waitFor();
  assert.deepEqual(tab.takeFaults(), []);
}

/** Without news nothing is sent but that, and nothing on the page is touched. */
export async function refreshWithoutNews(world: World): Promise<void> {
  await using tab = await world.open("ops-demo");
  const { page } = tab;
  await openStill(page, `${BASE}/limiters`);
  const statuses: number[] = [];
  page.on("response", (answer) => {
    if (answer.request().headers()["hx-request"] === "true") {
      statuses.push(answer.status());
    }
  });
  await refreshes(page);
  // Two may be on their way before the first of them brought a tag.
  assert.deepEqual([statuses[0], statuses.at(-1)], [200, 304]);

  // A swap would take away what the server does not know of.
  const part = page.locator("#limiters-live td").first();
  await part.evaluate((node) => node.setAttribute("data-mark", "here"));
  statuses.length = 0;
  await refreshes(page);
  assert.deepEqual([...new Set(statuses)], [304]);
  assert.equal(await part.getAttribute("data-mark"), "here");

  await world.yard.operator.scaleLimiter({
    actor: { id: "ops-demo" },
    name: "warehouse_api",
    capacity: 9,
  });
  statuses.length = 0;
  await refreshes(page);
  assert.deepEqual([statuses[0], statuses.at(-1)], [200, 304]);
  await page.locator("#limiters-live").getByText("9 in 1 h").waitFor();
  assert.equal(await page.locator("[data-mark]").count(), 0);
  assert.deepEqual(tab.takeFaults(), []);
}

/** A dialog is nothing to be refreshed under. */
export async function refreshWaitsForDialogs(world: World): Promise<void> {
  await using tab = await world.open("ops-demo");
  const { page } = tab;
  await openStill(page, `${BASE}/jobs/${world.shop.retryable}`);
  await page.getByRole("button", { name: "Retry job…" }).click();
  await page.getByLabel("Reason").fill("The warehouse");
  await page.locator("#dialog h1").focus();
  assert.equal(await refreshes(page), 0, "nothing is sent under a dialog");
  assert.equal(await page.getByLabel("Reason").inputValue(), "The warehouse");

  await page.keyboard.press("Escape");
  await page.locator("#dialog").waitFor({ state: "hidden" });
  assert.ok(await refreshes(page) > 0, "a closed dialog holds up nothing");
  assert.deepEqual(tab.takeFaults(), []);
}

/** What is open stays open, what has the focus keeps it, nothing jumps. */
export async function refreshKeepsPlaces(world: World): Promise<void> {
  await using tab = await world.open("ops-demo", {
    viewport: { width: 1280, height: 500 },
  });
  const { page } = tab;
  await openStill(page, `${BASE}/jobs/${world.shop.retryable}`);
  await page.locator("details summary").first().click();
  const link = page.locator("#job-live a").last();
  await link.focus();
  await watchShifts(page);
  const before = await page.evaluate<number>("scrollY");
  for (let times = 0; times < 5; times++) {
    assert.ok(await refreshes(page) > 0);
  }
  await page.waitForLoadState("networkidle");
  assert.ok(
    await page.locator("details").first().evaluate((node) =>
      node.hasAttribute("open")
    ),
    "what was open is open",
  );
  assert.ok(
    await link.evaluate((node) => node.matches(":focus")),
    "the focus stays",
  );
  assert.equal(await page.evaluate("scrollY"), before);
  assert.equal(await page.evaluate("globalThis.shifts"), 0, "something jumps");

  // Not only times are exchanged.
  await world.yard.operator.cancelJob({
    actor: { id: "ops-demo" },
    jobId: world.shop.retryable,
    reason: "The warehouse is closed",
  });
  await refreshes(page);
  await page.locator("#job-live").getByText("Cancelled").first().waitFor();
  assert.equal(await refreshes(page), 0, "what is over is not asked for again");
  await typedStays(world, page);
  assert.deepEqual(tab.takeFaults(), []);
}

/** Forms come and go before a field; what was typed into it stays. */
async function typedStays(world: World, page: Page): Promise<void> {
  await openStill(page, `${BASE}/limiters/per_warehouse`);
  const capacity = page.getByLabel("Capacity");
  await capacity.fill("9");
  await capacity.blur();
  await world.yard.operator.coolDownLimiter({
    actor: { id: "ops-demo" },
    name: "per_warehouse",
    forMs: 60_000,
    reason: "The warehouse answers 429",
  });
  await refreshes(page);
  await page.locator(".verdict").getByText("It cools down").waitFor();
  assert.equal(await capacity.inputValue(), "9");
}

/** The address is the state: it can be sent to somebody, and gone back to. */
export async function addressesHoldTheState(world: World): Promise<void> {
  await using tab = await world.open("ops-demo");
  const { page } = tab;
  await page.goto(`${BASE}/jobs`);
  await page.getByRole("link", { name: /^Discarded/ }).click();
  await page.getByLabel("Worker").fill("charge_*");
  await page.getByRole("button", { name: "Filter", exact: true }).click();
  await page.waitForURL(/worker=charge/);
  const here = page.url();
  const seen = await rowsOf(page);
  assert.equal(seen.length, 3);

  await using other = await world.open("ops-demo");
  await other.page.goto(here);
  assert.deepEqual(await rowsOf(other.page), seen);
  assert.equal(await other.page.getByLabel("Worker").inputValue(), "charge_*");

  await page.goBack();
  await page.waitForURL(/state=discarded$/);
  await page.goForward();
  await page.waitForURL(here);
  assert.deepEqual(await rowsOf(page), seen);
  assert.deepEqual([...tab.takeFaults(), ...other.takeFaults()], []);
}

async function rowsOf(page: Page): Promise<string[]> {
  return await page.locator("main tbody tr th a").evaluateAll((links) =>
    links.map((link) => link.getAttribute("href") ?? "")
  );
}

/** Opens a page whose clock stands until the test moves it. */
async function openStill(page: Page, path: string): Promise<void> {
  await page.clock.install();
  await page.goto(path);
  await page.clock.pauseAt(Date.now() + 60_000);
}

/** How often the page asks for news of itself in a while. */
async function refreshes(page: Page): Promise<number> {
  let asked = 0;
  const count = (request: { headers(): Record<string, string> }) => {
    if (request.headers()["hx-request"] === "true") asked += 1;
  };
  page.on("request", count);
  for (let step = 0; step < STEPS; step++) {
    await page.clock.runFor(STEP_MS);
    // Requests come in their order: after this one there are no more.
    await page.evaluate("fetch('/sign-in').then((answer) => answer.text())");
    await page.locator(".htmx-request").waitFor({ state: "detached" });
  }
  page.off("request", count);
  return asked;
}

async function setHidden(page: Page, hidden: boolean): Promise<void> {
  await page.evaluate(`(() => {
    Object.defineProperty(document, "hidden", {
      configurable: true, get: () => ${hidden},
    });
    Object.defineProperty(document, "visibilityState", {
      configurable: true, get: () => "${hidden ? "hidden" : "visible"}",
    });
    document.dispatchEvent(new Event("visibilitychange"));
  })()`);
}

async function watchShifts(page: Page): Promise<void> {
  await page.evaluate(`(() => {
    globalThis.shifts = 0;
    new PerformanceObserver((list) => {
      for (const entry of list.getEntries()) globalThis.shifts += entry.value;
    }).observe({ type: "layout-shift" });
  })()`);
}
