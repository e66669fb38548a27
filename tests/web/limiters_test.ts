import assert from "node:assert/strict";
import { operatorApi } from "../../src/control/operator.ts";
import { controlOf, OPERATOR as actor } from "../support/control_world.ts";
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
import { formTo, formWith } from "../support/visitor.ts";
import { LOOK_ONLY, webAnswer, webVisitor } from "../support/web_host.ts";

const testDb = usePGlite();
const LIMITERS = "/ops/jobs/limiters";

/** One limiter that is used up, and one that holds customer 1 back. */
async function givenPressure(db: TestDb): Promise<void> {
  await givenLimits(db, [API, PER_CUSTOMER]);
  await givenWork(db, [1, 1, 1, 1, 2].map((customer) => ({ customer })));
  await claimLimited(db, await givenExecutor(db));
}

Deno.test("GET /limiters tells of each what it lets pass, how much is used and what it holds back", async () => {
  await using db = await testDb();
  await givenPressure(db);

  const page = await webVisitor(db).open(LIMITERS);
  assert.equal(page.status, 200);
  assert.match(
    page.text,
    /api 5 in 5 s, refilled evenly 3 of 5 .*Nothing None work/s,
  );
  assert.match(
    page.text,
    /per_customer 2 at a time for each key By key 1 line of jobs None work/s,
  );
  assert.match(page.html, /<rect\s+class="bar-used" width="58"/);
  assert.deepEqual(forbiddenIn(page.text), []);
});

Deno.test("GET /limiters/:name tells which keys hold jobs back, and its history", async () => {
  await using db = await testDb();
  await givenPressure(db);

  const page = await webVisitor(db).open(`${LIMITERS}/per_customer`);
  assert.equal(page.status, 200);
  assert.match(
    page.text,
    /It holds back 1 line of jobs\. They start by themselves when jobs that run have ended.* Cool down….* How it stands/s,
  );
  assert.match(page.text, /Keys in use .* 2 of 2 1 line of jobs/s);
  assert.match(page.text, /History .*It held a job back: 2 of 2 .*Pressure/s);
  formWith(page, { action: "cool_down_limiter", target_id: "per_customer" });
  formWith(page, { action: "scale_limiter", target_id: "per_customer" });
  assert.match(page.text, /End cooldown… it does not cool down/);
  assert.deepEqual(forbiddenIn(page.text), []);
});

Deno.test("a cooldown goes from the page through a preview to the page", async () => {
  await using db = await testDb();
  await givenPressure(db);
  const visitor = webVisitor(db);
  const page = await visitor.open(`${LIMITERS}/api`);
  const form = formWith(page, { action: "cool_down_limiter" });
  const preview = await visitor.send(form, { param_forMs: "60000" });
  assert.match(preview.text, /Cool down limiter: api .*No job that it limits/s);
  const reason = "The API answers 429";
  await visitor.send(formTo(preview, "/executions"), { reason });

  const after = await visitor.open(`${LIMITERS}/api`);
  assert.match(
    after.text,
    /Cooldown Ends in \d+ \w+ ?, by .*: The API answers 429/s,
  );
  assert.match(after.text, /A cooldown began/);
});

Deno.test("a chosen capacity is told apart from the declared one", async () => {
  await using db = await testDb();
  await givenPressure(db);
  const operator = operatorApi(controlOf(db));
  await operator.scaleLimiter({ actor, name: "api", capacity: 9 });

  const page = await webVisitor(db).open(LIMITERS);
  assert.match(page.text, /9 in 5 s, refilled evenly chosen; 5 declared/);
});

Deno.test("a viewer sees limiters and can not change them, and there is no page of what nobody declared", async () => {
  await using db = await testDb();
  await givenPressure(db);
  const viewer = webVisitor(db, { authorize: LOOK_ONLY });
  const page = await viewer.open(`${LIMITERS}/api`);
  assert.match(page.text, /Permission: read-only/);
  assert.deepEqual(page.forms.filter(({ fields }) => "action" in fields), []);
  const missing = await webVisitor(db).open(`${LIMITERS}/none`);
  assert.equal(missing.status, 404);
});

Deno.test("GET /limiters says what to do when there is none, and answers htmx with a part", async () => {
  await using db = await testDb();
  const visitor = webVisitor(db);
  assert.match((await visitor.open(LIMITERS)).text, /No limiter is on record/);
  await givenPressure(db);
  for (
    const [path, id] of [
      [LIMITERS, "limiters-live"],
      [`${LIMITERS}/api`, "limiter-live"],
    ]
  ) {
    const answer = await webAnswer(db)(
      new Request(`http://localhost${path}`, {
        headers: { "HX-Request": "true" },
      }),
    );
    assert.match(
      await answer.text(),
      new RegExp(`^\\s*<div class="stack" id="${id}"`),
    );
  }
});
