/** Every page that a person can get to, on every screen that we promise. */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import type { AxeResults, RunOptions } from "axe-core";
import type { Page } from "playwright-core";
import type { PersonId } from "../../fixtures/ops_demo.ts";
import type { Tab } from "../support/browser.ts";
import { JOB_STATES } from "../../src/domain/state.ts";
import { hrefsOf } from "../support/web_host.ts";
import { givenChanges, type Shop } from "./shop.ts";
import { BASE, type World } from "./world.ts";

/** Links are followed to so many pages of a kind; more would show no more. */
const PAGES_PER_KIND = 30;
/** More than that, and a page makes up links without an end. */
const PAGES_MAX = 400;
/** Tabs that look at pages side by side. */
const TABS = 2;

const AXE = new URL(import.meta.resolve("axe-core/axe.min.js"));
const WCAG = [
  "wcag2a",
  "wcag2aa",
  "wcag21a",
  "wcag21aa",
  "wcag22aa",
  "best-practice",
];
const EVERYTHING: RunOptions = { runOnly: { type: "tag", values: WCAG } };
/** Nothing else depends on whether it is light or dark. */
const COLOURS = ["color-contrast", "link-in-text-block"];
/** Nothing else depends on how wide it is. */
const LAYOUT = [
  ...COLOURS,
  "target-size",
  "scrollable-region-focusable",
  "link-name",
  "button-name",
  "label",
  "heading-order",
  "landmark-unique",
];

/** Follows every link from the overview, and looks at each kind of page. */
export async function pagesAreWhole(world: World): Promise<void> {
  await givenChanges(world.yard, world.shop);
  const { visited, faults } = await crawl(world, "ops-demo");
  assert.deepEqual(faults, []);
  assert.ok(visited.length > 100, `only ${visited.length} pages were found`);
  const kinds = oneOfEachKind([...ofEachState(world.shop), ...visited]);
  const paths = [...new Set([...kinds, ...ofEachState(world.shop)])];
  console.log(`Crawled ${visited.length} pages, looked at ${paths.length}`);
  assert.deepEqual(await look(world, { person: "ops-demo", paths }), []);
}

/** What is shown in place of what there is not, or not for everybody. */
export async function messagesAreWhole(world: World): Promise<void> {
  const entry = `${BASE}/cron/nightly_sync`;
  const faults = [
    ...await previewFaults(world),
    ...await look(world, {
      person: "guest",
      paths: [BASE, entry],
      expect: [403],
    }),
    ...await look(world, {
      person: "ops-demo",
      paths: ["/jobs/1", "/queues/nowhere", "/cron/never", "/no/such/page"]
        .map((path) => BASE + path),
      expect: [404],
    }),
    ...await look(world, {
      person: "viewer",
      paths: [entry, `${BASE}/jobs/${world.shop.discarded}`],
    }),
  ];
  await world.clear();
  faults.push(
    ...await look(world, {
      person: "ops-demo",
      paths: ["", "/jobs", "/queues", "/executors", "/cron", "/audit"]
        .map((path) => BASE + path),
    }),
  );
  assert.deepEqual(faults, []);
}

/** The dialog, as it opens and with a refused reason, and the same as a page. */
async function previewFaults(world: World): Promise<string[]> {
  await using opened = await openWithAxe(world, {
    person: "ops-demo",
    expect: [422],
  });
  const { page } = opened;
  await page.goto(`${BASE}/jobs/${world.shop.discarded}`);
  await page.getByRole("button", { name: "Retry job…" }).click();
  await page.locator("#dialog h1").waitFor();
  const faults = await faultsOfPage(opened);
  await page.getByLabel("Reason").fill("too few");
  await page.getByRole("button", { name: "Retry job", exact: true }).click();
  await page.locator("#reason-error").waitFor();
  faults.push(...await faultsOfPage(opened));

  const form = page.locator("#execution");
  const action = await form.getAttribute("action") ?? "";
  await page.goto(action.replace(/\/executions$/, ""));
  faults.push(...await faultsOfPage(opened));
  await page.getByRole("button", { name: "Withdraw this preview" }).click();
  await page.getByRole("status").getByText("Nothing was changed").waitFor();
  await page.goto(action.replace(/\/executions$/, ""));
  faults.push(...await faultsOfPage(opened));
  return faults.map((fault) => `a preview: ${fault}`);
}

