import assert from "node:assert/strict";
import { Hono } from "hono";
import { JOB_STATES } from "../../src/domain/state.ts";
import {
  CONTROL_STATUS_LABELS,
  type ControlStatus,
} from "../../src/domain/diagnosis.ts";
import { stateBadge, statusChip } from "../../src/web/components/badge.ts";
import {
  countOf,
  countText,
  numberText,
} from "../../src/web/components/count.ts";
import { previewButton } from "../../src/web/components/form.ts";
import { jsonView } from "../../src/web/components/json_view.ts";
import { readOnlyBanner } from "../../src/web/components/panel.ts";
import { snapshotDiff } from "../../src/web/components/snapshot_diff.ts";
import { dataTable, tableRow } from "../../src/web/components/table.ts";
import {
  agoText,
  durationText,
  spanText,
  timeBoth,
} from "../../src/web/components/time.ts";
import type { Env } from "../../src/web/env.ts";
import { failClosed } from "../../src/web/middleware.ts";
import { createPaths } from "../../src/web/paths.ts";
import { showTo, text } from "../../src/web/render.ts";

const paths = createPaths("/ops/jobs");
const now = new Date("2026-01-15T12:00:00Z");
const job = { type: "job", id: "7" } as const;
const show = showTo({ id: "ops-demo" }, {
  policy: (kind, value) => kind === "snapshot" ? value : null,
});

Deno.test("jsonView() keeps white space and marks keys, text and values", async (t) => {
  const shown = show.block("snapshot", {
    to: "<ada@example.com>",
    n: 3,
    deep: { list: [true, null] },
  }, job);

  await t.assertSnapshot(String(jsonView(shown)));
});

Deno.test("snapshotDiff() says in a word what changes and folds what does not", async (t) => {
  const diff = {
    caption: text`What the action changes`,
    headings: [text`Before`, text`After`],
    before: { paused: false, by: null, name: "a&b" },
    after: { paused: true, by: "ops-demo", name: "a&b" },
    changed: ["paused", "by"],
  } as const;

  await t.assertSnapshot(String(snapshotDiff(diff, { show, target: job })));
});

Deno.test("dataTable() names its rows, and each cell says its column when it is narrow", async (t) => {
  const columns = [
    { label: text`Queue` },
    { label: text`Ready`, align: "end" },
  ] as const;
  const row = tableRow({ columns, cells: [text`default`, 3] });

  const caption = text`Queues`;
  await t.assertSnapshot(String(dataTable({ caption, columns, rows: [row] })));
});

Deno.test("previewButton() is a form that works without script, with the id as it is", async (t) => {
  const button = previewButton({
    action: "pause_cron_entry",
    targetId: `"nightly" & <sync>`,
    label: text`Pause…`,
  }, { paths, formToken: text`token` });

  await t.assertSnapshot(String(button));
});

Deno.test("badges have a picture and a word for every state, never a colour alone", () => {
  for (const state of JOB_STATES) {
    const badge = String(stateBadge(state, paths));
    assert.match(badge, new RegExp(`<use href="[^"]+#\\w+"[^]*>${state}<`));
  }
  for (const status of Object.keys(CONTROL_STATUS_LABELS)) {
    assert.match(
      String(statusChip(status as ControlStatus, paths)),
      /#\w+"[^]*>[A-Z][\w -]+</,
    );
  }
});

Deno.test("agoText() never lets past and future look alike", () => {
  const at = (ms: number) => agoText(new Date(now.getTime() + ms), now);
  assert.equal(at(0), "just now");
  assert.equal(at(-4_000), "4 s ago");
  assert.equal(at(4_000), "in 4 s");
  assert.equal(at(-3_600_000 - 300_000), "1 h 5 min ago");
  assert.equal(at(26 * 3_600_000), "in 26 h");
  assert.equal(durationText(40), "40 ms");
  assert.equal(durationText(1_240), "1.2 s");
  assert.match(
    String(timeBoth(now, now)),
    /datetime="2026-01-15T12:00:00Z"[^]*2026-01-15 12:00:00 UTC/,
  );
});

Deno.test("spanText() says the nearest span, in the page and in the script of the page", async () => {
  const spans = [
    [1_400, "1 s"],
    [59_400, "59 s"],
    [59_600, "1 min"],
    [29 * 60_000 + 59_700, "30 min"],
    [59 * 60_000 + 40_000, "1 h"],
    [2 * 3_600_000 + 300_000, "2 h 5 min"],
    [10 * 3_600_000 - 20_000, "10 h"],
    [14 * 3_600_000 - 47_000, "14 h"],
    [47.6 * 3_600_000, "2 d"],
    [72 * 3_600_000, "3 d"],
  ] as const;
  const script = await Deno.readTextFile(
    new URL("../../src/web/assets/app.js", import.meta.url),
  );
  const [source] = script.match(/function span\(ms\) \{[^]*?\n {2}\}\n/) ?? [];
  const spanInPage = new Function(`${source} return span;`)() as (
    ms: number,
  ) => string;
  for (const [ms, words] of spans) {
    assert.equal(spanText(ms), words);
    assert.equal(spanInPage(ms), words);
  }
});

Deno.test("countText() says when counting stopped", () => {
  const jobs = [text`job`, text`jobs`] as const;
  assert.equal(numberText(1_234_567), "1\u202f234\u202f567");
  assert.equal(countText({ count: 10_000, capped: true }), "10\u202f000+");
  assert.equal(countOf({ count: 1, capped: false }, jobs), "1 job");
  assert.equal(countOf({ count: 0, capped: false }, jobs), "0 jobs");
});

Deno.test("readOnlyBanner() begins with the words that never change", () => {
  const words = String(readOnlyBanner(text`You may look.`))
    .replaceAll(/<[^>]+>/g, "").trim();
  assert.match(words, /^Permission: read-only\. You may look\.$/);
});

Deno.test("failClosed() lets nothing out of a route that asked for no permission", async () => {
  const app = new Hono<Env>();
  app.onError((_, c) => c.text("stopped", 500));
  app.use("*", failClosed());
  app.get("/forgot", (c) => c.text("secret"));

  const answer = await app.request("/forgot");

  assert.equal(answer.status, 500);
  assert.equal(await answer.text(), "stopped");
});
