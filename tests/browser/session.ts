/** The canonical session in a browser, with scripts and without. */
import assert from "node:assert/strict";
import type { Locator, Page } from "playwright-core";
import type { Database } from "../../src/db/database.ts";
import { sql } from "../../src/db/sql.ts";
import type { JobId } from "../../src/domain/job.ts";
import { BASE, listen, type World } from "./world.ts";

const REASON = "fixture maintenance";
const ENTRY = `${BASE}/cron/nightly_sync`;

/** With scripts, an action is a dialog on the page where it was asked for. */
export async function sessionInDialogs(world: World): Promise<void> {
  await using tab = await world.open(null, { expect: [422] });
  const { page } = tab;
  await signInAndFindEntry(page);

  const pause = page.getByRole("button", { name: "Pause Cron Entry…" });
  const dialog = page.locator("#dialog");
  await pause.click();
  await dialog.waitFor();
  assert.equal(new URL(page.url()).pathname, ENTRY);
  assert.ok(await holdsFocus(dialog), "the focus goes into the dialog");

  await page.keyboard.press("Escape");
  await dialog.waitFor({ state: "hidden" });
  assert.ok(await isFocused(pause), "the focus comes back to the button");
  await assertNotPaused(world.db);

  await pause.click();
  await page.getByLabel("Reason").fill(REASON);
  await dialog.getByRole("button", { name: "Pause cron entry" }).click();
  await assertPausedEntry(page);
  await assertPaused(world.db);

  await page.goto(`${BASE}/jobs/${world.shop.discarded}`);
  await page.getByRole("button", { name: "Retry job…" }).click();
  await dialog.waitFor();
  await assertReasonIsKept(page, "Retry job");
  assert.ok(await dialog.isVisible(), "a refused reason stays in the dialog");
  assert.ok(await isFocused(page.getByLabel("Reason")), "the field is focused");
  await retryJob(page, world);
  assert.deepEqual(tab.takeFaults(), []);
}

/** Without scripts, the same forms lead over whole pages. */
export async function sessionOnPages(world: World): Promise<void> {
  await using tab = await world.open(null, {
    expect: [422],
    javaScriptEnabled: false,
  });
  const { page } = tab;
  await signInAndFindEntry(page);

  await page.getByRole("button", { name: "Pause Cron Entry…" }).click();
  await page.waitForURL(/\/previews\/[\w-]+$/);
  await page.getByRole("link", { name: "Back", exact: true }).click();
  await page.waitForURL(`**${ENTRY}`);
  await assertNotPaused(world.db);

  await page.getByRole("button", { name: "Pause Cron Entry…" }).click();
  await page.getByLabel("Reason").fill(REASON);
  await page.getByRole("button", { name: "Pause cron entry" }).click();
  await assertPausedEntry(page);
  await assertPaused(world.db);

  await page.goto(`${BASE}/jobs/${world.shop.discarded}`);
  await page.getByRole("button", { name: "Retry job…" }).click();
  await assertReasonIsKept(page, "Retry job");
  await retryJob(page, world);
  assert.deepEqual(tab.takeFaults(), []);
}

/** A form that another origin sends with the cookies of this one does nothing. */
export async function sessionRefusesOtherOrigins(world: World): Promise<void> {
  // The same host on another port: browsers send its cookies along.
  await using other = listen(() =>
    new Response(
      `<!doctype html><title>Elsewhere</title>
      <form method="post" action="${world.origin}${BASE}/previews">
        <input name="action" value="pause_cron_entry">
        <input name="target_id" value="nightly_sync">
        <button>Win a prize</button>
      </form>`,
      { headers: { "Content-Type": "text/html" } },
    )
  );
  await using tab = await world.open("ops-demo", {
    expect: [403],
    origin: other.origin,
  });
  const { page } = tab;
  await page.goto(other.origin);
  const [answer] = await Promise.all([
    page.waitForResponse(`${world.origin}${BASE}/previews`),
    page.getByRole("button").click(),
  ]);
  assert.equal(answer.status(), 403);
  assert.deepEqual(
    await world.db.query(sql`select id from yardmaster.previews`),
    [],
  );
}

async function signInAndFindEntry(page: Page): Promise<void> {
  await page.goto("/ops/jobs");
  await page.waitForURL("**/sign-in");
  await page.locator('button[value="ops-demo"]').click();
  await page.waitForURL(`**${BASE}`);
  await page.getByRole("link", { name: "Cron", exact: true }).click();
  await page.waitForURL(`**${BASE}/cron`);
  await page.getByRole("main").getByRole("link", { name: "nightly_sync" })
    .first().click();
  await page.waitForURL(`**${ENTRY}`);
}

async function assertPausedEntry(page: Page): Promise<void> {
  const told = page.getByRole("status").getByText("The cron entry is paused.");
  await told.waitFor();
  assert.equal(new URL(page.url()).pathname, ENTRY);
  await page.getByRole("button", { name: "Resume Cron Entry…" }).waitFor();
}

async function assertReasonIsKept(page: Page, label: string): Promise<void> {
  const reason = page.getByLabel("Reason");
  await reason.fill("too few");
  const [answer] = await Promise.all([
    page.waitForResponse(/\/executions$/),
    page.getByRole("button", { name: label, exact: true }).click(),
  ]);
  assert.equal(answer.status(), 422);
  await page.locator("#reason-error").waitFor();
  assert.equal(await reason.inputValue(), "too few");
  assert.equal(await reason.getAttribute("aria-invalid"), "true");
}

async function retryJob(page: Page, { db, shop }: World): Promise<void> {
  await page.getByLabel("Reason").fill("The bank says that it works again");
  await page.getByRole("button", { name: "Retry job", exact: true }).click();
  await page.getByRole("status").getByText("The job is available again.")
    .waitFor();
  assert.equal(await stateOf(db, shop.discarded), "available");
}

async function stateOf(db: Database, jobId: JobId): Promise<string> {
  const [row] = await db.query<{ state: string }>(sql`
    select state::text as state from yardmaster.job_states
    where job_id = ${jobId}
  `);
  return row?.state ?? "gone";
}

async function assertNotPaused(db: Database): Promise<void> {
  assert.deepEqual(
    await db.query(sql`
      select p.status::text as status, e.paused_at is not null as paused
      from yardmaster.previews p
      join yardmaster.cron_entries e on e.name = p.target_id
    `),
    [{ status: "ready", paused: false }],
  );
}

async function assertPaused(db: Database): Promise<void> {
  assert.deepEqual(
    await db.query(sql`
      select paused_by as by from yardmaster.cron_entries
      where name = 'nightly_sync' and paused_at is not null
    `),
    [{ by: "ops-demo" }],
  );
  assert.deepEqual(
    await db.query(sql`
      select
        a.event_type as type, a.result::text as result, a.principal_id as by,
        a.reason, p.status::text as preview
      from yardmaster.audit_events a
      join yardmaster.previews p on p.id = a.preview_id
    `),
    [{
      type: "cron.paused",
      result: "applied",
      by: "ops-demo",
      reason: REASON,
      preview: "consumed",
    }],
  );
}

async function holdsFocus(element: Locator): Promise<boolean> {
  return await element.locator(":focus").count() === 1;
}

async function isFocused(element: Locator): Promise<boolean> {
  return await element.evaluate((node) => node.matches(":focus"));
}