/** Answers of every page that links lead to, and what is wrong with them. */
export async function crawl(
  { origin, cookie }: Pick<World, "origin" | "cookie">,
  person: PersonId,
  look: (path: string, body: string) => string[] = markupFaults,
) {
  const headers = { cookie: await cookie(person) };
  const found = new Set([BASE]);
  const kinds = new Map<string, number>();
  const visited: string[] = [];
  const faults: string[] = [];
  for (const path of found) {
    if (visited.length === PAGES_MAX) {
      faults.push(`there are more than ${PAGES_MAX} pages`);
      break;
    }
    const answer = await fetch(origin + path, { headers, redirect: "manual" });
    const body = await answer.text();
    if (answer.status !== 200) faults.push(`${path} answers ${answer.status}`);
    faults.push(...look(path, body).map((fault) => `${path}: ${fault}`));
    if (!answer.headers.get("content-type")?.includes("text/html")) continue;
    visited.push(path);
    for (const href of hrefsOf(body)) {
      const url = new URL(href, origin + path);
      const next = url.pathname + url.search;
      if (url.origin !== origin || !next.startsWith(BASE)) continue;
      const of = kinds.get(kindOf(next)) ?? 0;
      if (found.has(next) || of === PAGES_PER_KIND) continue;
      kinds.set(kindOf(next), of + 1);
      found.add(next);
    }
  }
  return { visited, faults };
}

