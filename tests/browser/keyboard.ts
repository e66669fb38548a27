/** The same without a mouse, and with an impatient one. */
import assert from "node:assert/strict";
import type { Locator, Page } from "playwright-core";
import type { Database } from "../../src/db/database.ts";
import { sql } from "../../src/db/sql.ts";
import { BASE, type World } from "./world.ts";

/** Further than this nobody wants to press the key. */
const TABS_MAX = 60;
const ENTRY = `${BASE}/cron/nightly_sync`;

/** From the overview to the executed preview, with Tab and Enter. */
export async function keyboardReachesEverything(world: World): Promise<void> {
  await using tab = await world.open("ops-demo");
  const { page } = tab;
  await page.goto(BASE);
  await page.keyboard.press("Tab");
  const skip = page.getByRole("link", { name: "Skip to content" });
  assert.ok(await isFocused(skip), "the first stop is the skip link");
  await page.keyboard.press("Enter");
  assert.ok(await isFocused(page.locator("main")), "it leads to the content");

  await page.goto(BASE);
  const nav = page.getByRole("navigation", { name: "Yardmaster" });
  await tabTo(page, nav.getByRole("link", { name: "Cron" }));
  await page.keyboard.press("Enter");
  await page.waitForURL(`**${BASE}/cron`);
  const link = page.locator(`main a[href="${ENTRY}"]`).first();
  await tabTo(page, link);
  await page.keyboard.press("Enter");
  await page.waitForURL(`**${ENTRY}`);

  await tabTo(page, page.getByRole("button", { name: "Pause Cron Entry…" }));
  await page.keyboard.press("Enter");
  const dialog = page.locator("#dialog");
  await dialog.locator("h1").waitFor();
  await tabTo(page, page.getByLabel("Reason"));
  await page.keyboard.type("fixture maintenance");
  await tabTo(page, dialog.getByRole("button", { name: "Pause cron entry" }));
  await page.keyboard.press("Enter");
  await page.getByRole("status").getByText("The cron entry is paused.")
    .waitFor();
  assert.deepEqual(await eventsOf(world.db), ["cron.paused applied"]);
  assert.deepEqual(tab.takeFaults(), []);
}

/** However often somebody clicks, one thing happens, once. */
export async function impatienceChangesNothing(world: World): Promise<void> {
  for (const [times, label, done] of CLICKS) {
    await using tab = await world.open("ops-demo");
    const { page } = tab;
    let posts = 0;
    page.on("request", (request) => {
      if (request.url().endsWith("/executions")) posts += 1;
    });
    await page.goto(ENTRY);
    await page.getByRole("button", { name: `${label}…` }).click({
      clickCount: times,
    });
    await page.getByLabel("Reason").fill("fixture maintenance");
    await page.locator("#execution button").click({ clickCount: times });
    await page.getByRole("status").getByText(done).waitFor();
    assert.equal(posts, 1, `${times} clicks send ${posts} requests`);
    assert.deepEqual(tab.takeFaults(), []);
  }
  assert.deepEqual(await eventsOf(world.db), [
    "cron.paused applied",
    "cron.resumed applied",
  ]);
}

const CLICKS = [
  [2, "Pause Cron Entry", "The cron entry is paused."],
  [3, "Resume Cron Entry", "The cron entry is resumed."],
] as const;

/** Without scripts nothing stops the second request, so the database does. */
export async function impatienceOnPages(world: World): Promise<void> {
  await using tab = await world.open("ops-demo", {
    javaScriptEnabled: false,
    expect: [409],
  });
  const { page } = tab;
  await page.goto(ENTRY);
  await page.getByRole("button", { name: "Pause Cron Entry…" }).click();
  await page.waitForURL(/\/previews\/[\w-]+$/);
  await page.locator("#execution button").click({ clickCount: 3 });
  await page.waitForURL((url) => !/\/previews\/[\w-]+$/.test(url.pathname));
  await page.locator("h1").waitFor();
  await page.goto(ENTRY);
  await page.getByRole("button", { name: "Resume Cron Entry…" }).waitFor();
  const applied = (await eventsOf(world.db)).filter((event) =>
    event.endsWith(" applied")
  );
  assert.deepEqual(applied, ["cron.paused applied"]);
}

/** Presses Tab until the element has the focus, which must be seen all the way. */
async function tabTo(page: Page, element: Locator): Promise<void> {
  const unseen: string[] = [];
  for (let tabs = 0; tabs < TABS_MAX; tabs++) {
    await page.keyboard.press("Tab");
    const hidden = await page.evaluate<string | null>(`(() => {
      const { activeElement: at, body } = document;
      const { outlineStyle, outlineWidth } = getComputedStyle(at);
      const shown = outlineStyle !== "none" && parseFloat(outlineWidth) >= 2;
      return at === body || shown ? null : at.outerHTML.slice(0, 120);
    })()`);
    if (hidden !== null) unseen.push(hidden);
    if (await isFocused(element)) {
      assert.deepEqual(unseen, [], "the focus is not to be seen");
      return;
    }
  }
  assert.fail(`Cannot reach ${element} with ${TABS_MAX} times Tab`);
}

async function isFocused(element: Locator): Promise<boolean> {
  return await element.evaluate((node) => node.matches(":focus"));
}

async function eventsOf(db: Database): Promise<string[]> {
  const rows = await db.query<{ event: string }>(sql`
    select event_type || ' ' || result::text as event
    from yardmaster.audit_events order by id
  `);
  return rows.map((row) => row.event);
}
