/**
 * Takes the pictures of the README and the docs:
 * `deno run -A tests/browser/screenshots.ts`. They show the shop of
 * {@link ./shop.ts} at an instant that never changes, so a new picture differs
 * from the old one only where the pages do.
 */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Page } from "playwright-core";
import { createDemoHost } from "../../fixtures/ops_demo_host.ts";
import { pglite } from "../../src/db/pglite.ts";
import { sql } from "../../src/db/sql.ts";
import { startChromium } from "../support/browser.ts";
import { openMigratedPGlite } from "../support/pglite.ts";
import { smallerPng } from "../support/png.ts";
import { ROOT } from "../support/sources.ts";
import { ago, givenChanges, givenShop } from "./shop.ts";
import { BASE, listen } from "./world.ts";

const FOLDER = join(ROOT, "docs/images");
const NOW = new Date("2026-03-04T09:41:00Z");
const MINUTE_MS = 60_000;
const BYTES_MAX = 120_000;

/** Something to look at, a quarter of an hour before the picture is taken. */
async function openShop() {
  const opened = await openMigratedPGlite();
  const db = pglite(opened, { now: () => sql`${NOW}::timestamptz` });
  const sessionSecret = "secret";
  const host = await createDemoHost({ database: db, sessionSecret });
  const earlier = await createDemoHost({
    database: ago(db, 14 * MINUTE_MS),
    sessionSecret,
  });
  await earlier.yard.tick({ budgetMs: 60_000, maxJobs: 0 });
  const shop = await givenShop(db);
  await givenChanges(earlier.yard, shop);
  const server = listen(host.fetch);
  return {
    origin: server.origin,
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]();
      await Promise.all([host.yard.stop(), earlier.yard.stop()]);
      await opened.close();
    },
  };
}

async function take(page: Page, name: string): Promise<void> {
  await page.waitForLoadState("networkidle");
  await page.mouse.move(0, 0);
  const bytes = smallerPng(await page.screenshot({ caret: "hide" }));
  if (bytes.length > BYTES_MAX) {
    throw new Error(`${name} has ${bytes.length} bytes, of ${BYTES_MAX}`);
  }
  await writeFile(join(FOLDER, name), bytes);
  console.log(`Wrote docs/images/${name}: ${bytes.length} bytes`);
}

if (import.meta.main) {
  await mkdir(FOLDER, { recursive: true });
  await using shop = await openShop();
  const browser = await startChromium();
  try {
    const page = await browser.newPage({
      baseURL: shop.origin,
      viewport: { width: 1280, height: 800 },
      colorScheme: "light",
      reducedMotion: "reduce",
    });
    await page.goto("/sign-in");
    await page.locator('button[value="ops-demo"]').click();
    await page.waitForURL(`**${BASE}`);
    await take(page, "overview.png");

    await page.goto(`${BASE}/cron/nightly_sync`);
    await page.getByRole("button", { name: "Pause Cron Entry…" }).click();
    await page.getByLabel("Reason").fill("fixture maintenance");
    await take(page, "preview.png");
  } finally {
    await browser.close();
  }
}
