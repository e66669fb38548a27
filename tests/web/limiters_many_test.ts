/** Limiters and lines that are too many for a page: nothing is cut in silence. */
import assert from "node:assert/strict";
import { sql } from "../../src/db/sql.ts";
import { collectLimiter } from "../../src/forensics/limiter.ts";
import { listLimiterLines } from "../../src/store/limiter_lines.ts";
import {
  API,
  claimLimited,
  givenExecutor,
  givenLimits,
  givenWork,
  PER_CUSTOMER,
} from "../support/limiter_world.ts";
import { type TestDb, usePGlite } from "../support/pglite.ts";
import type { Page } from "../support/visitor.ts";
import { webVisitor } from "../support/web_host.ts";

const testDb = usePGlite();
const LIMITERS = "/ops/jobs/limiters";

/** Limiters of a partner each, of which the last one holds jobs back. */
async function givenPartners(db: TestDb, count: number): Promise<void> {
  await db.query(sql`
    insert into yardmaster.limiters (
      name, kind, point, declared_capacity, per_ms, partition_by, weight,
      declared_at, cooldown_until, cooldown_reason, cooldown_by
    )
    select 'partner_' || lpad(n::text, 3, '0'), 'token_bucket', 'dispatch', 10,
      60000, null, 1, ${db.now},
      case when n = 70 then ${db.now} + interval '5 minutes' end,
      case when n = 70 then '429' end, case when n = 70 then 'ops-demo' end
    from generate_series(1, ${count}::integer) as n
  `);
  await givenLines(db, { limiter: `partner_${count}`, lines: 3 });
}

/** Lines that wait for one limiter, each of another key unless it is named. */
async function givenLines(
  db: TestDb,
  { limiter, lines, key = null }: {
    readonly limiter: string;
    readonly lines: number;
    readonly key?: string | null;
  },
): Promise<void> {
  await db.query(sql`
    insert into yardmaster.lanes (
      id, queue, worker, limiters, keys, look_at, blocked_limiter, blocked_key,
      looks
    )
    select md5(${limiter}::text || n)::uuid, 'default', 'work',
      array[${limiter}::text], array[coalesce(${key}::text, 'c' || n)],
      ${db.now} + interval '1 minute', ${limiter},
      coalesce(${key}::text, 'c' || n), 0
    from generate_series(1, ${lines}::integer) as n
  `);
}

function rowsOf(page: Page): readonly string[] {
  return [...page.html.matchAll(/\/limiters\/([\w-]+)">/g)].map(
    ([, name = ""]) => name,
  );
}

Deno.test("GET /limiters begins with those under pressure, and its pages come to all of them", async () => {
  await using db = await testDb();
  await givenPartners(db, 230);
  const visitor = webVisitor(db);
  const seen: string[] = [];
  let next: string | null = LIMITERS;
  for (let pages = 0; next !== null && pages < 5; pages++) {
    const page: Page = await visitor.open(next);
    seen.push(...rowsOf(page));
    if (pages === 0) {
      assert.match(
        page.text,
        /1 limiter holds jobs back, 1 cools down, of 230 limiters; here 1 to 100\. The most pressed are first\./,
      );
    }
    const [, href] = /rel="next" href="([^"]+)"/.exec(page.html) ?? [];
    next = href ?? null;
  }
  assert.equal(seen.length, 230);
  assert.equal(new Set(seen).size, 230);
  assert.deepEqual(seen.slice(0, 3), [
    "partner_230",
    "partner_070",
    "partner_001",
  ]);
  const nowhere = await visitor.open(`${LIMITERS}?page=9`);
  assert.equal(nowhere.status, 200);
  assert.deepEqual(rowsOf(nowhere), seen.slice(0, 100));
});

Deno.test("the overview leads with a count to all limiters that hold jobs back, of whatever name", async () => {
  await using db = await testDb();
  await givenPartners(db, 120);
  for (let n = 1; n <= 60; n++) {
    const limiter = `partner_${String(n).padStart(3, "0")}`;
    await givenLines(db, { limiter, lines: 1 });
  }
  const page = await webVisitor(db).open("/ops/jobs");
  // The one with the most lines comes last by its name.
  assert.match(page.text, /Limiter partner_120 .* that wait for it: 3\./);
  assert.match(page.text, /Review all 61 limiters that hold jobs back/);
});

Deno.test("who waits says how many lines there are, and when not all of them are in order", async () => {
  await using db = await testDb();
  await givenLimits(db, [PER_CUSTOMER]);
  await givenLines(db, { limiter: "per_customer", lines: 2_000 });
  const visitor = webVisitor(db);
  const all = await visitor.open(`${LIMITERS}/per_customer`);
  assert.match(all.text, /Who waits 2.000 lines, in the order of their turns/);
  assert.doesNotMatch(all.text, /lines wait\. In this order/);
  const subject = { type: "limiter", id: "per_customer" } as const;
  const whole = await collectLimiter(db, subject);
  const found = (sources: NonNullable<typeof whole>["completeness"]) =>
    sources.sources.find(({ source }) => source === "lanes");
  assert.deepEqual(
    [found(whole!.completeness)?.found, found(whole!.completeness)?.truncated],
    [2_000, false],
  );

  await db.query(sql`
    insert into yardmaster.lanes
    select md5('more')::uuid, queue, worker, limiters, array['more'], look_at,
      blocked_limiter, 'more', looks
    from yardmaster.lanes limit 1
  `);
  const cut = await visitor.open(`${LIMITERS}/per_customer`);
  assert.match(cut.text, /Who waits 2.000\+ lines/);
  assert.match(
    cut.text,
    /More than 2.000 lines wait\. In this order are those of the first keys by name/,
  );
  const partial = await collectLimiter(db, subject);
  assert.equal(found(partial!.completeness)?.truncated, true);
  assert.equal(partial!.completeness.state, "partial");
});

Deno.test("the lines of one key are read in order, however many there are and though all are due at once", async () => {
  await using db = await testDb();
  await givenLimits(db, [API]);
  await givenLines(db, { limiter: "api", lines: 2_150, key: "" });
  const seen: string[] = [];
  let after: { lookUs: `${bigint}`; id: string } | null = null;
  for (let pages = 0; pages < 30; pages++) {
    const { lines, capped } = await listLimiterLines(db, {
      limiter: "api",
      key: "",
      after,
      limit: 100,
    });
    assert.equal(capped, true);
    seen.push(...lines.map(({ id }) => id));
    const last = lines.at(-1);
    if (last === undefined) break;
    after = { lookUs: last.lookUs, id: last.id };
  }
  assert.equal(new Set(seen).size, 2_150);
  assert.deepEqual(seen, seen.toSorted());
});

Deno.test("a line that waits is counted once it was looked at", async () => {
  await using db = await testDb();
  await givenLimits(db, [API]);
  await givenWork(db, Array.from({ length: 9 }, () => ({})));
  await claimLimited(db, await givenExecutor(db));
  const page = await webVisitor(db).open(`${LIMITERS}/api`);
  assert.match(page.text, /Who waits 1 line, in the order of their turns/);
});