/** What makes a page need more than our Content-Security-Policy allows. */
function markupFaults(_path: string, body: string): string[] {
  const faults: string[] = [];
  for (const [tag] of body.matchAll(/<[a-z][^<>]*>/gi)) {
    if (/\s(style|on\w+|hx-on[\w:-]*)\s*=/i.test(tag)) faults.push(tag);
    if (/^<script(?![^>]*\ssrc=)/i.test(tag)) faults.push(tag);
    if (/\shx-(vals|headers|confirm)="js:/i.test(tag)) faults.push(tag);
    if (/\shx-trigger="[^"]*\[/i.test(tag)) faults.push(tag);
    if (/\shx-(post|put|delete|patch)=/i.test(tag) && !isRealForm(tag)) {
      faults.push(tag);
    }
  }
  return faults;
}

function isRealForm(tag: string): boolean {
  return /^<form\b/i.test(tag) && /\smethod="post"/i.test(tag) &&
    /\saction="/i.test(tag);
}

/** Addresses of one kind differ in nothing but names, ids and numbers. */
function kindOf(path: string): string {
  const { pathname, searchParams } = new URL(path, "http://localhost");
  const [, , , section = "overview", id, of] = pathname.split("/");
  const query = [...searchParams].map(([key, value]) =>
    key === "resource_type" ? value : key
  );
  // A part of a thing, such as a key of a limiter, is a kind of its own.
  const what = id ? `one${of ? `_${of}` : ""}` : "list";
  return [section, what, ...query.sort()].join(" ");
}

/** Of pages that are built alike, one: narrowed or not, by whatever. */
function oneOfEachKind(paths: readonly string[]): string[] {
  const kinds = new Map<string, string>();
  for (const path of paths) {
    const [section = "", what = "", ...query] = kindOf(path).split(" ");
    const about = section === "forensics" ? query.join() : query.length > 0;
    const kind = `${section} ${what} ${about}`;
    if (!kinds.has(kind)) kinds.set(kind, path);
  }
  return [...kinds.values()];
}

/** A job looks as its state does, and lists as what they are ordered by. */
function ofEachState(shop: Shop): string[] {
  return [
    ...JOB_STATES.map((state) => `${BASE}/jobs/${shop[state]}`),
    ...["scheduled", "executing", "discarded"].map((state) =>
      `${BASE}/jobs?state=${state}`
    ),
  ];
}

/** What is wrong with these pages, at both widths, light and dark. */
async function look(world: World, { person, paths, expect = [] }: {
  readonly person: PersonId;
  readonly paths: readonly string[];
  readonly expect?: readonly number[];
}): Promise<string[]> {
  const left = [...paths];
  const faults: string[] = [];
  await Promise.all(Array.from({ length: TABS }, async () => {
    await using tab = await openWithAxe(world, { person, expect });
    for (let path = left.shift(); path !== undefined; path = left.shift()) {
      const where = path;
      const answer = await tab.page.goto(where, { waitUntil: "load" });
      const status = answer?.status() ?? 0;
      if (status !== 200 && !expect.includes(status)) {
        faults.push(`${where} answers ${status}`);
      }
      const found = await faultsOfPage(tab);
      faults.push(...found.map((fault) => `${where}: ${fault}`));
    }
  }));
  return faults;
}

/** Loads axe by the debugger, to which the policy of a page does not apply. */
export async function openWithAxe(world: World, { person, expect = [] }: {
  readonly person: PersonId;
  readonly expect?: readonly number[];
}): Promise<Tab> {
  const tab = await world.open(person, { expect });
  await tab.context.addInitScript({ content: await readFile(AXE, "utf8") });
  return tab;
}

/** Everything that can be seen of an open page. */
export async function faultsOfPage(
  tab: Tab,
  widths: readonly number[] = [1280, 360],
): Promise<string[]> {
  const { page } = tab;
  const faults: string[] = [];
  for (const [index, width] of widths.entries()) {
    await page.setViewportSize({ width, height: 800 });
    await page.emulateMedia({ colorScheme: "light" });
    const light = [
      ...await axeFaults(page, index === 0 ? EVERYTHING : only(LAYOUT)),
      ...await structureFaults(page),
    ];
    await page.emulateMedia({ colorScheme: "dark" });
    const dark = await axeFaults(page, only(COLOURS));
    faults.push(
      ...light.map((fault) => `${width} light: ${fault}`),
      ...dark.map((fault) => `${width} dark: ${fault}`),
    );
  }
  return [...faults, ...tab.takeFaults()];
}

function only(values: string[]): RunOptions {
  return { runOnly: { type: "rule", values } };
}

async function axeFaults(page: Page, options: RunOptions): Promise<string[]> {
  // Only what is wrong: the rest is most of the work, and large.
  const asked = JSON.stringify({ ...options, resultTypes: ["violations"] });
  const violations = await page.evaluate<AxeResults["violations"]>(
    `axe.run(document, ${asked}).then(({ violations }) => violations)`,
  );
  return violations.flatMap(({ id, nodes }) =>
    nodes.map((node) => `${id} at ${node.target.join(" ")}: ${node.html}`)
  );
}

async function structureFaults(page: Page): Promise<string[]> {
  return await page.evaluate<string[]>(`(() => {
    const faults = [];
    const { scrollWidth, clientWidth } = document.documentElement;
    if (scrollWidth > clientWidth) {
      faults.push("is " + scrollWidth + " wide of " + clientWidth);
    }
    // A dialog is a document of its own, and has its own title.
    const titles = document.querySelectorAll("h1:not(dialog h1)").length;
    if (titles !== 1) faults.push("has " + titles + " h1");
    if (document.title.trim() === "") faults.push("has no title");
    for (const badge of document.querySelectorAll(".badge")) {
      const word = badge.textContent.trim() || badge.getAttribute("aria-label");
      if (!word || !badge.querySelector("svg")) {
        faults.push("says by colour alone: " + badge.outerHTML);
      }
    }
    return faults;
  })()`);
}
