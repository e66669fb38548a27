import assert from "node:assert/strict";
import {
  API,
  claimLimited,
  givenExecutor,
  givenLimits,
  givenWork,
  PER_CUSTOMER,
} from "../support/limiter_world.ts";
import { usePGlite } from "../support/pglite.ts";
import { webAnswer } from "../support/web_host.ts";

const testDb = usePGlite();
const ONE = "/ops/jobs/limiters/per_customer";

Deno.test("a part of a page that was asked for with its tag is answered with 304 until there is news", async () => {
  await using db = await testDb();
  await givenLimits(db, [API, PER_CUSTOMER]);
  await givenWork(db, [1, 1, 1].map((customer) => ({ customer })));
  await claimLimited(db, await givenExecutor(db));
  const host = webAnswer(db);
  const ask = async (headers: Readonly<Record<string, string>> = {}) =>
    await host(
      new Request(`http://localhost${ONE}`, {
        headers: { "HX-Request": "true", ...headers },
      }),
    );

  // By now its line may be looked at, and stays so.
  db.advanceMs(5_000);
  const first = await ask();
  const tag = first.headers.get("ETag") ?? "";
  assert.equal(first.status, 200);
  assert.match(tag, /^W\/"[0-9a-f]{24}"$/);
  const body = await first.text();

  // The words of times go on, and are no news.
  db.advanceMs(3_000);
  const later = await ask();
  assert.notEqual(await later.text(), body);
  assert.equal(later.headers.get("ETag"), tag);

  const same = await ask({ "If-None-Match": tag });
  assert.equal(same.status, 304);
  assert.equal(await same.text(), "");
  assert.equal(same.headers.get("ETag"), tag);
  assert.equal(same.headers.get("Cache-Control"), "no-store");
  assert.match(same.headers.get("Content-Security-Policy") ?? "", /'self'/);

  await givenWork(db, [{ customer: 1 }]);
  const news = await ask({ "If-None-Match": tag });
  assert.equal(news.status, 200);
  assert.notEqual(news.headers.get("ETag"), tag);
  assert.match(await news.text(), /2 jobs/);
});

Deno.test("a whole page, and a part that was refused, have no tag", async () => {
  await using db = await testDb();
  await givenLimits(db, [PER_CUSTOMER]);
  const host = webAnswer(db);
  const whole = await host(new Request(`http://localhost${ONE}`));
  assert.equal(whole.headers.get("ETag"), null);
  await whole.body?.cancel();
  const refused = await webAnswer(db, { authorize: () => false })(
    new Request(`http://localhost${ONE}`, {
      headers: { "HX-Request": "true" },
    }),
  );
  assert.equal(refused.status, 403);
  assert.equal(refused.headers.get("ETag"), null);
  await refused.body?.cancel();
});
