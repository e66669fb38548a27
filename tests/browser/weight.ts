/** What a first visit costs. */
import assert from "node:assert/strict";
import { gzipSync } from "node:zlib";
import type { Response } from "playwright-core";
import { givenJob } from "../support/job_world.ts";
import { BASE, type World } from "./world.ts";

const KIB = 1024;
const LIMITS = { script: 18 * KIB, stylesheet: 10 * KIB, document: 40 * KIB };
const REQUESTS_MAX = 6;
const JOBS = 100;

/** A full list is the heaviest page there is. */
export async function pagesAreLight(world: World): Promise<void> {
  for (let index = 0; index < JOBS; index++) {
    await givenJob(world.db, {
      queue: "mail",
      worker: `send_receipt_${index % 7}`,
      args: { order: 2_000 + index, email: `customer-${index}@example.com` },
      tags: ["mail", `region-${index % 5}`],
    });
  }
  for (const path of [BASE, `${BASE}/jobs?state=all`]) {
    await using tab = await world.open("ops-demo");
    const { page } = tab;
    const answers: Response[] = [];
    page.on("response", (answer) => answers.push(answer));
    await page.goto(path, { waitUntil: "networkidle" });

    const bytes: Record<string, number> = {};
    for (const answer of answers) {
      const kind = answer.request().resourceType();
      bytes[kind] = (bytes[kind] ?? 0) + gzipSync(await answer.body()).length;
    }
    console.log(`${path}: ${answers.length} requests, gzipped`, bytes);
    assert.ok(answers.length <= REQUESTS_MAX, `${answers.length} requests`);
    for (const [kind, limit] of Object.entries(LIMITS)) {
      const size = bytes[kind] ?? 0;
      assert.ok(size > 0 && size <= limit, `${path}: ${size} bytes of ${kind}`);
    }
    assert.deepEqual(tab.takeFaults(), []);
  }
}
